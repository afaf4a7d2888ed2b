"""The platform's own jobs."""

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from onetake.infra.audit import AuditEntry, audit
from onetake.infra.jobs.builtin import SELFTEST, TIDY
from onetake.infra.jobs.models import Job
from onetake.infra.jobs.registry import REGISTRY
from onetake.kit.clock import utc_now

if TYPE_CHECKING:
    from tests.infra.jobs.conftest import Bench


async def test_the_self_test_encodes_and_measures(sqlite_bench: "Bench") -> None:
    bench = sqlite_bench
    bench.registry.add(REGISTRY.kinds[SELFTEST])
    bench.start()
    detail = await bench.until(await bench.add(SELFTEST, {"seconds": 1}), "done", "failed")
    assert detail.job.state == "done", detail.job.error
    assert (detail.result["seconds"], detail.result["frames"]) == (1, 30)
    assert detail.result["speed"] > 0
    assert "libx264" in detail.log_tail


async def test_a_missing_ffmpeg_is_told(sqlite_bench: "Bench") -> None:
    bench = sqlite_bench
    bench.registry.add(REGISTRY.kinds[SELFTEST])
    bench.start(ffmpeg_path="/nonexistent/ffmpeg")
    detail = await bench.until(await bench.add(SELFTEST, max_attempts=1), "failed")
    assert "ffmpeg cannot be started" in (detail.job.error or "")


async def test_tidying_up_deletes_what_is_old(sqlite_bench: "Bench") -> None:
    bench = sqlite_bench
    bench.registry.add(REGISTRY.kinds[TIDY])
    old = await bench.add("test.old", queue="net")
    async with bench.db.write() as session:
        await session.execute(update(Job).where(Job.id == old).values(state="done", updated_at=1.0))
        entry = await audit(session, action="a.b", target="t")
        entry.at = utc_now() - timedelta(days=400)
    bench.start()
    detail = await bench.until(await bench.add(TIDY), "done", "failed")
    assert detail.result == {"jobs": 1, "events": 0, "audit": 1}
    async with bench.db.read() as session:
        assert (await session.execute(select(func.count(AuditEntry.id)))).scalar_one() == 0
