"""The audit log."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from onetake.infra.audit import AuditEntry, audit
from onetake.infra.audit_repository import purge_before
from onetake.infra.context import bind_request, bind_user
from onetake.infra.db import Database
from onetake.kit.clock import utc_now


async def entries(database: Database) -> list[AuditEntry]:
    async with database.read() as session:
        return list((await session.execute(select(AuditEntry).order_by(AuditEntry.id))).scalars())


async def test_an_entry_says_who_what_when_where_and_what_changed(database: Database) -> None:
    bind_request("req-1", "2001:db8::7")
    bind_user(12, "王小明", kind="token")
    async with database.write() as session:
        await audit(session, action="users.update", target="user:7", before={"role": "member"}, after={"role": "admin"})
    (entry,) = await entries(database)
    assert (entry.actor_kind, entry.actor_id, entry.actor_name) == ("token", 12, "王小明")
    assert (entry.ip, entry.request_id) == ("2001:db8::7", "req-1")
    assert (entry.action, entry.target) == ("users.update", "user:7")
    assert (entry.before, entry.after) == ({"role": "member"}, {"role": "admin"})
    assert abs(entry.at - utc_now()) < timedelta(minutes=1)


async def test_secrets_are_masked_at_any_depth(sqlite_database: Database) -> None:
    after = {
        "password": "hunter2",
        "nested": {"api_token": "abc", "list": [{"stream_key": "k"}]},
        "url": "rtmp://user:hunter2@host/app/key",
        "when": datetime(2026, 5, 1, tzinfo=UTC),
        "count": 3,
        "on": True,
    }
    async with sqlite_database.write() as session:
        await audit(session, action="sources.create", target="source:1", after=after)
    (entry,) = await entries(sqlite_database)
    assert entry.after["password"] == "***"
    assert entry.after["nested"] == {"api_token": "***", "list": [{"stream_key": "***"}]}
    assert "hunter2" not in entry.after["url"]
    assert entry.after["when"] == "2026-05-01T00:00:00+00:00"
    assert (entry.after["count"], entry.after["on"]) == (3, True)


async def test_an_act_that_is_rolled_back_leaves_no_entry(sqlite_database: Database) -> None:
    async def act() -> None:
        async with sqlite_database.write() as session:
            await audit(session, action="users.delete", target="user:7")
            raise RuntimeError("body")

    with pytest.raises(RuntimeError, match="body"):
        await act()
    assert await entries(sqlite_database) == []


async def test_long_names_and_targets_fit(database: Database) -> None:
    bind_request("r", None)
    bind_user(1, "名" * 500)
    async with database.write() as session:
        await audit(session, action="a.b", target="t" * 5000, after={"text": "文" * 100_000})
    (entry,) = await entries(database)
    assert (len(entry.actor_name), len(entry.target), len(entry.after["text"])) == (128, 191, 100_000)


async def test_old_entries_are_purged(database: Database) -> None:
    async with database.write() as session:
        for age_days in (1, 400):
            entry = await audit(session, action="a.b", target="t")
            entry.at = utc_now() - timedelta(days=age_days)
    async with database.write() as session:
        assert await purge_before(session, utc_now() - timedelta(days=365)) == 1
        assert (await session.execute(select(func.count(AuditEntry.id)))).scalar_one() == 1
