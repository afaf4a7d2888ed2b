"""Database failures that a caller can do something about."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from onetake.kit.errors import AppError, Text

_BUSY_MYSQL = {1205, 1213}  # lock wait timeout, deadlock
_BUSY_POSTGRESQL = {"40001", "40P01", "55P03"}  # serialisation failure, deadlock, lock not available


class DatabaseBusy(AppError):
    """Others held the database for too long, or a deadlock was broken: the same request may succeed shortly after."""

    status = 503
    code = "database_busy"
    text = Text(
        en="The database is busy. Please try again in a moment.",
        zh_cn="数据库繁忙,请稍后再试。",
        zh_tw="資料庫忙碌中,請稍後再試。",
    )


class DatabaseUnavailable(AppError):
    """The database cannot be reached or cannot store anything."""

    status = 503
    code = "database_unavailable"
    text = Text(
        en="The database cannot be used at the moment.",
        zh_cn="数据库暂时不可用。",
        zh_tw="資料庫暫時無法使用。",
    )


DATABASE_TROUBLE = (DatabaseBusy, DatabaseUnavailable, DBAPIError, OSError, TimeoutError)
"""What a background loop meets while the database is busy, away or silent; it waits and tries again."""


def translate(error: BaseException) -> AppError | None:
    """The AppError for a busy or absent database; None for every other failure, which is the caller's business."""
    if isinstance(error, PoolTimeoutError):
        return DatabaseBusy(headers={"Retry-After": "1"})
    if isinstance(error, DBAPIError) and _is_busy(error):
        return DatabaseBusy(headers={"Retry-After": "1"})
    if isinstance(error, DBAPIError) and _is_absent(error):
        return DatabaseUnavailable(headers={"Retry-After": "5"})
    return None


def _is_busy(error: DBAPIError) -> bool:
    cause = error.orig
    if "database is locked" in str(cause):
        return True
    if getattr(cause, "sqlstate", None) in _BUSY_POSTGRESQL:
        return True
    number = next(iter(getattr(cause, "args", ())), None)
    return number in _BUSY_MYSQL


def _is_absent(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    text = str(error.orig)
    full_or_broken = ("disk I/O error", "database or disk is full", "unable to open database file", "readonly database")
    return isinstance(error, (OperationalError, InterfaceError)) and (
        any(words in text for words in full_or_broken) or "connect" in text.lower()
    )
