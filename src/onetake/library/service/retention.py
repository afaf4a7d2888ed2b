"""Which videos go: by age per source, by low disk, out of the trash after a week. Never one that is in use."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.audit import audit
from onetake.kit.clock import utc_now
from onetake.library import repository
from onetake.library.models import Shelf, Video
from onetake.library.service.videos import enqueue_removal, narrow, snapshot
from onetake.sources.service import every_source

TRASH_DAYS = 7
IN_USE_S = 60
BATCH = 500
MARGIN_RATIO = 0.03
NO_READS: Mapping[str, float] = MappingProxyType({})
PATIENCE = timedelta(minutes=10)
"""So long the removal of what lies in the trash may take before other videos have to make room."""


@dataclass(frozen=True, slots=True)
class Expired:
    """A video that retention would take, and why: `age` or `disk`."""

    video: Video
    reason: str


async def expired_by_age(session: AsyncSession, now: datetime, limit: int = BATCH) -> list[Expired]:
    """Videos older than their source keeps them."""
    found: list[Expired] = []
    for source in await every_source(session):
        before = now - timedelta(days=source.retention_days)
        videos = await repository.older_than(session, source.id, before, limit - len(found))
        found += [Expired(video, "age") for video in videos]
        if len(found) >= limit:
            break
    return found


async def expired_by_disk(
    session: AsyncSession, bytes_wanted: int, limit: int = BATCH, reads: Mapping[str, float] = NO_READS
) -> list[Expired]:
    """The oldest unprotected videos that nobody watches and whose sizes add up to `bytes_wanted`."""
    found: list[Expired] = []
    for video in await repository.oldest_unprotected(session, limit):
        if bytes_wanted <= 0:
            break
        if in_use(video, reads):
            continue
        found.append(Expired(video, "disk"))
        bytes_wanted -= video.file_size
    return found


class DiskUsage(Protocol):
    """What `shutil.disk_usage` tells."""

    @property
    def used(self) -> int:
        """Bytes in use."""

    @property
    def free(self) -> int:
        """Bytes that we may still write."""


def usable_bytes(disk: DiskUsage) -> int:
    """What files can fill, as `df` counts it: a reserve, a quota or a thin volume gives less than the disk's size."""
    return disk.used + disk.free


def bytes_wanted(disk: DiskUsage, high_ratio: float) -> int:
    """How much must go to be a little below the mark; on a disk that is not full yet: what would go first."""
    usable = usable_bytes(disk)
    return int((max(disk.used / usable, high_ratio) - high_ratio + MARGIN_RATIO) * usable)


async def move_to_trash(session: AsyncSession, expired: list[Expired]) -> int:
    """Put expired videos into the trash, each with its audit entry; how many."""
    for item in expired:
        before = snapshot(item.video)
        narrow(item.video)
        item.video.deleted_at = item.video.updated_at = utc_now()
        item.video.shelf = Shelf.TRASH
        after = snapshot(item.video) | {"reason": item.reason}
        await audit(session, action="videos.expire", target=f"video:{item.video.id}", before=before, after=after)
    return len(expired)


async def empty_trash(session: AsyncSession, before: datetime, reads: Mapping[str, float]) -> int:
    """Have removed what has lain in the trash since before `before` and is not being watched; how many it tells to go.

    What is on its way already does not count.
    """
    told = 0
    for video in await repository.trashed_before(session, before, BATCH):
        if not in_use(video, reads) and await enqueue_removal(session, video):
            target, reason = f"video:{video.id}", {"reason": "trash"}
            await audit(session, action="videos.delete", target=target, before=snapshot(video), after=reason)
            told += 1
    return told


async def trash_moves(session: AsyncSession) -> bool:
    """Whether the trash is just being emptied, so that more room is on its way."""
    return await repository.trash_moves(session, utc_now() - PATIENCE)


def in_use(video: Video, reads: Mapping[str, float]) -> bool:
    """Whether a video is being recorded, or was read by the media server in the last minute (`reads`: Unix s)."""
    return video.is_live or read_lately(video.asset_id, reads)


def read_lately(asset_id: str, reads: Mapping[str, float]) -> bool:
    """Whether the media server has read anything of an asset in the last minute."""
    return time.time() - reads.get(asset_id, 0.0) < IN_USE_S
