"""The head of a recording, `ftyp moov free(512 KiB)`, and how the `free` box becomes `free` + `sidx` at the end.

With a `sidx` in front a player opens a file of any length with two small reads; without it, it looks at every part.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from onetake.media.fmp4.boxes import HEADER_BYTES, BoxHead, Malformed, ReadAt, full_box, read_head
from onetake.media.fmp4.initreader import InitInfo, read_init

RESERVED_BYTES = 512 << 10
MAX_REFERENCED_BYTES = (1 << 31) - 1
_MAX_COUNT = (1 << 16) - 1
_SIDX_BYTES, _REFERENCE_BYTES = 40, 12
_SAP_TYPE_1 = 0x90000000


class Reference(NamedTuple):
    """One entry of a `sidx`: a stretch of the file that may be entered at its start when `keyframe`."""

    size_bytes: int
    duration_ticks: int
    keyframe: bool


@dataclass(frozen=True, slots=True)
class FileHead:
    """What stands before the first part.

    `reserved`: the `free` box behind the init, with the `sidx` that follows it once the file is complete; None in files
    of others. `note` is what `file_head` was given.
    """

    init: InitInfo
    reserved: BoxHead | None
    note: bytes
    media_start: int


def file_head(init: bytes, note: bytes = b"") -> bytes:
    """The first bytes of a recording: `init`, then the start of a `free` box of `RESERVED_BYTES` that carries `note`.

    The rest of that box is zeros, which the file need not hold: a hole.
    """
    return init + free_head(RESERVED_BYTES) + note


def max_references(reserved_bytes: int, note_bytes: int) -> int:
    """How many references a `sidx` may have that leaves a reserved box of this size its note."""
    return max(0, min(_MAX_COUNT, (reserved_bytes - HEADER_BYTES - note_bytes - _SIDX_BYTES) // _REFERENCE_BYTES))


def read_file_head(read: ReadAt, size_bytes: int, note_bytes: int) -> FileHead:
    """The head of a file: its init and where the media starts. Raises `Malformed` when it is not whole."""
    init = read_init(read, size_bytes)
    offset = len(init.data)
    if offset >= size_bytes:
        return FileHead(init, None, b"", offset)
    head = read_head(read, offset, size_bytes)
    if head.kind != b"free":
        return FileHead(init, None, b"", offset)
    note = read(head.body, min(note_bytes, head.size_bytes - head.header_bytes))
    media_start = _skip_sidx(read, head.end, size_bytes)
    return FileHead(init, head._replace(size_bytes=media_start - offset), note, media_start)


def _skip_sidx(read: ReadAt, offset: int, size_bytes: int) -> int:
    if offset >= size_bytes:
        return offset
    try:
        head = read_head(read, offset, size_bytes)
    except Malformed:
        return offset
    return head.end if head.kind == b"sidx" else offset


def sidx_box(track_id: int, timescale: int, earliest_pts: int, references: Sequence[Reference]) -> bytes:
    """A `sidx` (ISO 14496-12 §8.16.3, version 1) whose references follow right behind it. Raises `struct.error`."""
    fields = struct.pack(">IIQQHH", track_id, timescale, max(0, earliest_pts), 0, 0, len(references))
    entries = (
        struct.pack(">III", entry.size_bytes, entry.duration_ticks, _SAP_TYPE_1 if entry.keyframe else 0)
        for entry in references
    )
    return full_box(b"sidx", 1, 0, fields, *entries)


def free_head(size_bytes: int) -> bytes:
    """The head of a `free` box that covers `size_bytes`, whatever stands in them. Raises `ValueError` below 8."""
    if size_bytes < HEADER_BYTES:
        raise ValueError(f"{size_bytes} bytes are no box")
    if size_bytes < 1 << 32:
        return struct.pack(">I4s", size_bytes, b"free")
    return struct.pack(">I4sQ", 1, b"free", size_bytes)


def sidx_writes(reserved: BoxHead, sidx: bytes) -> list[tuple[int, bytes]]:
    """The in-place writes that turn `reserved` into `free` + `sidx`, in order, a sync after each.

    The first hides what stands there; the second fills bytes that no reader looks at; the third, four bytes, makes them
    visible: a crash leaves a file without a `sidx` or one with it. Raises `ValueError` when the `sidx` does not fit.
    """
    free_bytes = reserved.size_bytes - len(sidx)
    if free_bytes < HEADER_BYTES:
        raise ValueError(f"sidx of {len(sidx)} bytes does not fit {reserved.size_bytes}")
    return [
        (reserved.offset, free_head(reserved.size_bytes)),
        (reserved.end - len(sidx), sidx),
        (reserved.offset, free_head(free_bytes)),
    ]
