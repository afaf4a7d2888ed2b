"""SQL of the audit log that is not just adding to it."""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.audit import AuditEntry
from onetake.infra.db.rows import matched_rows


async def purge_before(session: AsyncSession, moment: datetime) -> int:
    """Delete entries older than `moment`; returns how many."""
    return await matched_rows(session, delete(AuditEntry).where(AuditEntry.at < moment))
