"""From the media server's recording sheets to task rows: by callback at once, by comparison every few seconds.

A sheet may come twice, late, before an older one, or not at all. Applying one is idempotent, and a task that has its
end is never changed again; only one that was given up learns from its last sheet what really became of it.
"""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db import Database
from onetake.infra.events import emit
from onetake.kit.clock import utc_now
from onetake.kit.errors import AppError, NotFound
from onetake.kit.ids import uuid7_unix_ms
from onetake.recordings import repository
from onetake.recordings.errors import Interrupted, NoMedia, NoRoom, PausedRecording
from onetake.recordings.events import RecordingFinished, RecordingStarted
from onetake.recordings.models import RecordTask, TaskStatus, Trigger
from onetake.sources import service as sources
from onetake.sources.models import LiveSource

FINISHED = "finished"
GONE = "interrupted"
"""The reason of a recording that a crash ended and that nobody continued."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the media server says of one recording. Times are Unix ms."""

    id: str
    name: str
    trigger: str
    state: str
    reason: str
    started_ms: int
    ended_ms: int
    duration_s: float
    size_bytes: int
    gaps: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> "Sheet":
        """From the JSON of `/control/recordings` or an `on_record` callback; raises KeyError, TypeError, ValueError."""
        return cls(
            id=str(uuid.UUID(str(raw["id"]))),
            name=str(raw["name"]),
            trigger=str(raw["trigger"]),
            state=str(raw["state"]),
            reason=str(raw.get("reason", "")),
            started_ms=int(raw["started_ms"]),
            ended_ms=int(raw.get("ended_ms", 0)),
            duration_s=float(raw.get("duration_s", 0)),
            size_bytes=int(raw.get("size_bytes", 0)),
            gaps=list(raw.get("gaps", [])),
        )


async def record(db: Database, sheet: Sheet) -> RecordTask | None:
    """`apply_sheet` in a transaction of its own."""
    try:
        async with db.write() as session:
            return await apply_sheet(session, sheet)
    except IntegrityError:  # another process has made the task a moment ago
        async with db.write() as session:
            return await apply_sheet(session, sheet)


async def apply_sheet(session: AsyncSession, sheet: Sheet) -> RecordTask | None:
    """Bring the task of a recording in line with its sheet; the task, None when there is none (yet)."""
    task = await repository.lock_task_of_asset(session, sheet.id)
    if task is None:
        task = await _adopt(session, sheet)
    if task is None or not (TaskStatus(task.status).is_open or _corrects(sheet, task)):
        return task
    _copy_figures(task, sheet)
    if sheet.state == FINISHED:
        await _finish(session, task, sheet)
    elif task.status == TaskStatus.PENDING:
        task.status = TaskStatus.RECORDING
        await emit(session, RecordingStarted(task.id))
    return task


async def finish_lost(session: AsyncSession, task: RecordTask) -> None:
    """Give up a running task whose recording the media server knows nothing of any more."""
    _close(task, TaskStatus.INTERRUPTED if task.file_size else TaskStatus.FAILED, Interrupted())
    await emit(session, RecordingFinished(task.id))


async def fail(session: AsyncSession, task_id: int, error: AppError) -> RecordTask:
    """End a task that came to nothing; one that has begun or ended meanwhile stays as it is. Raises NotFound."""
    task = await repository.lock_task(session, task_id)
    if task is None:
        raise NotFound
    if task.status == TaskStatus.PENDING:
        _close(task, TaskStatus.FAILED, error)
        await emit(session, RecordingFinished(task.id))
    return task


async def _adopt(session: AsyncSession, sheet: Sheet) -> RecordTask | None:
    """The task that was waiting for this recording, or a new one for a recording that began without us."""
    source = await sources.source_of_stream(session, sheet.name)
    if source is None:
        return None
    task = await repository.lock_open_task(session, source.id)
    if task is None or not _is_task_of(sheet, task):
        if task is not None and _is_newer(sheet, task):
            await finish_lost(session, task)
            await session.flush()
        elif task is not None and sheet.state != FINISHED:
            return None  # an older one that ends just now: it gets its task when it has ended
        task = await repository.add_task(session, automatic_task(source, sheet))
    task.asset_id = sheet.id
    task.file_path = asset_path(sheet.id)
    task.started_at = _moment(sheet.started_ms)
    return task


