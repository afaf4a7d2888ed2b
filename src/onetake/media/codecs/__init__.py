"""Elementary streams: headers, configuration records, RFC 6381 names and random access points.

`rfc6381` and `describe` answer for a `Track`; `video_parser` and `AudioParser` turn what encoders send into units.
"""

from collections.abc import Callable
from dataclasses import dataclass

from onetake.media.bits import CodecError
from onetake.media.codecs import aac, av1, h264, hevc
from onetake.media.codecs.audio import AudioParser, audio_info, frame_ticks
from onetake.media.codecs.info import AudioInfo, VideoInfo
from onetake.media.codecs.video import Av1Video, NalVideo, Picture, video_parser
from onetake.media.units import Codec, Kind, Track

__all__ = [
    "AudioInfo",
    "AudioParser",
    "Av1Video",
    "CodecError",
    "NalVideo",
    "Picture",
    "TrackInfo",
    "VideoInfo",
    "audio_info",
    "describe",
    "frame_ticks",
    "rfc6381",
    "video_info",
    "video_parser",
]


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """A track in words and numbers for people: `fps` is nominal (0.0 = not said), video fields are 0 for audio."""

    codec: Codec
    profile: str
    level: str
    width: int
    height: int
    fps: float
    sample_rate: int
    channels: int


def rfc6381(track: Track) -> str:
    """The codec name of RFC 6381 § 3.3 for a playlist or a MIME type. Raises CodecError."""
    if track.codec is Codec.H264:
        return _named(track, h264.codec_string, 4)
    if track.codec is Codec.HEVC:
        return _named(track, hevc.codec_string, 13)
    if track.codec is Codec.AV1:
        return _named(track, av1.codec_string, 4)
    if track.codec is Codec.AAC:
        return aac.codec_string(track.config)
    if track.codec is Codec.OPUS:
        return "opus"
    return "mp4a.6B" if track.sample_rate >= 32_000 else "mp4a.69"


def _named(track: Track, name: Callable[[bytes], str], needed_bytes: int) -> str:
    if len(track.config) < needed_bytes:
        raise CodecError(f"{track.codec} configuration ends too early")
    return name(track.config)


def video_info(track: Track) -> VideoInfo:
    """What the sequence header of a video track tells. Raises CodecError."""
    if track.codec is Codec.AV1:
        return av1.video_info(track.config)
    if track.codec is Codec.H264:
        return h264.video_info(h264.parse_record(track.config)[1])
    return hevc.video_info(hevc.parse_record(track.config)[1])


def describe(track: Track) -> TrackInfo:
    """Codec, profile, level, size and rates of a track. Raises CodecError."""
    if track.kind is Kind.VIDEO:
        info = video_info(track)
        return TrackInfo(track.codec, info.profile, info.level, info.width, info.height, info.fps, 0, 0)
    profile = "Layer III" if track.codec is Codec.MP3 else audio_info(track.codec, track.config).profile
    return TrackInfo(track.codec, profile, "", 0, 0, 0.0, track.sample_rate, track.channels)
