"""The outbox and its relay on the three databases."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.audit import AuditEntry, audit
from onetake.infra.db import Database
from onetake.infra.db.clock import db_now
from onetake.infra.events import emit, repository
from onetake.infra.events.models import OutboxEvent
from onetake.infra.events.registry import EventRegistry, handles, type_name
from onetake.infra.events.relay import Relay, RelayTimes

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
FAST = RelayTimes(poll_s=0.02, retry_base_s=0.01, retry_max_s=0.02, max_attempts=3)


@dataclass(frozen=True)
class Happened:
    number: int
    at: datetime = NOON
    key: UUID | None = None


Seen = list[int]


def recorder(registry: EventRegistry, seen: Seen, fail: Callable[[int], bool] = lambda number: False) -> None:
    @handles(Happened, registry)
    async def record(session: AsyncSession, event: Happened) -> None:
        await audit(session, action="test.handled", target=f"event:{event.number}")
        if fail(event.number):
            raise RuntimeError(f"cannot handle {event.number}; password=hunter2")
        seen.append(event.number)


async def emit_all(database: Database, numbers: range, stream: str | None = None) -> None:
    for number in numbers:
        async with database.write() as session:
            await emit(session, Happened(number), stream=stream)


async def states(database: Database) -> dict[str, int]:
    async with database.read() as session:
        return await repository.count_by_state(session)


async def handled_in_database(database: Database) -> int:
    async with database.read() as session:
        return (await session.execute(select(func.count(AuditEntry.id)))).scalar_one()


async def drain_until(relay: Relay, condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():
            await relay.drain()
            await asyncio.sleep(0.01)


async def test_events_arrive_whole_and_in_order(database: Database) -> None:
    registry, seen = EventRegistry(), list[Happened]()

    @handles(Happened, registry)
    async def record(session: AsyncSession, event: Happened) -> None:
        seen.append(event)

    key = uuid4()
    async with database.write() as session:
        await emit(session, Happened(0, NOON, key))
    await emit_all(database, range(1, 5))
    assert await Relay(database, registry).drain() == 5
    assert [event.number for event in seen] == [0, 1, 2, 3, 4]
    assert seen[0] == Happened(0, NOON, key)
    assert await states(database) == {"done": 5}


async def test_a_rolled_back_event_never_happened(database: Database) -> None:
    async def work() -> None:
        async with database.write() as session:
            await emit(session, Happened(1))
            raise RuntimeError("body")

    with pytest.raises(RuntimeError, match="body"):
        await work()
    assert await states(database) == {}


async def test_a_failing_handler_is_retried_and_its_writes_are_undone(database: Database) -> None:
    registry, seen = EventRegistry(), Seen()
    failures = iter([True, True, False])
    recorder(registry, seen, lambda number: next(failures))
    await emit_all(database, range(1))

    async def done() -> bool:
        return await states(database) == {"done": 1}

    await drain_until(Relay(database, registry, FAST), done)
    assert seen == [0]
    assert await handled_in_database(database) == 1


async def test_a_hopeless_event_becomes_a_dead_letter_and_its_stream_goes_on(database: Database) -> None:
    registry, seen = EventRegistry(), Seen()
    recorder(registry, seen, lambda number: number == 0)
    await emit_all(database, range(3))

    async def done() -> bool:
        return await states(database) == {"done": 2, "dead": 1}

    await drain_until(Relay(database, registry, FAST), done)
    assert seen == [1, 2]
    async with database.write() as session:
        (letter,) = await repository.dead_letters(session)
        assert "cannot handle 0" in (letter.error or "")
        assert "hunter2" not in (letter.error or "")
        assert await repository.revive(session, letter.id)
    assert await states(database) == {"done": 2, "pending": 1}


async def test_a_failing_stream_does_not_hold_up_the_others(sqlite_database: Database) -> None:
    registry, seen = EventRegistry(), Seen()
    recorder(registry, seen, lambda number: number == 0)
    await emit_all(sqlite_database, range(2), stream="user:1")
    await emit_all(sqlite_database, range(10, 12), stream="user:2")
    await Relay(sqlite_database, registry, RelayTimes(retry_base_s=100)).drain()
    assert seen == [10, 11]
    assert await states(sqlite_database) == {"done": 2, "pending": 2}


async def test_only_the_failed_handler_runs_again(sqlite_database: Database) -> None:
    registry, seen = EventRegistry(), Seen()
    recorder(registry, seen)
    failures = iter([True, False])

    @handles(Happened, registry)
    async def second(session: AsyncSession, event: Happened) -> None:
        if next(failures):
            raise RuntimeError("once")
        seen.append(-1)

    await emit_all(sqlite_database, range(1))

    async def done() -> bool:
        return await states(sqlite_database) == {"done": 1}

    await drain_until(Relay(sqlite_database, registry, FAST), done)
    assert seen == [0, -1]


async def test_several_relays_handle_each_event_once(database: Database) -> None:
    registry, seen = EventRegistry(), Seen()
    recorder(registry, seen)
    for stream in range(4):
        await emit_all(database, range(stream * 10, stream * 10 + 5), stream=f"user:{stream}")
    relays = [Relay(database, registry, FAST) for _ in range(4)]

    async def done() -> bool:
        await asyncio.gather(*(relay.drain() for relay in relays))
        return await states(database) == {"done": 20}

    await drain_until(relays[0], done)
    assert len(seen) == len(set(seen)) == 20
    for stream in range(4):
        assert [number for number in seen if number // 10 == stream] == list(range(stream * 10, stream * 10 + 5))


async def test_the_work_of_a_relay_that_lost_its_claim_is_rolled_back(sqlite_database: Database) -> None:
    registry = EventRegistry()

    @handles(Happened, registry)
    async def slow(session: AsyncSession, event: Happened) -> None:
        await audit(session, action="test.handled", target="event:1")
        await session.execute(update(OutboxEvent).values(claim="another relay", claim_until=db_now() + 60))

    await emit_all(sqlite_database, range(1))
    assert await Relay(sqlite_database, registry).drain() == 0
    assert await handled_in_database(sqlite_database) == 0


async def test_a_dead_relay_is_replaced_after_its_claim(sqlite_database: Database) -> None:
    registry, seen = EventRegistry(), Seen()
    recorder(registry, seen)
    await emit_all(sqlite_database, range(1))
    async with sqlite_database.write() as session:
        await session.execute(update(OutboxEvent).values(claim="killed", claim_until=db_now() + 60))
    relay = Relay(sqlite_database, registry)
    assert await relay.drain() == 0
    async with sqlite_database.write() as session:
        await session.execute(update(OutboxEvent).values(claim_until=db_now() - 1))
    assert await relay.drain() == 1
    assert seen == [0]


async def test_a_running_relay_is_woken_by_the_commit(sqlite_database: Database) -> None:
    registry, arrived = EventRegistry(), asyncio.Event()

    @handles(Happened, registry)
    async def record(session: AsyncSession, event: Happened) -> None:
        arrived.set()

    running = asyncio.create_task(Relay(sqlite_database, registry, RelayTimes(poll_s=3600)).run())
    await asyncio.sleep(0)
    await emit_all(sqlite_database, range(1))
    async with asyncio.timeout(60):
        await arrived.wait()
    running.cancel()
    await asyncio.wait([running])


async def test_old_events_are_purged_and_dead_letters_stay(sqlite_database: Database) -> None:
    registry, seen = EventRegistry(), Seen()
    recorder(registry, seen, lambda number: number == 1)
    await emit_all(sqlite_database, range(2))
    await Relay(sqlite_database, registry, RelayTimes(max_attempts=1)).drain()
    async with sqlite_database.write() as session:
        assert await repository.purge_done(session, 3600) == 0
        assert await repository.purge_done(session, -1) == 1
    assert await states(sqlite_database) == {"dead": 1}


async def test_an_event_nobody_wants_is_simply_done(sqlite_database: Database) -> None:
    await emit_all(sqlite_database, range(1))
    assert await Relay(sqlite_database, EventRegistry()).drain() == 1


async def test_an_unreadable_payload_becomes_a_dead_letter(sqlite_database: Database) -> None:
    registry, seen = EventRegistry(), Seen()
    recorder(registry, seen)
    garbage: Any
    for garbage in ({"number": "x"}, [], "text", 7):
        async with sqlite_database.write() as session:
            await repository.insert_event(session, type=type_name(Happened), stream="s", payload=garbage)
    await Relay(sqlite_database, registry, RelayTimes(max_attempts=1)).drain()
    assert await states(sqlite_database) == {"dead": 4}


async def test_only_dataclasses_are_events(sqlite_database: Database) -> None:
    async with sqlite_database.write() as session:
        with pytest.raises(TypeError, match="dataclass"):
            await emit(session, {"number": 1})


def test_the_same_handler_twice_is_refused() -> None:
    registry = EventRegistry()

    async def record(session: AsyncSession, event: Happened) -> None: ...

    handles(Happened, registry)(record)
    with pytest.raises(ValueError, match="already handles"):
        handles(Happened, registry)(record)
