"""Kinds, periodic tasks and what may be enqueued."""

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

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


def test_the_clock_hand_moves_to_the_next_tick_of_a_zone() -> None:
    registry = JobRegistry()
    periodic("tidy", "0 3 * * *", "a.b", registry=registry)
    tidy = registry.periodic["tidy"]
    assert tidy.next_after(0, ZoneInfo("UTC")) == 3 * 3600
    assert tidy.next_after(3 * 3600, ZoneInfo("UTC")) == 27 * 3600
    assert tidy.next_after(0, ZoneInfo("Asia/Shanghai")) == 19 * 3600


def test_nights_are_nights_when_clocks_change() -> None:
    registry, berlin = JobRegistry(), ZoneInfo("Europe/Berlin")
    periodic("tidy", "30 2 * * *", "a.b", registry=registry)
    moment, found = datetime(2026, 3, 28, tzinfo=berlin).timestamp(), []
    for _ in range(3):
        moment = registry.periodic["tidy"].next_after(moment, berlin) or 0
        found.append(datetime.fromtimestamp(moment, berlin).strftime("%d %H:%M"))
    assert found == ["28 02:30", "29 03:30", "30 02:30"]


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
