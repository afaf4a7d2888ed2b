"""Live progress by tailing the table."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from sqlalchemy import update

from onetake.infra.db import Database
from onetake.infra.db.clock import db_now
from onetake.infra.jobs import enqueue
from onetake.infra.jobs.feed import changed_jobs
from onetake.infra.jobs.models import Job
from onetake.infra.jobs.views import JobView

if TYPE_CHECKING:
    from tests.infra.jobs.conftest import Bench


async def following(feed: AsyncIterator[JobView]) -> JobView:
    async with asyncio.timeout(60):
        return await anext(feed)


async def write(database: Database, job_id: int, **values: object) -> None:
    async with database.write() as session:
        await session.execute(update(Job).where(Job.id == job_id).values(updated_at=db_now(), **values))


async def test_each_change_is_seen_once_and_the_past_is_not(bench: "Bench", database_url: str) -> None:
    """The writer is another connection, as another process is."""
    await bench.add("test.old", queue="net")
    writer = Database(database_url)
    feed = changed_jobs(bench.db, poll_s=0.05)
    first = asyncio.ensure_future(following(feed))
    await asyncio.sleep(0.3)
    async with writer.write() as session:
        number = await enqueue(session, "test.new", queue="net")
    assert ((await first).id, (await first).state) == (number, "queued")
    await write(writer, number, state="running", progress=0.5)
    seen = await following(feed)
    assert (seen.id, seen.state, seen.progress) == (number, "running", 0.5)
    await write(writer, number, progress=0.75)
    assert (await following(feed)).progress == 0.75
    await feed.aclose()  # type: ignore[attr-defined]
    await writer.dispose()


async def test_a_commit_that_comes_late_is_not_missed(bench: "Bench", database_url: str) -> None:
    """An older stamp that becomes visible after a younger one."""
    slow, quick = await bench.add("test.slow", queue="net"), await bench.add("test.quick", queue="net")
    writer = Database(database_url)
    feed = changed_jobs(bench.db, poll_s=0.05)
    first = asyncio.ensure_future(following(feed))
    await asyncio.sleep(0.3)
    await write(writer, quick, state="running")
    assert (await first).id == quick
    async with writer.write() as session:
        stamp = db_now() - 1
        await session.execute(update(Job).where(Job.id == slow).values(state="running", updated_at=stamp))
    assert (await following(feed)).id == slow
    await feed.aclose()  # type: ignore[attr-defined]
    await writer.dispose()
