"""What the workers do for recordings every second: due schedules, planned ends, pending starts.

Every worker may do it: runs are taken by compare-and-set, starting and stopping twice is refused or harmless.
"""

import asyncio
import logging

from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer
from onetake.infra.settings import Settings
from onetake.kit.clock import utc_now
from onetake.kit.errors import AppError
from onetake.recordings import repository
from onetake.recordings.errors import StayedOffline
from onetake.recordings.models import RecordTask, TaskStatus
from onetake.recordings.service import schedules, tasks
from onetake.recordings.service.reports import fail
from onetake.sources import service as sources

TICK_S = 1.0
_logger = logging.getLogger(__name__)


async def keep_time(db: Database, settings: Settings) -> None:
    """Tick until cancelled."""
    media = MediaServer.from_settings(settings)
    try:
        while True:
            try:
                await tick(db, media)
            except Exception:
                _logger.exception("a recording duty failed")
            await asyncio.sleep(TICK_S)
    finally:
        await media.close()


async def tick(db: Database, media: MediaServer) -> None:
    """One look at everything that is due."""
    now = utc_now()
    await schedules.run_due(db, media, now)
    async with db.read() as session:
        open_tasks = await repository.open_tasks(session)
    for task in open_tasks:
        try:
            await _look_after(db, media, task)
        except AppError as error:
            _logger.debug("recording task %d: %s", task.id, error.code)


async def _look_after(db: Database, media: MediaServer, task: RecordTask) -> None:
    over = task.stop_at is not None and task.stop_at <= utc_now()
    if task.status == TaskStatus.PENDING and not over:
        await tasks.begin(db, media, task.id)
    elif task.status == TaskStatus.PENDING:
        async with db.write() as session:
            await fail(session, await tasks.get_task(session, task.id), StayedOffline())
    elif over and task.source_id is not None:
        async with db.read() as session:
            source = await sources.get_source(session, task.source_id)
        await tasks.end(db, media, task, source)
