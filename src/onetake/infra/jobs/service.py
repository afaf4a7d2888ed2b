"""What the admin page and the API do with jobs. Every act leaves an audit entry in the same transaction."""

from collections.abc import Sequence
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.audit import audit
from onetake.infra.db import on_commit
from onetake.infra.jobs import admin_repository as rows
from onetake.infra.jobs import repository
from onetake.infra.jobs.errors import JobNotCancellable, JobNotFound, JobNotRetryable, ParentRunning
from onetake.infra.jobs.models import Job
from onetake.infra.jobs.registry import QUEUES, REGISTRY, JobRegistry
from onetake.infra.jobs.views import (
    JobDetail,
    JobView,
    QueueView,
    ScheduleView,
    WorkerView,
    detail_view,
    job_view,
    moment,
)
from onetake.infra.jobs.wake import wake
from onetake.infra.settings import Settings

STATES = ("scheduled", "queued", "waiting", "running", "done", "failed", "cancelled")
SORT_NAMES = tuple(rows.SORTS)


async def list_jobs(
    session: AsyncSession,
    *,
    states: Sequence[str] = (),
    queue: str | None = None,
    kind: str | None = None,
    parent_id: int | None = None,
    order: Sequence[tuple[str, bool]] = (("id", True),),
    offset: int = 0,
    limit: int = 50,
) -> tuple[list[JobView], int]:
    """One page of jobs and the number of all that match.

    `kind` matches the beginning; `order` is (name out of SORT_NAMES, descending).
    """
    found, total = await rows.page(
        session,
        states=states,
        queue=queue,
        kind=kind,
        parent_id=parent_id,
        order=order,
        offset=offset,
        limit=limit,
    )
    return await _views(session, found), total


async def get_job(session: AsyncSession, job_id: int) -> JobDetail:
    """Everything about one job. Raises JobNotFound."""
    job = await _existing(session, job_id)
    children = await _views(session, await rows.children_of(session, job_id))
    (view,) = await _views(session, [job])
    return detail_view(view, job, await rows.log_tail(session, job_id), children)


async def retry_job(session: AsyncSession, job_id: int) -> JobView:
    """Run a failed or cancelled job again with all its attempts.

    A parent's children that ended badly run again first; a child that runs again makes its parent wait for it again.
    Raises JobNotFound, JobNotRetryable and ParentRunning.
    """
    job = await _existing(session, job_id)
    before = job.state
    await rows.requeue_children(session, job_id)  # children before parents, the order in which workers lock them
    if not await rows.requeue(session, job_id):
        raise JobNotRetryable(state=before)
    await rows.count_children(session, job_id)
    if job.parent_id is not None:
        await _make_parent_wait(session, job.parent_id)
    after = await _existing(session, job_id)
    states = {"before": {"state": before}, "after": {"state": after.state}}
    await audit(session, action="jobs.retry", target=f"job:{job_id}", **states)
    _wake_all_on_commit(session)
    return job_view(after)


async def _make_parent_wait(session: AsyncSession, parent_id: int) -> None:
    """The counter went down when the child ended; a parent that ended badly meanwhile gets another chance."""
    if await rows.wait_for_one_more(session, parent_id):
        return
    if await rows.requeue(session, parent_id):
        await rows.count_children(session, parent_id)
        return
    parent = await rows.one(session, parent_id)
    if parent is not None and parent.state == "running":
        raise ParentRunning(parent=parent_id)


async def cancel_job(session: AsyncSession, job_id: int) -> JobView:
    """End a job and its children: at once when it does not run, within seconds when it does.

    Raises JobNotFound and JobNotCancellable.
    """
    job = await _existing(session, job_id)
    before = job.state
    if await rows.cancel_unstarted(session, job_id):
        await rows.fan_in(session, job.parent_id)
    elif not await rows.request_cancel(session, job_id):
        raise JobNotCancellable(state=before)
    await rows.cancel_children(session, job_id)
    await audit(session, action="jobs.cancel", target=f"job:{job_id}", before={"state": before})
    _wake_all_on_commit(session)
    return job_view(await _existing(session, job_id))


async def queues(session: AsyncSession, settings: Settings) -> list[QueueView]:
    """All queues with their jobs per state. `slots` are those of this machine."""
    by_queue: dict[str, dict[str, int]] = {queue: dict.fromkeys(STATES, 0) for queue in QUEUES}
    for queue, state, number in await rows.counts(session):
        by_queue.setdefault(queue, dict.fromkeys(STATES, 0))[state] = number
    waiting_s = await rows.oldest_waiting_s(session)
    return [
        QueueView(queue, settings.job_slots.get(queue, 0), counts, waiting_s.get(queue))
        for queue, counts in by_queue.items()
    ]


async def schedules(session: AsyncSession, registry: JobRegistry = REGISTRY) -> list[ScheduleView]:
    """All periodic tasks by name."""
    known = registry.periodic
    return [
        ScheduleView(row.name, row.cron, known[row.name].kind if row.name in known else None, moment(row.next_at))
        for row in await repository.schedules(session)
    ]


async def workers(session: AsyncSession, settings: Settings) -> list[WorkerView]:
    """All worker processes that were seen lately."""
    patience_s = max(settings.job_lease_s, settings.job_heartbeat_s * 3)
    return [
        WorkerView(
            id=worker.id,
            host=worker.host,
            pid=worker.pid,
            version=worker.version,
            queues=[name for name in worker.queues.split(",") if name],
            running=running,
            alive=silent_s < patience_s,
            started_at=moment(worker.started_at),
            seen_at=moment(worker.seen_at),
        )
        for worker, silent_s, running in await rows.workers(session)
    ]


async def _existing(session: AsyncSession, job_id: int) -> Job:
    job = await rows.one(session, job_id)
    if job is None:
        raise JobNotFound
    return job


async def _views(session: AsyncSession, found: Sequence[Job]) -> list[JobView]:
    parents = [job.id for job in found if job.state == "waiting"]
    means = await rows.mean_progress(session, parents) if parents else {}
    return [job_view(job, means.get(job.id)) for job in found]


def _wake_all_on_commit(session: AsyncSession) -> None:
    for queue in QUEUES:
        on_commit(session, partial(wake, queue))
