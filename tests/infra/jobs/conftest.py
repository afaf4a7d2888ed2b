"""A runner inside the test's event loop, with quick settings and a registry of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from onetake.infra.db import Database
from onetake.infra.jobs import enqueue
from onetake.infra.jobs.node import Node
from onetake.infra.jobs.registry import JobRegistry
from onetake.infra.jobs.runner import Runner
from onetake.infra.jobs.service import get_job
from onetake.infra.jobs.views import JobDetail
from onetake.infra.settings import Settings

QUICK: Mapping[str, Any] = {
    "job_lease_s": 3.0,
    "job_heartbeat_s": 0.2,
    "job_self_fence_s": 1.5,
    "job_sweep_s": 0.3,
    "job_cancel_poll_s": 0.1,
    "job_kill_grace_s": 1.0,
    "job_poll_s": 0.05,
    "job_retry_base_s": 0.01,
    "job_slots_net": 2,
}
"""Settings under which everything that takes minutes in production takes a second."""


class Bench:
    """A database, a registry, and runners that work on them while the test runs."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self.db = database
        self.data_dir = data_dir
        self.registry = JobRegistry()
        self._stops: list[tuple[asyncio.Event, asyncio.Task[None], Node]] = []

    def settings(self, **fields: Any) -> Settings:
        """The quick settings."""
        return Settings(**({"data_dir": self.data_dir} | dict(QUICK) | fields))

    def start(self, **fields: Any) -> asyncio.Task[None]:
        """Start one more runner."""
        settings, stop = self.settings(**fields), asyncio.Event()
        node = Node.acquire(self.data_dir)
        task = asyncio.create_task(Runner(self.db, settings, node, self.registry).run(stop))
        self._stops.append((stop, task, node))
        return task

    async def stop(self) -> None:
        """Stop all runners as SIGTERM does."""
        for stop, _, _ in self._stops:
            stop.set()
        for _, task, node in self._stops:
            await task
            node.release()
        self._stops.clear()

    async def add(self, kind: str, args: Mapping[str, Any] | None = None, **options: Any) -> int:
        """Enqueue in a transaction of its own."""
        async with self.db.write() as session:
            return await enqueue(session, kind, args, registry=self.registry, **options)

    async def job(self, job_id: int) -> JobDetail:
        """The job as the admin page shows it."""
        async with self.db.read() as session:
            return await get_job(session, job_id)

    async def until(self, job_id: int, *states: str) -> JobDetail:
        """Wait until the job is in one of the states."""
        return await self.until_that(job_id, lambda detail: detail.job.state in states)

    async def until_that(self, job_id: int, condition: Callable[[JobDetail], bool]) -> JobDetail:
        """Wait until something is true of the job."""
        found: list[JobDetail] = []

        async def true_of_the_job() -> bool:
            found[:] = [await self.job(job_id)]
            return condition(found[0])

        await self.eventually(true_of_the_job)
        return found[0]

    async def eventually(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait until something is true."""
        async with asyncio.timeout(100):
            while not await condition():  # noqa: ASYNC110  another process or task changes the database
                await asyncio.sleep(0.01)


@pytest.fixture
async def bench(database: Database, tmp_path: Path) -> AsyncIterator[Bench]:
    """On the three databases."""
    opened = Bench(database, tmp_path / "data")
    yield opened
    await opened.stop()


@pytest.fixture
async def sqlite_bench(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Bench]:
    """On SQLite only, for what does not depend on SQL."""
    opened = Bench(sqlite_database, tmp_path / "data")
    yield opened
    await opened.stop()
