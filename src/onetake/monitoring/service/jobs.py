"""The job pages: the queue's own service, in the form that the API promises, with secrets masked."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.audit import audit
from onetake.infra.jobs import enqueue
from onetake.infra.jobs import service as queue
from onetake.infra.jobs.builtin import SELFTEST
from onetake.infra.jobs.views import JobView as QueuedJob
from onetake.infra.settings import Settings
from onetake.kit.paging import PageRequest, SortKey
from onetake.kit.redact import redact, redact_tree
from onetake.monitoring.repository import jobs as repository
from onetake.monitoring.schemas import JobCounts, JobDetail, JobView, QueueView, ScheduleView, WorkerView

DAY_S = 86_400.0


async def list_jobs(
    session: AsyncSession,
    *,
    states: Sequence[str],
    queue_name: str | None,
    kind: str | None,
    order: Sequence[SortKey],
    page: PageRequest,
) -> tuple[list[JobView], int]:
    """One page of jobs and how many there are in all."""
    found, total = await queue.list_jobs(
        session,
        states=states,
        queue=queue_name,
        kind=kind,
        order=[(key.name, key.descending) for key in order],
        offset=page.offset,
        limit=page.per_page,
    )
    return [view(job) for job in found], total


async def get_job(session: AsyncSession, job_id: int) -> JobDetail:
    """One job with everything that is known of it; raises `JobNotFound`."""
    found = await queue.get_job(session, job_id)
    return JobDetail(
        **view(found.job).model_dump(),
        args=redact_tree(found.args),
        result=redact_tree(found.result),
        log_tail=found.log_tail,
        children=[view(child) for child in found.children],
    )


async def selftest(session: AsyncSession, seconds: int) -> JobView:
    """Put a test encode of `seconds` seconds into the queue."""
    job_id = await enqueue(session, SELFTEST, {"seconds": seconds}, priority=50, max_attempts=1)
    await audit(session, action="jobs.selftest", target=f"job:{job_id}", after={"seconds": seconds})
    return view((await queue.get_job(session, job_id)).job)


async def cancel(session: AsyncSession, job_id: int) -> JobView:
    """End a job and its parts; raises `JobNotFound` and `JobNotCancellable`."""
    return view(await queue.cancel_job(session, job_id))


async def retry(session: AsyncSession, job_id: int) -> JobView:
    """Run a failed or cancelled job again; raises `JobNotFound` and `JobNotRetryable`."""
    return view(await queue.retry_job(session, job_id))


def view(job: QueuedJob) -> JobView:
    """A job as the API shows it."""
    return JobView(
        id=job.id,
        kind=job.kind,
        queue=job.queue,
        state=job.state,
        priority=job.priority,
        progress=min(1.0, max(0.0, job.progress)),
        stage=job.stage,
        attempts=job.attempts,
        max_attempts=job.max_attempts,
        worker=job.worker,
        error=None if job.error is None else redact(job.error),
        cancel=job.cancel_requested,
        parent_id=job.parent_id,
        created_at=job.created_at,
        run_at=job.run_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


async def job_counts(session: AsyncSession, settings: Settings) -> JobCounts:
    """The whole queue at a glance."""
    queues = await list_queues(session, settings)
    ages = [found.oldest_queued_s for found in queues if found.oldest_queued_s is not None]
    return JobCounts(
        queued=sum(found.queued for found in queues),
        running=sum(found.running for found in queues),
        scheduled=sum(found.scheduled for found in queues),
        waiting=sum(found.waiting for found in queues),
        failed_24h=await repository.failed_since(session, DAY_S),
        oldest_queued_s=max(ages, default=None),
        workers=sum(worker.is_alive for worker in await list_workers(session, settings)),
    )


async def list_queues(session: AsyncSession, settings: Settings) -> list[QueueView]:
    """Every queue with its counts."""
    return [
        QueueView(
            name=found.name,
            concurrency=found.slots,
            queued=found.counts["queued"],
            running=found.counts["running"],
            scheduled=found.counts["scheduled"],
            waiting=found.counts["waiting"],
            failed=found.counts["failed"],
            oldest_queued_s=None if found.oldest_waiting_s is None else round(found.oldest_waiting_s, 1),
        )
        for found in await queue.queues(session, settings)
    ]


async def list_schedules(session: AsyncSession, settings: Settings) -> list[ScheduleView]:
    """Every periodic task."""
    found = await queue.schedules(session)
    last = await repository.last_made(session, sorted({task.kind for task in found if task.kind}))
    return [
        ScheduleView(
            name=task.name,
            cron=task.cron,
            timezone=settings.local_zone.key,
            kind=task.kind,
            next_run_at=task.next_at,
            last_run_at=last.get(task.kind or ""),
        )
        for task in found
    ]


async def list_workers(session: AsyncSession, settings: Settings) -> list[WorkerView]:
    """Every worker that was seen lately, the freshest first."""
    found = [
        WorkerView(
            id=worker.id,
            host=worker.host,
            pid=worker.pid,
            version=worker.version,
            queues=worker.queues,
            running=worker.running,
            is_alive=worker.alive,
            started_at=worker.started_at,
            heartbeat_at=worker.seen_at,
        )
        for worker in await queue.workers(session, settings)
    ]
    return sorted(found, key=lambda worker: worker.heartbeat_at, reverse=True)
