"""Bring a database to the schema of this program, safely against kill -9, two starters and old programs (F24, F32)."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import URL, Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

import onetake
from onetake.infra.db.base import Base
from onetake.infra.db.database import server_engine, sqlite_engine
from onetake.infra.db.sqlite_copy import copy_sqlite
from onetake.infra.db.urls import async_url, sqlite_path

_LOCK_WAIT_S = 60
_LOCK_NAME = "onetake_migrate"
_LOCK_NUMBER = 7_306_086_967  # PostgreSQL's advisory locks have numbers


class MigrationError(Exception):
    """The database cannot be brought to this program's schema; the text says what to do."""


def scripts_dir() -> Path:
    """The migrations: inside the installed package, or at the root of a source checkout."""
    package = Path(onetake.__file__).parent
    shipped = package / "migrations"
    return shipped if shipped.is_dir() else package.parents[1] / "migrations"


def head_revision() -> str:
    """The newest revision that this program knows."""
    head = ScriptDirectory(str(scripts_dir())).get_current_head()
    if head is None:
        raise MigrationError("this installation has no migrations; install it again")
    return head


async def current_revision(url: str) -> str | None:
    """The revision of the database, None when it has no schema yet."""
    engine = _engine(async_url(url))
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_revision)
    finally:
        await engine.dispose()


async def upgrade(url: str, revision: str = "head") -> str:
    """Migrate forward under a lock; returns the revision reached. An up-to-date database is left alone.

    SQLite and PostgreSQL run everything in one transaction; on MySQL a killed run is finished by the next. A SQLite
    file is copied to `<file>.before-<revision>` first. Raises MigrationError.
    """
    target = async_url(url)
    path = sqlite_path(target)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    engine = _engine(target)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_lock)
            return await connection.run_sync(_upgrade, revision, path)
    finally:
        await engine.dispose()


async def drift(url: str) -> list[str]:
    """Differences between the models and the database; empty when the migrations are complete."""
    engine = _engine(async_url(url))
    try:
        async with engine.connect() as connection:
            found = await connection.run_sync(_compare)
    finally:
        await engine.dispose()
    return [str(difference) for difference in found]


def _engine(url: URL) -> AsyncEngine:
    """SQLite recreates tables to alter them, which enforced foreign keys would forbid; they are checked at the end."""
    if url.get_backend_name() == "sqlite":
        return sqlite_engine(url, 1, _LOCK_WAIT_S, "BEGIN IMMEDIATE", foreign_keys=False)
    return server_engine(url, 1, _LOCK_WAIT_S)


def _lock(connection: Connection) -> None:
    """One migrator at a time; BEGIN IMMEDIATE does it on SQLite. The lock ends with the connection."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
    elif connection.dialect.name == "mysql":
        got = connection.execute(text("SELECT GET_LOCK(:name, :wait)"), {"name": _LOCK_NAME, "wait": _LOCK_WAIT_S})
        if got.scalar() != 1:
            raise MigrationError("another process is migrating the database; wait for it and start again")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection, revision: str, path: Path | None) -> str:
    before = _revision(connection)
    if revision == "head" and before == head_revision():
        return before
    _refuse_unknown(before)
    if before is not None and path is not None:
        _back_up(path, before)
    config = Config()
    config.set_main_option("script_location", str(scripts_dir()))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    _check_foreign_keys(connection)
    return _revision(connection) or ""


def _refuse_unknown(revision: str | None) -> None:
    if revision is None:
        return
    try:
        ScriptDirectory(str(scripts_dir())).get_revision(revision)
    except CommandError:
        raise MigrationError(
            f"the database was written by a newer OneTake (schema {revision}); start that version, or restore a backup"
        ) from None


def _back_up(path: Path, revision: str) -> None:
    """A whole copy by SQLite's own backup, which the write lock of the migration does not block."""
    copy_sqlite(path, path.with_name(f"{path.name}.before-{revision}"))


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise MigrationError(f"the migration left {len(broken)} rows without their parent; nothing was changed")


def _compare(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, Base.metadata))
