"""One MP4 with its index while it is written. Order of durability: MP4, `fdatasync`, then index."""

import errno
import logging
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from onetake.media.fmp4.head import (
    MAX_REFERENCED_BYTES,
    RESERVED_BYTES,
    Reference,
    file_head,
    free_head,
    max_references,
    read_file_head,
    sidx_box,
    sidx_writes,
)
from onetake.media.fmp4.parts import Part
from onetake.media.index.build import header_for, record_for
from onetake.media.index.format import HEADER_BYTES
from onetake.media.index.reader import IndexReader
from onetake.media.index.writer import IndexWriter
from onetake.media.recording.disk import (
    SyncFailed,
    pwrite_all,
    skip_to,
    sync_data,
    sync_folder,
    typed_errors,
    write_all,
)
from onetake.media.recording.paths import index_path

log = logging.getLogger(__name__)


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
            self.remove()
            raise

    def _start(self, first: Part) -> None:
        with typed_errors(self.path):
            write_all(self._fd, file_head(first.run.init, self.header.pack()))
            skip_to(self._fd, self.end)
            sync_data(self._fd)
            self._index = IndexWriter.create(index_path(self.path), self.header)
            self._index.sync()
            sync_folder(self.path.parent)

    @property
    def is_empty(self) -> bool:
        """Whether it holds no part."""
        return self.end == self.header.media_start

    @property
    def media_bytes(self) -> int:
        """What its parts weigh together."""
        return self.end - self.header.media_start

    def remove(self) -> None:
        """Take away both files, which hold nothing."""
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
            try:
                write_sidx(self._fd, self.path)
            except (ValueError, struct.error):
                log.exception("%s gets no sidx; it plays without", self.path)
            self._index.sync()

    def close(self) -> None:
        """Give both files back; errors at this point say nothing that `sync` did not."""
        with suppress(OSError):
            os.close(self._fd)
        with suppress(OSError):
            self._index.close()


def write_sidx(fd: int, path: Path) -> bool:
    """Turn the reserved box of a complete recording into `free` + `sidx`; False when there is nothing to do or no room.

    A file with more parts than that box has room for gets none: one that left parts out would make players lose them.
    Raises `OSError`, and `ValueError` (`Malformed`, `BadIndex`) for a file that is not whole.
    """

    def read(offset: int, length: int) -> bytes:
        return os.pread(fd, length, offset)

    head = read_file_head(read, os.fstat(fd).st_size, 0)
    if head.reserved is None:
        return False
    with IndexReader(index_path(path)) as index:
        if not len(index):
            return False
        sidx = _sidx(index, head.init.leading.id, max_references(head.reserved.size_bytes, HEADER_BYTES))
    # A sidx that an older release wrote, or one that has become wrong, is hidden.
    hidden = [(head.reserved.offset, free_head(head.reserved.size_bytes))]
    writes = sidx_writes(head.reserved, sidx) if sidx else hidden
    if all(read(offset, len(data)) == data for offset, data in dict(writes).items()):
        return False
    try:
        for offset, data in writes:
            pwrite_all(fd, data, offset)
            sync_data(fd)
    except OSError as error:
        # The reserved box is a hole. Until the last of the writes it is a whole `free` box.
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return False
        raise
    return True


def _sidx(index: IndexReader, track_id: int, limit: int) -> bytes:
    """The `sidx` of all parts; nothing when there are more than `limit` or one is too large to be named."""
    if len(index) > limit:
        return b""
    references = _references(index)
    if max(reference.size_bytes for reference in references) > MAX_REFERENCED_BYTES:
        return b""
    # Decode times: libav takes the times of a sidx for those of the first samples. With presentation times, which
    # B-frames put later, it seeks into the middle of a group of pictures, and Chromium stops with a decode error.
    return sidx_box(track_id, index.header.timescale, index[0].dts_ticks, references)


def _references(index: IndexReader) -> list[Reference]:
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
