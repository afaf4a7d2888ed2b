"""The SQL of monitoring on SQLite, PostgreSQL and MariaDB."""

from datetime import timedelta

from onetake.infra.audit import audit
from onetake.infra.context import Actor, acting_as
from onetake.infra.db import Database
from onetake.infra.jobs import enqueue
from onetake.infra.jobs.models import Job
from onetake.infra.settings import Settings
from onetake.kit.clock import utc_now
from onetake.kit.paging import PageRequest
from onetake.monitoring.repository import audit as audit_rows
from onetake.monitoring.repository import jobs as job_rows
from onetake.monitoring.repository.audit import AuditFilter
from onetake.monitoring.service.jobs import job_counts


async def test_jobs(database: Database, settings: Settings) -> None:
    async with database.write() as session:
        for state in ("queued", "failed", "failed", "running"):
            job = await session.get_one(Job, await enqueue(session, f"test.{state}", queue="net"))
            job.state = state
        old = await session.get_one(Job, await enqueue(session, "test.failed", queue="net"))
        old.state = "failed"
        await session.flush()
        old.updated_at = old.created_at = old.updated_at - 90_000
    async with database.read() as session:
        counts = await job_counts(session, settings)
        assert await job_rows.failed_since(session, 86_400) == 2
        last = await job_rows.last_made(session, ["test.failed", "test.none"])
    assert (counts.queued, counts.running, counts.failed_24h, counts.workers) == (1, 1, 2, 0)
    assert counts.oldest_queued_s is not None
    assert set(last) == {"test.failed"}
    assert abs((last["test.failed"] - utc_now()).total_seconds()) < 3600


async def test_audit_filters(database: Database) -> None:
    async with database.write() as session:
        for number, name in enumerate(("Lin", "林薇", "o_o")):
            with acting_as(Actor(kind="user", user_id=number, name=name)):
                entry = await audit(session, action=f"users.a{number}", target=f"user:{number}")
            entry.at = utc_now() - timedelta(hours=number)
    page = PageRequest(1, 10)
    async with database.read() as session:

        async def names(**wanted: object) -> list[str]:
            entries, total = await audit_rows.list_entries(session, AuditFilter(**wanted), page)  # type: ignore[arg-type]
            assert total == len(entries)
            return [entry.actor_name for entry in entries]

        assert await names() == ["Lin", "林薇", "o_o"]
        assert await names(actor="lin") == ["Lin"]
        assert await names(actor="薇") == ["林薇"]
        assert await names(actor="_") == ["o_o"]
        assert await names(action="users.a1") == ["林薇"]
        assert await names(start=utc_now() - timedelta(hours=1.5)) == ["Lin", "林薇"]
        assert await names(end=utc_now() - timedelta(hours=0.5)) == ["林薇", "o_o"]
