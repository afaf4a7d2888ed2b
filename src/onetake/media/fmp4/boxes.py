"""Box plumbing of ISO 14496-12: how to write a box, and how to walk the boxes of bytes or of a file within limits."""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

ReadAt = Callable[[int, int], bytes]
"""Reads up to `length` bytes at `offset`; fewer only at the end."""

HEADER_BYTES = 8
LARGE_HEADER_BYTES = 16
_HEAD = struct.Struct(">I4s")
_LARGE = struct.Struct(">Q")


class Malformed(ValueError):
    """The bytes are no well-formed MP4. `offset` is where the trouble starts, `reason` one short phrase."""

    def __init__(self, offset: int, reason: str) -> None:
        self.offset = offset
        self.reason = reason
        super().__init__(f"{reason} at byte {offset}")


class BoxHead(NamedTuple):
    """Where one box lies: `offset` and `size_bytes` of the whole box, `header_bytes` of its head."""

    kind: bytes
    offset: int
    size_bytes: int
    header_bytes: int

    @property
    def end(self) -> int:
        """First byte after the box."""
        return self.offset + self.size_bytes

    @property
    def body(self) -> int:
        """First byte after the head."""
        return self.offset + self.header_bytes


def box(kind: bytes, *payload: bytes) -> bytes:
    """A box (ISO 14496-12 §4.2) with a 32-bit size."""
    body = b"".join(payload)
    return _HEAD.pack(HEADER_BYTES + len(body), kind) + body


def full_box(kind: bytes, version: int, flags: int, *payload: bytes) -> bytes:
    """A FullBox: a box that starts with 8-bit version and 24-bit flags."""
    return box(kind, ((version << 24) | flags).to_bytes(4, "big"), *payload)


def read_from(data: bytes | memoryview) -> ReadAt:
    """`data` in memory as something to read from."""
    return lambda offset, length: bytes(data[offset : offset + length])


def read_head(read: ReadAt, offset: int, end: int) -> BoxHead:
    """The head of the box at `offset`, which must end by `end`.

    A size of 0 ("to the end of the file") is refused: OneTake never writes it, and a torn tail is made of zeros.
    Raises `Malformed`.
    """
    head = read(offset, LARGE_HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        raise Malformed(offset, "truncated box head")
    size, kind = _HEAD.unpack_from(head)
    header = HEADER_BYTES
    if size == 1:
        if len(head) < LARGE_HEADER_BYTES:
            raise Malformed(offset, "truncated box head")
        size, header = _LARGE.unpack_from(head, HEADER_BYTES)[0], LARGE_HEADER_BYTES
    if size < header:
        raise Malformed(offset, f"box size {size}")
    if offset + size > end:
        raise Malformed(offset, f"box {kind!r} runs past the end")
    return BoxHead(kind, offset, size, header)


def iter_boxes(read: ReadAt, start: int, end: int) -> Iterator[BoxHead]:
    """Every box from `start` up to `end`, not going into them. Raises `Malformed` at the first that is not whole."""
    offset = start
    while offset < end:
        head = read_head(read, offset, end)
        yield head
        offset = head.end


def find_box(read: ReadAt, start: int, end: int, kind: bytes) -> BoxHead:
    """The first box of `kind` between `start` and `end`. Raises `Malformed` when there is none."""
    for head in iter_boxes(read, start, end):
        if head.kind == kind:
            return head
    raise Malformed(start, f"no box {kind!r}")
