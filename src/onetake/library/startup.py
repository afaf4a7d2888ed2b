"""What the API process runs for the library: the counter of views, and the figures of videos that are growing."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import onetake.library.handlers  # noqa: F401  registers itself
from onetake.infra.db import Database
from onetake.infra.db.errors import DATABASE_TROUBLE
from onetake.infra.mediaserver import MediaServer, MediaServerRefused, MediaServerUnavailable
from onetake.kit.errors import AppError
from onetake.library.service.growing import follow_growing
from onetake.library.service.revoking import enforce
from onetake.library.service.watching import ViewCounter

FLUSH_S = 5.0
_logger = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def library(db: Database, media: MediaServer) -> AsyncIterator[ViewCounter]:
    """Count views and write them every few seconds, and once more at the end; have stale tokens refused."""
    counter = ViewCounter()
    work = [asyncio.create_task(_flush_forever(db, counter)), asyncio.create_task(_enforce_forever(db, media))]
    try:
        yield counter
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await _flush(db, counter)


async def _enforce_forever(db: Database, media: MediaServer) -> None:
    while True:
        try:
            await enforce(db, media)
        except (MediaServerUnavailable, MediaServerRefused):
            _logger.debug("the media server could not be told which tokens are stale")
        except (*DATABASE_TROUBLE, AppError) as error:
            _logger.warning("stale tokens are not looked for: %s", error)
        await asyncio.sleep(FLUSH_S)


async def _flush_forever(db: Database, counter: ViewCounter) -> None:
    while True:
        await asyncio.sleep(FLUSH_S)
        await _flush(db, counter)
        try:
            await follow_growing(db)
        except (*DATABASE_TROUBLE, AppError) as error:
            _logger.warning("growing videos are not followed: %s", error)


async def _flush(db: Database, counter: ViewCounter) -> None:
    try:
        await counter.flush(db)
    except (*DATABASE_TROUBLE, AppError) as error:
        _logger.warning("views wait in memory: %s", error)
