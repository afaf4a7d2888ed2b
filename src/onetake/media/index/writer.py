"""Appends to an index. The caller appends a record only when the part is safely on disk."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

from onetake.media.index.format import HEADER_BYTES, RECORD_BYTES, IndexHeader, IndexRecord


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`, however short each write is. Raises `OSError`."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class IndexWriter:
    """An index that grows. Use one of the class methods to open it. Every method may raise `OSError`."""

    def __init__(self, fd: int, count: int) -> None:
        self._fd = fd
        self.count = count

    @classmethod
    def create(cls, path: Path, header: IndexHeader) -> Self:
        """A new index; it must not exist yet."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            write_all(fd, header.pack())
        except BaseException:
            os.close(fd)
            raise
        return cls(fd, 0)

    @classmethod
    def reopen(cls, path: Path, count: int) -> Self:
        """An existing index, cut to its first `count` records."""
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        writer = cls(fd, count)
        try:
            writer._cut()
        except BaseException:
            os.close(fd)
            raise
        return writer

    def append(self, records: Iterable[IndexRecord]) -> None:
        """Append whole records: all of them, or none when it raises."""
        rows = [record.pack() for record in records]
        try:
            write_all(self._fd, b"".join(rows))
        except OSError:
            with suppress(OSError):
                self._cut()
            raise
        self.count += len(rows)

    def _cut(self) -> None:
        os.ftruncate(self._fd, HEADER_BYTES + self.count * RECORD_BYTES)
        os.lseek(self._fd, 0, os.SEEK_END)

    def sync(self) -> None:
        """Force it to the disk."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._fd)
