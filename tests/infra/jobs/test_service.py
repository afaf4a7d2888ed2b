"""What the admin page sees and does, on the three databases."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from onetake.infra.audit import AuditEntry
from onetake.infra.jobs import JobContext, Spec, enqueue_parent, repository, wake
from onetake.infra.jobs.admin_repository import mean_progress
from onetake.infra.jobs.errors import JobNotCancellable, JobNotFound, JobNotRetryable
from onetake.infra.jobs.models import Job
from onetake.infra.jobs.registry import job, periodic
from onetake.infra.jobs.service import cancel_job, get_job, list_jobs, queues, retry_job, schedules, workers
from onetake.infra.jobs.timekeeper import Timekeeper
from onetake.infra.jobs.wake import listen

if TYPE_CHECKING:
    from tests.infra.jobs.conftest import Bench


async def set_state(bench: "Bench", job_id: int, **values: object) -> None:
    async with bench.db.write() as session:
        await session.execute(update(Job).where(Job.id == job_id).values(**values))


async def test_lists_filter_sort_and_page(bench: "Bench") -> None:
    numbers = [await bench.add(f"test.kind{number % 2}", queue=("net", "video")[number % 2]) for number in range(7)]
    await set_state(bench, numbers[0], state="failed")
    async with bench.db.read() as session:
        found, total = await list_jobs(session, limit=3, offset=3)
        assert ([job.id for job in found], total) == (numbers[::-1][3:6], 7)
        found, total = await list_jobs(session, queue="net", states=["queued"])
        assert ([job.id for job in found], total) == ([numbers[6], numbers[4], numbers[2]], 3)
        found, _ = await list_jobs(session, kind="test.kind1", order=[("id", False)])
        assert [job.id for job in found] == [numbers[1], numbers[3], numbers[5]]
        assert (await list_jobs(session, kind="test.%"))[1] == 0


async def test_times_are_aware_and_by_the_database(bench: "Bench") -> None:
    view = (await bench.job(await bench.add("test.kind", queue="net"))).job
    assert abs(view.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert view.started_at is None


async def test_a_waiting_parent_shows_the_mean_of_its_children(bench: "Bench") -> None:
    async with bench.db.write() as session:
        children = [Spec("test.kind", {"n": number}, queue="net") for number in range(4)]
        parent, numbers = await enqueue_parent(session, Spec("test.parent", queue="net"), children)
    await set_state(bench, numbers[0], state="running", progress=0.5)
    await set_state(bench, numbers[1], state="done", progress=1.0)
    await set_state(bench, numbers[2], state="failed", progress=0.3)
    detail = await bench.job(parent)
    assert detail.job.progress == pytest.approx(2.5 / 4)
    assert [child.id for child in detail.children] == numbers
    async with bench.db.read() as session:
        assert await mean_progress(session, [numbers[0]]) == {}


async def test_retry_gives_all_attempts_back_and_is_audited(bench: "Bench") -> None:
    number = await bench.add("test.kind", queue="net")
    await set_state(bench, number, state="failed", attempts=5, error="broken", cancel=1)
    async with bench.db.write() as session:
        view = await retry_job(session, number)
    assert (view.state, view.attempts, view.error, view.cancel_requested) == ("queued", 0, None, False)
    async with bench.db.read() as session:
        entry = (await session.execute(select(AuditEntry))).scalar_one()
    assert (entry.action, entry.target, entry.before) == ("jobs.retry", f"job:{number}", {"state": "failed"})


@pytest.mark.parametrize("state", ["queued", "running", "done", "waiting", "scheduled"])
async def test_only_ended_badly_is_retried(sqlite_bench: "Bench", state: str) -> None:
    bench = sqlite_bench
    number = await bench.add("test.kind", queue="net")
    await set_state(bench, number, state=state)
    async with bench.db.write() as session:
        with pytest.raises(JobNotRetryable, match=state):
            await retry_job(session, number)


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
async def test_what_has_ended_cannot_be_cancelled(sqlite_bench: "Bench", state: str) -> None:
    bench = sqlite_bench
    number = await bench.add("test.kind", queue="net")
    await set_state(bench, number, state=state)
    async with bench.db.write() as session:
        with pytest.raises(JobNotCancellable, match=state):
            await cancel_job(session, number)


async def test_cancelling_a_queued_child_frees_its_parent(bench: "Bench") -> None:
    async with bench.db.write() as session:
        parent, (child,) = await enqueue_parent(
            session, Spec("test.parent", queue="net"), [Spec("test.kind", queue="net")]
        )
    async with bench.db.write() as session:
        await cancel_job(session, child)
    assert (await bench.job(child)).job.state == "cancelled"
    assert (await bench.job(parent)).job.state == "queued"


async def test_unknown_numbers_are_not_found(sqlite_bench: "Bench") -> None:
    async with sqlite_bench.db.write() as session:
        for act in (get_job, retry_job, cancel_job):
            with pytest.raises(JobNotFound):
                await act(session, 4711)


async def test_queues_show_counts_and_how_long_work_waits(bench: "Bench") -> None:
    number = await bench.add("test.kind", queue="net")
    await bench.add("test.kind", queue="net", delay_s=3600)
    await set_state(bench, number, run_at=Job.run_at - 100)
    async with bench.db.read() as session:
        by_name = {view.name: view for view in await queues(session, bench.settings())}
    assert set(by_name) == {"video", "net", "notify", "stats"}
    assert (by_name["net"].counts["queued"], by_name["net"].counts["scheduled"]) == (1, 1)
    assert by_name["net"].oldest_waiting_s == pytest.approx(100, abs=5)
    assert by_name["video"].oldest_waiting_s is None
    assert by_name["net"].slots == 2


async def test_workers_and_schedules_are_listed(bench: "Bench") -> None:
    periodic("test.tidy", "0 3 * * *", "test.kind", registry=bench.registry)
    bench.start(time_zone="Asia/Shanghai")

    async def announced() -> bool:
        async with bench.db.read() as session:
            return bool(await workers(session, bench.settings()))

    await bench.eventually(announced)
    async with bench.db.read() as session:
        (worker,) = await workers(session, bench.settings())
        (schedule,) = await schedules(session, bench.registry)
    assert worker.alive
    assert set(worker.queues) == {"video", "net", "notify", "stats"}
    assert (schedule.name, schedule.cron, schedule.kind) == ("test.tidy", "0 3 * * *", "test.kind")
    assert schedule.next_at.hour == 19  # UTC: three at night in Shanghai
    await bench.stop()
    async with bench.db.read() as session:
        assert await workers(session, bench.settings()) == []


async def test_a_changed_expression_moves_the_hand_and_a_forgotten_task_goes(bench: "Bench") -> None:
    async with bench.db.write() as session:
        await repository.add_schedule(session, "test.tidy", "0 1 * * *", 3600.0)
        await repository.add_schedule(session, "test.gone", "0 1 * * *", 3600.0)
    periodic("test.tidy", "0 3 * * *", "test.kind", registry=bench.registry)
    bench.start()

    async def changed() -> bool:
        async with bench.db.read() as session:
            return [view.cron for view in await schedules(session, bench.registry)] == ["0 3 * * *"]

    await bench.eventually(changed)


async def test_a_changed_time_zone_moves_the_hand(bench: "Bench") -> None:
    async with bench.db.write() as session:
        now = (await repository.agenda(session)).now
        await repository.add_schedule(session, "test.tidy", "0 3 * * *", (now // 86_400 + 1) * 86_400 + 3 * 3600)
    periodic("test.tidy", "0 3 * * *", "test.kind", registry=bench.registry)
    bench.start(time_zone="Asia/Shanghai")

    async def moved() -> bool:
        async with bench.db.read() as session:
            return [view.next_at.hour for view in await schedules(session, bench.registry)] == [19]

    await bench.eventually(moved)


async def test_a_tick_that_is_due_fires_in_another_time_zone_too(bench: "Bench") -> None:
    async with bench.db.write() as session:
        await repository.add_schedule(session, "test.tidy", "0 3 * * *", 3 * 3600.0)
    periodic("test.tidy", "0 3 * * *", "test.kind", registry=bench.registry)

    @job("test.kind", queue="stats", registry=bench.registry)
    async def tidy(ctx: JobContext) -> None: ...

    bench.start(time_zone="Asia/Shanghai")

    async def fired() -> bool:
        async with bench.db.read() as session:
            return (await list_jobs(session, kind="test.kind", states=["done"]))[1] == 1

    await bench.eventually(fired)


async def test_old_ended_jobs_are_purged_with_their_logs(bench: "Bench") -> None:
    old, young, running = [await bench.add("test.kind", queue="net") for _ in range(3)]
    for number, state in ((old, "done"), (young, "failed"), (running, "running")):
        await set_state(bench, number, state=state)
    for number in (old, running):
        await set_state(bench, number, updated_at=Job.updated_at - 1000)
    async with bench.db.write() as session:
        await repository.save_log(session, old, "log")
        assert await repository.purge_ended(session, 500) == 1
        assert await repository.purge_ended(session, 500) == 0
    async with bench.db.read() as session:
        assert {job.id for job in (await list_jobs(session))[0]} == {young, running}


async def test_wake_reaches_listeners_until_they_leave() -> None:
    heard: list[str] = []
    leave = listen(heard.append)
    wake("video")
    leave()
    wake("video")
    assert heard == ["video"]


async def test_stale_work_folders_are_swept_and_living_ones_stay(sqlite_bench: "Bench") -> None:
    from onetake.infra.jobs.context import Home

    bench = sqlite_bench
    number = await bench.add("test.kind", queue="net")
    await set_state(bench, number, state="running", token="a" * 32, lease_until=4e9)
    root = bench.data_dir / "work"
    for token in ("a" * 32, "b" * 32):
        (root / str(number) / token).mkdir(parents=True)
    (root / "99999" / "stale").mkdir(parents=True)
    await Timekeeper(Home(bench.db, bench.settings(), "w", root), bench.registry, ["net"]).sweep()
    assert [path.name for path in root.glob("*/*")] == ["a" * 32]
