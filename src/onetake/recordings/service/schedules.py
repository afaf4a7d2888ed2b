"""Schedules: what they say, when they run next, and running them once however many workers there are."""

import logging
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.audit import audit
from onetake.infra.db import Database
from onetake.kit.clock import utc_now
from onetake.kit.cron import parse_cron, zone
from onetake.kit.cron_words import describe
from onetake.kit.errors import AppError, Invalid, Lang, NotFound
from onetake.kit.paging import PageRequest, SortKey
from onetake.recordings import repository
from onetake.recordings.errors import CronOrDate, DateIsPast, SourceAutomatic
from onetake.recordings.models import Missed, Overlap, RecordTask, Schedule, Trigger
from onetake.recordings.schemas import ScheduleCreate, ScheduleUpdate
from onetake.recordings.service import tasks
from onetake.recordings.service.reports import default_title
from onetake.recordings.service.tasks import Wish
from onetake.sources import service as sources
from onetake.sources.errors import SourceInactive
from onetake.sources.models import RecordMode
from onetake.sources.schemas import SourceUpdate

PREVIEW_RUNS = 5
PUNCTUAL_S = 60
"""A run that begins within this time is on time; later than that, the missed-run rule decides."""
_FIELDS = ("source_id", "name", "cron_expr", "run_at", "duration_s", "timezone", "is_active", "overlap", "missed")
_TIMING = ("cron_expr", "run_at", "duration_s", "timezone", "is_active")
_logger = logging.getLogger(__name__)


async def list_schedules(
    session: AsyncSession, source_id: int | None, order: Sequence[SortKey], page: PageRequest
) -> tuple[list[Schedule], int]:
    """One page of schedules and the number of all that match."""
    return await repository.find_schedules(session, source_id, order, page)


async def get_schedule(session: AsyncSession, schedule_id: int) -> Schedule:
    """One schedule; raises NotFound."""
    schedule = await repository.get_schedule(session, schedule_id)
    if schedule is None:
        raise NotFound
    return schedule


async def create_schedule(session: AsyncSession, body: ScheduleCreate) -> Schedule:
    """A new schedule; a source that was recorded by hand only is recorded by schedule from now on.

    Raises NotFound (source), SourceAutomatic, BadCron, NeverRuns, UnknownTimezone, CronOrDate, DateIsPast.
    """
    await _by_schedule(session, body.source_id, body.is_active)
    now = utc_now()
    schedule = Schedule(**body.model_dump(), last_run_at=None, next_run_at=None, created_at=now, updated_at=now)
    plan(schedule, now)
    await repository.add_schedule(session, schedule)
    await audit(session, action="schedules.create", target=f"schedule:{schedule.id}", after=snapshot(schedule))
    return schedule


async def update_schedule(session: AsyncSession, schedule_id: int, body: ScheduleUpdate) -> Schedule:
    """Change a schedule, and plan it anew when its timing changes. Raises as `create_schedule`."""
    schedule = await get_schedule(session, schedule_id)
    before = snapshot(schedule)
    for name, value in body.model_dump(exclude_unset=True).items():
        if value is not None or name in ("cron_expr", "run_at"):
            setattr(schedule, name, value)
    after = snapshot(schedule)
    changed = {name for name in _FIELDS if before[name] != after[name]}
    if changed & {"source_id", "is_active"}:
        await _by_schedule(session, schedule.source_id, schedule.is_active)
    schedule.updated_at = utc_now()
    if changed.intersection(_TIMING):
        plan(schedule, schedule.updated_at)
    await audit(session, action="schedules.update", target=f"schedule:{schedule.id}", before=before, after=after)
    return schedule


async def delete_schedule(session: AsyncSession, schedule_id: int) -> None:
    """Delete a schedule; a recording that it started goes on until its end. Raises NotFound."""
    schedule = await get_schedule(session, schedule_id)
    await audit(session, action="schedules.delete", target=f"schedule:{schedule.id}", before=snapshot(schedule))
    await repository.remove_schedule(session, schedule)


def plan(schedule: Schedule, now: datetime) -> None:
    """Check what a schedule says and set its next run (UTC); the one date of a one-off plan runs once.

    Raises BadCron, NeverRuns, UnknownTimezone, CronOrDate, DateIsPast (for an active one-off run that never ran).
    """
    if (schedule.cron_expr is None) == (schedule.run_at is None):
        raise CronOrDate(field="cron_expr")
    tz = zone(schedule.timezone)
    schedule.run_at = schedule.run_at.astimezone(UTC) if schedule.run_at else None
    if schedule.cron_expr is not None:
        following = parse_cron(schedule.cron_expr).next_run(now, tz)
    else:
        following = schedule.run_at if schedule.run_at != schedule.last_run_at else None
        if schedule.is_active and following and following + timedelta(seconds=schedule.duration_s) <= now:
            raise DateIsPast(field="run_at")
    schedule.next_run_at = following.astimezone(UTC) if schedule.is_active and following else None


