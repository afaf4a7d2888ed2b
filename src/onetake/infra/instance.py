"""One server per data directory: an flock that the kernel drops with the process (fault F30).

`onetake serve` holds it alone; processes started by hand (`onetake api`, `onetake worker`) share it with each other.
"""

import contextlib
import fcntl
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from onetake.kit.clock import utc_now

LOCK_NAME = "onetake.lock"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a data directory, as far as the lock file says."""

    pid: int | None
    host: str | None
    since: str | None

    def __str__(self) -> str:
        if self.pid is None:
            return "other OneTake processes"
        return f"the server with process id {self.pid} on host {self.host}, running since {self.since}"


class DataDirBusy(Exception):
    """Another server works on this data directory."""

    def __init__(self, data_dir: Path, owner: Owner) -> None:
        self.data_dir = data_dir
        self.owner = owner
        super().__init__(f"The data directory {data_dir} is in use by {owner}.")


class DataDirLock:
    """Holds the data directory until `release` or the end of the process."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def acquire(cls, data_dir: Path, *, shared: bool = False) -> Self:
        """Take the lock without waiting; makes the directory when it is missing.

        Raises `DataDirBusy` when another server has it, `OSError` when the directory cannot be written.
        """
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _read_owner(fd)
            os.close(fd)
            raise DataDirBusy(data_dir, owner) from None
        os.ftruncate(fd, 0)
        if not shared:
            _write_owner(fd)
        return cls(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Give the directory back; safe to call twice."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1


def _write_owner(fd: int) -> None:
    since = utc_now().isoformat(timespec="seconds")
    os.pwrite(fd, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode(), 0)


def _read_owner(fd: int) -> Owner:
    try:
        told = json.loads(os.pread(fd, 4096, 0))
        return Owner(pid=int(told["pid"]), host=str(told["host"]), since=str(told["since"]))
    except (ValueError, KeyError, TypeError):
        return Owner(pid=None, host=None, since=None)
