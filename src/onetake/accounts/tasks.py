"""Background work of accounts."""

from onetake.accounts import repository
from onetake.accounts.sessions import SessionPolicy
from onetake.infra.jobs.context import JobContext
from onetake.infra.jobs.registry import job, periodic
from onetake.kit.clock import utc_now

PURGE = "accounts.purge_sessions"


@job(PURGE, queue="stats")
async def purge_sessions(ctx: JobContext) -> dict[str, int]:
    """Drop sessions that have ended by themselves, with their refresh tokens, and stale WebSocket tickets."""
    now = utc_now()
    seen_before = now - SessionPolicy.from_settings(ctx.settings).idle
    async with ctx.db.write() as session:
        return {"sessions": await repository.purge(session, now, seen_before)}


periodic(PURGE, "43 3 * * *", PURGE)
