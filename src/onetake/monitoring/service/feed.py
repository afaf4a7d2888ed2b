"""Live job progress: every change of the jobs table becomes a message under the topic `jobs`."""

from onetake.infra.db import Database
from onetake.infra.jobs.feed import changed_jobs
from onetake.infra.pubsub import Message, PubSub
from onetake.monitoring.service.jobs import view

TOPIC = "jobs"


async def feed_jobs(db: Database, pubsub: PubSub, poll_s: float) -> None:
    """Run until cancelled. Each API process reads the table itself, so messages stay inside the process."""
    async for job in changed_jobs(db, poll_s):
        pubsub.deliver(Message(TOPIC, "updated", view(job).model_dump(mode="json")))
