"""Recovery after a crash: looks only at recordings that were in progress, and only past what their index already knows.

Nothing is deleted: a torn tail, which holds no whole part, is cut; a file without a usable head is left and reported.
"""

import os
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from onetake.media.fmp4.boxes import Malformed
from onetake.media.fmp4.head import FileHead, free_head, read_file_head
from onetake.media.fmp4.initreader import InitInfo
from onetake.media.fmp4.scan import Scan, ScannedPart, find_part, scan_parts
from onetake.media.index.build import build_records, header_of
from onetake.media.index.format import HEADER_BYTES, BadIndex, IndexHeader, IndexRecord
from onetake.media.index.reader import IndexReader
from onetake.media.index.writer import IndexWriter
from onetake.media.recording.disk import pwrite_all, sync_data
from onetake.media.recording.marker import BadMarker, folder_of, read_marker, remove_marker
from onetake.media.recording.pair import write_sidx
from onetake.media.recording.paths import index_path


@dataclass(frozen=True, slots=True)
class FileRecovery:
    """What became of one file.

    `parts` and `duration_s` are what plays now. `cut_bytes` were a torn tail, `skipped_bytes` damage with whole parts
    behind it (now a `free` box); `torn_reason` says of what kind. `indexed_parts` were missing in the index;
    `index_rebuilt`: there was no usable one. `problem`: why the file cannot be used, None if it can.
    """

    name: str
    parts: int = 0
    duration_s: float = 0.0
    size_bytes: int = 0
    start_wall_ms: int = 0
    cut_bytes: int = 0
    skipped_bytes: int = 0
    torn_reason: str | None = None
    indexed_parts: int = 0
    index_rebuilt: bool = False
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of one recording that was in progress. `problem`: its marker or its folder could not be read."""

    marker: str
    recording_id: str = ""
    folder: str = ""
    files: tuple[FileRecovery, ...] = ()
    problem: str | None = None

    @property
    def duration_s(self) -> float:
        """Media time of all files."""
        return sum(file.duration_s for file in self.files)


def recover(open_dir: Path, *, finish: bool = True) -> list[Recovery]:
    """Repair every recording that `open_dir` lists, oldest first.

    `finish`: give each file its `sidx` and remove the marker when all is well. A marker that cannot be read stays.
    """
    if not open_dir.is_dir():
        return []
    return [_recover_marked(path, finish=finish) for path in sorted(open_dir.glob("*.json"))]


def _recover_marked(path: Path, *, finish: bool) -> Recovery:
    try:
        marker = read_marker(path)
    except (BadMarker, OSError) as error:
        return Recovery(path.name, problem=str(error))
    folder = folder_of(path, marker)
    if not folder.is_dir():
        return Recovery(path.name, marker.recording_id, str(folder), problem="its folder is not there")
    files = tuple(_recover_listed(folder, name, finish=finish) for name in marker.files)
    found = Recovery(path.name, marker.recording_id, str(folder), files)
    if finish and not any(file.problem for file in files):
        with suppress(OSError):
            remove_marker(path)
    return found


def _recover_listed(folder: Path, name: str, *, finish: bool) -> FileRecovery:
    """A listed file that does not exist was never started: the marker names it first."""
    video = folder / name
    if not video.exists():
        return FileRecovery(name)
    return recover_file(video, finish=finish)


def recover_file(video: Path, *, finish: bool = True) -> FileRecovery:
    """Repair one MP4 and its index. Never raises for what stands in them or for a disk that fails: see `problem`."""
    try:
        fd = os.open(video, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        return FileRecovery(video.name, problem=error.strerror or "cannot be opened")
    try:
        return _FileRepair(video, fd).run(finish=finish)
    except Malformed as error:
        return FileRecovery(video.name, size_bytes=os.fstat(fd).st_size, problem=f"no usable head: {error}")
    except (BadIndex, OSError, ValueError) as error:
        return FileRecovery(video.name, size_bytes=os.fstat(fd).st_size, problem=str(error))
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class _Known:
    """What a usable index says: its header, how many records hold, and the last of them."""

    header: IndexHeader
    count: int
    last: IndexRecord | None
    ours: bool


class _FileRepair:
    """One repair in progress."""

    def __init__(self, video: Path, fd: int) -> None:
        self._video = video
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self._skipped = 0

    def _read(self, offset: int, length: int) -> bytes:
        return os.pread(self._fd, length, offset)

    def run(self, *, finish: bool) -> FileRecovery:
        head = read_file_head(self._read, self._size, HEADER_BYTES)
        known = self._known(head)
        rebuilt = known is None
        if known is None:
            header, ours = header_of(head)
            known = _Known(header, 0, None, ours)
        start = known.last.end if known.last else head.media_start
        scan = self._scan(start, head.init)
        if scan.good_end < self._size:
            os.ftruncate(self._fd, scan.good_end)
        sync_data(self._fd)
        self._complete_index(known, scan, rebuilt=rebuilt)
        if finish:
            with suppress(ValueError, struct.error):
                write_sidx(self._fd, self._video)
        return self._result(scan, rebuilt=rebuilt)

    def _scan(self, start: int, init: InitInfo) -> Scan:
        """Every whole part from `start` on. Damage with whole parts behind it is hidden in a `free` box."""
        parts: list[ScannedPart] = []
        torn: Malformed | None = None
        while True:
            scan = scan_parts(self._read, start, self._size, init, refuse_holes=True)
            parts += scan.parts
            torn = torn or scan.torn
            following = find_part(self._read, scan.good_end + 1, self._size, init) if scan.torn else None
            if following is None:
                return Scan(tuple(parts), scan.good_end, torn)
            pwrite_all(self._fd, free_head(following - scan.good_end), scan.good_end)
            self._skipped += following - scan.good_end
            start = following

    def _known(self, head: FileHead) -> _Known | None:
        """The records of the index that the MP4 bears out; None when the index is of no use."""
        try:
            with IndexReader(index_path(self._video)) as index:
                header = index.header
                if (header.init_bytes, header.init_crc) != (len(head.init.data), zlib.crc32(head.init.data)):
                    return None
                count = sum(1 for _ in index.records())
                while count and not self._bears_out(index[count - 1]):
                    count -= 1
                ours = header_of(head)[1]
                return _Known(header, count, index[count - 1] if count else None, ours)
        except (BadIndex, OSError):
            return None

    def _bears_out(self, record: IndexRecord) -> bool:
        if record.end > self._size:
            return False
        return zlib.crc32(self._read(record.offset, record.size_bytes)) == record.part_crc

    def _complete_index(self, known: _Known, scan: Scan, *, rebuilt: bool) -> None:
        """Write what the index lacks. A new index replaces the useless one in one step."""
        path = index_path(self._video)
        target = path.with_suffix(".idx.new") if rebuilt else path
        if rebuilt:
            target.unlink(missing_ok=True)
            writer = IndexWriter.create(target, known.header)
        else:
            writer = IndexWriter.reopen(target, known.count)
        try:
            writer.append(build_records(self._read, scan.parts, known.header, ours=known.ours, last=known.last))
            writer.sync()
        finally:
            writer.close()
        if rebuilt:
            target.replace(path)

    def _result(self, scan: Scan, *, rebuilt: bool) -> FileRecovery:
        with IndexReader(index_path(self._video)) as index:
            ticks = index[-1].end_ticks - index[0].dts_ticks if len(index) else 0
            return FileRecovery(
                name=self._video.name,
                parts=len(index),
                duration_s=ticks / index.header.timescale,
                size_bytes=os.fstat(self._fd).st_size,
                start_wall_ms=index.header.start_wall_ms,
                cut_bytes=self._size - scan.good_end,
                skipped_bytes=self._skipped,
                torn_reason=scan.torn.reason if scan.torn else None,
                indexed_parts=len(scan.parts),
                index_rebuilt=rebuilt,
            )
