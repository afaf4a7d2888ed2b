"""The one place that asks for the time, so that tests can inject another clock."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Wall clock as an aware UTC datetime."""
    return datetime.now(UTC)


def wall_ms() -> int:
    """Wall clock in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
