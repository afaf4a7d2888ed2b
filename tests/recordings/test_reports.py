"""What the media server reports becomes task rows, on the three databases, however often and late it says it."""

from typing import Any

import pytest
from sqlalchemy import select

from onetake.infra.db import Database
from onetake.infra.events.models import OutboxEvent
from onetake.kit.ids import uuid7
from onetake.recordings import repository
from onetake.recordings.models import RecordTask, TaskStatus, Trigger
from onetake.recordings.service.reports import Sheet, apply_sheet, finish_lost, new_task
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
        "duration_s": 3.2,
        "size_bytes": 1000,
    }
    return Sheet.parse(values | fields)


async def applied(database: Database, report: Sheet) -> RecordTask:
    async with database.write() as session:
        task = await apply_sheet(session, report)
    assert task is not None
    return task


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
    async with sqlite_database.write() as session:
        waiting = await repository.add_task(session, new_task(source, trigger=Trigger.SCHEDULE, title="晚课"))
    task = await applied(sqlite_database, sheet(source))
    assert (task.id, task.title, task.trigger) == (waiting.id, "晚课", Trigger.SCHEDULE)
    assert task.status == TaskStatus.RECORDING


async def test_a_second_recording_ends_the_task_whose_end_was_never_told(sqlite_database: Database) -> None:
    source = await a_source(sqlite_database)
    first = await applied(sqlite_database, sheet(source))
    second = await applied(sqlite_database, sheet(source))
    async with sqlite_database.read() as session:
        before = await repository.get_task(session, first.id)
        assert before is not None
        assert before.status == TaskStatus.INTERRUPTED
        assert (await repository.open_task(session, source.id)) is not None
    assert second.id != first.id


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
    async with sqlite_database.write() as session:
        assert await apply_sheet(session, sheet(source, name="somebody-else")) is None
        assert await repository.open_tasks(session) == []


@pytest.mark.parametrize(
    "raw", [{}, {"id": 1}, {"id": "x", "name": "y", "trigger": "z", "state": 1, "started_ms": "?"}]
)
def test_a_sheet_that_cannot_be_read(raw: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Sheet.parse(raw)
