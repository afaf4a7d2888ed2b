"""The database's clock as epoch seconds: the one clock that all workers share, whatever their own clocks say."""

from typing import Any

from sqlalchemy import Double
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

NOW_SQL = {
    "sqlite": "((julianday('now')-2440587.5)*86400.0)",
    "postgresql": "CAST(extract(epoch from clock_timestamp()) AS double precision)",
    "mysql": "unix_timestamp(now(3))",
}
"""Seconds since 1970 with a fraction, per dialect."""


class db_now(FunctionElement[float]):
    """Seconds since 1970 by the database's clock, for use in statements."""

    type = Double()
    inherit_cache = True
    name = "db_now"


@compiles(db_now)
def _render(_element: db_now, compiler: Any, **_options: Any) -> str:
    return NOW_SQL[compiler.dialect.name]
