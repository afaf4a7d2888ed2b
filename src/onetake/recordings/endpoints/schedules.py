"""Schedules over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status

from onetake.accounts.auth import Permission, require
from onetake.infra.web.deps import IdPath, PageDep, ReadSession, WriteSession
from onetake.infra.web.openapi import answers
from onetake.infra.web.problems import request_language
from onetake.kit.clock import utc_now
from onetake.kit.cron import parse_cron, zone
from onetake.kit.cron_words import describe
from onetake.kit.errors import Lang
from onetake.kit.paging import Page, page_of, parse_sort
from onetake.recordings.models import Schedule
from onetake.recordings.repository import SCHEDULE_SORTS
from onetake.recordings.schemas import CronPreview, ScheduleCreate, ScheduleUpdate, ScheduleView
from onetake.recordings.service import schedules as service

router = APIRouter(prefix="/api/schedules", tags=["schedules"])
_read = [Depends(require(Permission.SOURCES_READ))]
_write = [Depends(require(Permission.RECORDINGS_WRITE))]
_MAX_ID = 2**63 - 1


@router.get("", operation_id="listRecordingSchedules", summary="List schedules", dependencies=_read)
async def list_schedules(
    request: Request,
    page: PageDep,
    session: ReadSession,
    source_id: Annotated[int | None, Query(ge=1, le=_MAX_ID, description="Only this source.")] = None,
    sort: Annotated[
        str | None, Query(max_length=100, description=f"Order, a minus for descending: {', '.join(SCHEDULE_SORTS)}.")
    ] = None,
) -> Page[ScheduleView]:
    """Schedules with their plan in words and their next five runs."""
    order = parse_sort(sort, SCHEDULE_SORTS, default="-id")
    found, total = await service.list_schedules(session, source_id, order, page)
    lang = request_language(request.scope)
    return page_of([view(schedule, lang) for schedule in found], total, page)


@router.post(
    "",
    operation_id="createSchedule",
    summary="Add a schedule",
    status_code=status.HTTP_201_CREATED,
    dependencies=_write,
    responses=answers(404),
)
async def create_schedule(body: ScheduleCreate, request: Request, session: WriteSession) -> ScheduleView:
    """A plan that repeats (`cron_expr`) or happens once (`run_at`)."""
    return view(await service.create_schedule(session, body), request_language(request.scope))


@router.get("/preview", operation_id="previewCron", summary="What a cron expression means", dependencies=_read)
async def preview_cron(
    request: Request,
    cron_expr: Annotated[str, Query(min_length=1, max_length=64, description="Cron expression.")],
    timezone: Annotated[str, Query(min_length=1, max_length=64, description="IANA zone.")] = "Asia/Shanghai",
) -> CronPreview:
    """The plan in words and its next five runs, before anything is saved."""
    cron = parse_cron(cron_expr)
    runs = cron.next_runs(utc_now(), zone(timezone), service.PREVIEW_RUNS)
    return CronPreview(in_words=describe(cron, request_language(request.scope)), next_runs=runs)


@router.get("/{id}", operation_id="getSchedule", summary="Show a schedule", dependencies=_read)
async def get_schedule(id: IdPath, request: Request, session: ReadSession) -> ScheduleView:
    """One schedule."""
    return view(await service.get_schedule(session, id), request_language(request.scope))


@router.put("/{id}", operation_id="updateSchedule", summary="Change a schedule", dependencies=_write)
async def update_schedule(id: IdPath, body: ScheduleUpdate, request: Request, session: WriteSession) -> ScheduleView:
    """Fields left out stay as they are; null takes `cron_expr` or `run_at` away."""
    return view(await service.update_schedule(session, id, body), request_language(request.scope))


@router.delete(
    "/{id}",
    operation_id="deleteSchedule",
    summary="Delete a schedule",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=_write,
)
async def delete_schedule(id: IdPath, session: WriteSession) -> None:
    """Deletes the plan; a recording that it started goes on until its end."""
    await service.delete_schedule(session, id)


def view(schedule: Schedule, lang: Lang) -> ScheduleView:
    """A schedule with what it means for a reader of `lang`."""
    shown = ScheduleView.model_validate(schedule)
    shown.in_words = service.in_words(schedule, lang)
    shown.next_runs = service.next_runs(schedule, utc_now())
    return shown
