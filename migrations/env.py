"""Alembic's entry: runs the migrations over the connection that `onetake.infra.db.migrate` hands in.

`alembic revision --autogenerate` (see docs/3-operate/database.md) comes without one and uses the settings' database.
"""

import asyncio

from alembic import context
from sqlalchemy import Connection

from onetake.infra.db.database import Database
from onetake.infra.settings import load_settings
from onetake.models import Base


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


async def _run_alone() -> None:
    database = Database(load_settings().database_dsn)
    async with database.writer.begin() as connection:
        await connection.run_sync(_run)
    await database.dispose()


handed_in = context.config.attributes.get("connection")
if handed_in is not None:
    _run(handed_in)
else:
    asyncio.run(_run_alone())
