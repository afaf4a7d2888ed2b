"""Insert-or-update on the three databases."""

from sqlalchemy import select

from onetake.infra.db import Database, upsert
from onetake.infra.jobs.models import JobLog, JobSchedule


async def test_the_second_time_updates(database: Database) -> None:
    for tail in ("first", "第二"):
        async with database.write() as session:
            await upsert(session, JobLog, {"job_id": 1, "tail": tail}, key=["job_id"])
    async with database.read() as session:
        assert (await session.execute(select(JobLog.tail))).scalars().all() == ["第二"]


async def test_only_named_columns_are_overwritten(database: Database) -> None:
    for cron, next_at in (("0 1 * * *", 1.5), ("0 2 * * *", 2.5)):
        async with database.write() as session:
            values = {"name": "tidy", "cron": cron, "next_at": next_at}
            await upsert(session, JobSchedule, values, key=["name"], update=["cron"])
    async with database.read() as session:
        row = (await session.execute(select(JobSchedule))).scalar_one()
    assert (row.cron, row.next_at) == ("0 2 * * *", 1.5)


async def test_with_nothing_to_update_the_old_row_stays(database: Database) -> None:
    for tail in ("first", "second"):
        async with database.write() as session:
            await upsert(session, JobLog, {"job_id": 1, "tail": tail}, key=["job_id"], update=[])
    async with database.read() as session:
        assert (await session.execute(select(JobLog.tail))).scalars().all() == ["first"]
