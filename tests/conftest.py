"""Fixtures that every area shares: a migrated, empty database of each kind, settings in a temporary folder, Redis.

A service that is missing skips its tests with the reason; with CI=true it fails them.
"""

import asyncio
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text
from tests.api_fixtures import api, api_settings  # noqa: F401  fixtures of the HTTP tests

import onetake.models  # noqa: F401  every table must be known before the databases are emptied
from onetake.infra.db import Base, Database
from onetake.infra.db.database import server_engine
from onetake.infra.db.migrate import upgrade
from onetake.infra.db.urls import async_url
from onetake.infra.settings import Settings

POSTGRESQL_URL = os.environ.get("ONETAKE_TEST_POSTGRESQL_URL", "postgresql://127.0.0.1:5432/postgres")
MARIADB_URL = os.environ.get("ONETAKE_TEST_MARIADB_URL", "mariadb://root@127.0.0.1:3306/mysql")
REDIS_URL = os.environ.get("ONETAKE_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
DATABASES = ("sqlite", "postgresql", "mariadb")
_OURS = re.compile(r"onetake_test_(?P<host>[0-9a-z]+)_(?P<pid>\d+)(_blank)?$")
_T = TypeVar("_T")


def run_aside(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end on a loop of its own, even while a test's loop is running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def missing_service(name: str, error: object) -> NoReturn:
    """Skip with the reason, or fail where all services are promised."""
    reason = f"{name} is not available: {error}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright's blocking API leaves an event loop running for all tests that follow."""
    items.sort(key=lambda item: "e2e" in item.path.parts)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own ONETAKE_* variables must not change what a test sees."""
    for name in list(os.environ):
        if name.startswith("ONETAKE_") and not name.startswith("ONETAKE_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings with a data folder of their own; keyword arguments override fields."""

    def make(**fields: Any) -> Settings:
        return Settings(**({"data_dir": tmp_path / "data"} | fields))

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Default settings with a data folder of their own."""
    return make_settings()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    run_aside(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """URL of a migrated PostgreSQL database that only this test process uses."""
    yield from _own_server_database("PostgreSQL", POSTGRESQL_URL, "SELECT datname FROM pg_database")


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[str]:
    """URL of a migrated MariaDB database that only this test process uses."""
    yield from _own_server_database("MariaDB", MARIADB_URL, "SELECT schema_name FROM information_schema.schemata")


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a migrated, empty database: the test runs once per kind."""
    return _empty_database(request, tmp_path, request.param)


@pytest.fixture
def sqlite_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a migrated, empty SQLite file, for tests that need one kind only."""
    return _empty_database(request, tmp_path, "sqlite")


@pytest.fixture
def empty_postgresql_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a migrated, empty PostgreSQL database."""
    return _empty_database(request, tmp_path, "postgresql")


@pytest.fixture
def empty_mariadb_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a migrated, empty MariaDB database."""
    return _empty_database(request, tmp_path, "mariadb")


@pytest.fixture(params=DATABASES)
def blank_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database without any table, not even a schema version."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/blank.db"
        return
    url: str = request.getfixturevalue(f"{request.param}_server")
    name = f"{async_url(url).database}_blank"
    run_aside(_execute(url, [f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}"]))
    yield async_url(url).set(database=name).render_as_string(hide_password=False)
    run_aside(_execute(url, [f"DROP DATABASE IF EXISTS {name}"]))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated, empty database; the test runs on SQLite, PostgreSQL and MariaDB."""
    async for opened in _opened(database_url):
        yield opened


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    """A migrated, empty SQLite database, for tests whose SQL is tested elsewhere."""
    async for opened in _opened(sqlite_url):
        yield opened


@pytest.fixture
def redis_url() -> str:
    """URL of a real Redis; share nothing but a prefix of your own."""
    address = urlsplit(REDIS_URL)
    try:
        socket.create_connection((address.hostname or "127.0.0.1", address.port or 6379), timeout=2).close()
    except OSError as error:
        missing_service("Redis", error)
    return REDIS_URL


async def _opened(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    yield database
    await database.dispose()


def _empty_database(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> str:
    if kind == "sqlite":
        path = tmp_path / "onetake.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue(f"{kind}_server")
    run_aside(_delete_all_rows(url))
    return url


async def _delete_all_rows(url: str) -> None:
    engine = server_engine(async_url(url), 1, 10)
    async with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            await connection.execute(table.delete())
    await engine.dispose()


def _own_server_database(service: str, admin_url: str, list_names: str) -> Iterator[str]:
    host = re.sub(r"[^0-9a-z]", "", socket.gethostname().lower())[:16] or "host"
    name = f"onetake_test_{host}_{os.getpid()}"
    try:
        run_aside(_recreate(admin_url, name, list_names, host))
    except Exception as error:  # whatever the driver raises when nobody listens or lets us in
        missing_service(service, error)
    url = async_url(admin_url).set(database=name).render_as_string(hide_password=False)
    try:
        run_aside(upgrade(url))
        yield url
    finally:
        run_aside(_execute(admin_url, [f"DROP DATABASE IF EXISTS {name}"]))


async def _recreate(admin_url: str, name: str, list_names: str, host: str) -> None:
    """Make the database; drop those that killed test runs of this host left behind."""
    names = [row[0] for row in await _execute(admin_url, [list_names])]
    stale = [found for found in names if _is_stale(str(found), host)]
    await _execute(admin_url, [*(f"DROP DATABASE IF EXISTS {old}" for old in stale), f"CREATE DATABASE {name}"])


def _is_stale(name: str, host: str) -> bool:
    match = _OURS.fullmatch(name)
    if match is None or match["host"] != host:
        return False
    return int(match["pid"]) == os.getpid() or not Path(f"/proc/{match['pid']}").exists()


async def _execute(url: str, statements: list[str]) -> list[Any]:
    engine = server_engine(async_url(url), 1, 10).execution_options(isolation_level="AUTOCOMMIT")
    rows: list[Any] = []
    try:
        async with engine.connect() as connection:
            for statement in statements:
                result = await connection.execute(text(statement))
                rows = list(result) if result.returns_rows else []
    finally:
        await engine.dispose()
    return rows
