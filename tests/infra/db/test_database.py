"""Sessions on the three databases."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError

from onetake.infra.audit import AuditEntry
from onetake.infra.db import Database, DatabaseBusy, DatabaseUnavailable, on_commit

NOON = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


def entry(action: str = "test.act", at: datetime = NOON) -> AuditEntry:
    return AuditEntry(at=at, actor_kind="system", actor_name="系统", action=action, target="thing:1")


async def count(database: Database) -> int:
    async with database.read() as session:
        return (await session.execute(select(func.count(AuditEntry.id)))).scalar_one()


async def test_write_commits_on_a_clean_exit(database: Database) -> None:
    async with database.write() as session:
        session.add(entry())
    assert await count(database) == 1


async def test_write_rolls_back_on_an_exception(database: Database) -> None:
    async def work() -> None:
        async with database.write() as session:
            session.add(entry())
            await session.flush()
            raise RuntimeError("body")

    with pytest.raises(RuntimeError, match="body"):
        await work()
    assert await count(database) == 0


async def test_read_keeps_nothing(database: Database) -> None:
    try:
        async with database.read() as session:
            session.add(entry())
            await session.flush()
    except DBAPIError:
        assert database.dialect == "sqlite"
    except DatabaseUnavailable:
        assert database.dialect == "sqlite"
    assert await count(database) == 0


async def test_rowcount_means_matched_rows(database: Database) -> None:
    """The compare-and-set of the job table rests on this, also where nothing changes."""
    async with database.write() as session:
        session.add(entry("same"))
    async with database.write() as session:
        result = await session.execute(update(AuditEntry).values(action="same"))
    assert result.rowcount == 1  # type: ignore[attr-defined]


async def test_times_come_back_as_aware_utc_with_microseconds(database: Database) -> None:
    async with database.write() as session:
        session.add(entry(at=NOON.astimezone(timezone(timedelta(hours=8)))))
    async with database.read() as session:
        found = (await session.execute(select(AuditEntry))).scalar_one()
    assert found.at == NOON
    assert found.at.tzinfo is UTC
    assert found.actor_name == "系统"


async def test_text_is_compared_byte_by_byte(database: Database) -> None:
    async with database.write() as session:
        session.add(entry("Login"))
    async with database.read() as session:
        query = select(func.count(AuditEntry.id)).where(AuditEntry.action == "login")
        assert (await session.execute(query)).scalar_one() == 0


async def test_callbacks_run_after_the_commit_only(database: Database) -> None:
    seen: list[str] = []

    async def failing_work() -> None:
        async with database.write() as session:
            on_commit(session, lambda: seen.append("rolled back"))
            raise RuntimeError("body")

    with pytest.raises(RuntimeError, match="body"):
        await failing_work()
    async with database.write() as session:
        on_commit(session, lambda: seen.append("committed"))
        assert seen == []
    assert seen == ["committed"]


async def test_a_busy_sqlite_becomes_503_and_readers_go_on(sqlite_url: str) -> None:
    holder, waiter = Database(sqlite_url), Database(sqlite_url, busy_timeout_s=0.05)
    async with holder.write() as session:
        await session.execute(text("DELETE FROM audit_log"))
        with pytest.raises(DatabaseBusy) as caught:
            async with waiter.write():
                pytest.fail("two writers at once")
        assert await count(waiter) == 0
    assert caught.value.status == 503
    assert caught.value.headers == {"Retry-After": "1"}
    await holder.dispose()
    await waiter.dispose()


@pytest.mark.parametrize("url", ["postgresql://u:p@127.0.0.1:9/x", "mysql://u:p@127.0.0.1:9/x"])
async def test_an_absent_server_becomes_503(url: str) -> None:
    database = Database(url)
    with pytest.raises(DatabaseUnavailable):
        async with database.read():
            pytest.fail("nobody listens there")
    await database.dispose()
