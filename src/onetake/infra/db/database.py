"""Connections and sessions: `Database.read()` and `Database.write()` are the only way to the tables."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from onetake.infra.db.errors import DatabaseUnavailable, translate
from onetake.infra.db.urls import async_url

_AFTER_COMMIT = "onetake_after_commit"


class Database:
    """One database for one process (and one event loop).

    SQLite gets two pools: a single writer, so that the tasks of this process queue up fairly instead of sleeping in
    the busy handler, and readers that cannot write at all. The servers have one pool.
    """

    def __init__(self, url: str, *, pool_size: int = 10, busy_timeout_s: float = 5) -> None:
        self.url: URL = async_url(url)
        self.dialect: str = self.url.get_backend_name()
        self.writer, self.reader = _engines(self.url, pool_size, busy_timeout_s)
        self._write_session = async_sessionmaker(self.writer, expire_on_commit=False)
        self._read_session = async_sessionmaker(self.reader, expire_on_commit=False)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session for reading; nothing done in it is kept. Raises DatabaseBusy or DatabaseUnavailable."""
        async with _translated(), self._read_session() as session:
            await _connect(session)
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A unit of work: committed on a clean exit, rolled back on an exception.

        On SQLite it holds the write lock from the start (BEGIN IMMEDIATE): await no network and no child process in it,
        and open no second one inside. Raises DatabaseBusy or DatabaseUnavailable.
        """
        async with _translated(), self._write_session() as session:
            await _connect(session)
            yield session
            await session.commit()
        for callback in session.info.pop(_AFTER_COMMIT, ()):
            callback()

    async def dispose(self) -> None:
        """Close every connection."""
        await self.writer.dispose()
        if self.reader is not self.writer:
            await self.reader.dispose()


def on_commit(session: AsyncSession | Session, callback: Callable[[], object]) -> None:
    """Call `callback` once after the unit of work of `Database.write()` is committed, never when it is rolled back."""
    session.info.setdefault(_AFTER_COMMIT, []).append(callback)


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        translated = translate(error)
        if translated is None:
            raise
        raise translated from error


async def _connect(session: AsyncSession) -> None:
    """Take the connection, and on SQLite the lock, now: failures of the network look different from the body's."""
    try:
        await session.connection()
    except OSError as error:
        raise DatabaseUnavailable(headers={"Retry-After": "5"}) from error


def _engines(url: URL, pool_size: int, busy_timeout_s: float) -> tuple[AsyncEngine, AsyncEngine]:
    if url.get_backend_name() == "sqlite":
        writer = sqlite_engine(url, 1, busy_timeout_s, "BEGIN IMMEDIATE")
        return writer, sqlite_engine(url, pool_size, busy_timeout_s, "BEGIN", query_only=True)
    engine = server_engine(url, pool_size, busy_timeout_s)
    return engine, engine


def sqlite_engine(
    url: URL, pool_size: int, busy_timeout_s: float, begin: str, *, query_only: bool = False, foreign_keys: bool = True
) -> AsyncEngine:
    """An engine over a SQLite file in WAL mode whose transactions start with `begin`."""
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=busy_timeout_s,
        connect_args={"isolation_level": None, "timeout": busy_timeout_s},
    )
    pragmas = (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=NORMAL",  # WAL stays consistent; a power cut may cost the last commits, a crash none
        f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}",
        "PRAGMA temp_store=MEMORY",
        "PRAGMA journal_size_limit=67108864",
        f"PRAGMA query_only={'ON' if query_only else 'OFF'}",
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            _execute_patiently(cursor, pragma, busy_timeout_s)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _execute_patiently(cursor: Any, pragma: str, busy_timeout_s: float) -> None:
    """The first switch of a file to WAL needs it alone and does not wait by itself when others just start too."""
    deadline_s = time.monotonic() + busy_timeout_s
    while True:
        try:
            cursor.execute(pragma)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline_s:
                raise
            await_only(asyncio.sleep(0.01))  # engines connect in a greenlet of the loop, which must go on


def server_engine(url: URL, pool_size: int, busy_timeout_s: float) -> AsyncEngine:
    """An engine for PostgreSQL or MySQL/MariaDB: READ COMMITTED, UTC, dead connections replaced before use."""
    connect_args: dict[str, Any]
    if url.get_backend_name() == "postgresql":
        settings = {
            "timezone": "UTC",
            "application_name": "onetake",
            "lock_timeout": f"{busy_timeout_s:g}s",
            "jit": "off",  # compiling takes longer than any of our statements
        }
        connect_args = {"timeout": 5, "command_timeout": 60, "server_settings": settings}
    else:
        seconds = max(1, round(busy_timeout_s))
        connect_args = {
            "connect_timeout": 5,
            "init_command": f"SET time_zone='+00:00', innodb_lock_wait_timeout={seconds}",
        }
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=busy_timeout_s,
        pool_pre_ping=True,
        pool_recycle=1800,
        isolation_level="READ COMMITTED",
        connect_args=connect_args,
    )
