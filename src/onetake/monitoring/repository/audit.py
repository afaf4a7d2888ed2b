"""SQL of the audit log page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.audit import AuditEntry
from onetake.kit.paging import PageRequest


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which acts a list holds; None means any. `start` is included, `end` is not."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    start: datetime | None = None
    end: datetime | None = None


async def list_entries(
    session: AsyncSession, wanted: AuditFilter, page: PageRequest
) -> tuple[Sequence[AuditEntry], int]:
    """One page of acts, the newest first, and how many there are in all."""
    conditions = _conditions(wanted)
    total = await session.scalar(select(func.count(AuditEntry.id)).where(*conditions)) or 0
    rows = select(AuditEntry).where(*conditions).order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
    return (await session.scalars(rows.offset(page.offset).limit(page.per_page))).all(), total


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.actor:
        found.append(AuditEntry.actor_name.icontains(wanted.actor, autoescape=True))
    if wanted.action:
        found.append(AuditEntry.action.startswith(wanted.action, autoescape=True))
    if wanted.target:
        found.append(AuditEntry.target.startswith(wanted.target, autoescape=True))
    if wanted.start:
        found.append(AuditEntry.at >= wanted.start)
    if wanted.end:
        found.append(AuditEntry.at < wanted.end)
    return found
