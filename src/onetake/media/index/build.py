"""Builds the index of an MP4 from the MP4: of our own recordings exactly as it was, of others by their keyframes."""

import zlib
from collections.abc import Callable, Iterable, Iterator

from onetake.kit.ids import random_hex
from onetake.media.fmp4.boxes import ReadAt
from onetake.media.fmp4.cutter import INDEX_BITS, MAX_INDEX, sequence_number
from onetake.media.fmp4.head import FileHead
from onetake.media.fmp4.parts import Part
from onetake.media.fmp4.scan import ScannedPart
from onetake.media.index.format import BadIndex, Flag, IndexHeader, IndexRecord

MIN_SEGMENT_S = 1.0
MAX_SEGMENT_S = 6.0
SEGMENT_MASK = (1 << 32 - INDEX_BITS) - 1


def flags_of(part: Part) -> int:
    """The flags of a part as the index keeps them."""
    return (
        (Flag.KEYFRAME if part.independent else 0)
        | (Flag.SEGMENT_START if part.starts_segment else 0)
        | (Flag.AFTER_GAP if part.after_gap else 0)
    )


def header_for(part: Part, media_start: int) -> IndexHeader:
    """The header of a file that starts with `part`."""
    run = part.run
    return IndexHeader(
        timescale=run.timescale, init_bytes=len(run.init), init_crc=zlib.crc32(run.init), media_start=media_start,
        first_msn=part.msn, start_wall_ms=part.wall_ms, prefix=run.prefix,
        first_sequence=sequence_number(run, part.msn, 0) >> INDEX_BITS & SEGMENT_MASK,
    )  # fmt: skip


def record_for(part: Part, offset: int, first_msn: int) -> IndexRecord:
    """The record of `part` at `offset` of a file whose first segment is `first_msn`."""
    return IndexRecord(
        offset, part.size_bytes, part.duration_ticks, part.dts_ticks, part.wall_ms, part.msn - first_msn,
        flags_of(part), zlib.crc32(part.data),
    )  # fmt: skip


def part_records(parts: Iterable[Part], offset: int, first_msn: int) -> Iterator[IndexRecord]:
    """The records of `parts` that lie one after the other from `offset` on."""
    for part in parts:
        yield record_for(part, offset, first_msn)
        offset += part.size_bytes


def header_of(head: FileHead) -> tuple[IndexHeader, bool]:
    """The header that the MP4 itself carries and True; for a file that is not ours a new one and False."""
    try:
        return IndexHeader.unpack(head.note), True
    except BadIndex:
        init = head.init.data
        header = IndexHeader(
            timescale=head.init.leading.timescale, init_bytes=len(init), init_crc=zlib.crc32(init),
            media_start=head.media_start, first_msn=0, start_wall_ms=0, prefix=random_hex(48), first_sequence=0,
        )  # fmt: skip
        return header, False


def build_records(
    read: ReadAt, parts: Iterable[ScannedPart], header: IndexHeader, *, ours: bool, last: IndexRecord | None = None
) -> Iterator[IndexRecord]:
    """The records of scanned `parts`.

    `ours`: segments are numbered in the sequence numbers; otherwise one starts at the first keyframe after a second.
    `last`: the record before the first of `parts`, when they are the tail of a file. The wall clock goes on from it, or
    from the header: gaps between parts are only known to the index that was lost.
    """
    number = _numbered(header) if ours else _by_keyframes(header, last)
    anchor_dts, anchor_ms = (last.dts_ticks, last.wall_ms) if last else (None, header.start_wall_ms)
    for part in parts:
        segment, starts = number(part)
        anchor_dts = part.dts_ticks if anchor_dts is None else anchor_dts
        wall_ms = anchor_ms + round((part.dts_ticks - anchor_dts) * 1000 / header.timescale) if anchor_ms else 0
        lost = last is not None and part.dts_ticks > last.end_ticks + header.timescale
        flags = (
            (Flag.KEYFRAME if part.keyframe else 0)
            | (Flag.SEGMENT_START if starts else 0)
            | (Flag.AFTER_GAP if lost else 0)
        )
        crc = zlib.crc32(read(part.offset, part.size_bytes))
        last = IndexRecord(
            part.offset, part.size_bytes, part.duration_ticks, part.dts_ticks, max(0, wall_ms), segment, flags, crc
        )
        yield last


Numbering = Callable[[ScannedPart], tuple[int, bool]]
"""Gives each part, in order, the number of its segment in the file and whether it starts it."""


def _numbered(header: IndexHeader) -> Numbering:
    """Segments as the sequence numbers of our own packager tell them."""

    def number(part: ScannedPart) -> tuple[int, bool]:
        segment = ((part.sequence >> INDEX_BITS) - header.first_sequence) & SEGMENT_MASK
        return segment, part.sequence & MAX_INDEX == 0

    return number


def _by_keyframes(header: IndexHeader, last: IndexRecord | None) -> Numbering:
    """Segments of a file that was cut by somebody else: at the first keyframe after a second, else after six."""
    segment, start = (last.segment, last.dts_ticks) if last else (-1, 0)

    def number(part: ScannedPart) -> tuple[int, bool]:
        nonlocal segment, start
        elapsed_s = (part.dts_ticks - start) / header.timescale
        starts = segment < 0 or elapsed_s >= (MIN_SEGMENT_S if part.keyframe else MAX_SEGMENT_S)
        if starts:
            segment, start = segment + 1, part.dts_ticks
        return segment, starts

    return number
