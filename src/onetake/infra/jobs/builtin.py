"""Jobs that the platform itself brings along: a self-test with a real encode, and tidying up."""

from datetime import timedelta
from typing import Any

from onetake.infra.audit_repository import purge_before
from onetake.infra.events.repository import purge_done
from onetake.infra.jobs import repository
from onetake.infra.jobs.context import JobContext
from onetake.infra.jobs.registry import job, periodic
from onetake.kit.clock import utc_now

SELFTEST = "jobs.selftest"
TIDY = "jobs.tidy_up"
MAX_SELFTEST_S = 600
_DAY_S = 86_400.0
_KEEP_EVENTS_S = 7 * _DAY_S


@job(SELFTEST, queue="video", max_attempts=2)
async def selftest(ctx: JobContext) -> dict[str, Any]:
    """Encode `seconds` (1 to 600) of a 720p test picture with x264; the result says how fast this machine is."""
    seconds = min(MAX_SELFTEST_S, max(1, int(ctx.args.get("seconds", 10))))
    ctx.stage("encode")
    source = f"testsrc2=size=1280x720:rate=30:duration={seconds}"
    encode = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-f", "null", "-"]
    done = await ctx.ffmpeg(["-f", "lavfi", "-i", source, *encode], duration_s=seconds)
    return {"seconds": seconds, "frames": done.progress.frame, "fps": done.progress.fps, "speed": done.progress.speed}


@job(TIDY, queue="stats")
async def tidy_up(ctx: JobContext) -> dict[str, int]:
    """Delete ended jobs, handled events and audit entries that are older than the settings keep them."""
    jobs = 0
    while True:  # in small steps, so that nobody waits long for the write lock
        async with ctx.db.write() as session:
            gone = await repository.purge_ended(session, ctx.settings.job_keep_days * _DAY_S)
        jobs += gone
        if not gone:
            break
    async with ctx.db.write() as session:
        events = await purge_done(session, _KEEP_EVENTS_S)
        entries = await purge_before(session, utc_now() - timedelta(days=ctx.settings.audit_keep_days))
    return {"jobs": jobs, "events": events, "audit": entries}


periodic("jobs.tidy_up", "17 3 * * *", TIDY)