def _is_task_of(sheet: Sheet, task: RecordTask) -> bool:
    """Whether an open task has just been adopted by somebody else, or waits for this recording: one that was over
    before it was made is none of its."""
    if task.asset_id is not None:
        return task.asset_id == sheet.id
    return sheet.state != FINISHED or _moment(sheet.started_ms) >= task.created_at


def _is_newer(sheet: Sheet, task: RecordTask) -> bool:
    """Whether a recording began after the one of an open task, which must be over then."""
    return task.started_at is not None and _moment(sheet.started_ms) > task.started_at


def _corrects(sheet: Sheet, task: RecordTask) -> bool:
    """Whether a sheet tells the true end of a task that was given up."""
    says_more = sheet.reason != GONE or sheet.size_bytes != task.file_size
    return task.error_code == Interrupted.code and sheet.state == FINISHED and says_more


def automatic_task(source: LiveSource, sheet: Sheet) -> RecordTask:
    """A row for a recording that the media server began by itself; it holds its source only while it runs."""
    trigger = Trigger.AUTOMATIC if sheet.trigger == "auto" else Trigger.MANUAL
    task = new_task(source, trigger=trigger, title=default_title(source, _moment(sheet.started_ms).astimezone()))
    if sheet.state == FINISHED:
        task.open_source_id = None
    return task


def new_task(source: LiveSource, *, trigger: Trigger, title: str) -> RecordTask:
    """A pending task of a source."""
    now = utc_now()
    return RecordTask(
        source_id=source.id,
        open_source_id=source.id,
        source_name=source.name,
        status=TaskStatus.PENDING,
        trigger=trigger,
        title=title[:128],
        pre_roll_s=0,
        file_size=0,
        duration=0,
        gaps=[],
        created_at=now,
        updated_at=now,
    )


def default_title(source: LiveSource, began: datetime) -> str:
    """Name of the source and the minute of the beginning, by the clocks of the zone of `began`."""
    return f"{source.name[:100]} {began:%Y-%m-%d %H:%M}"


def asset_path(asset_id: str) -> str:
    """Folder of a recording below the data folder (DESIGN §6)."""
    made = datetime.fromtimestamp(uuid7_unix_ms(uuid.UUID(asset_id)) / 1000, UTC)
    return f"media/{made:%Y/%m}/{asset_id}"


def _copy_figures(task: RecordTask, sheet: Sheet) -> None:
    task.duration, task.file_size, task.gaps = int(sheet.duration_s), sheet.size_bytes, sheet.gaps
    task.updated_at = utc_now()
    paused = sheet.state == "paused"
    _set_error(task, PausedRecording(reason=sheet.reason) if paused else None)


async def _finish(session: AsyncSession, task: RecordTask, sheet: Sheet) -> None:
    if not sheet.size_bytes:
        _close(task, TaskStatus.FAILED, NoRoom() if sheet.reason == "disk_full" else NoMedia())
    elif sheet.reason == GONE:
        _close(task, TaskStatus.INTERRUPTED, Interrupted())
    else:
        _close(task, TaskStatus.COMPLETED, None)
    task.ended_at = _moment(sheet.ended_ms) if sheet.ended_ms else utc_now()
    await emit(session, RecordingFinished(task.id))


def _close(task: RecordTask, status: TaskStatus, error: AppError | None) -> None:
    task.status, task.open_source_id, task.stop_at = status, None, None
    task.ended_at = task.updated_at = utc_now()
    _set_error(task, error)


def _set_error(task: RecordTask, error: AppError | None) -> None:
    task.error_code = error.code if error else None
    task.error_params = error.plain_params() or None if error else None


def _moment(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)
