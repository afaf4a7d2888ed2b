"""What the API process runs for live sources and recordings."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import onetake.recordings.handlers  # noqa: F401  registers itself
from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer
from onetake.infra.pubsub import PubSub
from onetake.infra.settings import Settings
from onetake.recordings.watch import TOPIC, RecordingWatch
from onetake.sources.watch import TOPIC as SOURCES_TOPIC
from onetake.sources.watch import SourceWatch

TOPICS = {SOURCES_TOPIC: "sources.read", TOPIC: "sources.read"}
"""Live topics and the permission that each needs."""


@dataclass(frozen=True, slots=True)
class LiveControl:
    """The line to the media server and the keeper of its desired state."""

    media: MediaServer
    sources: SourceWatch


@contextlib.asynccontextmanager
async def live_control(settings: Settings, db: Database, pubsub: PubSub) -> AsyncIterator[LiveControl]:
    """Follow the media server for as long as the block lasts."""
    media = MediaServer.from_settings(settings)
    watch = SourceWatch(db, media, pubsub)
    work = [asyncio.create_task(watch.run()), asyncio.create_task(RecordingWatch(db, media, pubsub).run())]
    try:
        yield LiveControl(media, watch)
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await media.close()
