"""The one currency of the media core: everything that enters becomes units, everything that leaves is made of them.

A `Track` says what the units of one elementary stream are; a `Unit` is one access unit (a picture or an audio frame).
Payloads are length-prefixed NAL units (ISO 14496-15, 4-byte lengths, parameter sets only in `Track.config`) for
H.264/HEVC, low-overhead OBUs without temporal delimiters for AV1, raw access units for AAC, Opus and MP3.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

VIDEO_TIMESCALE = 90_000


class Kind(StrEnum):
    """What a track carries."""

    VIDEO = "video"
    AUDIO = "audio"


class Codec(StrEnum):
    """The codecs that OneTake takes in."""

    H264 = "h264"
    HEVC = "hevc"
    AV1 = "av1"
    AAC = "aac"
    OPUS = "opus"
    MP3 = "mp3"

    @property
    def kind(self) -> Kind:
        """Video or audio."""
        return Kind.VIDEO if self in (Codec.H264, Codec.HEVC, Codec.AV1) else Kind.AUDIO


@dataclass(frozen=True, slots=True)
class Track:
    """One elementary stream. Two tracks are equal when a decoder needs no new init for the second.

    `config` is the decoder configuration record: the body of `avcC`, `hvcC` or `av1C`, an AAC AudioSpecificConfig,
    the body of `dOps` for Opus, empty for MP3. `timescale` is ticks per second: 90 000 for video, the sample rate
    for audio (48 000 for Opus).
    """

    id: int
    codec: Codec
    timescale: int
    config: bytes
    width: int = 0
    height: int = 0
    sample_rate: int = 0
    channels: int = 0
    kind: Kind = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", self.codec.kind)  # asked for with each unit


class Unit(NamedTuple):
    """One access unit in decode order; `dts` and `pts` in ticks of the track, `wall_ms` = when it arrived (Unix ms)."""

    track_id: int
    dts: int
    pts: int
    keyframe: bool
    payload: bytes
    wall_ms: int = 0
