"""The tables of recording tasks and schedules."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from onetake.infra.db import Base, BigId, JsonText, UtcDateTime


class TaskStatus(StrEnum):
    """`pending`: asked for, no media yet. `interrupted`: ended by a crash; what was recorded is kept and plays."""

    PENDING = "pending"
    RECORDING = "recording"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def is_open(self) -> bool:
        """True while media may still arrive."""
        return self in (TaskStatus.PENDING, TaskStatus.RECORDING)


class Trigger(StrEnum):
    """Who started a recording."""

    MANUAL = "manual"
    SCHEDULE = "schedule"
    AUTOMATIC = "automatic"


class Overlap(StrEnum):
    """What a run does when its source is being recorded already: leave it alone, or let it go on until our end."""

    SKIP = "skip"
    EXTEND = "extend"


class Missed(StrEnum):
    """What a run does when the service was down at its start: begin late inside its window, or be skipped."""

    START_LATE = "start_late"
    SKIP = "skip"


class Schedule(Base):
    """A plan: a cron expression in a time zone, or one date and time. `next_run_at` is what the workers compete for."""

    __tablename__ = "schedules"
    __table_args__ = (
        Index("ix_schedules_is_active_next_run_at", "is_active", "next_run_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    source_id: Mapped[int] = mapped_column(BigId, ForeignKey("live_sources.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    cron_expr: Mapped[str | None] = mapped_column(String(64))
    run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    duration_s: Mapped[int] = mapped_column(Integer)
    timezone: Mapped[str] = mapped_column(String(64))
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    overlap: Mapped[str] = mapped_column(String(16), default=Overlap.SKIP)
    missed: Mapped[str] = mapped_column(String(16), default=Missed.START_LATE)
    last_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_result: Mapped[str | None] = mapped_column(String(64))
    last_task_id: Mapped[int | None] = mapped_column(BigId)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RecordTask(Base):
    """One recording. `asset_id` names its folder and media URLs, once the media server has begun; `stop_at` is its
    planned end. An error is kept as code and parameters, to be put in the words of whoever reads it.

    `open_source_id` equals `source_id` while the task is open and is NULL afterwards: its unique index is what makes
    a second start fail on every database.
    """

    __tablename__ = "record_tasks"
    __table_args__ = (
        Index("ix_record_tasks_source_id_id", "source_id", "id"),
        Index("ix_record_tasks_status_id", "status", "id"),
        Index("ix_record_tasks_started_at_id", "started_at", "id"),
        Index("ix_record_tasks_duration_id", "duration", "id"),
        Index("ix_record_tasks_file_size_id", "file_size", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    source_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("live_sources.id", ondelete="SET NULL"))
    open_source_id: Mapped[int | None] = mapped_column(BigId, unique=True)
    source_name: Mapped[str] = mapped_column(String(64))
    asset_id: Mapped[str | None] = mapped_column(String(36), unique=True)
    status: Mapped[str] = mapped_column(String(16))
    trigger: Mapped[str] = mapped_column(String(16))
    schedule_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("schedules.id", ondelete="SET NULL"), index=True)
    title: Mapped[str] = mapped_column(String(128))
    pre_roll_s: Mapped[int] = mapped_column(Integer, default=0)
    planned_duration_s: Mapped[int | None] = mapped_column(Integer)
    stop_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    file_path: Mapped[str | None] = mapped_column(String(512))
    file_size: Mapped[int] = mapped_column(BigInteger, default=0)
    duration: Mapped[int] = mapped_column(Integer, default=0)
    gaps: Mapped[list[dict[str, Any]]] = mapped_column(JsonText, default=list)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_params: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
