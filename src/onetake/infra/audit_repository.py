"""SQL of the audit log that is not just adding to it."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.audit import AuditEntry
from onetake.infra.db.rows import matched_rows


async def acts_since(session: AsyncSession, actions: Collection[str], moment: datetime) -> Sequence[AuditEntry]:
    """The entries of some kinds of acts since `moment`, oldest first."""
    statement = select(AuditEntry).where(AuditEntry.action.in_(actions), AuditEntry.at >= moment)
    return (await session.scalars(statement.order_by(AuditEntry.id))).all()


async def purge_before(session: AsyncSession, moment: datetime) -> int:
    """Delete entries older than `moment`; returns how many."""
    return await matched_rows(session, delete(AuditEntry).where(AuditEntry.at < moment))
