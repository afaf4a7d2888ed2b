"""Whoever removes recordings and whoever backs up keep out of each other's way: an flock on `<data>/backup.lock`."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

LOCK_NAME = "backup.lock"
WAIT_S = 60.0
_STEP_S = 0.1


class BackupError(Exception):
    """The backup could not be made; the text says why."""


class BackupRunning(BackupError):
    """A backup is being made just now."""


@contextlib.contextmanager
def removing(data_dir: Path) -> Iterator[None]:
    """Recordings may be removed while the block runs. Raises BackupRunning at once when a backup needs them all."""
    with _held(data_dir, fcntl.LOCK_SH, wait_s=0):
        yield


@contextlib.contextmanager
def backing_up(data_dir: Path, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Nothing is removed while the block runs. Waits for removals that run; raises BackupRunning for another backup."""
    with _held(data_dir, fcntl.LOCK_EX, wait_s=wait_s):
        yield


@contextlib.contextmanager
def _held(data_dir: Path, kind: int, *, wait_s: float) -> Iterator[None]:
    descriptor = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, kind, time.monotonic() + wait_s)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise BackupRunning("a backup is being made just now; try again when it is done") from None
            time.sleep(_STEP_S)
        else:
            return
