"""Disk calls of the recorder and what their failures mean. Synchronous: for threads, never for the live loop."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar


class RecordingError(Exception):
    """Writing failed. `code` is stable and goes into events; `path` names the file; the cause is an `OSError`."""

    code: ClassVar[str] = "recording_failed"

    def __init__(self, path: Path, error: OSError | None = None) -> None:
        self.path = path
        self.errno = error.errno if error else None
        super().__init__(f"{self.code}: {path.name}: {error.strerror if error else 'short file'}")


class DiskFull(RecordingError):
    """No room (or quota): recording can go on when there is some."""

    code = "disk_full"


class FileLimitReached(RecordingError):
    """This file may not grow (EFBIG), another one may."""

    code = "file_too_large"


class DiskBroken(RecordingError):
    """The disk refused or lied (EIO, a file shorter than what was written)."""

    code = "disk_error"


class SyncFailed(RecordingError):
    """`fdatasync` failed: what was written since the last good one may be lost, and asking again would not tell."""

    code = "sync_failed"


class FolderGone(RecordingError):
    """The folder cannot be written any more: unmounted, read-only, removed, forbidden."""

    code = "folder_unwritable"


_CLASSES: dict[int, type[RecordingError]] = {
    errno.ENOSPC: DiskFull,
    errno.EDQUOT: DiskFull,
    errno.EFBIG: FileLimitReached,
    errno.ENOENT: FolderGone,
    errno.ENOTDIR: FolderGone,
    errno.EROFS: FolderGone,
    errno.EACCES: FolderGone,
    errno.EPERM: FolderGone,
    errno.ESTALE: FolderGone,
}


@contextmanager
def typed_errors(path: Path, default: type[RecordingError] = DiskBroken) -> Iterator[None]:
    """Turn an `OSError` inside into the `RecordingError` it means; `default` for numbers that say nothing special."""
    try:
        yield
    except OSError as error:
        raise _CLASSES.get(error.errno or 0, default)(path, error) from error


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`, however short each write is. Raises `OSError`."""
    view = memoryview(data)
    while view:
        written = os.write(fd, view)
        if written <= 0:
            raise OSError(errno.EIO, "write wrote nothing")
        view = view[written:]


def pwrite_all(fd: int, data: bytes, offset: int) -> None:
    """Write all of `data` at `offset`. Raises `OSError`."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def skip_to(fd: int, offset: int) -> None:
    """Go on writing at `offset` behind the present end; what lies between is a hole of zeros. Raises `OSError`."""
    os.ftruncate(fd, offset)
    os.lseek(fd, offset, os.SEEK_SET)


def sync_data(fd: int) -> None:
    """`fdatasync`. Raises `OSError`."""
    os.fdatasync(fd)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. Raises `OSError`."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, durable, all or nothing. Raises `OSError`."""
    temporary = path.with_suffix(path.suffix + ".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.replace(path)
    sync_folder(path.parent)
