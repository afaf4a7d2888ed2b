"""Follows the media server's recordings from the API process: live figures, and reports that a callback lost."""

import asyncio
import logging
from typing import Any

from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer
from onetake.infra.pubsub import PubSub
from onetake.recordings import repository
from onetake.recordings.errors import Interrupted
from onetake.recordings.models import RecordTask
from onetake.recordings.service.reports import FINISHED, Sheet, finish_lost, record
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
        """Bring the task rows in line with the media server's recordings, the oldest first."""
        sheets = _parsed(await self._media.recordings())
        changed = [sheet for sheet in sheets if self._seen.get(sheet.id) != sheet]
        async with self._db.read() as session:
            open_tasks = await repository.open_tasks(session)
            ended = [sheet.id for sheet in changed if sheet.state == FINISHED]
            settled = await repository.settled_assets(session, ended, Interrupted.code) if ended else set()
        for sheet in changed:
            if sheet.id not in settled:
                await self._tell(await record(self._db, sheet))
        for task_id in self._lost(open_tasks, {sheet.id for sheet in sheets}):
            await self._tell(await self._give_up(task_id))
        self._seen = {sheet.id: sheet for sheet in sheets}

    def _lost(self, open_tasks: list[RecordTask], known: set[str]) -> set[int]:
        running = [task for task in open_tasks if task.asset_id is not None]
        self._missing = {task.id: self._missing.get(task.id, 0) + 1 for task in running if task.asset_id not in known}
        return {task_id for task_id, looks in self._missing.items() if looks >= LOST_AFTER_LOOKS}

    async def _give_up(self, task_id: int) -> RecordTask | None:
        async with self._db.write() as session:
            row = await repository.lock_task(session, task_id)
            if row is None or row.open_source_id is None:
                return None
            await finish_lost(session, row)
            return row

    async def _tell(self, task: RecordTask | None) -> None:
        if task is not None:
            await self._pubsub.publish(TOPIC, "updated", task_event(task))


def _parsed(raws: list[dict[str, Any]]) -> list[Sheet]:
    """The sheets that can be read, by their beginning."""
    sheets = []
    for raw in raws:
        try:
            sheets.append(Sheet.parse(raw))
        except (KeyError, TypeError, ValueError) as error:
            _logger.debug("the sheet of a recording cannot be read: %s", error)
    return sorted(sheets, key=lambda sheet: (sheet.started_ms, sheet.id))


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
