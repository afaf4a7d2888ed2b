"""Live progress: which jobs changed just now, found by tailing the table."""

import asyncio
import logging
from collections.abc import AsyncIterator

from onetake.infra.db import Database
from onetake.infra.db.errors import DATABASE_TROUBLE
from onetake.infra.jobs import admin_repository as rows
from onetake.infra.jobs.models import Job
from onetake.infra.jobs.views import JobView, job_view
from onetake.infra.jobs.wake import change_source

_OVERLAP_S = 3.0
_LIMIT = 500
_logger = logging.getLogger(__name__)


async def changed_jobs(db: Database, poll_s: float = 1.0) -> AsyncIterator[JobView]:
    """Every job as it is after each change, from now on, in about the order of the changes.

    On SQLite within a quarter of a second (change counter), elsewhere after `poll_s` at most. A database that is away
    is waited for. Several quick changes of one job may be seen as one.
    """
    source = change_source(db, poll_s)
    tail = _Tail(db)
    try:
        await tail.start()
        while True:
            await source.wait()
            for job in await tail.changes():
                yield job_view(job)
    finally:
        source.close()


class _Tail:
    """Reads with an overlap, since a transaction may commit later than a younger one; remembers what it has shown."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._since = 0.0
        self._shown: dict[int, tuple[float, str]] = {}

    async def start(self) -> None:
        """From now on."""
        while self._since == 0.0:
            try:
                async with self._db.read() as session:
                    self._since = await rows.now(session)
                    recent = await rows.changed_since(session, self._since - _OVERLAP_S, _LIMIT)
            except DATABASE_TROUBLE:
                await asyncio.sleep(1)
            else:
                self._shown = {job.id: _mark(job) for job in recent}

    async def changes(self) -> list[Job]:
        """What was written since the last call."""
        try:
            async with self._db.read() as session:
                found = await rows.changed_since(session, self._since - _OVERLAP_S, _LIMIT)
        except DATABASE_TROUBLE as error:
            _logger.warning("live progress waits for the database: %s", error)
            return []
        fresh = [job for job in found if self._shown.get(job.id) != _mark(job)]
        if found:
            self._since = max(self._since, found[-1].updated_at)
        horizon = self._since - _OVERLAP_S
        self._shown |= {job.id: _mark(job) for job in found}
        self._shown = {number: mark for number, mark in self._shown.items() if mark[0] >= horizon}
        return fresh


def _mark(job: Job) -> tuple[float, str]:
    return job.updated_at, job.state
