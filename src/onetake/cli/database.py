"""Commands on the database."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from onetake.infra.settings import Settings


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


def prepare(
    demo: Annotated[bool, typer.Option(help="Also add a source that shows the test pattern.")] = False,
) -> None:
    """Make the database ready for a server: schema and first administrator."""
    from onetake.infra.logging import configure_logging
    from onetake.infra.settings import load_settings
    from onetake.kit.lifeline import die_with_supervisor
    from onetake.serve import prepare as run

    die_with_supervisor()
    settings = load_settings()
    configure_logging("prepare", settings.log_format, settings.log_level)
    asyncio.run(run(settings))
    if demo:
        _tell_demo(settings, asyncio.run(_demo_stream(settings)))


async def _demo_stream(settings: "Settings") -> str:
    """The stream name of the public test pattern, which is added when there is none."""
    from onetake.infra.db import Database
    from onetake.sources.models import Protocol, Visibility
    from onetake.sources.schemas import SourceCreate
    from onetake.sources.service import create_source, every_source

    db = Database(settings.database_dsn)
    try:
        async with db.write() as session:
            for source in await every_source(session):
                if source.protocol == Protocol.TEST and source.visibility == Visibility.PUBLIC:
                    return source.stream_name
            body = SourceCreate(name="Demo", protocol=Protocol.TEST, visibility=Visibility.PUBLIC)
            return (await create_source(session, body)).source.stream_name
    finally:
        await db.dispose()


def _tell_demo(settings: "Settings", stream: str) -> None:
    typer.echo(
        f"\n  Demo stream, a few seconds from now: http://127.0.0.1:{settings.media_port}/live/{stream}/index.m3u8"
    )
    sys.stdout.flush()
