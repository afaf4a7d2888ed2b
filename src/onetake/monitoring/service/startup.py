"""What monitoring does inside the API process for as long as it lives."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from onetake.accounts.roles import Permission
from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer
from onetake.infra.metrics import Metrics
from onetake.infra.pubsub import PubSub
from onetake.infra.settings import Settings
from onetake.monitoring.service import feed, monitor
from onetake.monitoring.service.metrics import publish_metrics
from onetake.monitoring.service.monitor import Monitor

TOPICS = {monitor.TOPIC: Permission.SYSTEM_READ.value, feed.TOPIC: Permission.JOBS_READ.value}
"""Live topics and the permission that each needs."""


@contextlib.asynccontextmanager
async def monitoring(
    settings: Settings, db: Database, pubsub: PubSub, metrics: Metrics, media: MediaServer
) -> AsyncIterator[Monitor]:
    """Watch the machine, feed the live topics and fill the metrics while the block runs."""
    publish_metrics(metrics, settings, db)
    watch = Monitor(settings, db, pubsub, media)
    async with watch.running():
        task = asyncio.create_task(feed.feed_jobs(db, pubsub, settings.job_poll_s), name="job-feed")
        try:
            yield watch
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
