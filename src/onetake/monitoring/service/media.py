"""What the system page says of the media server: figures and rates, and what is in trouble there."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onetake.infra.mediaserver import FileServer, MediaServer
from onetake.kit.errors import AppError
from onetake.monitoring.schemas import MediaFigures

PATIENCE_S = 2.0
RATE_OVER_S = 10.0
_LIVE = ("pushing", "stalled")
_TROUBLE = ("retrying", "failed")


@dataclass(frozen=True, slots=True)
class MediaLook:
    """The media server at one moment: sums, and its streams as `/control/streams` tells them."""

    figures: MediaFigures
    streams: Sequence[Mapping[str, Any]] = ()

    @property
    def paused(self) -> dict[str, str]:
        """Stream names whose recording waits for the disk, with the media server's word for the reason."""
        return {stream["name"]: stream["paused"] for stream in self.streams if stream.get("paused")}

    @property
    def failing_pulls(self) -> dict[str, Mapping[str, Any]]:
        """Stream names whose pull does not come in, with its state and last error."""
        return {stream["name"]: stream["pull"] for stream in self.streams if is_failing(stream)}


@dataclass(slots=True)
class Rate:
    """The mean rate of a rising counter over about ten seconds; HLS goes out in bursts."""

    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    def bits_per_s(self, now_s: float, total_bytes: int) -> int:
        """The rate up to now; 0 at first and when the counter began anew."""
        if self._seen and total_bytes < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now_s, total_bytes))
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= RATE_OVER_S:
            self._seen.popleft()
        since_s, before = self._seen[0]
        return round(8 * (total_bytes - before) / (now_s - since_s)) if now_s > since_s else 0


class MediaMeter:
    """Asks both processes of the media server. One that does not answer soon counts as away."""

    def __init__(self, media: MediaServer, files: FileServer) -> None:
        self._media = media
        self._files = files
        self._received, self._sent_live, self._sent_files = Rate(), Rate(), Rate()

    async def measure(self) -> MediaLook:
        """The media server now, rates over the last ten seconds."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                answer, files = await asyncio.gather(self._media.streams(), self._file_figures())
        except (AppError, TimeoutError):
            return MediaLook(MediaFigures(reachable=False))
        server, now_s = answer["server"], time.monotonic()
        figures = figures_of(answer["streams"])
        figures.viewers_by_protocol = dict(Counter(server["viewers"]) + Counter(files["viewers"]))
        figures.in_bits_per_s = self._received.bits_per_s(now_s, server["received_bytes"])
        figures.out_bits_per_s = self._sent_live.bits_per_s(now_s, server["sent_bytes"])
        figures.out_bits_per_s += self._sent_files.bits_per_s(now_s, files["sent_bytes"])
        return MediaLook(figures, answer["streams"])

    async def _file_figures(self) -> dict[str, Any]:
        """Of the file process; live streams go on without it."""
        try:
            return await self._files.figures()
        except AppError:
            return {"viewers": {}, "sent_bytes": 0}


def figures_of(streams: Sequence[Mapping[str, Any]]) -> MediaFigures:
    """The sums over `/control/streams`."""
    publishers = Counter(stream["publisher"]["type"] == "pull" for stream in streams if stream.get("publisher"))
    paused = sum(bool(stream.get("paused")) for stream in streams)
    return MediaFigures(
        reachable=True,
        streams_live=sum(stream["state"] in _LIVE for stream in streams),
        publishers=publishers[False],
        pulls=publishers[True],
        pulls_in_trouble=sum(is_failing(stream) for stream in streams),
        viewers=sum(stream["viewers"] for stream in streams),
        recordings=sum(stream["recording"] is not None for stream in streams) - paused,
        recordings_paused=paused,
    )


def is_failing(stream: Mapping[str, Any]) -> bool:
    """Whether a pull has an error and brings nothing."""
    return (stream.get("pull") or {}).get("state") in _TROUBLE
