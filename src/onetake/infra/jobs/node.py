"""Who this worker is across restarts, and what its former life left running."""

import fcntl
import os
import signal
import socket
from pathlib import Path
from typing import IO

from onetake.infra.jobs.context import WORKER_VARIABLE
from onetake.kit.ids import random_hex

_MAX_WORKERS = 64


class NodeError(Exception):
    """No identity is free; the text says why."""


class Node:
    """A worker's identity, held by a lock that the kernel drops when the process dies.

    The file also names the host: a data folder copied to another machine gives a new identity there, so that nobody
    takes back jobs that the first machine still runs.
    """

    def __init__(self, worker: str, file: IO[str]) -> None:
        self.worker = worker
        self._file = file

    @classmethod
    def acquire(cls, data_dir: Path) -> "Node":
        """The first identity of this data folder that no living worker holds. Raises NodeError."""
        folder = data_dir / "workers"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(_MAX_WORKERS):
            file = (folder / f"{number}.id").open("a+", encoding="ascii", errors="replace")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                continue
            return cls(_identity(file), file)
        raise NodeError(f"{_MAX_WORKERS} workers share {folder} already")

    def release(self) -> None:
        """Let another worker take this identity."""
        self._file.close()


def _identity(file: IO[str]) -> str:
    """The identity in the file when this host wrote it, else a new one."""
    file.seek(0)
    words = file.read(512).split()
    host = socket.gethostname()
    if len(words) == 2 and words[1] == host and len(words[0]) == 32:
        return words[0]
    worker = random_hex()
    file.seek(0)
    file.truncate()
    file.write(f"{worker} {host}\n")
    file.flush()
    os.fsync(file.fileno())
    return worker


def kill_orphans(worker: str) -> int:
    """Kill processes that a former life of this worker left behind, grandchildren included; returns how many.

    Direct children die with the worker by themselves; what they started is known by the environment they inherited.
    """
    mark = f"{WORKER_VARIABLE}={worker}".encode()
    killed = 0
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        if pid != os.getpid() and _has_mark(entry / "environ", mark):
            killed += _kill(pid)
    return killed


def _has_mark(environment: Path, mark: bytes) -> bool:
    try:
        return mark in environment.read_bytes().split(b"\0")
    except OSError:
        return False


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True
