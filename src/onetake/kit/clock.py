"""The one place that asks for the time, so that tests can inject another clock."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
LATE_S = 1.0
_BASE_NS = time.time_ns() - time.monotonic_ns()


def utc_now() -> datetime:
    """Wall clock as an aware UTC datetime."""
    return datetime.now(UTC)


def wall_ms() -> int:
    """Wall clock in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """The wall clock in milliseconds as it would be had nobody set it since this process began: it never jumps."""
    return (_BASE_NS + time.monotonic_ns()) // 1_000_000


def steady_s() -> float:
    """`steady_ms` in seconds."""
    return (_BASE_NS + time.monotonic_ns()) / 1e9


def clock_step_ms() -> int:
    """How far the wall clock has been set since this process began: what `steady_ms` lacks."""
    return wall_ms() - steady_ms()


class AwakeClock:
    """A monotonic clock, in seconds, that stands still while the process does (stopped, starved, its loop held).

    `tick` must be called every `every_s`. When that comes more than a second too late, the missing time does not count:
    whoever was not heard meanwhile is not to blame.
    """

    def __init__(self, every_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._monotonic = monotonic
        self._lost_s = 0.0
        self._due_s = monotonic() + every_s

    def __call__(self) -> float:
        """The time; it never goes back."""
        now_s = self._monotonic()
        late_s = now_s - self._due_s
        if late_s > LATE_S:
            self._lost_s += late_s
            self._due_s = now_s
        return now_s - self._lost_s

    def tick(self) -> None:
        """The process is awake."""
        self()
        self._due_s = self._monotonic() + self._every_s
