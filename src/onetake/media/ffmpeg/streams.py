"""Which tracks a source has and which of them are taken: pure decisions over what ffmpeg prints.

The list comes from the header of ffmpeg's framecrc muxer (`commands.to_stream_list`), which is made for machines.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from onetake.media.ffmpeg.commands import encode_aac
from onetake.media.ffmpeg.errors import NoTracks, UnsupportedCodec
from onetake.media.units import Kind

COPIED_VIDEO = frozenset({"h264", "hevc", "av1"})
COPIED_AUDIO = frozenset({"aac", "opus"})
FLV_MP3_RATES_HZ = frozenset({11_025, 22_050, 44_100})  # annex E.4.2.1: other rates cannot be said in FLV
MAX_TRACKS = 64
_LINE = re.compile(r"#(?P<key>media_type|codec_id|dimensions|sample_rate) (?P<index>\d{1,4}): (?P<value>\S+)")
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")
_DURATION = re.compile(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class SourceTrack:
    """One track of a source as ffmpeg sees it; `codec` is ffmpeg's name."""

    kind: Kind
    codec: str
    width: int = 0
    height: int = 0
    sample_rate: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is taken of a source: at most one video and one audio track. `maps` and `codecs` are ffmpeg options."""

    video: SourceTrack | None
    audio: SourceTrack | None
    maps: tuple[str, ...]
    codecs: tuple[str, ...]
    duration_s: float | None = None

    @property
    def finite(self) -> bool:
        """Whether the source has an end, so that it must be read at its own pace."""
        return self.duration_s is not None

    @property
    def single(self) -> bool:
        """Whether only one of its tracks is taken, or it has no other."""
        return self.video is None or self.audio is None


def parse_stream_list(lines: Iterable[str]) -> list[SourceTrack]:
    """The tracks in framecrc's header, in its order; unknown lines are skipped."""
    fields: dict[int, dict[str, str]] = {}
    for line in lines:
        match = _LINE.match(line)
        if match and int(match["index"]) < MAX_TRACKS:
            fields.setdefault(int(match["index"]), {})[match["key"]] = match["value"]
    return [track for _, told in sorted(fields.items()) if (track := _track(told)) is not None]


def parse_duration_s(stderr: str) -> float | None:
    """The length that ffmpeg prints for an input; None for a live one."""
    match = _DURATION.search(stderr)
    if not match:
        return None
    hours, minutes, seconds = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def choose(tracks: Sequence[SourceTrack], duration_s: float | None = None) -> Plan:
    """Take the largest picture that can be copied, and the audio that stands beside it.

    Raises:
        NoTracks: there is nothing to take.
        UnsupportedCodec: there is video, but none in a codec that we take.
    """
    videos = [track for track in tracks if track.kind is Kind.VIDEO]
    audios = [track for track in tracks if track.kind is Kind.AUDIO]
    if not tracks:
        raise NoTracks
    usable = [index for index, track in enumerate(videos) if track.codec in COPIED_VIDEO]
    if videos and not usable:
        raise UnsupportedCodec(codec=videos[0].codec)
    best = max(usable, key=lambda index: (videos[index].width * videos[index].height, -index), default=None)
    # A variant playlist lists each variant's audio in the order of its video.
    beside = best if best is not None and len(audios) == len(videos) else 0
    video = videos[best] if best is not None else None
    audio = audios[beside] if audios else None
    maps = ([f"0:V:{best}"] if video else []) + ([f"0:a:{beside}"] if audio else [])
    codecs = (["-c:v", "copy"] if video else []) + (_audio_options(audio) if audio else [])
    return Plan(video, audio, tuple(maps), tuple(codecs), duration_s)


def _audio_options(audio: SourceTrack) -> list[str]:
    copied = audio.codec in COPIED_AUDIO or (audio.codec == "mp3" and audio.sample_rate in FLV_MP3_RATES_HZ)
    return ["-c:a", "copy"] if copied else encode_aac()


def _track(told: dict[str, str]) -> SourceTrack | None:
    if told.get("media_type") not in (Kind.VIDEO, Kind.AUDIO) or "codec_id" not in told:
        return None
    size = _SIZE.fullmatch(told.get("dimensions", ""))
    width, height = (int(size[1]), int(size[2])) if size else (0, 0)
    rate = told.get("sample_rate", "")
    return SourceTrack(
        Kind(told["media_type"]),
        told["codec_id"],
        width,
        height,
        int(rate) if rate.isascii() and rate.isdigit() and len(rate) < 8 else 0,
    )
