"""Checks a finished recording against its index without changing anything: what `onetake doctor` asks."""

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from onetake.media.index import BadIndex, IndexReader
from onetake.media.recording.paths import index_path


@dataclass(frozen=True, slots=True)
class DamagedPart:
    """A part whose bytes are not the ones that were written, or are not there."""

    offset: int
    size_bytes: int
    start_s: float
    duration_s: float
    missing: bool


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What a check found. `unindexed_bytes`: media behind the last indexed part, for `recover_file`.

    `problem`: the index or the file cannot be read, so that nothing could be checked.
    """

    name: str
    parts: int = 0
    damaged: tuple[DamagedPart, ...] = ()
    unindexed_bytes: int = 0
    problem: str | None = None

    @property
    def is_sound(self) -> bool:
        """Whether there is nothing to report."""
        return not (self.damaged or self.unindexed_bytes or self.problem)


def check_file(video: Path) -> FileCheck:
    """Read every part of an MP4 and compare its CRC-32 with the index. Never raises for what it finds."""
    try:
        with IndexReader(index_path(video)) as index, video.open("rb") as file:
            return _check(video, index, file.fileno())
    except (BadIndex, OSError) as error:
        return FileCheck(video.name, problem=str(error))


def _check(video: Path, index: IndexReader, fd: int) -> FileCheck:
    damaged: list[DamagedPart] = []
    scale, start_ticks, end, count = index.header.timescale, None, index.header.media_start, 0
    for record in index.records():
        start_ticks = record.dts_ticks if start_ticks is None else start_ticks
        data = os.pread(fd, record.size_bytes, record.offset)
        if zlib.crc32(data) != record.part_crc:
            start_s = (record.dts_ticks - start_ticks) / scale
            missing = len(data) < record.size_bytes
            damaged.append(
                DamagedPart(record.offset, record.size_bytes, start_s, record.duration_ticks / scale, missing)
            )
        end, count = record.end, count + 1
    problem = None if count == len(index) else f"record {count} of the index is damaged"
    return FileCheck(video.name, count, tuple(damaged), max(0, os.fstat(fd).st_size - end), problem)
