"""Schedules: what is refused, when they run as clocks change, that each run starts once. On the three databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web

from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer
from onetake.kit.clock import utc_now
from onetake.kit.errors import AppError, Lang
from onetake.kit.ids import uuid7
from onetake.kit.paging import PageRequest, SortKey
from onetake.recordings import repository, tasks
from onetake.recordings.models import RecordTask, Schedule, TaskStatus, Trigger
from onetake.recordings.repository import TaskFilter
from onetake.recordings.schemas import ScheduleCreate, ScheduleUpdate
from onetake.recordings.service import schedules as service
from onetake.recordings.service.reports import new_task
from onetake.sources import service as sources
from onetake.sources.models import LiveSource
from onetake.sources.schemas import SourceCreate

SECRET = "between us"


class LiveProcess:
    """The recording calls of the media server, over real HTTP; `online` are the streams that are live."""

    def __init__(self) -> None:
        self.online: set[str] = set()
        self.started: list[str] = []
        self.stopped: list[str] = []
        self._sheets: dict[str, dict[str, Any]] = {}

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/control/record/start", self._start)
        app.router.add_post("/control/record/stop", self._stop)
        return app

    async def _start(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {SECRET}"
        name = (await request.json())["stream"]
        if name not in self.online:
            problem = {"code": "stream_not_live", "detail": "The stream is not live."}
            return web.json_response(problem, status=409, content_type="application/problem+json")
        if name not in self._sheets:
            self.started.append(name)
            began = {"id": str(uuid7()), "name": name, "trigger": "manual", "state": "recording", "reason": ""}
            self._sheets[name] = began | {"started_ms": 1_795_000_000_000, "duration_s": 1.0, "size_bytes": 100}
        return web.json_response(self._sheets[name])

    async def _stop(self, request: web.Request) -> web.Response:
        name = (await request.json())["stream"]
        self.stopped.append(name)
        return web.json_response(self._sheets.pop(name) | {"state": "finished", "ended_ms": 1_795_000_009_000})


class Studio:
    """A database with one source, and the media server beside it."""

    def __init__(self, database: Database, source: LiveSource, live: LiveProcess, media: MediaServer) -> None:
        self.db = database
        self.source = source
        self.live = live
        self.media = media

    async def plan(self, **fields: Any) -> Schedule:
        """A schedule by its API."""
        values: dict[str, Any] = {"source_id": self.source.id, "name": "晚课", "duration_s": 3600, "timezone": "UTC"}
        async with self.db.write() as session:
            return await service.create_schedule(session, ScheduleCreate(**(values | fields)))

    async def due(self, ago_s: float = 0, **fields: Any) -> Schedule:
        """A daily schedule whose run came `ago_s` ago."""
        schedule = await self.plan(cron_expr="0 12 * * *", **fields)
        async with self.db.write() as session:
            row = await service.get_schedule(session, schedule.id)
            row.next_run_at = utc_now() - timedelta(seconds=ago_s)
        return row

    async def run_due(self) -> int:
        """What every worker does each second."""
        return await service.run_due(self.db, self.media, utc_now())

    async def result(self, schedule: Schedule) -> str | None:
        """What became of the last run."""
        async with self.db.read() as session:
            return (await service.get_schedule(session, schedule.id)).last_result

    async def tasks(self) -> list[RecordTask]:
        """Every task, the oldest first."""
        async with self.db.read() as session:
            return (await repository.find_tasks(session, TaskFilter(), [SortKey("id")], PageRequest(1, 50)))[0]

    async def is_recording(self, stop_at: datetime | None) -> RecordTask:
        """Somebody has started a recording already."""
        async with self.db.write() as session:
            task = new_task(self.source, trigger=Trigger.MANUAL, title="Manual")
            task.stop_at = stop_at
            return await repository.add_task(session, task)


@pytest.fixture
async def studio(database: Database) -> AsyncIterator[Studio]:
    live = LiveProcess()
    runner = web.AppRunner(live.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    media = MediaServer(f"http://127.0.0.1:{runner.addresses[0][1]}", SECRET)
    async with database.write() as session:
        body = SourceCreate.model_validate({"name": "大礼堂", "protocol": "push"})
        source = (await sources.create_source(session, body)).source
    live.online.add(source.stream_name)
    yield Studio(database, source, live, media)
    await media.close()
    await runner.cleanup()


class TestPlans:
    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({}, "schedule_cron_or_date"),
            ({"cron_expr": "0 12 * * *", "run_at": "2099-01-01T00:00:00Z"}, "schedule_cron_or_date"),
            ({"run_at": "2020-01-01T00:00:00Z"}, "schedule_in_the_past"),
            ({"cron_expr": "0 12 31 2 *"}, "cron_never_runs"),
            ({"cron_expr": "61 * * * *"}, "bad_cron"),
            ({"cron_expr": "0 12 * * *", "timezone": "Mars/Olympus"}, "unknown_timezone"),
            ({"cron_expr": "0 12 * * *", "source_id": 999_999}, "not_found"),
        ],
    )
    async def test_what_cannot_run_is_refused(self, studio: Studio, fields: dict[str, Any], code: str) -> None:
        with pytest.raises(AppError) as refused:
            await studio.plan(**fields)
        assert refused.value.code == code

    async def test_a_change_plans_anew(self, studio: Studio) -> None:
        schedule = await studio.plan(cron_expr="0 12 * * *")
        async with studio.db.write() as session:
            off = await service.update_schedule(session, schedule.id, ScheduleUpdate(is_active=False))
            assert (off.next_run_at, service.next_runs(off, utc_now())) == (None, [])
        once = utc_now() + timedelta(days=1)
        async with studio.db.write() as session:
            body = ScheduleUpdate(is_active=True, cron_expr=None, run_at=once)
            moved = await service.update_schedule(session, schedule.id, body)
            assert moved.next_run_at == once
            assert len(service.next_runs(moved, utc_now())) == 1

    async def test_one_time_whose_window_is_open_starts_late(self, studio: Studio) -> None:
        begun = utc_now() - timedelta(minutes=10)
        schedule = await studio.plan(run_at=begun)
        assert schedule.next_run_at == begun
        assert await studio.run_due() == 1
        assert await studio.result(schedule) == "started_late"
        assert await studio.run_due() == 0

    @pytest.mark.parametrize(("lang", "words"), [("en", "12:00"), ("zh-CN", "12:00"), ("zh-TW", "12:00")])
    async def test_plans_are_told_in_words(self, studio: Studio, lang: Lang, words: str) -> None:
        assert words in service.in_words(await studio.plan(cron_expr="0 12 * * *"), lang)


class TestClocks:
    """Berlin: 2027-03-28 02:00 → 03:00, 2026-10-25 03:00 → 02:00."""

    @staticmethod
    def runs(cron: str, since: datetime) -> list[datetime]:
        schedule = Schedule(cron_expr=cron, timezone="Europe/Berlin", is_active=True)
        return [run.astimezone(UTC) for run in service.next_runs(schedule, since)]

    def test_noon_stays_noon(self) -> None:
        spring = self.runs("0 12 * * *", datetime(2027, 3, 27, 0, 0, tzinfo=UTC))
        assert [run.hour for run in spring[:3]] == [11, 10, 10]
        autumn = self.runs("0 12 * * *", datetime(2026, 10, 24, 0, 0, tzinfo=UTC))
        assert [run.hour for run in autumn[:3]] == [10, 11, 11]

    @pytest.mark.parametrize("since", [datetime(2027, 3, 27, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)])
    def test_a_time_that_is_skipped_or_comes_twice_runs_once(self, since: datetime) -> None:
        runs = self.runs("30 2 * * *", since)
        days = [(run + timedelta(hours=1)).date() for run in runs]
        assert len(set(days)) == len(days) == 5
        assert [(later - earlier).days for earlier, later in pairwise(days)] == [1] * 4


class TestRuns:
    async def test_a_run_starts_and_ends_by_itself(self, studio: Studio) -> None:
        schedule = await studio.due()
        assert await studio.run_due() == 1
        (task,) = await studio.tasks()
        assert (task.status, task.trigger, task.schedule_id) == (TaskStatus.RECORDING, Trigger.SCHEDULE, schedule.id)
        assert await studio.result(schedule) == "started"
        async with studio.db.write() as session:
            row = await repository.get_task(session, task.id)
            assert row is not None
            row.stop_at = utc_now()
        await tasks.tick(studio.db, studio.media)
        assert studio.live.stopped == [studio.source.stream_name]
        assert [task.status for task in await studio.tasks()] == [TaskStatus.COMPLETED]

    async def test_workers_that_compete_start_a_run_once(self, studio: Studio) -> None:
        schedule = await studio.due()
        taken = await asyncio.gather(*(studio.run_due() for _ in range(4)))
        assert sum(taken) == 1
        assert studio.live.started == [studio.source.stream_name]
        assert len(await studio.tasks()) == 1
        async with studio.db.read() as session:
            after = await service.get_schedule(session, schedule.id)
        assert after.next_run_at is not None
        assert after.next_run_at > utc_now()

    async def test_a_source_that_is_offline_is_waited_for(self, studio: Studio) -> None:
        studio.live.online.clear()
        await studio.due()
        await studio.run_due()
        assert [task.status for task in await studio.tasks()] == [TaskStatus.PENDING]
        studio.live.online.add(studio.source.stream_name)
        await tasks.tick(studio.db, studio.media)
        assert [task.status for task in await studio.tasks()] == [TaskStatus.RECORDING]

    async def test_one_that_stays_offline_fails_when_its_time_is_over(self, studio: Studio) -> None:
        studio.live.online.clear()
        await studio.due()
        await studio.run_due()
        async with studio.db.write() as session:
            (task,) = await repository.open_tasks(session)
            task.stop_at = utc_now()
        await tasks.tick(studio.db, studio.media)
        (task,) = await studio.tasks()
        assert (task.status, task.error_code) == (TaskStatus.FAILED, "stayed_offline")

    @pytest.mark.parametrize(
        ("ago_s", "missed", "result"),
        [
            (600, "start_late", "started_late"),
            (600, "skip", "missed"),
            (7200, "start_late", "missed"),
            (30, "skip", "started"),
        ],
    )
    async def test_missed_runs(self, studio: Studio, ago_s: float, missed: str, result: str) -> None:
        schedule = await studio.due(ago_s, missed=missed)
        assert await studio.run_due() == 1
        assert await studio.result(schedule) == result
        assert len(await studio.tasks()) == (0 if result == "missed" else 1)

    async def test_overlap_skips_or_extends(self, studio: Studio) -> None:
        soon = utc_now() + timedelta(minutes=1)
        running = await studio.is_recording(soon)
        skipped = await studio.due()
        await studio.run_due()
        assert await studio.result(skipped) == "skipped_overlap"
        extended = await studio.due(overlap="extend")
        await studio.run_due()
        assert await studio.result(extended) == "extended"
        (task,) = await studio.tasks()
        assert task.id == running.id
        assert task.stop_at is not None
        assert task.stop_at > soon + timedelta(minutes=50)

    async def test_one_without_an_end_is_not_given_one(self, studio: Studio) -> None:
        await studio.is_recording(None)
        await studio.due(overlap="extend")
        await studio.run_due()
        assert [task.stop_at for task in await studio.tasks()] == [None]

    async def test_a_source_that_is_switched_off_is_the_result(self, studio: Studio) -> None:
        schedule = await studio.due()
        async with studio.db.write() as session:
            (await sources.get_source(session, studio.source.id)).is_active = False
        await studio.run_due()
        assert await studio.result(schedule) == "source_inactive"
        assert await studio.tasks() == []

    async def test_without_the_media_server_the_run_waits(self, studio: Studio) -> None:
        await studio.due()
        away = MediaServer("http://127.0.0.1:1", SECRET)
        assert await service.run_due(studio.db, away, utc_now()) == 1
        await away.close()
        assert [task.status for task in await studio.tasks()] == [TaskStatus.PENDING]
        await tasks.tick(studio.db, studio.media)
        assert [task.status for task in await studio.tasks()] == [TaskStatus.RECORDING]
