"""The worker process as `onetake worker` starts it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from onetake import worker
from onetake.infra.db import Database
from onetake.infra.db.migrate import upgrade
from onetake.infra.events.relay import Relay
from onetake.infra.jobs import enqueue
from onetake.infra.jobs.builtin import TIDY
from onetake.infra.jobs.service import get_job
from onetake.infra.settings import Settings


async def test_it_waits_for_the_schema_then_works_then_stops(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    url, stop = f"sqlite:///{tmp_path}/onetake.db", asyncio.Event()
    settings = make_settings(database_url=url)
    running = asyncio.create_task(worker.work(settings, stop))
    await upgrade(url)
    database = Database(url)
    async with database.write() as session:
        number = await enqueue(session, TIDY)

    async def state() -> str:
        async with database.read() as session:
            return (await get_job(session, number)).job.state

    async with asyncio.timeout(100):
        while await state() != "done":  # noqa: ASYNC110  the worker changes it
            await asyncio.sleep(0.02)
    stop.set()
    await running
    await database.dispose()


async def test_it_stops_while_it_waits_for_the_schema(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(worker.work(make_settings(database_url=f"sqlite:///{tmp_path}/x.db"), stop))
    await asyncio.sleep(0)
    stop.set()
    async with asyncio.timeout(60):
        await running


async def test_it_ends_with_the_error_of_a_duty_that_broke(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker without its relay must not look alive; the supervisor starts it again."""

    async def broken(relay: Relay) -> None:
        raise RuntimeError("the relay broke")

    monkeypatch.setattr(Relay, "run", broken)
    url = f"sqlite:///{tmp_path}/onetake.db"
    await upgrade(url)
    async with asyncio.timeout(60):
        with pytest.raises(RuntimeError, match="the relay broke"):
            await worker.work(make_settings(database_url=url), asyncio.Event())
