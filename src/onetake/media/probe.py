"""What is inside a media file: duration, tracks, codecs, resolution, rotation.

Files from outside are only ever opened in a child process with limits (R3); `probe_own` is for our own recordings.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from onetake.media.ffmpeg import Limits, read_output
from onetake.media.ffmpeg import errors as named
from onetake.media.ffmpeg.commands import operand
from onetake.media.sniff import HEAD_BYTES, Container, sniff

PROBE_LIMITS = Limits(address_space_bytes=2 << 30, cpu_s=30, file_bytes=0, open_files=64, no_network=True)
PROBE_TIMEOUT_S = 45.0
MAX_ANSWER_BYTES = 1 << 20
MAX_PIXELS = 8192 * 4608
MAX_TRACKS = 64
MAX_DURATION_S = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class ProbedTrack:
    """One track. `kind` is `video`, `audio` or `subtitle`; `rotation` in degrees clockwise to stand upright."""

    index: int
    kind: str
    codec: str
    profile: str = ""
    language: str = ""
    bitrate_bps: int = 0
    duration_s: float = 0.0
    width: int = 0
    height: int = 0
    rotation: int = 0
    fps: float = 0.0
    pixel_format: str = ""
    color_transfer: int = 0
    sample_rate: int = 0
    channels: int = 0
    layout: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """A file that can be read. `duration_s` is 0 when the container does not say."""

    container: str
    duration_s: float
    size_bytes: int
    bitrate_bps: int
    tracks: tuple[ProbedTrack, ...]

    def first(self, kind: str) -> ProbedTrack | None:
        """The first track of a kind."""
        return next((track for track in self.tracks if track.kind == kind), None)

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height as the picture is shown; (0, 0) without video."""
        video = self.first("video")
        if video is None:
            return 0, 0
        size = (video.width, video.height)
        return size[::-1] if video.rotation % 180 else size

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "Probe":
        """From the JSON form."""
        tracks = tuple(ProbedTrack(**track) for track in raw["tracks"])
        return cls(raw["container"], raw["duration_s"], raw["size_bytes"], raw["bitrate_bps"], tracks)


async def probe_file(path: Path, *, limits: Limits = PROBE_LIMITS, timeout_s: float = PROBE_TIMEOUT_S) -> Probe:
    """Judge and probe a file from outside, in a child.

    Raises:
        FormatNotAllowed: its first bytes are none that we take.
        NotMedia, NoTracks, UnsupportedCodec, LimitExceeded: what the child found, or that it hit its limits.
        OSError: the file cannot be read.
    """
    container = await asyncio.to_thread(container_of, path)
    answer = await call_child("probe", {"path": operand(path), "container": container}, limits, timeout_s)
    return _within_bounds(Probe.from_dict(answer))


def container_of(path: Path) -> Container:
    """The container of a file by its first bytes. Raises `FormatNotAllowed` and `OSError`."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = sniff(os.read(fd, HEAD_BYTES))
    finally:
        os.close(fd)
    if found is None:
        raise named.FormatNotAllowed
    return found


def probe_own(path: Path) -> Probe:
    """Probe one of our own recordings in this process. Synchronous. Raises `ToolError` and `OSError`."""
    from onetake.media.decode import inspect

    return _within_bounds(Probe.from_dict(inspect(path, Container.MP4)))


async def call_child(
    verb: str, told: Mapping[str, Any], limits: Limits, timeout_s: float, *, stdin: bytes | None = None
) -> dict[str, Any]:
    """Have `onetake.media.av_child` do one thing with PyAV, with `stdin` to read, and return its answer.

    Raises:
        ToolError: the named error that it answered, or how it ended.
    """
    argv = [sys.executable, "-I", "-m", "onetake.media.av_child", verb, json.dumps(told)]
    try:
        out = await read_output(argv, limits, timeout_s=timeout_s, max_bytes=MAX_ANSWER_BYTES, stdin=stdin)
    except named.ToolError as error:
        # A decoder that crashed or was stopped by a limit says nothing of its own.
        raise named.LimitExceeded(code=error.exit_code) if (error.exit_code or 0) < 0 else error from None
    answer: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        answer = json.loads(out)
    if "error" in answer:
        raise _ERRORS.get(answer["error"], named.NotMedia)(codec=str(answer.get("codec", ""))[:64])
    if "ok" not in answer:
        raise named.LimitExceeded
    result: dict[str, Any] = answer["ok"]
    return result


_ERRORS: dict[str, type[named.ToolError]] = {
    kind.code: kind
    for kind in (
        named.NotMedia,
        named.NoTracks,
        named.UnsupportedCodec,
        named.LimitExceeded,
        named.DiskFull,
        named.ToolError,
    )
}


def _within_bounds(probe: Probe) -> Probe:
    tracks: Sequence[ProbedTrack] = probe.tracks
    if not any(track.kind in ("video", "audio") for track in tracks):
        raise named.NoTracks
    if len(tracks) > MAX_TRACKS or any(track.width * track.height > MAX_PIXELS for track in tracks):
        raise named.LimitExceeded
    # A container may claim any length; what is absurd is taken as unknown.
    return probe if 0 <= probe.duration_s <= MAX_DURATION_S else replace(probe, duration_s=0.0)
