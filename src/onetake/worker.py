"""The worker process: background jobs, the relay of events, periodic tasks. Wiring only."""

import asyncio
import contextlib
import logging
import signal

import onetake.accounts.tasks
import onetake.infra.jobs.builtin
import onetake.library.handlers
import onetake.models
import onetake.recordings.handlers  # noqa: F401
from onetake.infra.db import Database
from onetake.infra.db.errors import DATABASE_TROUBLE
from onetake.infra.db.migrate import current_revision, head_revision
from onetake.infra.events.relay import Relay
from onetake.infra.jobs.node import Node
from onetake.infra.jobs.registry import REGISTRY
from onetake.infra.jobs.runner import Runner
from onetake.infra.settings import Settings
from onetake.kit.lifeline import Lifeline
from onetake.library.tasks import watch_disk
from onetake.recordings.tasks import keep_time

_SCHEMA_POLL_S = 1.0
_logger = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; running jobs then go back to the queue."""
    asyncio.run(_main(settings))


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await work(settings, stop)


async def work(settings: Settings, stop: asyncio.Event) -> None:
    """The whole worker, until `stop` is set."""
    REGISTRY.default_max_attempts = settings.job_max_attempts
    node = Node.acquire(settings.data_dir)
    database = Database(
        settings.database_dsn, pool_size=settings.database_pool_size, busy_timeout_s=settings.database_busy_timeout_s
    )
    try:
        async with Lifeline().beating() as lifeline:
            if await _schema_is_there(settings, stop):
                lifeline.ready()
                await _serve(database, settings, node, stop)
    finally:
        await database.dispose()
        node.release()


async def _schema_is_there(settings: Settings, stop: asyncio.Event) -> bool:
    """Wait for somebody to migrate the database; False when the worker is to stop before that."""
    told = False
    while not stop.is_set():
        try:
            if await current_revision(settings.database_dsn) == head_revision():
                return True
        except DATABASE_TROUBLE as error:
            _logger.warning("waiting for the database: %s", error)
        if not told:
            _logger.info("waiting until the database has the schema %s", head_revision())
            told = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _SCHEMA_POLL_S)
    return False


async def _serve(database: Database, settings: Settings, node: Node, stop: asyncio.Event) -> None:
    relay = Relay(database)
    beside = [
        asyncio.create_task(relay.run(), name="relay"),
        asyncio.create_task(keep_time(database, settings), name="recording duties"),
        asyncio.create_task(watch_disk(database, settings), name="disk"),
    ]
    working = asyncio.create_task(Runner(database, settings, node, on_change=relay.wake).run(stop), name="runner")
    try:
        await asyncio.wait([working, *beside], return_when=asyncio.FIRST_COMPLETED)
        broken = [task for task in beside if task.done()]  # they run for ever: one that ended has failed
        stop.set()
        await asyncio.gather(working, *broken)
    finally:
        for task in (working, *beside):
            task.cancel()
        await asyncio.gather(working, *beside, return_exceptions=True)
