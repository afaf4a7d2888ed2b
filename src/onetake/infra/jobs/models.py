"""Tables of the job queue. Times are seconds since 1970 by the database's clock, which all workers share."""

from sqlalchemy import CHAR, Double, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from onetake.infra.db import Base, BigId, LongText


class Job(Base):
    """One piece of background work; this row is the queue and the truth.

    States: scheduled (future or back-off) → queued → running → done | failed | cancelled; waiting = a parent until its
    children end. `token` fences: only its holder may write to a running job. A smaller `priority` comes sooner.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_queue_state_priority_run_at_id", "queue", "state", "priority", "run_at", "id"),
        Index("ix_jobs_state_lease_until", "state", "lease_until"),
        Index("ix_jobs_state_run_at", "state", "run_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    queue: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(96))
    args: Mapped[str] = mapped_column(LongText)
    state: Mapped[str] = mapped_column(String(16))
    priority: Mapped[int] = mapped_column(Integer)
    run_at: Mapped[float] = mapped_column(Double)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    max_attempts: Mapped[int] = mapped_column(Integer)
    worker: Mapped[str | None] = mapped_column(String(64), index=True)
    token: Mapped[str | None] = mapped_column(CHAR(32))
    lease_until: Mapped[float | None] = mapped_column(Double)
    cancel: Mapped[int] = mapped_column(Integer, default=0)
    progress: Mapped[float] = mapped_column(Double, default=0.0)
    stage: Mapped[str | None] = mapped_column(String(128))
    error: Mapped[str | None] = mapped_column(LongText)
    result: Mapped[str | None] = mapped_column(LongText)
    parent_id: Mapped[int | None] = mapped_column(BigId, index=True)
    waiting: Mapped[int] = mapped_column(Integer, default=0)
    dedupe: Mapped[str | None] = mapped_column(String(191), unique=True)
    created_at: Mapped[float] = mapped_column(Double)
    started_at: Mapped[float | None] = mapped_column(Double)
    finished_at: Mapped[float | None] = mapped_column(Double)
    updated_at: Mapped[float] = mapped_column(Double, index=True)


class JobLog(Base):
    """The last lines that a job wrote, for the admin page; bounded by the writer."""

    __tablename__ = "job_logs"

    job_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    tail: Mapped[str] = mapped_column(LongText)


class JobSchedule(Base):
    """When a periodic task fires next. The compare-and-set on `next_at` makes a tick fire once among all workers."""

    __tablename__ = "job_schedules"

    name: Mapped[str] = mapped_column(String(96), primary_key=True)
    cron: Mapped[str] = mapped_column(String(96))
    next_at: Mapped[float] = mapped_column(Double, index=True)


class JobWorker(Base):
    """A worker process, for the admin page only: nothing is decided by this table."""

    __tablename__ = "job_workers"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    host: Mapped[str] = mapped_column(String(128))
    pid: Mapped[int] = mapped_column(Integer)
    version: Mapped[str] = mapped_column(String(32))
    queues: Mapped[str] = mapped_column(String(255))
    started_at: Mapped[float] = mapped_column(Double)
    seen_at: Mapped[float] = mapped_column(Double)