def next_runs(schedule: Schedule, now: datetime) -> list[datetime]:
    """The next five runs, in the schedule's own time zone."""
    if not schedule.is_active:
        return []
    tz = zone(schedule.timezone)
    if schedule.cron_expr is None:
        return [schedule.next_run_at.astimezone(tz)] if schedule.next_run_at else []
    return parse_cron(schedule.cron_expr).next_runs(now, tz, PREVIEW_RUNS)


def in_words(schedule: Schedule, lang: Lang) -> str:
    """The plan for a person."""
    if schedule.cron_expr is not None:
        return describe(parse_cron(schedule.cron_expr), lang)
    moment = schedule.run_at.astimezone(zone(schedule.timezone)) if schedule.run_at else None
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""


def snapshot(schedule: Schedule) -> dict[str, Any]:
    """What the audit log keeps of a schedule."""
    return {name: getattr(schedule, name) for name in _FIELDS}


async def run_due(db: Database, now: datetime) -> int:
    """Take every run that is due and that no other worker has taken; how many were taken.

    Each leaves a pending task, made in the transaction that takes the run: a crash in between loses nothing.
    """
    async with db.read() as session:
        due = await repository.due_schedules(session, now)
    taken = 0
    for schedule in due:
        try:
            run_at, following = _due_run(schedule, now), _next(schedule, now)
        except Invalid as error:  # a zone that the time-zone database has lost
            await _set_aside(db, schedule, error)
            continue
        try:
            async with db.write() as session:
                taken += await _take(session, schedule, run_at, following, now)
        except IntegrityError:
            _logger.debug("schedule %d: its source got another task at this moment; looking again", schedule.id)
    return taken


async def _set_aside(db: Database, schedule: Schedule, error: AppError) -> None:
    _logger.warning("schedule %d does not run any more: %s", schedule.id, error)
    async with db.write() as session:
        if await repository.claim_run(session, schedule, schedule.next_run_at, None):
            await repository.note_run(session, schedule.id, error.code, None)


async def _take(
    session: AsyncSession, schedule: Schedule, run_at: datetime, following: datetime | None, now: datetime
) -> bool:
    running = await repository.lock_open_task(session, schedule.source_id)
    if running is not None and running.stop_at is not None and running.stop_at <= run_at:
        return False  # that one is being ended; this run begins when it is over
    if not await repository.claim_run(session, schedule, run_at, following):
        return False
    result, task_id = await _attempt(session, schedule, run_at, running, now)
    await repository.note_run(session, schedule.id, result, task_id)
    return True


async def _attempt(
    session: AsyncSession, schedule: Schedule, run_at: datetime, running: RecordTask | None, now: datetime
) -> tuple[str, int | None]:
    """Start one run by its rules: what became of it, and its task."""
    stop_at = run_at + timedelta(seconds=schedule.duration_s)
    late = (now - run_at).total_seconds() > PUNCTUAL_S
    if stop_at <= now or (late and schedule.missed == Missed.SKIP):
        return "missed", None
    source = await sources.get_source(session, schedule.source_id)
    if not source.is_active:
        return SourceInactive.code, None
    if source.record_mode != RecordMode.SCHEDULE:
        return f"source_{source.record_mode}", None
    if running is not None and schedule.overlap == Overlap.SKIP:
        return "skipped_overlap", running.id
    if running is not None:
        await tasks.extend(session, running, stop_at)
        return "extended", running.id
    wish = Wish(
        title=default_title(source, now.astimezone(zone(schedule.timezone))),
        planned_duration_s=schedule.duration_s,
        stop_at=stop_at,
        trigger=Trigger.SCHEDULE,
        schedule_id=schedule.id,
    )
    task = await tasks.add_pending(session, source, wish)
    return ("started_late" if late else "started"), task.id


async def _by_schedule(session: AsyncSession, source_id: int, is_active: bool) -> None:
    """Have a source recorded by schedule when an active plan is made for it. Raises NotFound, SourceAutomatic."""
    source = await sources.get_source(session, source_id)
    if is_active and source.record_mode == RecordMode.AUTOMATIC:
        raise SourceAutomatic(field="source_id")
    if is_active and source.record_mode == RecordMode.MANUAL:
        await sources.update_source(session, source_id, SourceUpdate(record_mode=RecordMode.SCHEDULE))


def _due_run(schedule: Schedule, now: datetime) -> datetime:
    """The latest run whose window is open; the oldest that was missed when there is none."""
    oldest = schedule.next_run_at or now
    if schedule.cron_expr is None:
        return oldest
    since = max(oldest - timedelta(microseconds=1), now - timedelta(seconds=schedule.duration_s))
    runs = parse_cron(schedule.cron_expr).runs_after(since, zone(schedule.timezone))
    open_runs = deque(takewhile(lambda run: run <= now, runs), maxlen=1)
    return open_runs.pop() if open_runs else oldest


def _next(schedule: Schedule, now: datetime) -> datetime | None:
    """The first run after `now`."""
    if schedule.cron_expr is None:
        return None
    return parse_cron(schedule.cron_expr).next_run(now, zone(schedule.timezone))
