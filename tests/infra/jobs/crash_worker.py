"""A real worker process with kinds that leave traces, for tests that kill, freeze and restart it.

Run as `python crash_worker.py` with ONETAKE_* settings and ONETAKE_TEST_TRACES, the folder for the traces.
"""

import asyncio
import fcntl
import os
import signal
from pathlib import Path
from typing import Any

from onetake.infra.audit import audit
from onetake.infra.db import Database
from onetake.infra.jobs import JobContext, job, periodic
from onetake.infra.jobs.node import Node
from onetake.infra.jobs.runner import Runner
from onetake.infra.settings import load_settings

TRACES = Path(os.environ["ONETAKE_TEST_TRACES"])


def trace(name: str, line: object) -> None:
    """Append a line in one write: several processes share the file."""
    with (TRACES / name).open("a") as file:
        file.write(f"{line}\n")


@job("crash.work", queue="net")
async def work(ctx: JobContext) -> dict[str, Any]:
    """Hold a lock of the job's own while working: two attempts at once show as an overlap, kill -9 lets go of it."""
    trace("started", ctx.id)
    with (TRACES / f"{ctx.id}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            trace("overlaps", ctx.id)
        await asyncio.sleep(float(ctx.args["seconds"]))
        output = ctx.workdir.make() / "out"
        output.write_text(str(ctx.id))
        async with ctx.finish({"attempt": ctx.attempt}, {"out": TRACES / f"published-{ctx.id}"}) as session:
            await audit(session, action="crash.published", target=f"job:{ctx.id}")
    return {}


@job("crash.child", queue="notify")
async def child(ctx: JobContext) -> None:
    """A quick child of a fan-out."""


@job("crash.parent", queue="stats")
async def parent(ctx: JobContext) -> int:
    """Runs after the fan-in."""
    trace("parents", ctx.id)
    return len(await ctx.children())


@job("crash.ffmpeg", queue="video")
async def encode(ctx: JobContext) -> None:
    """An encode of an hour."""
    await ctx.ffmpeg(["-f", "lavfi", "-re", "-i", "testsrc2=size=64x64:rate=5:duration=3600", "-f", "null", "-"])


@job("crash.tree", queue="video")
async def tree(ctx: JobContext) -> None:
    """A child with a grandchild in a session of its own, which a dying worker does not take along by itself."""
    script = 'setsid sleep 3600 & echo $! > "$0"; wait'
    await ctx.run(["sh", "-c", script, str(TRACES / "grandchild")], silence_s=None)


@job("crash.tick", queue="notify")
async def tick(ctx: JobContext) -> None:
    """A periodic task."""
    trace("ticks", ctx.id)


periodic("crash.tick", "0 0 1 1 *", "crash.tick")


async def main() -> None:
    """What `onetake worker` does for jobs, without the rest of the product."""
    settings, stop = load_settings(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    node, database = Node.acquire(settings.data_dir), Database(settings.database_dsn)
    await Runner(database, settings, node).run(stop)
    await database.dispose()


if __name__ == "__main__":
    asyncio.run(main())
