"""The live edge in memory: the last minute of parts, who waits for the next one, and where older segments lie on disk.

Parts are the very bytes that the recorder writes; nothing is copied. Loop only.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from onetake.media.fmp4.parts import Part, Run


class Gone(LookupError):
    """The ring was closed while someone waited: the stream is over."""


@dataclass(slots=True, eq=False)
class RingSegment:
    """One segment of the window. Its parts are emptied when it leaves memory; `asset` names its recording then."""

    run: Run
    msn: int
    wall_ms: int
    after_gap: bool
    parts: list[Part] = field(default_factory=list)
    ended: bool = False
    duration_s: float = 0.0
    asset: str | None = None

    @property
    def in_memory(self) -> bool:
        """True while its bytes are in RAM."""
        return bool(self.parts)

    @property
    def size_bytes(self) -> int:
        """Bytes in memory."""
        return sum([part.size_bytes for part in self.parts])

    @property
    def data(self) -> bytes:
        """The whole segment."""
        return b"".join(part.data for part in self.parts)


class Ring:
    """Segments of one stream, oldest first; the last one may be open.

    `ring_s`: how much complete media stays in memory. `window_s()` says how much more may be listed because it lies on
    disk (0: only what is in memory); `asset_of(msn)` names the recording that holds a segment, None when none does.
    """

    def __init__(
        self,
        ring_s: float,
        window_s: Callable[[], float] = lambda: 0.0,
        asset_of: Callable[[int], str | None] = lambda msn: None,
    ) -> None:
        self.segments: deque[RingSegment] = deque()
        self.closed = False
        self.version = 0
        self._ring_s = ring_s
        self._window_s = window_s
        self._asset_of = asset_of
        self._memory: deque[RingSegment] = deque()
        self._memory_s = 0.0
        self._listed_s = 0.0
        self._arrival: asyncio.Future[None] | None = None
        self._by_msn: dict[int, RingSegment] = {}

    def add(self, part: Part) -> None:
        """Take in the next part and wake everyone who waits."""
        if part.starts_segment or not self.segments or self.segments[-1].ended:
            self._open(part)
        segment = self.segments[-1]
        segment.parts.append(part)
        segment.duration_s += part.duration_s
        self._memory_s += part.duration_s
        self._listed_s += part.duration_s
        if part.ends_segment:
            segment.ended = True
        self._evict()
        self._wake()

    def find(self, prefix: str, msn: int) -> RingSegment | None:
        """The segment of a URI, in memory or not; None when it is not in the window."""
        segment = self._by_msn.get(msn)
        return segment if segment is not None and segment.run.prefix == prefix else None

    def runs(self) -> list[Run]:
        """The runs of the window, oldest first."""
        return list({id(segment.run): segment.run for segment in self.segments}.values())

    def last_parts(self, seconds: float) -> list[Part]:
        """The parts in memory from the earliest segment at most `seconds` old, at least the present one, to now."""
        parts = [part for segment in self._memory for part in segment.parts]
        start, age_s = None, 0.0
        for index in range(len(parts) - 1, -1, -1):
            age_s += parts[index].duration_s
            if parts[index].starts_segment:
                start = index if start is None or age_s <= seconds else start
                if age_s >= seconds:
                    break
        return [] if start is None else parts[start:]

    async def wait(self, ready: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `ready()` after some part; False on timeout. Raises `Gone` when the stream ends first."""
        until = asyncio.get_running_loop().time() + timeout_s
        while not ready():
            if self.closed:
                raise Gone
            left_s = until - asyncio.get_running_loop().time()
            if left_s <= 0 or not await self._next_part(left_s):
                return ready()
        return True

    def close(self) -> None:
        """The stream is over."""
        self.closed = True
        self._wake()

    def _open(self, part: Part) -> None:
        segment = RingSegment(part.run, part.msn, part.wall_ms, part.after_gap)
        self.segments.append(segment)
        self._memory.append(segment)
        self._by_msn[part.msn] = segment

    def _evict(self) -> None:
        """Drop from memory what is older than the ring, and from the list what is older than the window."""
        while len(self._memory) > 1 and self._memory_s - self._memory[0].duration_s >= self._ring_s:
            oldest = self._memory.popleft()
            self._memory_s -= oldest.duration_s
            oldest.parts = []
            oldest.asset = self._asset_of(oldest.msn)
        self._trim()

    def _trim(self) -> None:
        """Forget segments that are neither in memory nor inside the window on disk."""
        while self.segments and not self.segments[0].in_memory:
            oldest = self.segments[0]
            if oldest.asset is not None and self._listed_s <= self._window_s():
                return
            self._listed_s -= oldest.duration_s
            del self._by_msn[self.segments.popleft().msn]

    async def _next_part(self, timeout_s: float) -> bool:
        """Wait for the next wake-up. One future is shared by all waiters, so a part costs one wake-up each."""
        if self._arrival is None:
            self._arrival = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait([self._arrival], timeout=timeout_s)
        return bool(done)

    def _wake(self) -> None:
        self.version += 1
        if self._arrival is not None:
            self._arrival.set_result(None)
            self._arrival = None
