"""The job pages."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, status

from onetake.accounts.auth import Permission, require
from onetake.infra.jobs.service import SORT_NAMES
from onetake.infra.web.deps import IdPath, PageDep, ReadSession, SettingsDep, WriteSession
from onetake.infra.web.openapi import answers
from onetake.kit.paging import Page, page_of, parse_sort
from onetake.monitoring.schemas import (
    JobDetail,
    JobState,
    JobView,
    QueueList,
    ScheduleList,
    SelfTest,
    WorkerList,
)
from onetake.monitoring.service import jobs as service

router = APIRouter(prefix="/api/jobs", tags=["jobs"])
_read = [Depends(require(Permission.JOBS_READ))]
_write = [Depends(require(Permission.JOBS_WRITE))]
_NAME = r"^[A-Za-z0-9_.\-]{1,96}$"


States = Annotated[list[JobState] | None, Query(max_length=7, description="Only these states; repeat it.")]
Queue = Annotated[str | None, Query(pattern=_NAME, description="Only this queue.", examples=["video"])]
Kind = Annotated[str | None, Query(pattern=_NAME, description="Only kinds that begin like this.", examples=["jobs."])]
Sort = Annotated[
    str | None,
    Query(max_length=100, description=f"Order, a minus for descending: {', '.join(SORT_NAMES)}.", examples=["-id"]),
]


@router.get("", operation_id="listJobs", summary="List jobs", dependencies=_read)
async def list_jobs(
    page: PageDep,
    session: ReadSession,
    state: States = None,
    queue: Queue = None,
    kind: Kind = None,
    sort: Sort = None,
) -> Page[JobView]:
    """Jobs by state, queue and kind, the newest first."""
    order = parse_sort(sort, SORT_NAMES, default="-id")
    jobs, total = await service.list_jobs(
        session, states=state or (), queue_name=queue, kind=kind, order=order, page=page
    )
    return page_of(jobs, total, page)


@router.get("/queues", operation_id="listQueues", summary="List queues", dependencies=_read)
async def list_queues(session: ReadSession, settings: SettingsDep) -> QueueList:
    """Every queue with its counts."""
    return QueueList(items=await service.list_queues(session, settings))


@router.get("/schedules", operation_id="listSchedules", summary="List periodic tasks", dependencies=_read)
async def list_schedules(session: ReadSession, settings: SettingsDep) -> ScheduleList:
    """Every task that starts by the clock."""
    return ScheduleList(items=await service.list_schedules(session, settings))


@router.get("/workers", operation_id="listWorkers", summary="List workers", dependencies=_read)
async def list_workers(session: ReadSession, settings: SettingsDep) -> WorkerList:
    """Every worker of the last days."""
    return WorkerList(items=await service.list_workers(session, settings))


@router.post(
    "/selftest",
    operation_id="startSelfTest",
    summary="Test the encoder",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=_write,
)
async def start_self_test(body: SelfTest, session: WriteSession) -> JobView:
    """Encodes a generated picture with the real FFmpeg; the result says how many times faster than real time."""
    return await service.selftest(session, body.seconds)


@router.get("/{id}", operation_id="getJob", summary="Show a job", dependencies=_read)
async def get_job(id: IdPath, session: ReadSession) -> JobDetail:
    """One job with arguments, result, error, log and parts."""
    return await service.get_job(session, id)


@router.post(
    "/{id}/cancel", operation_id="cancelJob", summary="Cancel a job", dependencies=_write, responses=answers(409)
)
async def cancel_job(id: IdPath, session: WriteSession) -> JobView:
    """Ends it and its parts; a running one ends within seconds. 409 when it has ended already."""
    return await service.cancel(session, id)


@router.post(
    "/{id}/retry", operation_id="retryJob", summary="Try a job again", dependencies=_write, responses=answers(409)
)
async def retry_job(id: IdPath, session: WriteSession) -> JobView:
    """Puts a failed or cancelled job, and its failed parts, back into the queue. 409 for any other."""
    return await service.retry(session, id)
