"""The database: models' base, column types, sessions, upserts and migrations for SQLite, PostgreSQL, MySQL/MariaDB."""

from onetake.infra.db.base import Base
from onetake.infra.db.database import Database, on_commit
from onetake.infra.db.errors import DatabaseBusy, DatabaseUnavailable
from onetake.infra.db.types import BigId, JsonText, LongText, UtcDateTime
from onetake.infra.db.upsert import upsert

__all__ = [
    "Base",
    "BigId",
    "Database",
    "DatabaseBusy",
    "DatabaseUnavailable",
    "JsonText",
    "LongText",
    "UtcDateTime",
    "on_commit",
    "upsert",
]
