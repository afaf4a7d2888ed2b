"""Reads an index while it grows. A look-up reads one or two blocks with `pread`; nothing is held in memory."""

import os
import struct
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from onetake.media.index.format import (
    HEADER_BYTES,
    RECORD_BYTES,
    BadIndex,
    IndexHeader,
    IndexRecord,
    unpack_records,
)

CHUNK_RECORDS = 4096
BLOCK_RECORDS = 64
_DTS = struct.Struct(">16xQ24x")
_SEGMENT = struct.Struct(">32xI12x")


class SegmentPlace(NamedTuple):
    """Where a segment lies in the MP4 and when it plays."""

    msn: int
    offset: int
    size_bytes: int
    dts_ticks: int
    duration_ticks: int


class IndexReader:
    """An open index file. Safe to use from several threads. Raises `BadIndex` and `OSError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self.header = IndexHeader.unpack(os.pread(self._fd, HEADER_BYTES, 0))
            self._count = self._count_whole()
            self._ends: dict[struct.Struct, tuple[int, int]] = {}
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        os.close(self._fd)

    def __len__(self) -> int:
        """How many whole records there are, as of opening or the last `refresh`."""
        return self._count

    def refresh(self) -> int:
        """Look again how many records there are."""
        self._count = self._count_whole()
        self._ends = {}
        return self._count

    def _count_whole(self) -> int:
        """Records up to the last whole one: a torn or zeroed tail does not count."""
        count = max(0, os.fstat(self._fd).st_size - HEADER_BYTES) // RECORD_BYTES
        while count and not unpack_records(self._read(count - 1, 1)):
            count -= 1
        return count

    def _read(self, first: int, count: int) -> bytes:
        return os.pread(self._fd, count * RECORD_BYTES, HEADER_BYTES + first * RECORD_BYTES)

    def __getitem__(self, index: int) -> IndexRecord:
        """The record at `index`; negative counts from the end. Raises `IndexError`, `BadIndex` for a damaged record."""
        place = index + self._count if index < 0 else index
        if not 0 <= place < self._count:
            raise IndexError(index)
        found = unpack_records(self._read(place, 1))
        if not found:
            raise BadIndex(f"record {place} of {self.path.name} is damaged")
        return found[0]

    def records(self, first: int = 0, stop: int | None = None) -> Iterator[IndexRecord]:
        """Records from `first` up to `stop` or the present end; ends early at a damaged one."""
        end = self._count if stop is None else min(stop, self._count)
        while first < end:
            wanted = min(CHUNK_RECORDS, end - first)
            found = unpack_records(self._read(first, wanted))
            yield from found
            if len(found) < wanted:
                return
            first += wanted

    def find_time(self, dts_ticks: int) -> int:
        """Index of the part that plays at `dts_ticks`: the last one that starts at or before, 0 when it is earlier."""
        return max(0, self._first_at_least(_DTS, dts_ticks + 1) - 1)

    def find_keyframe(self, dts_ticks: int) -> int:
        """Index of the last keyframe part at or before `dts_ticks`; 0 when there is none."""
        index = self.find_time(dts_ticks)
        while index > 0 and not self[index].keyframe:
            index -= 1
        return index

    def find_segment(self, msn: int) -> SegmentPlace | None:
        """Where the segment with media sequence number `msn` lies; None when it is not in this file."""
        wanted = msn - self.header.first_msn
        first = self._first_at_least(_SEGMENT, wanted)
        stop = self._first_at_least(_SEGMENT, wanted + 1)
        if wanted < 0 or first == stop:
            return None
        start, last = self[first], self[stop - 1]
        size, duration = last.end - start.offset, last.end_ticks - start.dts_ticks
        return SegmentPlace(msn, start.offset, size, start.dts_ticks, duration)

    def _first_at_least(self, column: struct.Struct, wanted: int) -> int:
        """Index of the first record whose `column` is not below `wanted`; the count when all are.

        Both columns grow almost evenly, so the place is guessed and one block read there; halving in between keeps it
        O(log n) where they do not.
        """
        low, high = 0, self._count
        low_value, high_value = self._bounds(column)
        guessing = True
        while high - low > BLOCK_RECORDS:
            guess = (low + high) // 2
            if guessing and high_value > low_value:
                share = min(max(wanted - low_value, 0), high_value - low_value)
                guess = low + share * (high - low) // (high_value - low_value)
            start = min(max(guess - BLOCK_RECORDS // 2, low), high - BLOCK_RECORDS)
            values = self._column(column, start, BLOCK_RECORDS)
            if values[0] >= wanted:
                high, high_value = start, values[0]
            elif values[-1] < wanted:
                low, low_value = start + BLOCK_RECORDS, values[-1]
            else:
                return start + bisect_left(values, wanted)
            guessing = not guessing
        return low + bisect_left(self._column(column, low, high - low), wanted)

    def _bounds(self, column: struct.Struct) -> tuple[int, int]:
        """The column in the first and the last record; read once per `refresh`."""
        if column not in self._ends and self._count:
            first, last = self._column(column, 0, 1), self._column(column, self._count - 1, 1)
            self._ends[column] = first[0], last[0]
        return self._ends.get(column, (0, 0))

    def _column(self, column: struct.Struct, first: int, count: int) -> list[int]:
        return [row[0] for row in column.iter_unpack(self._read(first, count))]
