"""What the recording and schedule endpoints take and give. Unknown fields of a request are refused (C3)."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from onetake.recordings.models import Missed, Overlap, TaskStatus, Trigger
from onetake.sources.schemas import PRINTABLE

Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=128, pattern=PRINTABLE),
    Field(description="Title of the video.", examples=["周三公开课"]),
]
DurationSeconds = Annotated[int, Field(ge=1, le=86_400, description="Length of the recording.", examples=[3600])]
CronExpr = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(description="Cron expression.", examples=["30 19 * * 1-5"]),
]
ZoneName = Annotated[
    str, StringConstraints(min_length=1, max_length=64), Field(description="IANA zone.", examples=["Asia/Shanghai"])
]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=PRINTABLE),
    Field(description="Name of the schedule.", examples=["晚间课"]),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RecordStart(_Body):
    """How to record; everything has a default."""

    title: Title | None = None
    pre_roll_s: int = Field(0, ge=0, le=60, description="Begin this far back, at the keyframe before.")
    planned_duration_s: int | None = Field(None, ge=1, le=604_800, description="Stop by itself after this time.")


class Gap(BaseModel):
    """Time that the recording lacks because the source was away."""

    model_config = ConfigDict(extra="ignore")

    at_ms: int = Field(0, description="Position in the recording.")
    duration_ms: int = Field(0, description="How long the source was away.")
    reason: str = ""


class TaskView(BaseModel):
    """A recording task."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    source_id: int | None
    source_name: str
    status: TaskStatus
    trigger: Trigger
    schedule_id: int | None
    title: str
    pre_roll_s: int
    planned_duration_s: int | None
    stop_at: datetime | None = Field(description="When it ends by itself.")
    started_at: datetime | None
    ended_at: datetime | None
    file_path: str | None = Field(description="Folder below the data folder.")
    file_size: int = Field(description="Bytes so far.")
    duration: int = Field(description="Seconds of media so far.")
    gaps: list[Gap]
    error_code: str | None
    error_message: str | None
    created_at: datetime
    updated_at: datetime


class ScheduleCreate(_Body):
    """A new schedule: `cron_expr` to repeat, or `run_at` to run once."""

    source_id: int = Field(ge=1, le=2**63 - 1)
    name: Name
    cron_expr: CronExpr | None = None
    run_at: AwareDatetime | None = None
    duration_s: DurationSeconds = 3600
    timezone: ZoneName = "Asia/Shanghai"
    is_active: bool = True
    overlap: Overlap = Overlap.SKIP
    missed: Missed = Missed.START_LATE


class ScheduleUpdate(_Body):
    """Fields left out stay as they are."""

    source_id: int | None = Field(None, ge=1, le=2**63 - 1)
    name: Name | None = None
    cron_expr: CronExpr | None = None
    run_at: AwareDatetime | None = None
    duration_s: DurationSeconds | None = None
    timezone: ZoneName | None = None
    is_active: bool | None = None
    overlap: Overlap | None = None
    missed: Missed | None = None


class ScheduleView(BaseModel):
    """A schedule with what it means."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    source_id: int
    name: str
    cron_expr: str | None
    run_at: datetime | None
    duration_s: int
    timezone: str
    is_active: bool
    overlap: Overlap
    missed: Missed
    last_run_at: datetime | None
    next_run_at: datetime | None
    last_result: str | None
    last_task_id: int | None
    in_words: str = Field("", description="The plan in the caller's language.", examples=["周一至周五 19:30"])
    next_runs: list[datetime] = Field(default_factory=list, description="The next five runs, in its own time zone.")
    created_at: datetime
    updated_at: datetime


class CronPreview(BaseModel):
    """What an expression means before it is saved."""

    in_words: str
    next_runs: list[datetime]
