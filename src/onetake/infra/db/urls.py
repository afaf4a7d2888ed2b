"""Database URLs as people write them, mapped to the async drivers."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "mysql": "mysql+aiomysql",
    "mariadb": "mysql+aiomysql",
}


class DatabaseUrlError(ValueError):
    """The database URL cannot be used; the text never repeats its password."""


def async_url(url: str) -> URL:
    """`sqlite:///…`, `postgresql://…`, `mysql://…` or `mariadb://…` with the driver that OneTake uses.

    Raises DatabaseUrlError for anything else and for in-memory SQLite, which several connections cannot share.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUrlError("the database URL cannot be parsed") from None
    backend = parsed.drivername.partition("+")[0]
    if backend not in _DRIVERS:
        raise DatabaseUrlError("the database URL must start with sqlite:///, postgresql://, mysql:// or mariadb://")
    parsed = parsed.set(drivername=_DRIVERS[backend])
    return {"sqlite": _sqlite, "mysql": _mysql}.get(parsed.get_backend_name(), _postgresql)(parsed)


def sqlite_path(url: URL) -> Path | None:
    """The file of a SQLite URL, None for a server."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _sqlite(url: URL) -> URL:
    if not url.database or url.database == ":memory:":
        raise DatabaseUrlError("an in-memory SQLite database cannot be shared; name a file, as in sqlite:///onetake.db")
    return url


def _mysql(url: URL) -> URL:
    return url.update_query_dict({"charset": "utf8mb4"})


def _postgresql(url: URL) -> URL:
    """libpq calls it `sslmode`, asyncpg `ssl`."""
    if "sslmode" not in url.query:
        return url
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": url.query["sslmode"]})
