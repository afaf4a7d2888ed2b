"""Following the media server's list of recordings from the API process, however it is sorted and however long it is."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import event
from tests.recordings.test_reports import a_source, sheet

from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer
from onetake.infra.pubsub import PubSub
from onetake.kit.paging import PageRequest, SortKey
from onetake.recordings import repository
from onetake.recordings.errors import RecordingRunning
from onetake.recordings.models import RecordTask, TaskStatus, Trigger
from onetake.recordings.repository import TaskFilter
from onetake.recordings.service import tasks
from onetake.recordings.service.reports import new_task
from onetake.recordings.watch import LOST_AFTER_LOOKS, RecordingWatch

BEGAN_MS = 1_795_000_000_000


class Listing:
    """What `/control/recordings` answers."""

    def __init__(self) -> None:
        self.recordings: list[dict[str, Any]] = []

    async def answer(self, _request: web.Request) -> web.Response:
        return web.json_response({"recordings": self.recordings})


@pytest.fixture
def listing() -> Listing:
    return Listing()


@pytest.fixture
async def media(listing: Listing) -> AsyncIterator[MediaServer]:
    app = web.Application()
    app.router.add_get("/control/recordings", listing.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    media = MediaServer(f"http://127.0.0.1:{runner.addresses[0][1]}", "secret")
    yield media
    await media.close()
    await runner.cleanup()


def raw(source: Any, **fields: Any) -> dict[str, Any]:
    """A sheet in JSON."""
    made = sheet(source, **fields)
    return {name: getattr(made, name) for name in made.__slots__}


async def every_task(database: Database, order: str = "id") -> list[RecordTask]:
    async with database.read() as session:
        return (await repository.find_tasks(session, TaskFilter(), [SortKey(order)], PageRequest(1, 200)))[0]


async def test_a_running_recording_survives_that_the_api_was_away(
    database: Database, listing: Listing, media: MediaServer
) -> None:
    source = await a_source(database)
    old = raw(source, state="finished", started_ms=BEGAN_MS, ended_ms=BEGAN_MS + 100_000, duration_s=100.0)
    running = raw(source, started_ms=BEGAN_MS + 200_000)
    listing.recordings = [running, {"id": "unreadable"}, old]
    watch = RecordingWatch(database, media, PubSub())
    await watch.look()
    running |= {"duration_s": 50.0}
    await watch.look()
    found = [(task.asset_id, task.status, task.duration) for task in await every_task(database)]
    assert found == [(old["id"], TaskStatus.COMPLETED, 100), (running["id"], TaskStatus.RECORDING, 50)]


async def test_what_is_settled_costs_no_transaction_at_the_next_start(
    sqlite_database: Database, listing: Listing, media: MediaServer
) -> None:
    source = await a_source(sqlite_database)
    listing.recordings = [
        raw(source, state="finished", started_ms=BEGAN_MS + number, reason="interrupted" if number == 7 else "")
        for number in range(20)
    ]
    commits: list[object] = []
    event.listen(sqlite_database.writer.sync_engine, "commit", commits.append)
    await RecordingWatch(sqlite_database, media, PubSub()).look()
    assert len(commits) == 20  # one for each: others may write in between
    del commits[:]
    await RecordingWatch(sqlite_database, media, PubSub()).look()
    assert len(commits) == 1  # the interrupted one might have been given up by us only


async def test_a_running_task_that_is_not_listed_any_more_is_given_up(
    sqlite_database: Database, listing: Listing, media: MediaServer
) -> None:
    listing.recordings = [raw(await a_source(sqlite_database))]
    watch = RecordingWatch(sqlite_database, media, PubSub())
    await watch.look()
    listing.recordings = []
    for _ in range(LOST_AFTER_LOOKS):
        assert [task.status for task in await every_task(sqlite_database)] == [TaskStatus.RECORDING]
        await watch.look()
    assert [task.status for task in await every_task(sqlite_database)] == [TaskStatus.INTERRUPTED]


async def test_lists_have_one_order_and_are_counted_so_far(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    source = await a_source(database)
    async with database.write() as session:
        for number in range(6):
            task = new_task(source, trigger=Trigger.MANUAL, title=str(number))
            task.open_source_id = None
            task.duration = number // 3
            await repository.add_task(session, task)
    assert [task.title for task in await every_task(database, "duration")] == ["0", "1", "2", "3", "4", "5"]
    monkeypatch.setattr(repository, "COUNT_LIMIT", 4)
    async with database.read() as session:
        order = [SortKey("duration", descending=True)]
        first, total = await repository.find_tasks(session, TaskFilter(), order, PageRequest(1, 3))
        beyond, _ = await repository.find_tasks(session, TaskFilter(), order, PageRequest(3, 3))
    assert ([task.title for task in first], total, beyond) == (["5", "4", "3"], 5, [])


@pytest.mark.parametrize(
    ("status", "code"), [(TaskStatus.PENDING, "recording_waits"), (TaskStatus.RECORDING, "recording_running")]
)
async def test_a_second_start_is_told_what_the_first_does(
    database: Database, media: MediaServer, status: TaskStatus, code: str
) -> None:
    source = await a_source(database)
    async with database.write() as session:
        task = await repository.add_task(session, new_task(source, trigger=Trigger.SCHEDULE, title="Evening"))
        task.status = status
    with pytest.raises(RecordingRunning) as refused:
        await tasks.start(database, media, source.id, tasks.Wish())
    assert (refused.value.code, refused.value.params["task_id"]) == (code, task.id)
    assert [one.id for one in await every_task(database)] == [task.id]
