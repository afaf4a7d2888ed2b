"""Bounded memory of what came last: a babbling child process must not fill memory or the database (F27)."""

from collections import deque


class Tail:
    """The last `max_bytes` of a stream of text, in whole pieces."""

    def __init__(self, max_bytes: int = 64 << 10) -> None:
        self._max_bytes = max_bytes
        self._pieces: deque[bytes] = deque()
        self._size_bytes = 0
        self.version = 0

    def write(self, data: bytes) -> None:
        """Append; the oldest pieces make room."""
        data = data[-self._max_bytes :]
        self._pieces.append(data)
        self._size_bytes += len(data)
        self.version += 1
        while self._size_bytes > self._max_bytes:
            self._size_bytes -= len(self._pieces.popleft())

    def text(self) -> str:
        """Everything kept, undecodable bytes replaced."""
        return b"".join(self._pieces).decode("utf-8", "replace")
