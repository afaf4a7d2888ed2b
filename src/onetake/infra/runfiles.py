"""Small files that say which processes of this server run: `<data>/run/<role>.json`.

The supervisor writes them, the system status page and the metrics read them. They are hints, never locks: a reader
checks that the process exists and started when the file says.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

BEAT_WRITE_EVERY_S = 5.0


@dataclass(slots=True)
class RunInfo:
    """One process as its run file tells: times are Unix seconds, `lag_ms` is the event loop's last delay."""

    role: str
    pid: int
    started_at: float
    restarts: int
    beat_at: float
    lag_ms: float


class RunFile:
    """Keeps one run file for as long as the `with` block runs."""

    def __init__(self, run_dir: Path, role: str, pid: int, *, restarts: int = 0) -> None:
        now = time.time()
        self._path = run_dir / f"{role}.json"
        self._info = RunInfo(role, pid, started_at=now, restarts=restarts, beat_at=now, lag_ms=0.0)
        self._written = 0.0

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def beat(self, lag_ms: float) -> None:
        """Note a heartbeat; it reaches the disk at most every five seconds."""
        self._info.beat_at, self._info.lag_ms = time.time(), lag_ms
        if time.monotonic() - self._written >= BEAT_WRITE_EVERY_S:
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        part = self._path.with_suffix(".part")
        with contextlib.suppress(OSError):  # a full disk must not stop the supervisor
            part.write_text(json.dumps(asdict(self._info)))
            part.replace(self._path)


def read_run_files(run_dir: Path) -> Iterator[RunInfo]:
    """Every readable run file, in the order of its role's name."""
    for path in sorted(run_dir.glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            yield RunInfo(**json.loads(path.read_text()))
