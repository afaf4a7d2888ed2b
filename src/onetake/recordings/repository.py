"""All SQL of recording tasks and schedules."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db.rows import matched_rows
from onetake.kit.paging import PageRequest, SortKey
from onetake.recordings.models import RecordTask, Schedule

COUNT_LIMIT = 10_000
"""Tasks are counted, and paged through, this far; beyond it a total reads "10000+"."""
TASK_SORTS = {
    "id": RecordTask.id,
    "started_at": RecordTask.started_at,
    "duration": RecordTask.duration,
    "file_size": RecordTask.file_size,
}
SCHEDULE_SORTS = {"id": Schedule.id, "name": Schedule.name, "next_run_at": Schedule.next_run_at}


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """What a list of tasks shows; None means any."""

    source_id: int | None = None
    statuses: tuple[str, ...] = ()
    trigger: str | None = None


async def find_tasks(
    session: AsyncSession, wanted: TaskFilter, order: Sequence[SortKey], page: PageRequest
) -> tuple[list[RecordTask], int]:
    """One page of tasks and the number of all that match, counted up to COUNT_LIMIT + 1."""
    matching = _matching_tasks(wanted)
    some = matching.with_only_columns(RecordTask.id).limit(COUNT_LIMIT + 1).subquery()
    total = await session.scalar(select(func.count()).select_from(some)) or 0
    if page.offset >= min(total, COUNT_LIMIT):
        return [], total
    keys = [TASK_SORTS[key.name].desc() if key.descending else TASK_SORTS[key.name].asc() for key in order]
    last = RecordTask.id.desc() if order[-1].descending else RecordTask.id.asc()
    rows = await session.scalars(matching.order_by(*keys, last).limit(page.per_page).offset(page.offset))
    return list(rows), total


async def get_task(session: AsyncSession, task_id: int) -> RecordTask | None:
    """One task."""
    return await session.get(RecordTask, task_id)


async def lock_task(session: AsyncSession, task_id: int) -> RecordTask | None:
    """One task as it is now; nobody else changes it before this transaction ends."""
    return await _lock(session, select(RecordTask).where(RecordTask.id == task_id))


async def lock_task_of_asset(session: AsyncSession, asset_id: str) -> RecordTask | None:
    """The task that a recording of the media server belongs to, as `lock_task`."""
    return await _lock(session, select(RecordTask).where(RecordTask.asset_id == asset_id))


async def lock_open_task(session: AsyncSession, source_id: int) -> RecordTask | None:
    """The pending or running task of a source, as `lock_task`."""
    return await _lock(session, select(RecordTask).where(RecordTask.open_source_id == source_id))


async def settled_assets(session: AsyncSession, asset_ids: Sequence[str], given_up: str) -> set[str]:
    """Those whose task is closed for good: not with the error `given_up`."""
    has_its_end = or_(RecordTask.error_code.is_(None), RecordTask.error_code != given_up)
    rows = await session.scalars(
        select(RecordTask.asset_id).where(
            RecordTask.asset_id.in_(asset_ids), RecordTask.open_source_id.is_(None), has_its_end
        )
    )
    return {asset_id for asset_id in rows if asset_id is not None}


async def asset_ids(session: AsyncSession) -> AsyncIterator[str]:
    """The asset of every task that has one, streamed."""
    async for asset_id in await session.stream_scalars(select(RecordTask.asset_id)):
        if asset_id is not None:
            yield asset_id


async def open_task(session: AsyncSession, source_id: int) -> RecordTask | None:
    """The pending or running task of a source."""
    found: RecordTask | None = await session.scalar(select(RecordTask).where(RecordTask.open_source_id == source_id))
    return found


async def open_tasks(session: AsyncSession) -> list[RecordTask]:
    """Every pending or running task."""
    return list(await session.scalars(select(RecordTask).where(RecordTask.open_source_id.is_not(None))))


async def add_task(session: AsyncSession, task: RecordTask) -> RecordTask:
    """Insert a task; the unique `open_source_id` makes a second open one of a source fail."""
    session.add(task)
    await session.flush()
    return task


async def find_schedules(
    session: AsyncSession, source_id: int | None, order: Sequence[SortKey], page: PageRequest
) -> tuple[list[Schedule], int]:
    """One page of schedules and the number of all that match; there are as many as people make by hand."""
    matching = select(Schedule) if source_id is None else select(Schedule).where(Schedule.source_id == source_id)
    total = await session.scalar(select(func.count()).select_from(matching.subquery())) or 0
    keys = [SCHEDULE_SORTS[key.name].desc() if key.descending else SCHEDULE_SORTS[key.name].asc() for key in order]
    rows = await session.scalars(matching.order_by(*keys, Schedule.id).limit(page.per_page).offset(page.offset))
    return list(rows), total


async def get_schedule(session: AsyncSession, schedule_id: int) -> Schedule | None:
    """One schedule."""
    return await session.get(Schedule, schedule_id)


async def add_schedule(session: AsyncSession, schedule: Schedule) -> Schedule:
    """Insert a schedule."""
    session.add(schedule)
    await session.flush()
    return schedule


async def remove_schedule(session: AsyncSession, schedule: Schedule) -> None:
    """Drop a schedule; tasks that it started stay."""
    await session.delete(schedule)


async def due_schedules(session: AsyncSession, now: datetime, limit: int = 100) -> list[Schedule]:
    """Active schedules whose next run has come."""
    rows = await session.scalars(
        select(Schedule)
        .where(Schedule.is_active.is_(True), Schedule.next_run_at <= now)
        .order_by(Schedule.next_run_at, Schedule.id)
        .limit(limit)
    )
    return list(rows)


async def claim_run(
    session: AsyncSession, schedule: Schedule, run_at: datetime | None, next_run_at: datetime | None
) -> bool:
    """Take the run `run_at` of a due schedule and set the following one; False when another worker was first."""
    is_due = (Schedule.next_run_at == schedule.next_run_at, Schedule.is_active.is_(True))
    claimed = update(Schedule).where(Schedule.id == schedule.id, *is_due)
    return await matched_rows(session, claimed.values(next_run_at=next_run_at, last_run_at=run_at)) == 1


async def note_run(session: AsyncSession, schedule_id: int, result: str, task_id: int | None) -> None:
    """Keep how the last run of a schedule went."""
    await session.execute(
        update(Schedule).where(Schedule.id == schedule_id).values(last_result=result, last_task_id=task_id)
    )


async def _lock(session: AsyncSession, statement: Select[RecordTask]) -> RecordTask | None:
    fresh = statement.with_for_update().execution_options(populate_existing=True)
    found: RecordTask | None = await session.scalar(fresh)
    return found


def _matching_tasks(wanted: TaskFilter) -> Select[RecordTask]:
    statement = select(RecordTask)
    if wanted.source_id is not None:
        statement = statement.where(RecordTask.source_id == wanted.source_id)
    if wanted.statuses:
        statement = statement.where(RecordTask.status.in_(wanted.statuses))
    if wanted.trigger is not None:
        statement = statement.where(RecordTask.trigger == wanted.trigger)
    return statement
