"""Commands on the database."""

import asyncio
import sys

import typer


def migrate() -> None:
    """Upgrade to the newest schema; a SQLite file is copied beside itself before."""
    from onetake.infra.db import migrate as migrations
    from onetake.infra.settings import load_settings

    settings = load_settings()
    reached = asyncio.run(migrations.upgrade(settings.database_dsn))
    typer.echo(f"The database is at schema {reached}.")


async def require_head(url: str) -> None:
    """Raise MigrationError unless the database is at this program's schema."""
    from onetake.infra.db.migrate import MigrationError, current_revision, head_revision

    current, head = await current_revision(url), head_revision()
    if current != head:
        raise MigrationError(f"the database is at schema {current}, this program needs {head}; run: onetake migrate")


def prepare() -> None:
    """Make the database ready for a server: schema and first administrator."""
    from onetake.infra.logging import configure_logging
    from onetake.infra.settings import load_settings
    from onetake.kit.lifeline import die_with_supervisor
    from onetake.serve import prepare as run

    die_with_supervisor()
    settings = load_settings()
    configure_logging("prepare", settings.log_format, settings.log_level)
    asyncio.run(run(settings))
    sys.stdout.flush()
