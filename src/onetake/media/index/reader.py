"""Reads an index while it grows. Look-ups touch O(log n) records with `pread`; nothing is held in memory."""

import os
from collections.abc import Callable, Iterator
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
        return max(0, self._bisect(lambda record: record.dts_ticks <= dts_ticks) - 1)

    def find_keyframe(self, dts_ticks: int) -> int:
        """Index of the last keyframe part at or before `dts_ticks`; 0 when there is none."""
        index = self.find_time(dts_ticks)
        while index > 0 and not self[index].keyframe:
            index -= 1
        return index

    def find_segment(self, msn: int) -> SegmentPlace | None:
        """Where the segment with media sequence number `msn` lies; None when it is not in this file."""
        wanted = msn - self.header.first_msn
        first = self._bisect(lambda record: record.segment < wanted)
        stop = self._bisect(lambda record: record.segment <= wanted, first)
        if wanted < 0 or first == stop:
            return None
        start, last = self[first], self[stop - 1]
        size, duration = last.end - start.offset, last.end_ticks - start.dts_ticks
        return SegmentPlace(msn, start.offset, size, start.dts_ticks, duration)

    def _bisect(self, is_before: Callable[[IndexRecord], bool], low: int = 0) -> int:
        """Index of the first record from `low` on for which `is_before` no longer holds."""
        high = self._count
        while low < high:
            middle = (low + high) // 2
            if is_before(self[middle]):
                low = middle + 1
            else:
                high = middle
        return low
