"""Schedules: what they say, when they run next, and running them once however many workers there are."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.audit import audit
from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer
from onetake.kit.clock import utc_now
from onetake.kit.cron import parse_cron, zone
from onetake.kit.cron_words import describe
from onetake.kit.errors import AppError, Lang, NotFound
from onetake.kit.paging import PageRequest, SortKey
from onetake.recordings import repository
from onetake.recordings.errors import CronOrDate, DateIsPast, RecordingRunning
from onetake.recordings.models import Missed, Overlap, Schedule, Trigger
from onetake.recordings.schemas import ScheduleCreate, ScheduleUpdate
from onetake.recordings.service import tasks
from onetake.recordings.service.tasks import Wish
from onetake.sources import service as sources

PREVIEW_RUNS = 5
PUNCTUAL_S = 60
"""A run that begins within this time is on time; later than that, the missed-run rule decides."""
_FIELDS = ("source_id", "name", "cron_expr", "run_at", "duration_s", "timezone", "is_active", "overlap", "missed")
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
    """A new schedule. Raises NotFound (source), BadCron, NeverRuns, UnknownTimezone, CronOrDate, DateIsPast."""
    await sources.get_source(session, body.source_id)
    now = utc_now()
    schedule = Schedule(**body.model_dump(), last_run_at=None, next_run_at=None, created_at=now, updated_at=now)
    plan(schedule, now)
    await repository.add_schedule(session, schedule)
    await audit(session, action="schedules.create", target=f"schedule:{schedule.id}", after=snapshot(schedule))
    return schedule


async def update_schedule(session: AsyncSession, schedule_id: int, body: ScheduleUpdate) -> Schedule:
    """Change a schedule and plan it anew. Raises as `create_schedule`."""
    schedule = await get_schedule(session, schedule_id)
    before = snapshot(schedule)
    for name, value in body.model_dump(exclude_unset=True).items():
        if value is not None or name in ("cron_expr", "run_at"):
            setattr(schedule, name, value)
    await sources.get_source(session, schedule.source_id)
    schedule.updated_at = utc_now()
    plan(schedule, schedule.updated_at)
    await audit(
        session, action="schedules.update", target=f"schedule:{schedule.id}", before=before, after=snapshot(schedule)
    )
    return schedule


async def delete_schedule(session: AsyncSession, schedule_id: int) -> None:
    """Delete a schedule; a recording that it started goes on until its end. Raises NotFound."""
    schedule = await get_schedule(session, schedule_id)
    await audit(session, action="schedules.delete", target=f"schedule:{schedule.id}", before=snapshot(schedule))
    await repository.remove_schedule(session, schedule)


def plan(schedule: Schedule, now: datetime) -> None:
    """Check what a schedule says and set its next run.

    Raises BadCron, NeverRuns, UnknownTimezone, CronOrDate, DateIsPast (for an active one-off run).
    """
    if (schedule.cron_expr is None) == (schedule.run_at is None):
        raise CronOrDate(field="cron_expr")
    zone(schedule.timezone)
    window = timedelta(seconds=schedule.duration_s)
    if schedule.run_at is not None and schedule.is_active and schedule.run_at + window <= now:
        raise DateIsPast(field="run_at")
    schedule.next_run_at = _next(schedule, now) if schedule.is_active else None
    if schedule.run_at is not None and schedule.is_active and schedule.next_run_at is None:
        schedule.next_run_at = schedule.run_at  # its window is open: it starts late


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


async def run_due(db: Database, media: MediaServer, now: datetime) -> int:
    """Start every run that is due and that no other worker has taken; how many were taken."""
    async with db.read() as session:
        due = await repository.due_schedules(session, now)
    taken = 0
    for schedule in due:
        async with db.write() as session:
            if not await repository.claim_run(session, schedule, _next(schedule, now)):
                continue
        taken += 1
        await _run(db, media, schedule, now)
    return taken


async def _run(db: Database, media: MediaServer, schedule: Schedule, now: datetime) -> None:
    try:
        result, task_id = await _attempt(db, media, schedule, now)
    except AppError as error:
        _logger.warning("schedule %d: %s", schedule.id, error.code)
        result, task_id = error.code, None
    async with db.write() as session:
        await repository.note_run(session, schedule.id, result, task_id)


async def _attempt(db: Database, media: MediaServer, schedule: Schedule, now: datetime) -> tuple[str, int | None]:
    """Start one run by its rules: what became of it, and its task."""
    due = schedule.next_run_at or now
    stop_at = due + timedelta(seconds=schedule.duration_s)
    late = (now - due).total_seconds() > PUNCTUAL_S
    if stop_at <= now or (late and schedule.missed == Missed.SKIP):
        return "missed", None
    wish = Wish(
        title=None,
        planned_duration_s=schedule.duration_s,
        stop_at=stop_at,
        trigger=Trigger.SCHEDULE,
        schedule_id=schedule.id,
        wait=True,
    )
    try:
        task = await tasks.start(db, media, schedule.source_id, wish)
    except RecordingRunning:
        return await _overlap(db, schedule, stop_at)
    return ("started_late" if late else "started"), task.id


async def _overlap(db: Database, schedule: Schedule, stop_at: datetime) -> tuple[str, int | None]:
    async with db.write() as session:
        running = await repository.open_task(session, schedule.source_id)
        if running is None or schedule.overlap == Overlap.SKIP:
            return "skipped_overlap", running.id if running else None
        await tasks.extend(session, running, stop_at)
        return "extended", running.id


def _next(schedule: Schedule, now: datetime) -> datetime | None:
    """The first run after `now`."""
    if schedule.cron_expr is None:
        return schedule.run_at if schedule.run_at and schedule.run_at > now else None
    return parse_cron(schedule.cron_expr).next_run(now, zone(schedule.timezone))
