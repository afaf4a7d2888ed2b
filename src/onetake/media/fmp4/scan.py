"""Walks a file part by part, for recovery and for building an index. Damage is a result, not an exception."""

from dataclasses import dataclass
from typing import NamedTuple

from onetake.media.fmp4.boxes import HEADER_BYTES, BoxHead, Malformed, ReadAt, read_head
from onetake.media.fmp4.initreader import InitInfo
from onetake.media.fmp4.partreader import parse_moof

MAX_MOOF_BYTES = 16 << 20
MAX_PART_BYTES = 1 << 30
HOLE_BYTES = 4096
SEARCH_BYTES = 1 << 20
FILLERS = frozenset({b"free", b"skip", b"sidx", b"styp", b"prft", b"emsg", b"uuid", b"mfra", b"ftyp", b"moov"})
"""Boxes that may stand between parts; any other kind is taken for the torn tail."""


class ScannedPart(NamedTuple):
    """One whole part in a file; times in ticks of the leading track."""

    offset: int
    size_bytes: int
    dts_ticks: int
    duration_ticks: int
    keyframe: bool
    sequence: int
    earliest_pts: int


@dataclass(frozen=True, slots=True)
class Scan:
    """The parts found, where the last whole box ends, and why the walk ended there (None: at the end of the file)."""

    parts: tuple[ScannedPart, ...]
    good_end: int
    torn: Malformed | None


def scan_parts(read: ReadAt, start: int, end: int, init: InitInfo, *, refuse_holes: bool = False) -> Scan:
    """Every whole part from `start` to `end`.

    `refuse_holes`: a part with a page of zeros in it is torn. That is what a power loss leaves of data whose length
    reached the disk before its content; compressed media has no such page.
    """
    parts: list[ScannedPart] = []
    offset = start
    try:
        while offset < end:
            head = read_head(read, offset, end)
            if head.kind == b"moof":
                parts.append(read_part(read, head, end, init, refuse_holes=refuse_holes))
                offset += parts[-1].size_bytes
            elif head.kind in FILLERS:
                offset = head.end
            else:
                raise Malformed(offset, f"unknown box {head.kind!r}")
    except Malformed as torn:
        return Scan(tuple(parts), offset, torn)
    return Scan(tuple(parts), offset, None)


def read_part(read: ReadAt, moof: BoxHead, end: int, init: InitInfo, *, refuse_holes: bool = False) -> ScannedPart:
    """The part that starts with `moof`. Raises `Malformed` when it is not whole or contradicts itself."""
    if moof.size_bytes > MAX_MOOF_BYTES:
        raise Malformed(moof.offset, f"moof of {moof.size_bytes} bytes")
    mdat = read_head(read, moof.end, end)
    if mdat.kind != b"mdat" or mdat.size_bytes > MAX_PART_BYTES:
        raise Malformed(mdat.offset, "no mdat after moof")
    size = mdat.end - moof.offset
    info = parse_moof(read(moof.offset, moof.size_bytes), init, moof.offset)
    for track in info.tracks:
        if track.offsets[0] < moof.size_bytes + mdat.header_bytes or track.offsets[-1] + track.sizes[-1] > size:
            raise Malformed(moof.offset, "samples outside of mdat")
    if refuse_holes and bytes(HOLE_BYTES) in read(mdat.body, mdat.end - mdat.body):
        raise Malformed(moof.offset, "a hole in mdat")
    samples = info.leading(init)
    leading, scale = init.leading, samples.track.timescale
    dts, stop, pts = (
        ticks if samples.track is leading else ticks * leading.timescale // scale
        for ticks in (samples.dts, samples.end_dts, samples.earliest_pts)
    )
    keyframe = samples.starts_with_keyframe and samples.track is leading
    return ScannedPart(moof.offset, size, dts, stop - dts, keyframe, info.sequence, pts)


def find_part(read: ReadAt, start: int, end: int, init: InitInfo) -> int | None:
    """Where the next whole part lies from `start` on, by looking for its name; None when there is none."""
    offset = start
    while offset < end:
        chunk = read(offset, SEARCH_BYTES)
        place = chunk.find(b"moof")
        while place >= 0:
            if place >= 4 and _is_part(read, offset + place - 4, end, init):
                return offset + place - 4
            place = chunk.find(b"moof", place + 1)
        if len(chunk) < SEARCH_BYTES:
            return None
        offset += SEARCH_BYTES - HEADER_BYTES
    return None


def _is_part(read: ReadAt, offset: int, end: int, init: InitInfo) -> bool:
    try:
        read_part(read, read_head(read, offset, end), end, init, refuse_holes=True)
    except Malformed:
        return False
    return True
