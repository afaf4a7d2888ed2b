"""The recordings' disk: is it there, and is there room? Blocking calls: recorder threads only."""

import errno
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from onetake.engine.options import RecordingOptions
from onetake.engine.state import write_atomically

MARKER = ".onetake-volume"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_GONE = {errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.EACCES, errno.EPERM}


class StorageMissing(OSError):
    """The marker file is gone: the volume is not mounted, and nothing may be written below its mount point."""


@dataclass(frozen=True, slots=True)
class Room:
    """Free space at one moment, in bytes."""

    free_bytes: int
    total_bytes: int


def disk_reason(error: OSError) -> str:
    """The stable word for a disk error: `disk_full`, `storage_missing` or `disk_error`."""
    if isinstance(error, StorageMissing) or error.errno in _GONE:
        return "storage_missing"
    return "disk_full" if error.errno in _FULL else "disk_error"


class Disk:
    """Guards the folder of recordings.

    The folder carries a marker whose content is also kept in the data folder; when only the latter is found, a volume
    is missing (F9).
    """

    def __init__(
        self,
        media_dir: Path,
        data_dir: Path,
        options: RecordingOptions,
        statvfs: Callable[[Path], os.statvfs_result] = os.statvfs,
    ) -> None:
        self.media_dir = media_dir
        self._memory = data_dir / "media-volume"
        self._options = options
        self._statvfs = statvfs

    def prepare(self) -> None:
        """At start-up: make and mark the folder the first time.

        Raises:
            StorageMissing: it was marked before and the mark is gone.
        """
        if not self._memory.exists():
            self.media_dir.mkdir(parents=True, exist_ok=True)
            marker = self.media_dir / MARKER
            mark = marker.read_bytes() if marker.exists() else uuid.uuid4().hex.encode()
            write_atomically(marker, mark)
            write_atomically(self._memory, mark)
        self.check_present()

    def check_present(self) -> None:
        """Raises `StorageMissing` unless the folder is the one that was marked."""
        try:
            same = (self.media_dir / MARKER).read_bytes() == self._memory.read_bytes()
        except OSError:
            same = False
        if not same:
            raise StorageMissing(errno.ENOENT, "the volume of the recordings is not mounted")

    def room(self) -> Room:
        """Free and total bytes of the volume."""
        stat = self._statvfs(self.media_dir)
        return Room(stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize)

    def may_start(self) -> bool:
        """True when a recording may start or resume (5 % free, at most `floor_cap_bytes`, at least the floor)."""
        room = self.room()
        options = self._options
        by_ratio = min(int(room.total_bytes * options.floor_ratio), options.floor_cap_bytes)
        return room.free_bytes >= max(options.floor_bytes, by_ratio)

    def must_stop(self) -> bool:
        """True when running recordings have to end now, while there is still room to close them."""
        return self.room().free_bytes < self._options.stop_bytes
