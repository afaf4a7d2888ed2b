"""Posters, stills and storyboards (sprite sheet and WebVTT), made in a child with limits from keyframes only."""

import base64
import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onetake.media.ffmpeg import Limits
from onetake.media.ffmpeg.commands import operand
from onetake.media.probe import call_child, container_of
from onetake.media.sniff import Container

STILL_LIMITS = Limits(address_space_bytes=3 << 30, cpu_s=300, file_bytes=32 << 20, open_files=128, no_network=True)
LIVE_LIMITS = Limits(address_space_bytes=3 << 30, cpu_s=10, file_bytes=0, open_files=64, nice=10, no_network=True)
POSTER_TIMEOUT_S = 60.0
STILL_TIMEOUT_S = 20.0
STORYBOARD_TIMEOUT_S = 300.0
POSTER_MAX_PX = 1280
STILL_MAX_PX = 640
TILE_MAX_PX = (160, 160)
COLUMNS = 10
MAX_TILES = 100
MIN_INTERVAL_S = 1.0
# Where a picture is looked for that shows something, as parts of the title, the most welcome first.
PLACES = (0.10, 0.15, 0.20, 0.30, 0.05, 0.50, 0.70)


@dataclass(frozen=True, slots=True)
class Storyboard:
    """What was made: `tiles` pictures of `tile_width` x `tile_height`, one per `interval_s`."""

    tiles: int
    columns: int
    tile_width: int
    tile_height: int
    interval_s: float


async def make_poster(
    sources: Sequence[Path], target: Path, *, at_s: float | None = None, limits: Limits = STILL_LIMITS
) -> float:
    """Write `target` (JPEG, at most 1280 px) and return the time of its picture in seconds.

    Args:
        sources: the files of one title in order: our recordings (with their indexes), or one file of another kind.
        target: a path of ours; it is replaced at once, never seen half.
        at_s: take exactly this picture; else the one of `PLACES` that shows most, by choice near 10 %.
        limits: of the child.

    Raises:
        ToolError: the named error. NoTracks without video.
        OSError: a source cannot be read, the target not be written.
    """
    told = {**_sources(sources), "target": operand(_fresh(target)), "at_s": at_s}
    with _replacing(target):
        answer = await call_child("poster", told, limits, POSTER_TIMEOUT_S)
    return float(answer["time_s"])


async def make_still(media: bytes, *, limits: Limits = LIVE_LIMITS) -> bytes:
    """A JPEG (at most 640 px) of the first picture of `media`, which begins with a keyframe; nothing is written.

    Args:
        media: an init and parts of ours (fragmented MP4).
        limits: of the child, which steps back for everybody else.

    Raises:
        ToolError: the named error. NoTracks without video.
    """
    answer = await call_child("still", {}, limits, STILL_TIMEOUT_S, stdin=media)
    return base64.b64decode(answer["jpeg"])


async def make_storyboard(
    sources: Sequence[Path], folder: Path, *, interval_s: float | None = None, limits: Limits = STILL_LIMITS
) -> Storyboard:
    """Write `storyboard.jpg` and `storyboard.vtt` into `folder`, at most 100 tiles.

    Args:
        sources: as for `make_poster`.
        folder: the asset's folder.
        interval_s: seconds between tiles; default and lower bound is what makes 100 tiles, at least one second.
        limits: of the child.

    Raises:
        ToolError, OSError: as for `make_poster`.
    """
    picture, text = folder / "storyboard.jpg", folder / "storyboard.vtt"
    told = {**_sources(sources), "target": operand(_fresh(picture)), "vtt": operand(_fresh(text))}
    with _replacing(picture), _replacing(text):
        answer = await call_child("storyboard", {**told, "interval_s": interval_s}, limits, STORYBOARD_TIMEOUT_S)
    return Storyboard(**answer)


def tile_interval_s(duration_s: float, wanted_s: float | None) -> float:
    """Seconds between tiles: as wanted, but never more than 100 tiles and never closer than a second."""
    return max(wanted_s or 0.0, duration_s / MAX_TILES, MIN_INTERVAL_S)


def webvtt(board: Storyboard, duration_s: float, picture: str = "storyboard.jpg") -> str:
    """Cues that name a tile by `#xywh=` (Media Fragments URI 1.0), as players read them."""
    lines = ["WEBVTT", ""]
    for number in range(board.tiles):
        start_s = number * board.interval_s
        end_s = duration_s if number == board.tiles - 1 else start_s + board.interval_s
        x, y = number % board.columns * board.tile_width, number // board.columns * board.tile_height
        lines += [
            f"{_clock(start_s)} --> {_clock(max(end_s, start_s + 0.001))}",
            f"{picture}#xywh={x},{y},{board.tile_width},{board.tile_height}",
            "",
        ]
    return "\n".join(lines)


def _clock(time_s: float) -> str:
    milliseconds = round(time_s * 1000)
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{milliseconds:03d}"


def _sources(sources: Sequence[Path]) -> dict[str, Any]:
    """Whether these are our recordings (then the index is used), and how a single other file is to be opened."""
    own = all(path.with_suffix(".idx").exists() for path in sources)
    container = Container.MP4 if own else container_of(sources[0])
    return {"paths": [operand(path) for path in sources], "own": own, "container": container}


def _fresh(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[None]:
    """Put the fresh file in place of `target` when the block succeeds, remove it when not."""
    fresh = _fresh(target)
    try:
        yield
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
