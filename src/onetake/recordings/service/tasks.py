"""Starting and stopping recordings. What runs is the media server's business; a task row says what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.audit import audit
from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer, MediaServerRefused, MediaServerUnavailable
from onetake.kit.clock import utc_now
from onetake.kit.errors import AppError, NotFound
from onetake.kit.paging import PageRequest, SortKey
from onetake.recordings import repository
from onetake.recordings.errors import (
    NoRoom,
    NotRecording,
    RecordingRunning,
    RecordingWaits,
    SourceOffline,
    StoppedWaiting,
)
from onetake.recordings.models import RecordTask, TaskStatus, Trigger
from onetake.recordings.repository import TaskFilter
from onetake.recordings.service.reports import Sheet, default_title, fail, finish_lost, new_task, record
from onetake.sources import service as sources
from onetake.sources.errors import SourceInactive
from onetake.sources.models import LiveSource

_REFUSALS: dict[str, type[AppError]] = {"stream_not_live": SourceOffline, "disk_full": NoRoom}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be recorded; without `stop_at` it ends after its planned duration, if it has one."""

    title: str | None = None
    pre_roll_s: int = 0
    planned_duration_s: int | None = None
    stop_at: datetime | None = None
    trigger: Trigger = Trigger.MANUAL
    schedule_id: int | None = None


async def list_tasks(
    session: AsyncSession, wanted: TaskFilter, order: Sequence[SortKey], page: PageRequest
) -> tuple[list[RecordTask], int]:
    """One page of tasks and the number of all that match."""
    return await repository.find_tasks(session, wanted, order, page)


async def get_task(session: AsyncSession, task_id: int) -> RecordTask:
    """One task; raises NotFound."""
    task = await repository.get_task(session, task_id)
    if task is None:
        raise NotFound
    return task


async def open_tasks(session: AsyncSession) -> list[RecordTask]:
    """Every pending or running task."""
    return await repository.open_tasks(session)


async def start(db: Database, media: MediaServer, source_id: int, wish: Wish) -> RecordTask:
    """Begin to record a source.

    Raises NotFound, SourceInactive, RecordingRunning, SourceOffline, NoRoom, MediaServerUnavailable. A task that could
    not begin is left as `failed`.
    """
    task_id = await _open(db, source_id, wish)
    try:
        return await begin(db, media, task_id)
    except AppError as error:
        async with db.write() as session:
            task = await fail(session, task_id, error)
        if task.asset_id is not None:  # only the answer was lost
            return task
        raise


async def begin(db: Database, media: MediaServer, task_id: int) -> RecordTask:
    """Have the media server record for a pending task. Raises SourceOffline, NoRoom, MediaServerUnavailable."""
    asked_at = utc_now()
    async with db.read() as session:
        task = await get_task(session, task_id)
        if task.status != TaskStatus.PENDING:
            return task
        source = await sources.get_source(session, task.source_id or 0)
    try:
        sheet = Sheet.parse(await media.record_start(source.stream_name, task.pre_roll_s))
    except MediaServerRefused as error:
        raise _REFUSALS.get(error.kind, MediaServerUnavailable)() from error
    began = await record(db, sheet) or task
    if began.id != task_id and began.created_at >= asked_at:
        return await end(db, media, began, source)  # ours was stopped while the source was being fetched
    return began


async def stop(db: Database, media: MediaServer, source_id: int) -> RecordTask:
    """End the recording of a source; a pending task ends as `failed`.

    Raises NotFound, NotRecording, MediaServerUnavailable.
    """
    async with db.write() as session:
        source = await sources.get_source(session, source_id)
        task = await repository.open_task(session, source_id)
        if task is None:
            raise NotRecording
        await audit(session, action="recordings.stop", target=f"task:{task.id}")
        if task.status == TaskStatus.PENDING:
            task = await fail(session, task.id, StoppedWaiting())
    return await end(db, media, task, source) if task.status == TaskStatus.RECORDING else task


async def end(db: Database, media: MediaServer, task: RecordTask, source: LiveSource) -> RecordTask:
    """End a running task, whoever wants it. Raises MediaServerUnavailable."""
    sheet = await _last_sheet(media, task, source)
    if sheet is not None:
        return await record(db, sheet) or task
    async with db.write() as session:
        row = await repository.lock_task(session, task.id)
        if row is not None and row.status == TaskStatus.RECORDING:
            await finish_lost(session, row)
        return row or task


async def _last_sheet(media: MediaServer, task: RecordTask, source: LiveSource) -> Sheet | None:
    """Stop the recording; its sheet, also when it ended by itself. None when the media server does not know it."""
    try:
        return Sheet.parse(await media.record_stop(source.stream_name))
    except MediaServerRefused:
        found = [raw for raw in await media.recordings() if raw.get("id") == task.asset_id]
        return Sheet.parse(found[0]) if found else None


async def extend(session: AsyncSession, task: RecordTask, stop_at: datetime) -> None:
    """Let an open task go on until `stop_at` at least; one without a planned end goes on anyway."""
    if task.stop_at is not None and task.stop_at < stop_at:
        task.stop_at, task.updated_at = stop_at, utc_now()


async def add_pending(session: AsyncSession, source: LiveSource, wish: Wish) -> RecordTask:
    """Insert a pending task; IntegrityError when the source has an open one."""
    task = await repository.add_task(session, _pending(source, wish))
    await audit(session, action="recordings.start", target=f"task:{task.id}", after={"source": source.id})
    return task


async def _open(db: Database, source_id: int, wish: Wish) -> int:
    """Insert the pending task of a source that can be recorded; its id."""
    try:
        async with db.write() as session:
            source = await sources.get_source(session, source_id)
            if not source.is_active:
                raise SourceInactive
            running = await repository.open_task(session, source_id)
            if running is not None:
                raise _busy(running)
            return (await add_pending(session, source, wish)).id
    except IntegrityError:  # somebody else was a moment faster
        async with db.read() as session:
            running = await repository.open_task(session, source_id)
        raise (_busy(running) if running else RecordingRunning(task_id=0)) from None


def _busy(task: RecordTask) -> RecordingRunning:
    """Why a source with an open task cannot have another."""
    return (RecordingWaits if task.status == TaskStatus.PENDING else RecordingRunning)(task_id=task.id)


def _pending(source: LiveSource, wish: Wish) -> RecordTask:
    now = utc_now()
    task = new_task(source, trigger=wish.trigger, title=wish.title or default_title(source, now.astimezone()))
    task.pre_roll_s, task.planned_duration_s, task.schedule_id = (
        wish.pre_roll_s,
        wish.planned_duration_s,
        wish.schedule_id,
    )
    task.stop_at = wish.stop_at
    if wish.stop_at is None and wish.planned_duration_s is not None:
        task.stop_at = now + timedelta(seconds=wish.planned_duration_s)
    return task
