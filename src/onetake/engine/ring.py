"""The live edge in memory: the last minute of parts, who waits for the next one, and where older segments lie on disk.

Parts are the very bytes that the recorder writes; nothing is copied. Loop only.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from onetake.media.fmp4.parts import Part, Run

BLOCK_RATIO = 0.05
"""The back of a window on disk leaves in blocks of this share: each time the whole playlist has to be written anew."""


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

    `ring_s`, `ring_bytes`: how much complete media stays in memory at most. `window_s()` says how much is listed
    because it lies on disk (0: only what is in memory; a block more for a while); `asset_of(msn)` names the recording
    that holds a segment, None when none does. `on_lost(msn)`: a segment that is listed has left memory and is nowhere.
    `on_its_way(msn)`: it waits to be written, so its bytes are held anyway and it stays; only then is it known where
    it is.
    """

    def __init__(
        self,
        ring_s: float,
        window_s: Callable[[], float] = lambda: 0.0,
        asset_of: Callable[[int], str | None] = lambda msn: None,
        on_lost: Callable[[int], None] = lambda msn: None,
        ring_bytes: int = 1 << 40,
        on_its_way: Callable[[int], bool] = lambda msn: False,
    ) -> None:
        self.segments: deque[RingSegment] = deque()
        self.closed = False
        self.version = 0
        self._ring_s = ring_s
        self._ring_bytes = ring_bytes
        self._window_s = window_s
        self._asset_of = asset_of
        self._on_lost = on_lost
        self._on_its_way = on_its_way
        self._memory: deque[RingSegment] = deque()
        self._memory_s = 0.0
        self._memory_bytes = 0
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
        self._memory_bytes += part.size_bytes
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
        """The parts in memory from the earliest keyframe segment at most `seconds` old to now.

        At least from the last keyframe segment on; from the present one if there is no keyframe.
        """
        if not self._memory:
            return []
        segments, start, age_s = list(self._memory), None, 0.0
        for place in range(len(segments) - 1, -1, -1):
            age_s += segments[place].duration_s
            if start is not None and age_s > seconds:
                break
            if segments[place].parts[0].independent:
                start = place
        return [part for segment in segments[-1 if start is None else start :] for part in segment.parts]

    def newest_keyframe(self) -> Part | None:
        """The newest part in memory that can be decoded by itself."""
        for segment in reversed(self.segments):
            for part in reversed(segment.parts):
                if part.independent:
                    return part
            if not segment.in_memory:
                break
        return None

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
        """A segment starts. The one before ends with it, if the packager could not foresee that."""
        if self.segments:
            self.segments[-1].ended = True
        segment = RingSegment(part.run, part.msn, part.wall_ms, part.after_gap)
        self.segments.append(segment)
        self._memory.append(segment)
        self._by_msn[part.msn] = segment

    def _evict(self) -> None:
        """Drop from memory what is older than the ring, and from the list what is older than the window."""
        left = []
        while self._is_full() and not self._on_its_way(self._memory[0].msn):
            oldest = self._memory.popleft()
            self._memory_s -= oldest.duration_s
            self._memory_bytes -= oldest.size_bytes
            oldest.parts = []
            oldest.asset = self._asset_of(oldest.msn)
            left.append(oldest)
        self._trim()
        for segment in left:
            if segment.asset is None and segment.msn in self._by_msn:
                self._on_lost(segment.msn)

    def _is_full(self) -> bool:
        over_s = self._memory_s - self._memory[0].duration_s >= self._ring_s
        return len(self._memory) > 1 and (over_s or self._memory_bytes > self._ring_bytes)

    def _trim(self) -> None:
        """Forget segments that are neither in memory nor on disk, and in blocks those older than the window."""
        window_s = self._window_s()
        limit_s = window_s if self._listed_s > window_s * (1 + BLOCK_RATIO) else float("inf")
        while self.segments and not self.segments[0].in_memory:
            oldest = self.segments[0]
            if self._listed_s <= limit_s and self._asset_of(oldest.msn) is not None:
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
