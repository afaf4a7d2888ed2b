"""The audit log page."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from onetake.accounts.auth import Permission, require
from onetake.infra.web.deps import PageDep, ReadSession
from onetake.kit.paging import Page, page_of
from onetake.monitoring.repository.audit import AuditFilter
from onetake.monitoring.schemas import AuditView
from onetake.monitoring.service import audit as service

router = APIRouter(prefix="/api/audit", tags=["audit"])
_PLAIN = r"^[^\x00-\x1f\x7f]*$"


async def _filter(
    actor: Annotated[str | None, Query(max_length=100, pattern=_PLAIN, description="Part of the name.")] = None,
    action: Annotated[
        str | None, Query(max_length=64, pattern=_PLAIN, description="Begins like this.", examples=["users."])
    ] = None,
    target: Annotated[
        str | None, Query(max_length=191, pattern=_PLAIN, description="Begins like this.", examples=["user:12"])
    ] = None,
    start: Annotated[AwareDatetime | None, Query(alias="from", description="Not before; RFC 3339 with a zone.")] = None,
    end: Annotated[AwareDatetime | None, Query(alias="to", description="Before this; RFC 3339 with a zone.")] = None,
) -> AuditFilter:
    return AuditFilter(actor, action, target, start, end)


@router.get(
    "",
    operation_id="listAudit",
    summary="List administrative acts",
    dependencies=[Depends(require(Permission.AUDIT_READ))],
)
async def list_audit(
    wanted: Annotated[AuditFilter, Depends(_filter)], page: PageDep, session: ReadSession
) -> Page[AuditView]:
    """Who did what to what, when and from where; the newest first."""
    entries, total = await service.list_entries(session, wanted, page)
    return page_of(entries, total, page)
