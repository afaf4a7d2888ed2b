"""SQL on the job tables that only the monitoring pages need."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db.clock import db_now
from onetake.infra.jobs.models import Job
from onetake.infra.jobs.views import moment


async def failed_since(session: AsyncSession, seconds: float) -> int:
    """Jobs that failed in the last `seconds`."""
    query = select(func.count(Job.id)).where(Job.state == "failed", Job.updated_at > db_now() - seconds)
    return await session.scalar(query) or 0


async def last_made(session: AsyncSession, kinds: Sequence[str]) -> dict[str, datetime]:
    """When the last job of each kind was made."""
    query = select(Job.kind, func.max(Job.created_at)).where(Job.kind.in_(kinds)).group_by(Job.kind)
    return {kind: moment(float(at)) for kind, at in (await session.execute(query)).all()}
