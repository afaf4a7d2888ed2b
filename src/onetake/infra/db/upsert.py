"""Insert-or-update in one statement on the three databases."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects.mysql import insert as mysql_insert
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db.base import Base


async def upsert(
    session: AsyncSession,
    model: type[Base],
    values: Mapping[str, Any],
    *,
    key: Sequence[str],
    update: Sequence[str] | None = None,
) -> None:
    """Insert `values`, or update the row that has the same unique `key`.

    `update` names the columns to overwrite: all except the key when None, none (keep the old row) when empty. On MySQL
    any unique index decides, so `key` must be the table's only one besides the primary key.
    """
    columns = [name for name in values if name not in key] if update is None else list(update)
    dialect = session.get_bind().dialect.name
    if dialect == "mysql":
        await session.execute(_mysql(model, values, key, columns))
        return
    insert = postgresql_insert if dialect == "postgresql" else sqlite_insert
    statement = insert(model).values(**values)
    if columns:
        new = {name: statement.excluded[name] for name in columns}
        await session.execute(statement.on_conflict_do_update(index_elements=key, set_=new))
    else:
        await session.execute(statement.on_conflict_do_nothing(index_elements=key))


def _mysql(model: type[Base], values: Mapping[str, Any], key: Sequence[str], columns: Sequence[str]) -> Any:
    """Without columns the key is set to itself: unlike INSERT IGNORE this hides no other error."""
    statement = mysql_insert(model).values(**values)
    if columns:
        return statement.on_duplicate_key_update({name: statement.inserted[name] for name in columns})
    return statement.on_duplicate_key_update({key[0]: model.__table__.c[key[0]]})
