"""The last hour in ten-second samples, and the free space of the last seven hours: in memory, and in small files so
that a restart keeps them.

They are files beside the run files and not tables: they are about this machine, and go on while the database is away.
"""

import contextlib
import fcntl
import os
from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from onetake.kit.clock import utc_now
from onetake.monitoring.schemas import Sample, SpaceSample

STEP_S = 10
SPACE_STEP_S = 75
KEPT = 360
_COMPACT_AT = 2 * KEPT
_MAX_BYTES = 2 << 20

SampleT = TypeVar("SampleT", Sample, SpaceSample)


class HistoryStore(Generic[SampleT]):
    """The last 360 samples of one kind, `step_s` apart, in the file `<name>.jsonl`.

    Of several API processes on one data folder the first one writes, the others read. All methods block for a short
    file operation: call them in a thread.
    """

    def __init__(self, run_dir: Path, name: str, kind: type[SampleT], step_s: int) -> None:
        self.step_s = step_s
        self._kind: type[SampleT] = kind
        self._path = run_dir / f"{name}.jsonl"
        self._lock_path = run_dir / f"{name}.lock"
        self._lock_fd = -1
        self._lines = 0
        self._samples: deque[SampleT] = deque(maxlen=KEPT)

    def open(self) -> None:
        """Read what an earlier process has left."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._load()

    def close(self) -> None:
        """Let another process write."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def add(self, sample: SampleT) -> None:
        """Keep a sample. A full or missing disk costs the file, never the memory."""
        self._samples.append(sample)
        if not self._may_write():
            return
        with contextlib.suppress(OSError):
            if self._lines >= _COMPACT_AT:
                self._compact()
            else:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(sample.model_dump_json() + "\n")
                self._lines += 1

    def recent(self) -> list[SampleT]:
        """The samples of the last 360 steps, oldest first."""
        if not self._may_write():
            self._load()
        start = utc_now() - timedelta(seconds=KEPT * self.step_s)
        return [sample for sample in self._samples if sample.at > start]

    def _may_write(self) -> bool:
        if self._lock_fd >= 0:
            return True
        try:
            fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return False
        self._lock_fd = fd
        return True

    def _load(self) -> None:
        self._samples.clear()
        self._lines = 0
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _MAX_BYTES))
                lines = file.read(_MAX_BYTES).splitlines()
        except OSError:
            return
        self._lines = len(lines)
        for line in lines:
            with contextlib.suppress(ValidationError):  # a torn last line
                self._samples.append(self._kind.model_validate_json(line))

    def _compact(self) -> None:
        part = self._path.with_suffix(".part")
        part.write_text("".join(sample.model_dump_json() + "\n" for sample in self._samples), encoding="utf-8")
        part.replace(self._path)
        self._lines = len(self._samples)


def free_space(samples: Iterable[SpaceSample], path: str) -> list[tuple[float, int]]:
    """`(Unix seconds, free bytes)` of one file system, in the order of the samples."""
    return [(sample.at.timestamp(), sample.free_bytes[path]) for sample in samples if path in sample.free_bytes]
