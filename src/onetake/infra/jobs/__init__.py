"""Background jobs: a table is the queue and the truth, one runner works it off, on one machine or on many.

@job("library.probe", queue="video")
async def probe(ctx: JobContext) -> dict[str, object]: ...

await enqueue(session, "library.probe", {"asset_id": "…"})       # in the caller's transaction

periodic("stats.roll_up", "*/5 * * * *", "stats.roll_up")
"""

from onetake.infra.jobs.context import ChildResult, JobContext
from onetake.infra.jobs.errors import ChildFailed, JobCancelled, JobFailed, LeaseLost, RetryLater
from onetake.infra.jobs.queue import Spec, any_active, enqueue, enqueue_parent, enqueue_unless_active
from onetake.infra.jobs.registry import job, periodic
from onetake.infra.jobs.wake import wake

__all__ = [
    "ChildFailed",
    "ChildResult",
    "JobCancelled",
    "JobContext",
    "JobFailed",
    "LeaseLost",
    "RetryLater",
    "Spec",
    "any_active",
    "enqueue",
    "enqueue_parent",
    "enqueue_unless_active",
    "job",
    "periodic",
    "wake",
]
