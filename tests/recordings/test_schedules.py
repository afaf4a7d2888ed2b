"""Schedules: what is refused, when they run as clocks change, that each run starts once. On the three databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from pydantic import ValidationError

from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer
from onetake.kit.clock import utc_now
from onetake.kit.errors import AppError, Lang
from onetake.kit.ids import uuid7
from onetake.kit.paging import PageRequest, SortKey
from onetake.recordings import repository
from onetake.recordings.errors import SourceOffline
from onetake.recordings.models import RecordTask, Schedule, TaskStatus, Trigger
from onetake.recordings.repository import TaskFilter
from onetake.recordings.schemas import ScheduleCreate, ScheduleUpdate
from onetake.recordings.service import schedules as service
from onetake.recordings.service import tasks
from onetake.recordings.service.reports import Sheet, new_task, record
from onetake.recordings.service.tasks import Wish
from onetake.recordings.tasks import API_STARTS, Duties
from onetake.sources import service as sources
from onetake.sources.models import LiveSource, RecordMode
from onetake.sources.schemas import SourceCreate, SourceUpdate

SECRET = "between us"


class LiveProcess:
    """The recording calls of the media server, over real HTTP.

    `online` are the streams that are live, `over` those whose recording has ended by itself. A start is answered as
    soon as `answers` is set; `asked` tells that one has come.
    """

    def __init__(self) -> None:
        self.online: set[str] = set()
        self.over: set[str] = set()
        self.started: list[str] = []
        self.stopped: list[str] = []
        self.sheets: dict[str, dict[str, Any]] = {}
        self.asked, self.answers = asyncio.Event(), asyncio.Event()
        self.answers.set()

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/control/record/start", self._start)
        app.router.add_post("/control/record/stop", self._stop)
        app.router.add_get("/control/recordings", self._list)
        return app

    async def _start(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {SECRET}"
        name = (await request.json())["stream"]
        self.asked.set()
        await self.answers.wait()
        if name not in self.online:
            return _refused("stream_not_live", "The stream is not live.")
        if name not in self.sheets:
            self.started.append(name)
            began = {"id": str(uuid7()), "name": name, "trigger": "manual", "state": "recording", "reason": ""}
            now_ms = round(utc_now().timestamp() * 1000)
            self.sheets[name] = began | {"started_ms": now_ms, "duration_s": 1.0, "size_bytes": 100}
        return web.json_response(self.sheets[name])

    async def _stop(self, request: web.Request) -> web.Response:
        name = (await request.json())["stream"]
        if name not in self.sheets or name in self.over:
            return _refused("not_recording", "This stream is not being recorded.")
        self.stopped.append(name)
        return web.json_response(self.sheets.pop(name) | {"state": "finished", "ended_ms": 1_795_000_009_000})

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({"recordings": list(self.sheets.values())})


def _refused(code: str, detail: str) -> web.Response:
    problem = {"code": code, "detail": detail}
    return web.json_response(problem, status=409, content_type="application/problem+json")


class Studio:
    """A database with one source, and the media server beside it."""

    def __init__(self, database: Database, source: LiveSource, live: LiveProcess, media: MediaServer) -> None:
        self.db = database
        self.source = source
        self.live = live
        self.media = media
        self.duties = Duties(database, media)

    async def plan(self, **fields: Any) -> Schedule:
        """A schedule by its API."""
        values: dict[str, Any] = {"source_id": self.source.id, "name": "晚课", "duration_s": 3600, "timezone": "UTC"}
        async with self.db.write() as session:
            return await service.create_schedule(session, ScheduleCreate(**(values | fields)))

    async def due(self, ago_s: float = 0, **fields: Any) -> Schedule:
        """A daily schedule whose run came `ago_s` ago, by a clock that was wrong: the next is half a day away."""
        now = utc_now()
        schedule = await self.plan(cron_expr=f"0 {(now.hour + 12) % 24} * * *", **fields)
        await self.edit_plan(schedule, next_run_at=now - timedelta(seconds=ago_s))
        return schedule

    async def tick(self) -> None:
        """What every worker does each second."""
        await self.duties.look()
        await self.duties.settle()

    async def edit_task(self, task: RecordTask, **fields: Any) -> None:
        """As if it had been made like that."""
        async with self.db.write() as session:
            row = await tasks.get_task(session, task.id)
            for name, value in fields.items():
                setattr(row, name, value)

    async def edit_plan(self, schedule: Schedule, **fields: Any) -> None:
        """As if time had passed, or a worker had done something."""
        async with self.db.write() as session:
            row = await service.get_schedule(session, schedule.id)
            for name, value in fields.items():
                setattr(row, name, value)

    async def read_plan(self, schedule: Schedule) -> Schedule:
        """A schedule as it is now."""
        async with self.db.read() as session:
            return await service.get_schedule(session, schedule.id)

    async def result(self, schedule: Schedule) -> str | None:
        """What became of the last run."""
        return (await self.read_plan(schedule)).last_result

    async def tasks(self) -> list[RecordTask]:
        """Every task, the oldest first."""
        async with self.db.read() as session:
            return (await repository.find_tasks(session, TaskFilter(), [SortKey("id")], PageRequest(1, 50)))[0]

    async def record_mode(self) -> str:
        """How the source is recorded."""
        async with self.db.read() as session:
            return (await sources.get_source(session, self.source.id)).record_mode

    async def set_mode(self, mode: RecordMode) -> None:
        """An operator chooses how it is recorded."""
        async with self.db.write() as session:
            await sources.update_source(session, self.source.id, SourceUpdate(record_mode=mode))

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
    studio = Studio(database, source, live, media)
    yield studio
    await studio.duties.close()
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

    async def test_times_are_told_in_utc_from_the_first_answer_on(self, studio: Studio) -> None:
        repeated = await studio.plan(cron_expr="0 12 * * *", timezone="Asia/Shanghai")
        once = await studio.plan(run_at="2099-01-01T08:00:00+08:00")
        told = [moment.utcoffset() for moment in (repeated.next_run_at, once.next_run_at, once.run_at) if moment]
        assert told == [timedelta(0)] * 3

    @pytest.mark.parametrize("end", ["0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59Z"])
    def test_the_ends_of_the_calendar_are_refused(self, end: str) -> None:
        with pytest.raises(ValidationError):
            ScheduleUpdate.model_validate({"run_at": end})

    async def test_one_time_whose_window_is_open_starts_late(self, studio: Studio) -> None:
        begun = utc_now() - timedelta(minutes=10)
        schedule = await studio.plan(run_at=begun)
        assert schedule.next_run_at == begun
        await studio.tick()
        assert await studio.result(schedule) == "started_late"
        assert (await studio.read_plan(schedule)).next_run_at is None

    async def test_a_one_off_run_that_was_taken_does_not_come_again(self, studio: Studio) -> None:
        schedule = await studio.plan(run_at=utc_now() - timedelta(seconds=5))
        await studio.tick()
        await tasks.stop(studio.db, studio.media, studio.source.id)
        for change in (ScheduleUpdate(name="早课"), ScheduleUpdate(duration_s=7200), ScheduleUpdate(is_active=True)):
            async with studio.db.write() as session:
                assert (await service.update_schedule(session, schedule.id, change)).next_run_at is None
        await studio.tick()
        assert len(await studio.tasks()) == 1

    async def test_a_plan_whose_time_is_over_can_be_renamed(self, studio: Studio) -> None:
        schedule = await studio.plan(run_at=utc_now() + timedelta(minutes=1))
        await studio.edit_plan(schedule, run_at=utc_now() - timedelta(days=1), next_run_at=None)
        async with studio.db.write() as session:
            await service.update_schedule(session, schedule.id, ScheduleUpdate(name="早课"))
        with pytest.raises(AppError) as refused:
            async with studio.db.write() as session:
                await service.update_schedule(session, schedule.id, ScheduleUpdate(duration_s=60))
        assert refused.value.code == "schedule_in_the_past"

    async def test_a_recording_is_named_after_the_clocks_of_its_plan(self, studio: Studio) -> None:
        await studio.due(timezone="Asia/Kathmandu")
        before = utc_now()
        await studio.tick()
        (task,) = await studio.tasks()
        there = (moment.astimezone(ZoneInfo("Asia/Kathmandu")) for moment in (before, task.created_at))
        assert task.title in [f"{studio.source.name} {moment:%Y-%m-%d %H:%M}" for moment in there]

    async def test_a_new_name_leaves_a_run_that_is_due(self, studio: Studio) -> None:
        schedule = await studio.due()
        async with studio.db.write() as session:
            await service.update_schedule(session, schedule.id, ScheduleUpdate(name="早课"))
        await studio.tick()
        assert await studio.result(schedule) == "started"

    async def test_a_source_by_hand_is_recorded_by_schedule_once_it_has_one(self, studio: Studio) -> None:
        off = await studio.plan(cron_expr="0 12 * * *", is_active=False)
        assert await studio.record_mode() == RecordMode.MANUAL
        async with studio.db.write() as session:
            await service.update_schedule(session, off.id, ScheduleUpdate(is_active=True))
        assert await studio.record_mode() == RecordMode.SCHEDULE
        await studio.set_mode(RecordMode.MANUAL)
        async with studio.db.write() as session:  # a later change of something else does not overrule the operator
            await service.update_schedule(session, off.id, ScheduleUpdate(name="早课", duration_s=60))
        assert await studio.record_mode() == RecordMode.MANUAL

    async def test_an_automatic_source_takes_no_schedule(self, studio: Studio) -> None:
        await studio.set_mode(RecordMode.AUTOMATIC)
        with pytest.raises(AppError) as refused:
            await studio.plan(cron_expr="0 12 * * *")
        assert refused.value.code == "source_automatic"

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
        await studio.tick()
        (task,) = await studio.tasks()
        assert (task.status, task.trigger, task.schedule_id) == (TaskStatus.RECORDING, Trigger.SCHEDULE, schedule.id)
        assert await studio.result(schedule) == "started"
        await studio.edit_task(task, stop_at=utc_now())
        await studio.tick()
        (task,) = await studio.tasks()
        assert task.status == TaskStatus.COMPLETED
        assert studio.live.stopped == [studio.source.stream_name]

    async def test_workers_that_compete_start_a_run_once(self, studio: Studio) -> None:
        schedule = await studio.due()
        taken = await asyncio.gather(*(service.run_due(studio.db, utc_now()) for _ in range(4)))
        assert sum(taken) == 1
        workers = [Duties(studio.db, studio.media) for _ in range(3)]
        await asyncio.gather(*(worker.look() for worker in workers))
        await asyncio.gather(*(worker.settle() for worker in workers))
        assert studio.live.started == [studio.source.stream_name]
        assert [task.status for task in await studio.tasks()] == [TaskStatus.RECORDING]
        after = await studio.read_plan(schedule)
        assert after.next_run_at is not None
        assert after.next_run_at > utc_now()

    async def test_a_worker_that_dies_after_taking_a_run_loses_nothing(self, studio: Studio) -> None:
        schedule = await studio.due()
        assert await service.run_due(studio.db, utc_now()) == 1  # and killed here
        assert [task.status for task in await studio.tasks()] == [TaskStatus.PENDING]
        await studio.tick()
        assert [task.status for task in await studio.tasks()] == [TaskStatus.RECORDING]
        assert await studio.result(schedule) == "started"

    async def test_a_source_that_is_offline_is_waited_for(self, studio: Studio) -> None:
        studio.live.online.clear()
        await studio.due()
        await studio.tick()
        assert [task.status for task in await studio.tasks()] == [TaskStatus.PENDING]
        studio.live.online.add(studio.source.stream_name)
        await studio.tick()
        assert [task.status for task in await studio.tasks()] == [TaskStatus.RECORDING]

    async def test_one_that_stays_offline_fails_when_its_time_is_over(self, studio: Studio) -> None:
        studio.live.online.clear()
        schedule = await studio.due()
        await studio.tick()
        (task,) = await studio.tasks()
        await studio.edit_task(task, stop_at=utc_now())
        await studio.tick()
        (task,) = await studio.tasks()
        assert (task.status, task.error_code) == (TaskStatus.FAILED, "stayed_offline")
        assert await studio.result(schedule) == "stayed_offline"

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
        await studio.tick()
        assert await studio.result(schedule) == result
        assert len(await studio.tasks()) == (0 if result == "missed" else 1)

    async def test_of_several_missed_runs_the_one_whose_window_is_open_starts(self, studio: Studio) -> None:
        schedule = await studio.plan(cron_expr="0 * * * *", duration_s=1800)
        now = datetime(2026, 11, 22, 20, 10, tzinfo=UTC)
        await studio.edit_plan(schedule, next_run_at=now - timedelta(hours=2, minutes=10))
        assert await service.run_due(studio.db, now) == 1
        after = await studio.read_plan(schedule)
        (task,) = await studio.tasks()
        assert (after.last_result, after.last_run_at) == ("started_late", now - timedelta(minutes=10))
        assert (task.stop_at, after.next_run_at) == (now + timedelta(minutes=20), now + timedelta(minutes=50))

    async def test_a_run_may_begin_when_another_ends(self, studio: Studio) -> None:
        await studio.due()
        await studio.tick()
        (first,) = await studio.tasks()
        noon = utc_now()
        await studio.edit_task(first, stop_at=noon)
        second = await studio.due()
        await studio.edit_plan(second, next_run_at=noon)
        assert await service.run_due(studio.db, noon) == 0  # another worker is just ending the first one
        await studio.tick()
        assert await studio.result(second) == "started"
        found = [(task.status, task.schedule_id) for task in await studio.tasks()]
        assert found == [(TaskStatus.COMPLETED, first.schedule_id), (TaskStatus.RECORDING, second.id)]

    async def test_overlap_skips_or_extends(self, studio: Studio) -> None:
        soon = utc_now() + timedelta(minutes=1)
        running = await studio.is_recording(soon)
        skipped = await studio.due()
        await studio.tick()
        assert await studio.result(skipped) == "skipped_overlap"
        extended = await studio.due(overlap="extend")
        await studio.tick()
        assert await studio.result(extended) == "extended"
        (task,) = await studio.tasks()
        assert task.id == running.id
        assert task.stop_at is not None
        assert task.stop_at > soon + timedelta(minutes=50)

    async def test_one_without_an_end_is_not_given_one(self, studio: Studio) -> None:
        await studio.is_recording(None)
        await studio.due(overlap="extend")
        await studio.tick()
        assert [task.stop_at for task in await studio.tasks()] == [None]

    async def test_what_its_source_does_not_want_is_the_result(self, studio: Studio) -> None:
        schedule = await studio.due()
        for mode in (RecordMode.MANUAL, RecordMode.AUTOMATIC):
            await studio.set_mode(mode)
            await studio.edit_plan(schedule, next_run_at=utc_now())
            await studio.tick()
            assert await studio.result(schedule) == f"source_{mode}"
        async with studio.db.write() as session:
            await sources.update_source(session, studio.source.id, SourceUpdate(is_active=False))
        await studio.edit_plan(schedule, next_run_at=utc_now())
        await studio.tick()
        assert await studio.result(schedule) == "source_inactive"
        assert await studio.tasks() == []

    async def test_a_plan_in_a_lost_time_zone_stops_no_other(self, studio: Studio) -> None:
        lost, other = await studio.due(ago_s=1), await studio.due()
        await studio.edit_plan(lost, timezone="Mars/Olympus")
        await studio.tick()
        assert await studio.result(lost) == "unknown_timezone"
        assert (await studio.read_plan(lost)).next_run_at is None
        assert await studio.result(other) == "started"

    async def test_without_the_media_server_the_run_waits(self, studio: Studio) -> None:
        await studio.due()
        away = MediaServer("http://127.0.0.1:1", SECRET)
        duties = Duties(studio.db, away)
        await duties.look()
        await duties.settle()
        await away.close()
        assert [task.status for task in await studio.tasks()] == [TaskStatus.PENDING]
        await studio.tick()
        assert [task.status for task in await studio.tasks()] == [TaskStatus.RECORDING]

    async def test_a_source_that_does_not_answer_holds_up_no_other_duty(self, studio: Studio) -> None:
        slow = await studio.due()
        studio.live.answers.clear()
        await studio.duties.look()
        await studio.live.asked.wait()
        async with studio.db.write() as session:
            body = SourceCreate.model_validate({"name": "二号厅", "protocol": "push"})
            other = (await sources.create_source(session, body)).source
        second = await studio.due(source_id=other.id)
        await studio.duties.look()
        assert [await studio.result(plan) for plan in (slow, second)] == ["started", "started"]
        studio.live.answers.set()
        await studio.duties.settle()


class TestByHand:
    """What the API starts and stops, and what the workers leave to it."""

    async def test_the_worker_leaves_a_start_to_the_api_for_a_while(self, studio: Studio) -> None:
        task = await studio.is_recording(None)
        await studio.tick()
        assert studio.live.started == []
        await studio.edit_task(task, created_at=utc_now() - API_STARTS)
        await studio.tick()
        assert [one.status for one in await studio.tasks()] == [TaskStatus.RECORDING]

    async def test_a_start_that_its_api_left_behind_does_not_wait_for_ever(self, studio: Studio) -> None:
        studio.live.online.clear()
        await studio.edit_task(await studio.is_recording(None), created_at=utc_now() - API_STARTS)
        await studio.tick()
        found = [(task.status, task.error_code) for task in await studio.tasks()]
        assert found == [(TaskStatus.FAILED, "source_offline")]

    async def test_a_start_whose_answer_is_lost_has_begun_all_the_same(self, studio: Studio) -> None:
        studio.live.answers.clear()
        starting = asyncio.create_task(tasks.start(studio.db, studio.media, studio.source.id, Wish(title="早课")))
        await studio.live.asked.wait()
        now_ms = round(utc_now().timestamp() * 1000)
        raw = {"id": str(uuid7()), "name": studio.source.stream_name, "trigger": "manual", "state": "recording"}
        await record(studio.db, Sheet.parse(raw | {"started_ms": now_ms, "size_bytes": 7}))  # its callback comes first
        studio.live.online.clear()  # and the answer says no
        studio.live.answers.set()
        task = await starting
        assert (task.status, task.title, task.asset_id) == (TaskStatus.RECORDING, "早课", raw["id"])
        assert len(await studio.tasks()) == 1

    async def test_an_offline_source_is_refused_at_once(self, studio: Studio) -> None:
        studio.live.online.clear()
        with pytest.raises(SourceOffline):
            await tasks.start(studio.db, studio.media, studio.source.id, Wish())
        assert [task.status for task in await studio.tasks()] == [TaskStatus.FAILED]

    async def test_stopping_while_it_waits_says_so(self, studio: Studio) -> None:
        studio.live.online.clear()
        await studio.due()
        await studio.tick()
        task = await tasks.stop(studio.db, studio.media, studio.source.id)
        assert (task.status, task.error_code) == (TaskStatus.FAILED, "stopped_waiting")

    async def test_a_source_that_comes_after_the_stop_is_not_recorded(self, studio: Studio) -> None:
        await studio.due()
        studio.live.answers.clear()
        await studio.duties.look()
        await studio.live.asked.wait()
        await tasks.stop(studio.db, studio.media, studio.source.id)
        studio.live.answers.set()
        await studio.duties.settle()
        assert studio.live.sheets == {}
        assert not any(TaskStatus(task.status).is_open for task in await studio.tasks())

    async def test_stopping_what_has_ended_by_itself(self, studio: Studio) -> None:
        name = studio.source.stream_name
        await tasks.start(studio.db, studio.media, studio.source.id, Wish())
        studio.live.over.add(name)
        studio.live.sheets[name] |= {"state": "finished", "duration_s": 9.0, "ended_ms": 1_795_000_009_000}
        task = await tasks.stop(studio.db, studio.media, studio.source.id)
        assert (task.status, task.duration) == (TaskStatus.COMPLETED, 9)

    async def test_stopping_what_the_media_server_does_not_know(self, studio: Studio) -> None:
        await tasks.start(studio.db, studio.media, studio.source.id, Wish())
        studio.live.sheets.clear()
        task = await tasks.stop(studio.db, studio.media, studio.source.id)
        assert (task.status, task.open_source_id) == (TaskStatus.INTERRUPTED, None)
