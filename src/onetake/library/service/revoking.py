"""Playback tokens that must die before their time: from before a video was hidden, or of users who may no more.

The media server keeps revocations in memory. They are compared every few seconds, so that each is in force within ten,
and a restart of either side heals by itself (DESIGN §3).
"""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.accounts.service import lately_lost
from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer
from onetake.kit.clock import utc_now
from onetake.library import repository
from onetake.sources.playback import generation_scope, user_name
from onetake.sources.service import narrowed_since

TOKEN_LIFE = timedelta(hours=25)
"""Twelve hours until the latest token of a list expires, and twelve more for a session that is then in use."""
MAX_VIDEOS = 20_000
MAX_GENERATIONS = 50
_OURS = ("asset", "stream", "viewer")

Revocation = tuple[str, str]


async def wanted(session: AsyncSession, now: datetime) -> set[Revocation]:
    """All revocations that must be in force at `now`."""
    since = now - TOKEN_LIFE
    narrowed = await repository.narrowed_since(session, since, MAX_VIDEOS)
    stale = {("asset", scope) for asset_id, present in narrowed for scope in _earlier(asset_id, present)}
    for name, present in await narrowed_since(session, since):
        stale |= {("stream", scope) for scope in _earlier(f"live:{name}", present)}
    return stale | {("viewer", user_name(user_id, role)) for user_id, role in await lately_lost(session, since)}


def _earlier(thing: str, present: int) -> list[str]:
    return [generation_scope(thing, each) for each in range(max(0, present - MAX_GENERATIONS), present)]


async def enforce(db: Database, media: MediaServer) -> int:
    """Tell the media server what changed; how many revocations that were."""
    async with db.read() as session:
        due = await wanted(session, utc_now())
    present = {item for item in await media.revoked() if item[0] in _OURS}
    for what, value in due - present:
        await media.revoke(what, value)
    for what, value in present - due:
        await media.restore(what, value)
    return len(due ^ present)
