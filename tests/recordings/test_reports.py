"""What the media server reports becomes task rows, on the three databases, however often and late it says it."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db import Database
from onetake.infra.events.models import OutboxEvent
from onetake.kit.clock import utc_now
from onetake.kit.errors import LANGS
from onetake.kit.ids import uuid7
from onetake.recordings import repository
from onetake.recordings.endpoints.tasks import view
from onetake.recordings.errors import SourceOffline
from onetake.recordings.models import RecordTask, TaskStatus, Trigger
from onetake.recordings.service.reports import Sheet, fail, finish_lost, new_task, record
from onetake.sources import service as sources
from onetake.sources.models import LiveSource, Protocol
from onetake.sources.schemas import SourceCreate


async def a_source(database: Database) -> LiveSource:
    async with database.write() as session:
        return (await sources.create_source(session, SourceCreate(name="大礼堂", protocol=Protocol.PUSH))).source


def sheet(source: LiveSource, **fields: Any) -> Sheet:
    values: dict[str, Any] = {
        "id": str(uuid7()),
        "name": source.stream_name,
        "trigger": "auto",
        "state": "recording",
        "started_ms": 1_795_000_000_000,
        "duration_s": 3.9,
        "size_bytes": 1000,
    }
    return Sheet.parse(values | fields)


async def applied(database: Database, report: Sheet) -> RecordTask:
    task = await record(database, report)
    assert task is not None
    return task


async def waiting_task(database: Database, source: LiveSource) -> RecordTask:
    async with database.write() as session:
        return await repository.add_task(session, new_task(source, trigger=Trigger.SCHEDULE, title="晚课"))


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


async def events(database: Database) -> list[str]:
    async with database.read() as session:
        types = await session.scalars(select(OutboxEvent.type).order_by(OutboxEvent.id))
        return [name.rsplit(".", 1)[-1] for name in types if "Recording" in name]


async def test_an_automatic_recording_makes_its_own_task(database: Database) -> None:
    source = await a_source(database)
    report = sheet(source)
    task = await applied(database, report)
    assert (task.status, task.trigger, task.asset_id) == (TaskStatus.RECORDING, Trigger.AUTOMATIC, report.id)
    assert task.title.startswith("大礼堂 ")
    assert (task.duration, task.file_size) == (3, 1000)
    done = sheet(source, id=report.id, state="finished", duration_s=61.0, size_bytes=9000, ended_ms=1_795_000_061_000)
    for _ in range(2):  # the same callback may come twice
        task = await applied(database, done)
    assert (task.status, task.duration, task.file_size) == (TaskStatus.COMPLETED, 61, 9000)
    late = await applied(database, sheet(source, id=report.id, duration_s=5.0))
    assert (late.status, late.duration) == (TaskStatus.COMPLETED, 61)
    assert await events(database) == ["RecordingStarted", "RecordingFinished"]


async def test_a_waiting_task_takes_the_recording_that_comes(sqlite_database: Database) -> None:
    source = await a_source(sqlite_database)
    waiting = await waiting_task(sqlite_database, source)
    task = await applied(sqlite_database, sheet(source))
    assert (task.id, task.title, task.trigger) == (waiting.id, "晚课", Trigger.SCHEDULE)
    assert task.status == TaskStatus.RECORDING


async def test_a_newer_recording_ends_the_task_whose_end_was_never_told(database: Database) -> None:
    source = await a_source(database)
    report = sheet(source)
    first = await applied(database, report)
    second = await applied(database, sheet(source, started_ms=report.started_ms + 1))
    async with database.read() as session:
        before = await repository.get_task(session, first.id)
        running = await repository.open_task(session, source.id)
    assert before is not None
    assert running is not None
    assert (before.status, running.id) == (TaskStatus.INTERRUPTED, second.id)
    ended = sheet(source, id=report.id, state="finished", duration_s=61.0, size_bytes=9000)
    for _ in range(2):
        corrected = await applied(database, ended)
    assert (corrected.id, corrected.status, corrected.duration) == (first.id, TaskStatus.COMPLETED, 61)
    names = ["RecordingStarted", "RecordingFinished", "RecordingStarted", "RecordingFinished"]
    assert await events(database) == names


async def test_an_older_recording_leaves_the_running_one_alone(database: Database) -> None:
    """The API was away while one recording ended and the next began: it hears of them in any order."""
    source = await a_source(database)
    running, old = sheet(source), sheet(source, started_ms=1_794_000_000_000)
    task = await applied(database, running)
    assert await record(database, old) is None  # it ends just now
    over = sheet(source, id=old.id, started_ms=old.started_ms, state="finished", duration_s=100.0, size_bytes=5000)
    before = await applied(database, over)
    assert (before.status, before.duration, before.file_size) == (TaskStatus.COMPLETED, 100, 5000)
    now = await applied(database, sheet(source, id=running.id, duration_s=50.0, size_bytes=2500))
    assert (now.id, now.status, now.duration) == (task.id, TaskStatus.RECORDING, 50)


async def test_a_recording_from_before_is_not_the_one_that_a_task_waits_for(database: Database) -> None:
    source = await a_source(database)
    waiting = await waiting_task(database, source)
    yesterday, later = ms(utc_now() - timedelta(days=1)), ms(utc_now() + timedelta(seconds=1))
    old = await applied(database, sheet(source, state="finished", started_ms=yesterday, ended_ms=yesterday + 9000))
    assert (old.status, old.trigger) == (TaskStatus.COMPLETED, Trigger.AUTOMATIC)
    short = await applied(database, sheet(source, state="finished", started_ms=later, ended_ms=later + 500))
    assert (short.id, short.status) == (waiting.id, TaskStatus.COMPLETED)


async def test_two_processes_that_hear_of_a_recording_make_one_task(database: Database) -> None:
    source = await a_source(database)
    report = sheet(source)
    found = await asyncio.gather(*(record(database, report) for _ in range(4)))
    assert {task.id for task in found if task is not None} == {found[0].id if found[0] else None}
    assert await events(database) == ["RecordingStarted"]


async def test_reports_that_arrive_together_never_reopen_a_task(database: Database) -> None:
    source = await a_source(database)
    report = sheet(source)
    await applied(database, report)
    over = sheet(source, id=report.id, state="finished", duration_s=61.0, size_bytes=9000)
    late = [sheet(source, id=report.id, duration_s=float(seconds)) for seconds in range(4, 9)]
    await asyncio.gather(*(record(database, one) for one in [*late, over, *late]))
    task = await applied(database, report)
    assert (task.status, task.duration, task.open_source_id) == (TaskStatus.COMPLETED, 61, None)
    assert await events(database) == ["RecordingStarted", "RecordingFinished"]


async def test_what_a_crash_left_out_stays_in_the_gaps(sqlite_database: Database) -> None:
    source = await a_source(sqlite_database)
    report = sheet(source)
    await applied(sqlite_database, report)
    gaps = [{"start_ms": 1_795_000_003_000, "end_ms": 1_795_000_008_500}]
    for state in ("interrupted", "recording", "finished"):
        task = await applied(sqlite_database, sheet(source, id=report.id, state=state, gaps=gaps))
    assert (task.status, task.gaps) == (TaskStatus.COMPLETED, gaps)
    assert view(task, "en").gaps[0].duration_ms == 5500


async def test_errors_are_told_in_the_words_of_the_reader(sqlite_database: Database) -> None:
    source = await a_source(sqlite_database)
    report = sheet(source, state="paused", reason="storage_missing")
    paused = await applied(sqlite_database, report)
    words = [view(paused, lang).error_message for lang in LANGS]
    assert words == [
        "The recording is paused. The volume is not there. It goes on by itself.",
        "录制已暂停。存储卷不可用。恢复后会自动继续。",
        "錄製已暫停。儲存磁碟區無法使用。恢復後會自動繼續。",
    ]
    async with sqlite_database.read() as session:
        row = await repository.get_task(session, paused.id)
    assert row is not None
    assert view(row, "en").error_message == words[0]
    unreadable = sheet(source, id=report.id, state="paused", reason="new_in_2030")
    assert "disk reports errors" in (view(await applied(sqlite_database, unreadable), "en").error_message or "")
    assert view(await applied(sqlite_database, sheet(source, id=report.id)), "en").error_message is None


async def test_only_a_waiting_task_fails(database: Database) -> None:
    source = await a_source(database)
    waiting = await waiting_task(database, source)
    running = await applied(database, sheet(source))
    assert running.id == waiting.id
    async with database.write() as session:
        assert (await fail(session, waiting.id, SourceOffline())).status == TaskStatus.RECORDING
    async with database.write() as session:
        await finish_lost(session, await the_task(session, waiting.id))
    again = await waiting_task(database, source)
    async with database.write() as session:
        failed = await fail(session, again.id, SourceOffline())
    assert (failed.status, failed.error_code) == (TaskStatus.FAILED, "source_offline")
    assert view(failed, "zh-CN").error_message == SourceOffline.text.zh_cn


async def the_task(session: AsyncSession, task_id: int) -> RecordTask:
    found = await repository.lock_task(session, task_id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"state": "finished"}, TaskStatus.COMPLETED, None),
        ({"state": "finished", "reason": "interrupted"}, TaskStatus.INTERRUPTED, "interrupted"),
        ({"state": "finished", "size_bytes": 0}, TaskStatus.FAILED, "no_media"),
        ({"state": "finished", "size_bytes": 0, "reason": "disk_full"}, TaskStatus.FAILED, "disk_full"),
        ({"state": "paused", "reason": "disk_full"}, TaskStatus.RECORDING, "recording_paused"),
        ({"state": "interrupted"}, TaskStatus.RECORDING, None),
    ],
)
async def test_states(sqlite_database: Database, fields: dict[str, Any], status: TaskStatus, code: str | None) -> None:
    task = await applied(sqlite_database, sheet(await a_source(sqlite_database), **fields))
    assert (task.status, task.error_code) == (status, code)
    assert (task.open_source_id is None) == (not status.is_open)


async def test_a_recording_that_nobody_knows_any_more_is_interrupted(sqlite_database: Database) -> None:
    task = await applied(sqlite_database, sheet(await a_source(sqlite_database)))
    async with sqlite_database.write() as session:
        row = await repository.get_task(session, task.id)
        assert row is not None
        await finish_lost(session, row)
    assert row.status == TaskStatus.INTERRUPTED


async def test_a_recording_of_an_unknown_stream_is_not_ours(sqlite_database: Database) -> None:
    source = await a_source(sqlite_database)
    assert await record(sqlite_database, sheet(source, name="somebody-else")) is None
    async with sqlite_database.read() as session:
        assert await repository.open_tasks(session) == []


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"id": 1},
        {"id": "../../etc", "name": "y", "trigger": "z", "state": "recording", "started_ms": 1},
        {"id": str(uuid7()), "name": "y", "trigger": "z", "state": 1, "started_ms": "?"},
    ],
)
def test_a_sheet_that_cannot_be_read(raw: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Sheet.parse(raw)
