"""The rules for time from outside (DESIGN §2), in one place."""

_WRAP_MS = 1 << 32
_HALF_WRAP_MS = 1 << 31


class MillisecondClock:
    """Unwraps the 32-bit millisecond clock of FLV and RTMP: each value is taken as the one nearest to the last."""

    def __init__(self) -> None:
        self._last_ms = 0

    def unwrap(self, value_ms: int) -> int:
        """The 64-bit time of a 32-bit one; shortly before the first wrap it is negative."""
        delta = (value_ms - self._last_ms + _HALF_WRAP_MS) % _WRAP_MS - _HALF_WRAP_MS
        self._last_ms += delta
        return self._last_ms
