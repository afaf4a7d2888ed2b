"""Migrations: forward on three databases, no drift, safe against newer databases and repeated or parallel runs."""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from onetake.infra.db import Database
from onetake.infra.db.migrate import MigrationError, current_revision, drift, head_revision, scripts_dir, upgrade


def test_the_history_is_one_line() -> None:
    assert len(ScriptDirectory(str(scripts_dir())).get_heads()) == 1


async def test_models_and_migrations_agree(database_url: str) -> None:
    assert await drift(database_url) == []


async def test_an_up_to_date_database_is_left_alone(database_url: str) -> None:
    assert await upgrade(database_url) == head_revision() == await current_revision(database_url)


async def test_every_step_can_be_run_by_itself(tmp_path: Path) -> None:
    """A SQLite file climbs revision by revision and is copied before each step that follows the first."""
    url = f"sqlite:///{tmp_path}/data/onetake.db"
    scripts = ScriptDirectory(str(scripts_dir()))
    revisions = [script.revision for script in scripts.walk_revisions()][::-1]
    for revision in revisions:
        assert await upgrade(url, revision) == revision
    copies = {path.name for path in (tmp_path / "data").glob("*.before-*")}
    assert copies == {f"onetake.db.before-{revision}" for revision in revisions[:-1]}


async def test_several_starters_migrate_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/onetake.db"
    reached = await asyncio.gather(*(upgrade(url) for _ in range(4)))
    assert set(reached) == {head_revision()}


async def test_a_newer_database_is_refused_with_advice(tmp_path: Path, sqlite_template: Path) -> None:
    shutil.copyfile(sqlite_template, tmp_path / "onetake.db")
    url = f"sqlite:///{tmp_path}/onetake.db"
    database = Database(url)
    async with database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '29990101_future'"))
    await database.dispose()
    with pytest.raises(MigrationError, match="newer OneTake"):
        await upgrade(url)


async def test_a_missing_table_shows_as_drift(sqlite_database: Database, sqlite_url: str) -> None:
    async with sqlite_database.write() as session:
        await session.execute(text("DROP TABLE outbox"))
    assert any("outbox" in difference for difference in await drift(sqlite_url))


async def test_a_half_done_run_is_finished_by_the_next(database_url: str) -> None:
    """What a kill between two DDL statements leaves on MySQL: tables without their stamp."""
    database = Database(database_url)
    async with database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '20261122_outbox'"))
        await session.execute(
            text("DROP INDEX ix_jobs_parent_id" + (" ON jobs" if database.dialect == "mysql" else ""))
        )
    await database.dispose()
    assert await upgrade(database_url) == head_revision()
    assert await drift(database_url) == []


KILLED_MIGRATION = """
import asyncio, os, signal, sys
from sqlalchemy import Table, event
from onetake.infra.db.migrate import upgrade

@event.listens_for(Table, "after_create")
def die(table, connection, **options):
    if table.name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(upgrade(sys.argv[1]))
"""


@pytest.mark.parametrize("table", ["audit_log", "jobs"])
async def test_a_killed_migration_is_finished_by_the_next(blank_url: str, table: str) -> None:
    """F32: kill -9 right after one of the tables was created."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED_MIGRATION, blank_url, table)
    assert await process.wait() == -9
    assert await upgrade(blank_url) == head_revision()
    assert await drift(blank_url) == []
