"""One MP4 with its index while it is written. Order of durability: MP4, `fdatasync`, then index."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from onetake.media.fmp4.head import (
    MAX_REFERENCED_BYTES,
    MAX_REFERENCES,
    RESERVED_BYTES,
    Reference,
    file_head,
    merge_references,
    read_file_head,
    sidx_box,
    sidx_writes,
)
from onetake.media.fmp4.parts import Part
from onetake.media.index.build import header_for, record_for
from onetake.media.index.format import IndexRecord
from onetake.media.index.reader import IndexReader
from onetake.media.index.writer import IndexWriter
from onetake.media.recording.disk import SyncFailed, pwrite_all, sync_data, sync_folder, typed_errors, write_all
from onetake.media.recording.paths import index_path


class OpenPair:
    """An MP4 and its index that grow by whole parts.

    `end` is where the last whole part ends, `synced_end` what is known to be on disk and in the index. `pending` are
    the parts between. Every method raises a `RecordingError`; after one only `cut` and `close` make sense.
    """

    def __init__(self, path: Path, first: Part, clock: Callable[[], float]) -> None:
        self.path = path
        self.first, self.last = first, first
        self.pending: list[Part] = []
        self._clock = clock
        self._synced_at_s = clock()
        media_start = len(first.run.init) + RESERVED_BYTES
        self.header = header_for(first, media_start)
        self.end = self.synced_end = media_start
        with typed_errors(path):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            self._start(first)
        except BaseException:
            os.close(self._fd)
            self._remove()
            raise

    def _start(self, first: Part) -> None:
        with typed_errors(self.path):
            write_all(self._fd, file_head(first.run.init, self.header.pack()))
            sync_data(self._fd)
            self._index = IndexWriter.create(index_path(self.path), self.header)
            self._index.sync()
            sync_folder(self.path.parent)

    def _remove(self) -> None:
        """A file that could not even be started holds nothing."""
        for path in (self.path, index_path(self.path)):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def append(self, part: Part) -> None:
        """Write one whole part at the end."""
        with typed_errors(self.path):
            write_all(self._fd, part.data)
        self.end += part.size_bytes
        self.last = part
        self.pending.append(part)

    def sync_if_due(self, interval_s: float | None) -> None:
        """Sync when the last one is `interval_s` ago; with None never, and the index follows at once."""
        if interval_s is None:
            self._publish()
        elif self._clock() - self._synced_at_s >= interval_s:
            self.sync()

    def sync(self) -> None:
        """Force what was written to the disk, then into the index."""
        with typed_errors(self.path):
            if os.fstat(self._fd).st_size != self.end:
                raise OSError(errno.EIO, "the file is not as long as what was written")
        try:
            sync_data(self._fd)
        except OSError as error:
            raise SyncFailed(self.path, error) from error
        self._publish()
        self._synced_at_s = self._clock()

    def _publish(self) -> None:
        """The pending parts are safe: append their records."""
        offset, records = self.synced_end, []
        for part in self.pending:
            records.append(record_for(part, offset, self.header.first_msn))
            offset += part.size_bytes
        with typed_errors(index_path(self.path)):
            self._index.append(records)
        self.pending.clear()
        self.synced_end = offset

    def cut(self, offset: int) -> None:
        """Cut the MP4 to `offset` after a failure."""
        with typed_errors(self.path):
            os.ftruncate(self._fd, offset)
        self.end = offset

    def finalize(self) -> None:
        """The file is complete: sync it and put a `sidx` in front."""
        self.sync()
        with typed_errors(self.path):
            write_sidx(self._fd, self.path)
            self._index.sync()

    def close(self) -> None:
        """Give both files back; errors at this point say nothing that `sync` did not."""
        with suppress(OSError):
            os.close(self._fd)
        with suppress(OSError):
            self._index.close()


def write_sidx(fd: int, path: Path) -> bool:
    """Turn the reserved box of a complete recording into `free` + `sidx`; False when there is nothing to do.

    Raises `OSError`, and `ValueError` (`Malformed`, `BadIndex`) for a file that is not whole.
    """

    def read(offset: int, length: int) -> bytes:
        return os.pread(fd, length, offset)

    end = os.fstat(fd).st_size
    head = read_file_head(read, end, 0)
    with IndexReader(index_path(path)) as index:
        if not len(index):
            return False
        references = _part_references(index) if len(index) <= MAX_REFERENCES else merge_references(_references(index))
        start_ticks, timescale = index[0].dts_ticks, index.header.timescale
    largest = max(reference.size_bytes for reference in references)
    if head.reserved is None or largest > MAX_REFERENCED_BYTES:
        return False
    # Decode times: libav takes the times of a sidx for those of the first samples. With presentation times, which
    # B-frames put later, it seeks into the middle of a group of pictures, and Chromium stops with a decode error.
    sidx = sidx_box(head.init.leading.id, timescale, start_ticks, references)
    if read(head.reserved.end - len(sidx), len(sidx)) == sidx:
        return False
    for offset, data in sidx_writes(head.reserved, sidx):
        pwrite_all(fd, data, offset)
        sync_data(fd)
    return True


def _part_references(index: IndexReader) -> list[Reference]:
    """One reference per part. A part that starts with a keyframe lasts until the next such part, the others nothing.

    libav jumps from reference to reference after a seek and loses every `moof` that none of them starts with; and it
    enters the last reference at or before a time, which therefore must not be one without a keyframe.
    """
    records = list(index.records())
    references: list[Reference] = []
    end, end_ticks = records[-1].end, records[-1].end_ticks
    for number, record in reversed(list(enumerate(records))):
        first = number == 0
        start = index.header.media_start if first else record.offset
        entry = first or record.keyframe
        references.append(Reference(end - start, end_ticks - record.dts_ticks if entry else 0, record.keyframe))
        end, end_ticks = start, record.dts_ticks if entry else end_ticks
    return references[::-1]


def _references(index: IndexReader) -> list[Reference]:
    """One reference per segment; each reaches to the next one, so that no byte and no time is lost in between."""
    starts: list[IndexRecord] = []
    last = index[-1]
    for record in index.records():
        if not starts or record.segment != starts[-1].segment:
            starts.append(record)
    starts[0] = starts[0]._replace(offset=index.header.media_start)
    ends = [*((record.offset, record.dts_ticks) for record in starts[1:]), (last.end, last.end_ticks)]
    return [
        Reference(end - start.offset, end_ticks - start.dts_ticks, start.keyframe)
        for start, (end, end_ticks) in zip(starts, ends, strict=True)
    ]
