"""Jobs from the queue to their end, in one process, on the three databases."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, func, select, update

from onetake.infra.audit import AuditEntry, audit
from onetake.infra.db.clock import db_now
from onetake.infra.jobs import (
    JobContext,
    JobFailed,
    LeaseLost,
    RetryLater,
    Spec,
    enqueue,
    enqueue_parent,
    job,
    periodic,
)
from onetake.infra.jobs.models import Job, JobSchedule
from onetake.infra.jobs.service import cancel_job, list_jobs, retry_job

if TYPE_CHECKING:
    from tests.infra.jobs.conftest import Bench


async def test_a_job_runs_and_its_result_is_kept(bench: "Bench") -> None:
    @job("test.add", queue="stats", registry=bench.registry)
    async def add(ctx: JobContext) -> int:
        ctx.log("adding; token=abcdef")
        return int(ctx.args["a"]) + int(ctx.args["b"])

    bench.start()
    detail = await bench.until(await bench.add("test.add", {"a": 1, "b": 2}), "done", "failed")
    assert (detail.job.state, detail.result, detail.job.progress, detail.job.attempts) == ("done", 3, 1.0, 1)
    assert "adding; token=***" in detail.log_tail
    assert detail.job.finished_at is not None


async def test_a_rolled_back_job_never_existed(bench: "Bench") -> None:
    async def work() -> None:
        async with bench.db.write() as session:
            await enqueue(session, "test.none", queue="stats")
            raise RuntimeError("body")

    with pytest.raises(RuntimeError, match="body"):
        await work()
    async with bench.db.read() as session:
        assert await list_jobs(session) == ([], 0)


async def test_failures_back_off_until_the_attempts_are_used_up(bench: "Bench") -> None:
    @job("test.fail", queue="stats", max_attempts=3, registry=bench.registry)
    async def fail(ctx: JobContext) -> None:
        raise RuntimeError("rtmp://user:hunter2@host/app is away")

    bench.start()
    detail = await bench.until(await bench.add("test.fail"), "failed")
    assert detail.job.attempts == 3
    assert detail.job.error is not None
    assert "RuntimeError" in detail.job.error
    assert "Traceback" in detail.log_tail
    assert "hunter2" not in detail.job.error + detail.log_tail


async def test_back_off_doubles(bench: "Bench") -> None:
    @job("test.fail", queue="stats", registry=bench.registry)
    async def fail(ctx: JobContext) -> None:
        raise RuntimeError("again")

    bench.start(job_retry_base_s=100)
    number = await bench.add("test.fail")
    waits = []
    for _ in range(3):
        await bench.until(number, "scheduled")
        async with bench.db.write() as session:
            waits.append((await session.execute(select(Job.run_at - db_now()))).scalar_one())
            await session.execute(update(Job).values(state="queued"))
        attempts = len(waits)
        await bench.until_that(number, lambda detail, seen=attempts: detail.job.attempts > seen)  # type: ignore[misc]
    for wait_s, exact_s in zip(waits, (100, 200, 400), strict=True):
        assert exact_s * 0.8 - 5 <= wait_s <= exact_s * 1.2


async def test_a_job_can_say_that_retrying_is_pointless_or_when(sqlite_bench: "Bench") -> None:
    bench = sqlite_bench

    @job("test.hopeless", queue="stats", registry=bench.registry)
    async def hopeless(ctx: JobContext) -> None:
        raise JobFailed("the file is no video")

    @job("test.later", queue="stats", registry=bench.registry)
    async def later(ctx: JobContext) -> None:
        raise RetryLater("the server says 429", 3600)

    bench.start()
    detail = await bench.until(await bench.add("test.hopeless"), "failed")
    assert (detail.job.attempts, detail.job.error) == (1, "the file is no video")
    waiting = await bench.until(await bench.add("test.later"), "scheduled")
    assert waiting.job.error == "the server says 429"
    assert (waiting.job.run_at - waiting.job.updated_at).total_seconds() == pytest.approx(3600, abs=1)


async def test_odd_results_and_unknown_kinds_fail_in_words(sqlite_bench: "Bench") -> None:
    bench = sqlite_bench

    @job("test.odd", queue="stats", registry=bench.registry)
    async def odd(ctx: JobContext) -> object:
        return object()

    bench.start()
    assert "not JSON" in ((await bench.until(await bench.add("test.odd"), "failed")).job.error or "")
    unknown = await bench.until(await bench.add("test.unknown", queue="stats", max_attempts=1), "failed")
    assert "no code for the kind 'test.unknown'" in (unknown.job.error or "")


async def test_smaller_priorities_run_first(bench: "Bench") -> None:
    ran: list[int] = []

    @job("test.order", queue="stats", registry=bench.registry)
    async def order(ctx: JobContext) -> None:
        ran.append(ctx.args["priority"])

    numbers = [await bench.add("test.order", {"priority": wish}, priority=wish) for wish in (50, 10, 90, 10, 50)]
    bench.start()
    for number in numbers:
        await bench.until(number, "done")
    assert ran == [10, 10, 50, 50, 90]


async def test_a_dedupe_key_makes_one_job(bench: "Bench") -> None:
    first = await bench.add("test.once", queue="stats", dedupe="asset:1")
    assert await bench.add("test.once", queue="stats", dedupe="asset:1") == first
    assert await bench.add("test.once", queue="stats", dedupe="asset:2") != first


async def test_a_delayed_job_waits_for_its_time(bench: "Bench") -> None:
    @job("test.later", queue="stats", registry=bench.registry)
    async def later(ctx: JobContext) -> None: ...

    bench.start()
    soon, late = await bench.add("test.later", delay_s=0.2), await bench.add("test.later", delay_s=3600)
    done = await bench.until(soon, "done")
    assert done.job.started_at is not None
    assert done.job.started_at >= done.job.run_at
    assert (await bench.job(late)).job.state == "scheduled"


async def test_slots_bound_what_runs_at_once(sqlite_bench: "Bench") -> None:
    bench = sqlite_bench
    running, most, gate = 0, 0, asyncio.Event()

    @job("test.slot", queue="net", registry=bench.registry)
    async def slot(ctx: JobContext) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1

    numbers = [await bench.add("test.slot") for _ in range(5)]
    bench.start()

    async def both_slots_are_taken() -> bool:
        return running == 2

    await bench.eventually(both_slots_are_taken)
    gate.set()
    for number in numbers:
        await bench.until(number, "done")
    assert most == 2


async def test_progress_and_stage_are_shown_while_it_runs(bench: "Bench") -> None:
    gate = asyncio.Event()

    @job("test.progress", queue="stats", registry=bench.registry)
    async def work(ctx: JobContext) -> None:
        ctx.progress(0.25, "halfway to the half")
        ctx.progress(float("nan"))
        await gate.wait()

    bench.start()
    number = await bench.add("test.progress")
    shown = await bench.until_that(number, lambda detail: detail.job.progress > 0)
    assert (shown.job.progress, shown.job.stage) == (0.25, "halfway to the half")
    gate.set()
    await bench.until(number, "done")


async def test_publishing_is_one_transaction_with_the_end(bench: "Bench", tmp_path: Path) -> None:
    target = tmp_path / "media" / "video.mp4"

    @job("test.publish", queue="stats", registry=bench.registry)
    async def publish(ctx: JobContext) -> None:
        (ctx.workdir.make() / "out.mp4").write_bytes(b"video")
        async with ctx.finish({"size": 5}, {"out.mp4": target}) as session:
            await audit(session, action="test.published", target="asset:1")

    bench.start()
    detail = await bench.until(await bench.add("test.publish"), "done", "failed")
    assert (detail.job.state, detail.result, target.read_bytes()) == ("done", {"size": 5}, b"video")
    assert await published(bench) == 1

    async def work_folder_is_gone() -> bool:
        return not list((tmp_path / "data" / "work").glob("*"))

    await bench.eventually(work_folder_is_gone)


async def published(bench: "Bench") -> int:
    async with bench.db.read() as session:
        query = select(func.count(AuditEntry.id)).where(AuditEntry.action == "test.published")
        return (await session.execute(query)).scalar_one()


async def test_a_late_end_is_refused_and_publishes_nothing(bench: "Bench", tmp_path: Path) -> None:
    """What a thawed worker does after its job was given to another one."""
    target, lost = tmp_path / "video.mp4", asyncio.Event()

    @job("test.late", queue="stats", registry=bench.registry)
    async def late(ctx: JobContext) -> None:
        (ctx.workdir.make() / "out.mp4").write_bytes(b"late")
        async with ctx.db.write() as session:
            await session.execute(update(Job).values(token="f" * 32))
        try:
            async with ctx.finish(files={"out.mp4": target}) as session:
                await audit(session, action="test.published", target="asset:1")
        except LeaseLost:
            lost.set()
            raise

    bench.start(job_heartbeat_s=1.2)
    number = await bench.add("test.late")
    async with asyncio.timeout(60):
        await lost.wait()
    assert await published(bench) == 0
    assert not target.exists()
    assert (await bench.job(number)).job.state == "running"


async def test_a_body_that_fails_inside_finish_is_rolled_back_and_retried(
    sqlite_bench: "Bench", tmp_path: Path
) -> None:
    bench, failures, target = sqlite_bench, iter([True, False]), tmp_path / "video.mp4"

    @job("test.publish", queue="stats", registry=bench.registry)
    async def publish(ctx: JobContext) -> None:
        (ctx.workdir.make() / "out.mp4").write_bytes(b"video")
        async with ctx.finish(files={"out.mp4": target}) as session:
            await audit(session, action="test.published", target="asset:1")
            if next(failures):
                raise RuntimeError("domain row")

    bench.start()
    detail = await bench.until(await bench.add("test.publish"), "done")
    assert (detail.job.attempts, await published(bench), target.exists()) == (2, 1, True)


async def test_files_are_taken_back_when_the_commit_fails(sqlite_bench: "Bench", tmp_path: Path) -> None:
    bench, failures, target, seen = sqlite_bench, iter([True, False]), tmp_path / "video.mp4", list[bool]()

    def refuse(session: object) -> None:
        seen.append(target.exists())
        raise RuntimeError("the commit fails")

    @job("test.publish", queue="stats", registry=bench.registry)
    async def publish(ctx: JobContext) -> None:
        seen.append(target.exists())
        (ctx.workdir.make() / "out.mp4").write_bytes(b"video")
        async with ctx.finish(files={"out.mp4": target}) as session:
            if next(failures):
                event.listen(session.sync_session, "before_commit", refuse)

    bench.start()
    detail = await bench.until(await bench.add("test.publish"), "done")
    assert (detail.job.attempts, target.exists(), seen) == (2, True, [False, True, False])


async def test_a_parent_runs_once_after_all_its_children(bench: "Bench") -> None:
    seen: list[list[object]] = []

    @job("test.chunk", queue="notify", registry=bench.registry)
    async def chunk(ctx: JobContext) -> int:
        return int(ctx.args["number"]) * 10

    @job("test.merge", queue="stats", registry=bench.registry)
    async def merge(ctx: JobContext) -> None:
        seen.append([child.result for child in await ctx.children()])

    bench.start()
    bench.start()
    async with bench.db.write() as session:
        children = [Spec("test.chunk", {"number": number}) for number in range(12)]
        parent, _ = await enqueue_parent(session, Spec("test.merge"), children, registry=bench.registry)
    await bench.until(parent, "done")
    assert seen == [[number * 10 for number in range(12)]]


async def test_a_failed_child_fails_its_parent_and_retry_heals_both(bench: "Bench") -> None:
    broken = True

    @job("test.chunk", queue="notify", max_attempts=1, registry=bench.registry)
    async def chunk(ctx: JobContext) -> None:
        if broken and ctx.args["number"] == 1:
            raise JobFailed("no such chunk")

    @job("test.merge", queue="stats", registry=bench.registry)
    async def merge(ctx: JobContext) -> None: ...

    bench.start()
    async with bench.db.write() as session:
        children = [Spec("test.chunk", {"number": number}) for number in range(3)]
        parent, numbers = await enqueue_parent(session, Spec("test.merge"), children, registry=bench.registry)
    failed = await bench.until(parent, "failed")
    assert failed.job.error == f"job {numbers[1]} (test.chunk) failed: no such chunk"
    broken = False
    async with bench.db.write() as session:
        await retry_job(session, parent)
    healed = await bench.until(parent, "done")
    assert {child.state for child in healed.children} == {"done"}


async def test_retrying_a_child_makes_its_failed_parent_wait(sqlite_bench: "Bench") -> None:
    bench, broken = sqlite_bench, True

    @job("test.chunk", queue="notify", max_attempts=1, registry=bench.registry)
    async def chunk(ctx: JobContext) -> None:
        if broken:
            raise JobFailed("broken")

    @job("test.merge", queue="stats", registry=bench.registry)
    async def merge(ctx: JobContext) -> None: ...

    bench.start()
    async with bench.db.write() as session:
        parent, (child,) = await enqueue_parent(
            session, Spec("test.merge"), [Spec("test.chunk")], registry=bench.registry
        )
    await bench.until(parent, "failed")
    broken = False
    async with bench.db.write() as session:
        await retry_job(session, child)
    assert (await bench.until(parent, "done")).job.state == "done"


async def test_cancel_ends_a_running_job_within_its_poll(bench: "Bench") -> None:
    ended = asyncio.Event()

    @job("test.endless", queue="stats", registry=bench.registry)
    async def endless(ctx: JobContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    bench.start()
    number = await bench.add("test.endless")
    await bench.until(number, "running")
    async with bench.db.write() as session:
        assert (await cancel_job(session, number)).cancel_requested
    await bench.until(number, "cancelled")
    assert ended.is_set()


async def test_cancel_of_a_parent_ends_its_children(bench: "Bench") -> None:
    @job("test.endless", queue="stats", registry=bench.registry)
    async def endless(ctx: JobContext) -> None:
        await asyncio.Event().wait()

    bench.start()
    async with bench.db.write() as session:
        parent, numbers = await enqueue_parent(
            session, Spec("test.endless"), [Spec("test.endless")] * 3, registry=bench.registry
        )
    await bench.until_that(parent, lambda detail: any(child.state == "running" for child in detail.children))
    async with bench.db.write() as session:
        await cancel_job(session, parent)
    for number in [parent, *numbers]:
        await bench.until(number, "cancelled")


async def test_a_plain_function_runs_in_a_thread_and_sees_the_cancel(sqlite_bench: "Bench") -> None:
    bench = sqlite_bench

    @job("test.thread", queue="stats", registry=bench.registry)
    def work(ctx: JobContext) -> None:
        import time

        while not ctx.cancelled:
            ctx.progress(0.5)
            time.sleep(0.01)
        ctx.check()

    bench.start()
    number = await bench.add("test.thread")
    await bench.until_that(number, lambda detail: detail.job.progress > 0)
    async with bench.db.write() as session:
        await cancel_job(session, number)
    await bench.until(number, "cancelled")


async def test_a_stopping_runner_gives_its_jobs_back(bench: "Bench") -> None:
    @job("test.endless", queue="stats", registry=bench.registry)
    async def endless(ctx: JobContext) -> None:
        await asyncio.Event().wait()

    bench.start()
    number = await bench.add("test.endless")
    await bench.until(number, "running")
    await bench.stop()
    detail = await bench.job(number)
    assert (detail.job.state, detail.job.attempts) == ("queued", 0)


async def test_a_tick_fires_once_among_many_schedulers(bench: "Bench") -> None:
    @job("test.tick", queue="stats", registry=bench.registry)
    async def tick(ctx: JobContext) -> None: ...

    periodic("test.tick", "0 0 1 1 *", "test.tick", registry=bench.registry)
    for _ in range(4):
        bench.start()

    async def jobs() -> int:
        async with bench.db.read() as session:
            _, total = await list_jobs(session, kind="test.tick", states=["done"])
        return total

    async def due() -> float:
        async with bench.db.read() as session:
            return float((await session.execute(select(func.max(JobSchedule.next_at - db_now())))).scalar_one() or 0)

    async def registered() -> bool:
        return await due() > 0

    await bench.eventually(registered)
    for fired in range(5):
        async with bench.db.write() as session:
            await session.execute(update(JobSchedule).values(next_at=100.0 + fired))

        async def fired_and_done(count: int = fired + 1) -> bool:
            return await jobs() == count and await due() > 0

        await bench.eventually(fired_and_done)
    assert await jobs() == 5


async def test_a_tick_is_skipped_while_the_former_run_lasts(sqlite_bench: "Bench") -> None:
    bench, gate = sqlite_bench, asyncio.Event()

    @job("test.tick", queue="stats", registry=bench.registry)
    async def tick(ctx: JobContext) -> None:
        await gate.wait()

    periodic("test.tick", "0 0 1 1 *", "test.tick", registry=bench.registry)
    number = await bench.add("test.tick")
    bench.start()
    await bench.until(number, "running")
    async with bench.db.write() as session:
        await session.execute(update(JobSchedule).values(next_at=100.0))

    async def moved_on() -> bool:
        async with bench.db.read() as session:
            return bool((await session.execute(select(JobSchedule.next_at > 100.0))).scalar_one())

    await bench.eventually(moved_on)
    async with bench.db.read() as session:
        assert (await list_jobs(session, kind="test.tick"))[1] == 1
    gate.set()
    await bench.until(number, "done")


async def test_the_runner_survives_a_locked_database(sqlite_bench: "Bench", sqlite_url: str) -> None:
    """Another process holds the write lock for longer than anybody waits; nothing is lost."""
    from onetake.infra.db import Database

    @job("test.quick", queue="stats", registry=sqlite_bench.registry)
    async def quick(ctx: JobContext) -> None: ...

    impatient = Database(sqlite_url, busy_timeout_s=0.05)
    bench = type(sqlite_bench)(impatient, sqlite_bench.data_dir)
    bench.registry = sqlite_bench.registry
    number = await bench.add("test.quick")
    async with sqlite_bench.db.write() as session:
        await session.execute(update(Job).values(priority=1))
        bench.start()
        await asyncio.sleep(0.5)
    await bench.until(number, "done")
    await bench.stop()
    await impatient.dispose()
