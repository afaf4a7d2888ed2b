"""Views and positions: counted cheaply, without reloads and bots, written in batches."""

import itertools
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.accounts.auth import Principal
from onetake.infra.db import Database, upsert
from onetake.kit.clock import utc_now
from onetake.library import repository
from onetake.library.models import Video, WatchProgress
from onetake.library.schemas import ProgressReport

AGAIN_S = 1800
"""The same viewer counts again for the same video after half an hour."""
MAX_REMEMBERED = 200_000
MAX_WAITING = 20_000
"""Videos with views that are not written yet; while the database is away for long, further ones are not counted."""
FLUSH_VIDEOS = 500
NEARLY_OVER = 0.95
_BOTS = re.compile(
    r"bot|crawl|spider|slurp|preview|headless|curl|wget|python|java/|go-http|axios|monitor", re.IGNORECASE
)


class ViewCounter:
    """Counts views in memory; `flush` writes them. One per API process."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._seen: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._waiting: Counter[int] = Counter()

    def count(self, viewer: str, user_agent: str, video_ids: Sequence[int]) -> int:
        """Note that `viewer` has begun to watch; how many of the videos count as a new view."""
        if not user_agent or _BOTS.search(user_agent):
            return 0
        now = self._clock_s()
        fresh = [video_id for video_id in set(video_ids) if self._is_new((viewer, video_id), now)]
        if len(self._waiting) + len(fresh) <= MAX_WAITING:
            self._waiting.update(fresh)
        return len(fresh)

    async def flush(self, db: Database) -> None:
        """Write what has been counted; kept for the next time when the database is busy."""
        while self._waiting:
            some = dict(itertools.islice(self._waiting.items(), FLUSH_VIDEOS))
            async with db.write() as session:
                await repository.count_views(session, some)
            self._waiting.subtract(some)
            self._waiting = +self._waiting

    def _is_new(self, key: tuple[str, int], now: float) -> bool:
        before = self._seen.pop(key, None)
        self._seen[key] = now if before is None or now - before >= AGAIN_S else before
        while len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)
        return before is None or now - before >= AGAIN_S


async def save_progress(session: AsyncSession, viewer: Principal, video: Video, report: ProgressReport) -> None:
    """Keep where a viewer is; at the end the next visit begins from the start."""
    length = video.duration or report.duration
    over = length > 0 and not video.is_live and report.position >= length * NEARLY_OVER
    before = (await repository.progress_of(session, viewer.user_id, [video.id])).get(video.id)
    values = {
        "user_id": viewer.user_id,
        "video_id": video.id,
        "position_s": 0 if over else report.position,
        "watched_s": (before.watched_s if before else 0) + report.watch_duration,
        "device_type": report.device_type,
        "updated_at": utc_now(),
    }
    await upsert(session, WatchProgress, values, key=("user_id", "video_id"))


async def positions(session: AsyncSession, viewer: Principal | None, videos: Sequence[Video]) -> dict[int, int]:
    """Where a viewer stopped, by video."""
    if viewer is None or not videos:
        return {}
    found = await repository.progress_of(session, viewer.user_id, [video.id for video in videos])
    return {video_id: row.position_s for video_id, row in found.items()}
