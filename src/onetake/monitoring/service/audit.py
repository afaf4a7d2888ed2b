"""The audit log as an administrator reads it."""

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.audit import AuditEntry
from onetake.kit.paging import PageRequest
from onetake.monitoring.repository import audit as repository
from onetake.monitoring.repository.audit import AuditFilter
from onetake.monitoring.schemas import AuditView


async def list_entries(session: AsyncSession, wanted: AuditFilter, page: PageRequest) -> tuple[list[AuditView], int]:
    """One page of acts, the newest first, and how many there are in all."""
    entries, total = await repository.list_entries(session, wanted, page)
    return [_view(entry) for entry in entries], total


def _view(entry: AuditEntry) -> AuditView:
    return AuditView(
        id=entry.id,
        at=entry.at,
        actor=entry.actor_name,
        actor_id=entry.actor_id,
        actor_kind=entry.actor_kind,
        ip=entry.ip,
        request_id=entry.request_id,
        action=entry.action,
        target=entry.target,
        before=entry.before,
        after=entry.after,
    )
