"""What the API shows of the job queue: plain values with aware times."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from onetake.infra.jobs.models import Job


@dataclass(frozen=True, slots=True)
class JobView:
    """One job in a list. `progress` is 0 to 1; a waiting parent's is the mean of its children."""

    id: int
    queue: str
    kind: str
    state: str
    priority: int
    attempts: int
    max_attempts: int
    progress: float
    stage: str | None
    error: str | None
    worker: str | None
    parent_id: int | None
    cancel_requested: bool
    run_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class JobDetail:
    """One job with everything known about it."""

    job: JobView
    args: dict[str, Any]
    result: Any
    log_tail: str
    children: list[JobView] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class QueueView:
    """One queue: jobs per state, and for how long its oldest queued job has been waiting."""

    name: str
    slots: int
    counts: dict[str, int]
    oldest_waiting_s: float | None


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """One periodic task; `kind` is None when this program has no code for it."""

    name: str
    cron: str
    kind: str | None
    next_at: datetime


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker process; `alive` means that it gave a sign of life lately."""

    id: str
    host: str
    pid: int
    version: str
    queues: list[str]
    running: int
    alive: bool
    started_at: datetime
    seen_at: datetime


def moment(epoch_s: float) -> datetime:
    """Seconds since 1970 as an aware UTC time."""
    return datetime.fromtimestamp(epoch_s, UTC)


def _maybe(epoch_s: float | None) -> datetime | None:
    return None if epoch_s is None else moment(epoch_s)


def job_view(job: Job, progress: float | None = None) -> JobView:
    """The row as shown; `progress` replaces the row's own."""
    return JobView(
        id=job.id,
        queue=job.queue,
        kind=job.kind,
        state=job.state,
        priority=job.priority,
        attempts=job.attempts,
        max_attempts=job.max_attempts,
        progress=job.progress if progress is None else progress,
        stage=job.stage,
        error=job.error,
        worker=job.worker,
        parent_id=job.parent_id,
        cancel_requested=bool(job.cancel),
        run_at=moment(job.run_at),
        created_at=moment(job.created_at),
        started_at=_maybe(job.started_at),
        finished_at=_maybe(job.finished_at),
        updated_at=moment(job.updated_at),
    )


def detail_view(job: JobView, row: Job, log_tail: str, children: list[JobView]) -> JobDetail:
    """The row with its documents parsed."""
    result = None if row.result is None else json.loads(row.result)
    return JobDetail(job, json.loads(row.args), result, log_tail, children)
