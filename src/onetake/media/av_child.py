"""`python -m onetake.media.av_child <verb> <JSON>`: does one thing with PyAV and answers in JSON on stdout.

Started by `probe.call_child` with limits. The answer is `{"ok": …}` or `{"error": <code>, "codec": …}`; a crash, a
limit or a signal leaves no answer, which the parent names.
"""

import base64
import contextlib
import errno
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av.logging
from av.video.frame import VideoFrame

from onetake.media.decode import FilePictures, IndexedPictures, Pictures, fitted, inspect, jpeg, opened
from onetake.media.ffmpeg.errors import DiskFull, LimitExceeded, NotMedia, ToolError
from onetake.media.sniff import Container
from onetake.media.stills import (
    COLUMNS,
    MAX_TILES,
    PLACES,
    POSTER_MAX_PX,
    STILL_MAX_PX,
    TILE_MAX_PX,
    Storyboard,
    tile_interval_s,
    webvtt,
)

DIM_BELOW = 64.0
NEARLY = 0.8
LUMA_STEP = 8
SAMPLE_STEP = 7
NO_ROOM = (errno.EFBIG, errno.ENOSPC, errno.EDQUOT)


def probe(told: Mapping[str, Any]) -> dict[str, Any]:
    """What is in the file."""
    return inspect(Path(told["path"]), Container(told["container"]))


def poster(told: Mapping[str, Any]) -> dict[str, Any]:
    """Write the poster; the time of its picture."""
    with _pictures(told) as pictures:
        if told["at_s"] is not None:
            frame, time_s = pictures.at(float(told["at_s"]), exact=True), float(told["at_s"])
        else:
            frame, time_s = _good_picture(pictures)
        if frame is None:
            raise NotMedia
        Path(told["target"]).write_bytes(jpeg(frame, *fitted(frame, POSTER_MAX_PX, POSTER_MAX_PX)))
    return {"time_s": time_s}


def storyboard(told: Mapping[str, Any]) -> dict[str, Any]:
    """Write the sprite sheet and its WebVTT."""
    with _pictures(told) as pictures:
        interval_s = tile_interval_s(pictures.duration_s, told["interval_s"])
        count = max(1, min(MAX_TILES, int(pictures.duration_s / interval_s + 0.999)))
        first = pictures.at(0.0)
        if first is None:
            raise NotMedia
        width, height = fitted(first, *TILE_MAX_PX)
        board = Storyboard(count, min(COLUMNS, count), width, height, round(interval_s, 3))
        sheet = _Sheet(board)
        for number in range(count):
            frame = first if number == 0 else pictures.at(number * interval_s)
            if frame is not None:
                sheet.put(number, frame)
        Path(told["target"]).write_bytes(sheet.jpeg())
        Path(told["vtt"]).write_text(webvtt(board, pictures.duration_s), encoding="utf-8")
    return asdict(board)


def still(told: Mapping[str, Any]) -> dict[str, Any]:
    """The first picture of the MP4 on stdin, as JPEG in Base64: no disk is touched."""
    with opened(sys.stdin.buffer.read(), Container.MP4) as media:
        frame = FilePictures(media).at(0.0)
        if frame is None:
            raise NotMedia
        picture = jpeg(frame, *fitted(frame, STILL_MAX_PX, STILL_MAX_PX))
    return {"jpeg": base64.b64encode(picture).decode()}


class _Sheet:
    """A YUV 4:2:0 picture that tiles are copied into."""

    def __init__(self, board: Storyboard) -> None:
        self._board = board
        rows = -(-board.tiles // board.columns)
        self._size = (board.columns * board.tile_width, rows * board.tile_height)
        width, height = self._size
        chroma = (width // 2) * (height // 2)
        self._planes = [bytearray(width * height), bytearray(b"\x80" * chroma), bytearray(b"\x80" * chroma)]

    def put(self, number: int, frame: VideoFrame) -> None:
        """Scale `frame` into tile `number`."""
        board = self._board
        tile = frame.reformat(width=board.tile_width, height=board.tile_height, format="yuvj420p")
        column, row = number % board.columns, number // board.columns
        for target, plane, half in zip(self._planes, tile.planes, (1, 2, 2), strict=True):
            width, height, stride = board.tile_width // half, board.tile_height // half, self._size[0] // half
            source, at = memoryview(plane), row * height * stride + column * width
            for line in range(height):
                start = line * plane.line_size
                target[at + line * stride : at + line * stride + width] = source[start : start + width]

    def jpeg(self) -> bytes:
        """The sheet as JPEG."""
        frame = VideoFrame(*self._size, "yuvj420p")
        for plane, data, half in zip(frame.planes, self._planes, (1, 2, 2), strict=True):
            plane.update(_padded(bytes(data), self._size[0] // half, plane.line_size, plane.buffer_size))
        return jpeg(frame, *self._size)


def _padded(data: bytes, width: int, line_size: int, buffer_size: int) -> bytes:
    """Rows of `width` bytes with the padding that the frame's buffer has."""
    if width == line_size:
        return data.ljust(buffer_size, b"\0")
    rows = [data[at : at + width].ljust(line_size, b"\0") for at in range(0, len(data), width)]
    return b"".join(rows).ljust(buffer_size, b"\0")


def _good_picture(pictures: Pictures) -> tuple[VideoFrame | None, float]:
    """The picture that shows most; an earlier place counts more when it shows nearly as much."""
    found: list[tuple[float, VideoFrame, float]] = []
    for place in PLACES:
        time_s = pictures.duration_s * place
        frame = pictures.at(time_s)
        if frame is not None:
            found.append((_liveliness(frame), frame, time_s))
    if not found:
        return None, 0.0
    enough = NEARLY * max(score for score, _, _ in found)
    return next((frame, time_s) for score, frame, time_s in found if score >= enough)


def _liveliness(frame: VideoFrame) -> float:
    """How much there is to see: the entropy of the luma in bits, less for what is dark."""
    small = frame.reformat(width=128, height=72, format="gray")
    samples = bytes(small.planes[0])[::SAMPLE_STEP] or b"\0"
    counts = Counter(sample // LUMA_STEP for sample in samples)
    entropy = sum(count * math.log2(len(samples) / count) for count in counts.values()) / len(samples)
    return entropy * min(1.0, sum(samples) / len(samples) / DIM_BELOW)


@contextlib.contextmanager
def _pictures(told: Mapping[str, Any]) -> Iterator[Pictures]:
    paths = [Path(path) for path in told["paths"]]
    if told["own"]:
        with contextlib.closing(IndexedPictures(paths)) as pictures:
            yield pictures
    else:
        with opened(paths[0], Container(told["container"])) as media:
            yield FilePictures(media)


VERBS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "probe": probe,
    "poster": poster,
    "still": still,
    "storyboard": storyboard,
}


def answer(verb: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """Do it and say how it went."""
    try:
        return {"ok": VERBS[verb](told)}
    except ToolError as error:
        return {"error": error.code, "codec": error.params.get("codec", "")}
    except MemoryError:
        return {"error": LimitExceeded.code}
    except OSError as error:
        return {"error": DiskFull.code if error.errno in NO_ROOM else ToolError.code}
    except ValueError:
        return {"error": NotMedia.code}


if __name__ == "__main__":
    av.logging.set_level(av.logging.PANIC)
    json.dump(answer(sys.argv[1], json.loads(sys.argv[2])), sys.stdout)
