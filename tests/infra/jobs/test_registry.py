"""Kinds, periodic tasks and what may be enqueued."""

from typing import TYPE_CHECKING

import pytest

from onetake.infra.db import Database
from onetake.infra.jobs import JobContext, enqueue, job, periodic
from onetake.infra.jobs.registry import JobRegistry
from onetake.kit.errors import AppError

if TYPE_CHECKING:
    from tests.infra.jobs.conftest import Bench


async def nothing(ctx: JobContext) -> None: ...


def test_names_are_unique_and_queues_known() -> None:
    registry = JobRegistry()
    job("a.b", queue="net", registry=registry)(nothing)
    with pytest.raises(ValueError, match="exists already"):
        job("a.b", queue="net", registry=registry)(nothing)
    with pytest.raises(ValueError, match="unknown queue"):
        job("a.c", queue="nowhere", registry=registry)(nothing)
    periodic("tidy", "0 3 * * *", "a.b", registry=registry)
    with pytest.raises(ValueError, match="exists already"):
        periodic("tidy", "0 4 * * *", "a.b", registry=registry)


@pytest.mark.parametrize("cron", ["", "every day", "61 * * * *", "0 0 30 2 *", "* * * *"])
def test_bad_plans_are_refused_when_declared(cron: str) -> None:
    with pytest.raises(AppError):
        periodic("tidy", cron, "a.b", registry=JobRegistry())


def test_the_clock_hand_moves_to_the_next_tick_in_utc() -> None:
    registry = JobRegistry()
    periodic("tidy", "0 3 * * *", "a.b", registry=registry)
    assert registry.periodic["tidy"].next_after(0) == 3 * 3600
    assert registry.periodic["tidy"].next_after(3 * 3600) == 27 * 3600


async def test_a_kind_brings_its_queue_priority_and_attempts(sqlite_bench: "Bench") -> None:
    bench = sqlite_bench
    job("a.b", queue="net", priority=7, max_attempts=2, registry=bench.registry)(nothing)
    view = (await bench.job(await bench.add("a.b"))).job
    assert (view.queue, view.priority, view.max_attempts) == ("net", 7, 2)
    view = (await bench.job(await bench.add("a.b", priority=0, queue="video"))).job
    assert (view.queue, view.priority) == ("video", 0)


async def test_the_setting_gives_the_attempts_otherwise(sqlite_bench: "Bench") -> None:
    bench = sqlite_bench
    bench.registry.default_max_attempts = 9
    assert (await bench.job(await bench.add("a.b", queue="net"))).job.max_attempts == 9


async def test_unusable_jobs_are_refused_at_the_call(sqlite_database: Database) -> None:
    async with sqlite_database.write() as session:
        with pytest.raises(ValueError, match="unknown kind"):
            await enqueue(session, "no.such")
        with pytest.raises(ValueError, match="one of the queues"):
            await enqueue(session, "no.such", queue="nowhere")
        with pytest.raises(ValueError, match="exceed"):
            await enqueue(session, "a.b", {"text": "x" * 300_000}, queue="net")
        with pytest.raises(TypeError):
            await enqueue(session, "a.b", {"bad": object()}, queue="net")
        with pytest.raises(ValueError, match="JSON compliant"):
            await enqueue(session, "a.b", {"bad": float("nan")}, queue="net")
