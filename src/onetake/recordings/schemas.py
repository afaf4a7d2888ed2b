"""What the recording and schedule endpoints take and give. Unknown fields of a request are refused (C3)."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    computed_field,
)

from onetake.recordings.models import Missed, Overlap, TaskStatus, Trigger
from onetake.sources.schemas import PRINTABLE

Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=128, pattern=PRINTABLE),
    Field(description="Title of the video.", examples=["周三公开课"]),
]
DurationSeconds = Annotated[StrictInt, Field(ge=1, le=86_400, description="Length of the recording.", examples=[3600])]
CronExpr = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(description="Cron expression.", examples=["30 19 * * 1-5"]),
]
ZoneName = Annotated[
    str, StringConstraints(min_length=1, max_length=64), Field(description="IANA zone.", examples=["Asia/Shanghai"])
]
Moment = Annotated[AwareDatetime, Field(ge=datetime(1972, 1, 1, tzinfo=UTC), lt=datetime(2900, 1, 1, tzinfo=UTC))]
"""Far enough from the ends of the calendar to be moved to any zone."""
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=PRINTABLE),
    Field(description="Name of the schedule.", examples=["晚间课"]),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RecordStart(_Body):
    """How to record; everything has a default."""

    title: Title | None = Field(None, description="Title of the video.")
    pre_roll_s: StrictInt = Field(0, ge=0, le=60, description="Begin this far back, at the keyframe before.")
    planned_duration_s: StrictInt | None = Field(None, ge=1, le=604_800, description="Stop by itself after this time.")


class Gap(BaseModel):
    """Time that the recording lacks because the source was away."""

    start_ms: int = Field(description="Unix milliseconds at which media ended.")
    end_ms: int = Field(description="Unix milliseconds at which it went on.")

    @computed_field(description="How long the source was away, in milliseconds.")  # type: ignore[prop-decorator]
    @property
    def duration_ms(self) -> int:
        """Length of the gap."""
        return self.end_ms - self.start_ms


class TaskView(BaseModel):
    """A recording task."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Number of the recording task.")
    source_id: int | None = Field(description="Number of the source.")
    source_name: str = Field(description="Name of the source.")
    status: TaskStatus = Field(description="What it is doing.")
    trigger: Trigger = Field(description="Who or what started it.")
    schedule_id: int | None = Field(description="Number of the schedule that started it.")
    title: str = Field(description="Title of the video.")
    pre_roll_s: int = Field(description="Seconds that it begins in the past.")
    planned_duration_s: int | None = Field(description="Seconds after which it stops by itself.")
    stop_at: datetime | None = Field(description="When it ends by itself.")
    started_at: datetime | None = Field(description="When it began (UTC).")
    ended_at: datetime | None = Field(description="When it ended (UTC).")
    file_path: str | None = Field(description="Folder below the data folder.")
    file_size: int = Field(description="Bytes so far.")
    duration: int = Field(description="Seconds of media so far.")
    gaps: list[Gap] = Field(description="Times that it lacks.")
    error_code: str | None = Field(description="Stable code of what went wrong, if anything.")
    error_message: str | None = Field(None, description="What went wrong, in the caller's language.")
    created_at: datetime = Field(description="When it was made (UTC).")
    updated_at: datetime = Field(description="When it was last changed (UTC).")


class ScheduleCreate(_Body):
    """A new schedule: `cron_expr` to repeat, or `run_at` to run once."""

    source_id: StrictInt = Field(ge=1, le=2**63 - 1, description="Number of the source.")
    name: Name = Field(description="Name of the schedule.")
    cron_expr: CronExpr | None = Field(None, description="Cron expression; null for a plan that happens once.")
    run_at: Moment | None = Field(None, description="The one time that it runs; null for a plan that repeats.")
    duration_s: DurationSeconds = Field(3600, description="Length of the recording in seconds.")
    timezone: ZoneName = Field("Asia/Shanghai", description="IANA zone of the expression.")
    is_active: StrictBool = Field(True, description="False switches it off.")
    overlap: Overlap = Field(Overlap.SKIP, description="What happens when the source is being recorded already.")
    missed: Missed = Field(Missed.START_LATE, description="What happens when the time has passed unnoticed.")


class ScheduleUpdate(_Body):
    """Fields left out stay as they are."""

    source_id: StrictInt | None = Field(None, ge=1, le=2**63 - 1, description="Number of the source.")
    name: Name | None = Field(None, description="Name of the schedule.")
    cron_expr: CronExpr | None = Field(None, description="Cron expression; null for a plan that happens once.")
    run_at: Moment | None = Field(None, description="The one time that it runs; null for a plan that repeats.")
    duration_s: DurationSeconds | None = Field(None, description="Length of the recording in seconds.")
    timezone: ZoneName | None = Field(None, description="IANA zone of the expression.")
    is_active: StrictBool | None = Field(None, description="False switches it off.")
    overlap: Overlap | None = Field(None, description="What happens when the source is being recorded already.")
    missed: Missed | None = Field(None, description="What happens when the time has passed unnoticed.")


class ScheduleView(BaseModel):
    """A schedule with what it means."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Number of the schedule.")
    source_id: int = Field(description="Number of the source.")
    name: str = Field(description="Name of the schedule.")
    cron_expr: str | None = Field(description="Cron expression; null for a plan that happens once.")
    run_at: datetime | None = Field(description="The one time that it runs; null for a plan that repeats.")
    duration_s: int = Field(description="Length of the recording in seconds.")
    timezone: str = Field(description="IANA zone of the expression.")
    is_active: bool = Field(description="False switches it off.")
    overlap: Overlap = Field(description="What happens when the source is being recorded already.")
    missed: Missed = Field(description="What happens when the time has passed unnoticed.")
    last_run_at: datetime | None = Field(description="When it last ran (UTC).")
    next_run_at: datetime | None = Field(description="When it runs next (UTC).")
    last_result: str | None = Field(description="What became of the last run.")
    last_task_id: int | None = Field(description="Number of the last run's recording task.")
    in_words: str = Field("", description="The plan in the caller's language.", examples=["周一至周五 19:30"])
    next_runs: list[datetime] = Field(default_factory=list, description="The next five runs, in its own time zone.")
    created_at: datetime = Field(description="When it was made (UTC).")
    updated_at: datetime = Field(description="When it was last changed (UTC).")


class CronPreview(BaseModel):
    """What an expression means before it is saved."""

    in_words: str = Field(description="The plan in the caller's language.")
    next_runs: list[datetime] = Field(description="The next five runs, in the plan's own time zone.")
