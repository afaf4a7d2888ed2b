"""What the workers do for recordings every second: planned ends, due schedules, pending starts.

Every worker may do it: runs are taken by compare-and-set, starting and stopping twice is refused or harmless. A duty
that waits for a source or the media server holds up no other.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer, MediaServerUnavailable
from onetake.infra.settings import Settings
from onetake.kit.clock import utc_now
from onetake.kit.errors import AppError
from onetake.recordings import repository
from onetake.recordings.errors import SourceOffline, StayedOffline
from onetake.recordings.models import RecordTask, TaskStatus, Trigger
from onetake.recordings.service import schedules, tasks
from onetake.recordings.service.reports import fail
from onetake.sources import service as sources

TICK_S = 1.0
AT_ONCE = 16
"""So many starts, and so many ends, are under way at a time."""
API_STARTS = timedelta(seconds=30)
"""A start by hand is the API's business for so long; later, its process must have died."""
Work = Callable[[RecordTask], Awaitable[None]]
_logger = logging.getLogger(__name__)


async def keep_time(db: Database, settings: Settings) -> None:
    """Do what is due until cancelled."""
    media = MediaServer.from_settings(settings)
    duties = Duties(db, media)
    try:
        while True:
            try:
                await duties.look()
            except Exception:
                _logger.exception("a recording duty failed")
            await asyncio.sleep(TICK_S)
    finally:
        await duties.close()
        await media.close()


class Duties:
    """One duty per task at most is under way."""

    def __init__(self, db: Database, media: MediaServer) -> None:
        self._db = db
        self._media = media
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._starts, self._ends = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)

    async def look(self) -> None:
        """Begin everything that is due. Ends first: the next run of a source may be due at that very moment."""
        now = utc_now()
        ends = [self._do(self._end, task, self._ends) for task in await self._open() if _is_over(task, now)]
        if ends:
            await asyncio.wait(ends, timeout=TICK_S)
        await schedules.run_due(self._db, utc_now())
        for task in await self._open():
            if _may_begin(task, utc_now()):
                self._do(self._begin, task, self._starts)

    async def settle(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def close(self) -> None:
        """Give up what is under way: another worker, or the next start, goes on with it."""
        for duty in self._under_way.values():
            duty.cancel()
        await self.settle()

    async def _open(self) -> list[RecordTask]:
        async with self._db.read() as session:
            open_tasks = await repository.open_tasks(session)
        return [task for task in open_tasks if task.id not in self._under_way]

    def _do(self, work: Work, task: RecordTask, slots: asyncio.Semaphore) -> asyncio.Task[None]:
        duty = self._under_way[task.id] = asyncio.create_task(_guarded(work, task, slots))
        duty.add_done_callback(lambda _: self._under_way.pop(task.id, None))
        return duty

    async def _begin(self, task: RecordTask) -> None:
        try:
            await tasks.begin(self._db, self._media, task.id)
        except AppError as error:
            waits = task.trigger == Trigger.SCHEDULE and isinstance(error, SourceOffline | MediaServerUnavailable)
            if not waits:
                await self._fail(task, error)

    async def _end(self, task: RecordTask) -> None:
        if task.status == TaskStatus.PENDING:
            await self._fail(task, StayedOffline())
            return
        async with self._db.read() as session:
            source = await sources.get_source(session, task.source_id or 0)
        await tasks.end(self._db, self._media, task, source)

    async def _fail(self, task: RecordTask, error: AppError) -> None:
        async with self._db.write() as session:
            failed = await fail(session, task.id, error)
            if failed.status == TaskStatus.FAILED and task.schedule_id is not None:
                await repository.note_run(session, task.schedule_id, error.code, task.id)


async def _guarded(work: Work, task: RecordTask, slots: asyncio.Semaphore) -> None:
    try:
        async with slots:
            await work(task)
    except AppError as error:
        _logger.debug("recording task %d: %s", task.id, error.code)
    except Exception:
        _logger.exception("recording task %d", task.id)


def _is_over(task: RecordTask, now: datetime) -> bool:
    return task.stop_at is not None and task.stop_at <= now


def _may_begin(task: RecordTask, now: datetime) -> bool:
    by_hand = task.trigger == Trigger.MANUAL and now - task.created_at < API_STARTS
    return task.status == TaskStatus.PENDING and not _is_over(task, now) and not by_hand
