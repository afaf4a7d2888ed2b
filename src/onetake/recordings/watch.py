"""Follows the media server's recordings from the API process: live figures, and reports that a callback lost."""

import asyncio
import logging
from typing import Any

from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer
from onetake.infra.pubsub import PubSub
from onetake.recordings import repository
from onetake.recordings.models import RecordTask
from onetake.recordings.service.reports import Sheet, apply_sheet, finish_lost
from onetake.sources.watch import TROUBLE

TOPIC = "tasks"
LOOK_S = 2.0
LOST_AFTER_LOOKS = 5
"""A running task that the media server does not list so many times in a row is over."""
_logger = logging.getLogger(__name__)


class RecordingWatch:
    """`run()` until cancelled."""

    def __init__(self, db: Database, media: MediaServer, pubsub: PubSub) -> None:
        self._db = db
        self._media = media
        self._pubsub = pubsub
        self._seen: dict[str, Sheet] = {}
        self._missing: dict[int, int] = {}

    async def run(self) -> None:
        """Look, apply, tell; for ever."""
        while True:
            try:
                await self.look()
            except TROUBLE as error:
                _logger.debug("recordings cannot be followed: %s", error)
            except Exception:
                _logger.exception("following the recordings failed")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Bring the task rows in line with the media server's recordings."""
        sheets = [Sheet.parse(raw) for raw in await self._media.recordings()]
        changed = [sheet for sheet in sheets if self._seen.get(sheet.id) != sheet]
        async with self._db.read() as session:
            open_tasks = await repository.open_tasks(session)
        lost = self._lost(open_tasks, {sheet.id for sheet in sheets})
        if changed or lost:
            await self._apply(changed, lost)
        self._seen = {sheet.id: sheet for sheet in sheets}

    def _lost(self, open_tasks: list[RecordTask], known: set[str]) -> set[int]:
        running = [task for task in open_tasks if task.asset_id is not None]
        self._missing = {task.id: self._missing.get(task.id, 0) + 1 for task in running if task.asset_id not in known}
        return {task_id for task_id, looks in self._missing.items() if looks >= LOST_AFTER_LOOKS}

    async def _apply(self, changed: list[Sheet], lost: set[int]) -> None:
        tasks: list[RecordTask] = []
        async with self._db.write() as session:
            for sheet in changed:
                task = await apply_sheet(session, sheet)
                tasks += [task] if task is not None else []
            for task_id in lost:
                row = await repository.get_task(session, task_id)
                if row is not None and row.open_source_id is not None:
                    await finish_lost(session, row)
                    tasks.append(row)
        for task in tasks:
            await self._pubsub.publish(TOPIC, "updated", task_event(task))


def task_event(task: RecordTask) -> dict[str, Any]:
    """What the pages are told of a task."""
    return {
        "id": task.id,
        "source_id": task.source_id,
        "status": task.status,
        "duration": task.duration,
        "file_size": task.file_size,
        "error_code": task.error_code,
        "gaps": task.gaps,
    }
