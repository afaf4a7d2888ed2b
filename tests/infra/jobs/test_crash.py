"""Worker processes that are really killed, frozen, stopped and restarted, on the three databases."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest
from sqlalchemy import func, select, update

from onetake.infra.audit import AuditEntry
from onetake.infra.db import Database
from onetake.infra.db.clock import db_now
from onetake.infra.jobs import Spec, enqueue, enqueue_parent
from onetake.infra.jobs.models import Job, JobSchedule
from onetake.infra.jobs.service import cancel_job

SCRIPT = Path(__file__).with_name("crash_worker.py")
QUICK = {
    "JOB_LEASE_S": "3",
    "JOB_HEARTBEAT_S": "0.2",
    "JOB_SELF_FENCE_S": "2",
    "JOB_KILL_GRACE_S": "0.5",
    "JOB_SWEEP_S": "0.2",
    "JOB_CANCEL_POLL_S": "0.1",
    "JOB_POLL_S": "0.1",
    "JOB_RETRY_BASE_S": "0.05",
    "JOB_MAX_ATTEMPTS": "50",
    "LOG_LEVEL": "warning",
}


class Farm:
    """Worker processes of one test, and what they left in the database and in the trace folder."""

    def __init__(self, database: Database, url: str, folder: Path) -> None:
        self.db = database
        self.folder = folder
        self.traces = folder / "traces"
        self.traces.mkdir()
        self._environment = os.environ | {f"ONETAKE_{name}": value for name, value in QUICK.items()}
        self._environment |= {"ONETAKE_DATABASE_URL": url, "ONETAKE_TEST_TRACES": str(self.traces)}
        self._workers: list[subprocess.Popen[bytes]] = []

    def start(self, machine: str = "one") -> "subprocess.Popen[bytes]":
        """Start a worker on a `machine`, that is, with a data folder of its own."""
        log = (self.folder / f"{machine}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            env=self._environment | {"ONETAKE_DATA_DIR": str(self.folder / machine)},
            stdout=log,
            stderr=log,
        )
        log.close()
        self._workers.append(process)
        return process

    def kill_all(self) -> None:
        """kill -9 for every worker that still lives, frozen ones too."""
        for process in self._workers:
            if process.poll() is None:
                process.kill()
            process.wait()

    async def add(self, kind: str, count: int = 1, seconds: float = 0.0) -> list[int]:
        """Enqueue in one transaction."""
        queue = {"crash.work": "net", "crash.ffmpeg": "video", "crash.tree": "video"}[kind]
        async with self.db.write() as session:
            return [
                await enqueue(session, kind, {"seconds": seconds, "n": number}, queue=queue, max_attempts=50)
                for number in range(count)
            ]

    async def states(self) -> Counter[str]:
        """How many jobs are in each state."""
        async with self.db.read() as session:
            query = select(Job.state).where(Job.kind.startswith("crash."))
            return Counter((await session.execute(query)).scalars())

    async def published(self) -> int:
        """How often a job's result became true."""
        async with self.db.read() as session:
            query = select(func.count(AuditEntry.id)).where(AuditEntry.action == "crash.published")
            return (await session.execute(query)).scalar_one()

    def trace(self, name: str) -> list[str]:
        """The lines of a trace."""
        path = self.traces / name
        return path.read_text().split() if path.exists() else []

    async def until(self, condition: Callable[[], Awaitable[bool]], timeout_s: float = 100) -> None:
        """Wait until something is true."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await condition():  # noqa: ASYNC110  other processes change it
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pytest.fail(f"{dict(await self.states())} after {timeout_s:g} s; the workers said:\n{self.logs()}")

    def logs(self) -> str:
        """What the workers wrote."""
        return "\n".join(f"{path.name}: {path.read_text()[-3000:]}" for path in sorted(self.folder.glob("*.log")))

    async def until_states(self, **wanted: int) -> None:
        """Wait until the jobs' states are these."""

        async def reached() -> bool:
            return await self.states() == Counter(wanted)

        await self.until(reached)

    async def until_traced(self, name: str, lines: int) -> None:
        """Wait until a trace has so many lines."""

        async def reached() -> bool:
            return len(self.trace(name)) >= lines

        await self.until(reached)


@pytest.fixture
async def farm(database: Database, database_url: str, tmp_path: Path) -> AsyncIterator[Farm]:
    """On the three databases."""
    opened = Farm(database, database_url, tmp_path)
    yield opened
    opened.kill_all()


@pytest.fixture
async def sqlite_farm(sqlite_database: Database, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Farm]:
    """On SQLite only, for what does not depend on the database."""
    opened = Farm(sqlite_database, sqlite_url, tmp_path)
    yield opened
    opened.kill_all()


async def test_kill_9_again_and_again_loses_nothing_and_doubles_nothing(farm: Farm) -> None:
    numbers = await farm.add("crash.work", count=10, seconds=0.25)
    for kills in range(1, 4):
        process = farm.start()
        await farm.until_traced("started", 3 * kills)
        process.kill()
        process.wait()
    farm.start()
    await farm.until_states(done=10)
    assert farm.trace("overlaps") == []
    assert await farm.published() == 10
    assert {int(number) for number in farm.trace("started")} == set(numbers)
    assert len(list(farm.traces.glob("published-*"))) == 10


async def test_a_restarted_worker_does_not_wait_for_its_own_lease(sqlite_farm: Farm) -> None:
    farm = sqlite_farm
    await farm.add("crash.work", seconds=0.5)
    process = farm.start()
    await farm.until_traced("started", 1)
    process.kill()
    process.wait()
    async with farm.db.write() as session:
        await session.execute(update(Job).values(lease_until=db_now() + 3600))
    farm.start()
    await farm.until_states(done=1)
    assert farm.trace("overlaps") == []


async def test_another_machine_takes_over_after_the_lease(farm: Farm) -> None:
    await farm.add("crash.work", count=4, seconds=0.3)
    victim = farm.start("one")
    await farm.until_traced("started", 2)
    victim.kill()
    victim.wait()
    farm.start("two")
    await farm.until_states(done=4)
    assert await farm.published() == 4
    assert farm.trace("overlaps") == []


async def test_a_thawed_worker_publishes_nothing_that_another_one_did(farm: Farm) -> None:
    """SIGSTOP for longer than the lease: the job runs elsewhere, and the late end is refused."""
    await farm.add("crash.work", count=2, seconds=0.4)
    frozen = farm.start("one")
    await farm.until_traced("started", 2)
    frozen.send_signal(signal.SIGSTOP)
    farm.start("two")
    await farm.until_states(done=2)
    frozen.send_signal(signal.SIGCONT)
    await farm.add("crash.work", count=4)
    await farm.until_states(done=6)
    assert await farm.published() == 6
    frozen.send_signal(signal.SIGTERM)
    assert frozen.wait(60) == 0
    assert await farm.published() == 6


async def test_sigterm_gives_the_jobs_back_unspent(farm: Farm) -> None:
    await farm.add("crash.work", seconds=60)
    process = farm.start()
    await farm.until_traced("started", 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    async with farm.db.read() as session:
        state, attempts = (await session.execute(select(Job.state, Job.attempts))).one()
    assert (state, attempts) == ("queued", 0)


async def test_a_poison_job_stops_after_its_attempts(sqlite_farm: Farm) -> None:
    """A job whose worker dies each time must not do so for ever."""
    farm = sqlite_farm
    await farm.add("crash.work", seconds=60)
    async with farm.db.write() as session:
        await session.execute(update(Job).values(max_attempts=2))
    for attempts in (1, 2):
        process = farm.start()
        await farm.until_traced("started", attempts)
        process.kill()
        process.wait()
    farm.start()
    await farm.until_states(failed=1)
    async with farm.db.read() as session:
        assert (await session.execute(select(Job.error))).scalar_one() == "worker lost"


async def test_a_fan_in_over_several_processes_happens_once(farm: Farm) -> None:
    for machine in ("one", "two", "three"):
        farm.start(machine)
    async with farm.db.write() as session:
        children = [Spec("crash.child", {"n": number}, queue="notify") for number in range(30)]
        parents = [
            (await enqueue_parent(session, Spec("crash.parent", {"n": number}, queue="stats"), children))[0]
            for number in range(2)
        ]
    await farm.until_states(done=62)
    assert sorted(farm.trace("parents")) == sorted(str(parent) for parent in parents)
    async with farm.db.read() as session:
        results = (await session.execute(select(Job.result).where(Job.kind == "crash.parent"))).scalars()
        assert list(results) == ["30", "30"]


async def test_each_tick_fires_once_among_processes(farm: Farm) -> None:
    for machine in ("one", "two", "three"):
        farm.start(machine)

    async def hand_is_in_the_future() -> bool:
        async with farm.db.read() as session:
            query = select(JobSchedule.next_at > db_now()).where(JobSchedule.name == "crash.tick")
            return bool((await session.execute(query)).scalar_one_or_none())

    await farm.until(hand_is_in_the_future)
    for tick in range(1, 6):
        async with farm.db.write() as session:
            statement = update(JobSchedule).where(JobSchedule.name == "crash.tick").values(next_at=float(tick))
            await session.execute(statement)
        await farm.until(hand_is_in_the_future)
        await farm.until_traced("ticks", tick)
        await farm.until_states(done=tick)
    assert len(farm.trace("ticks")) == 5


# --- child processes --------------------------------------------------------------------------------------------------


async def ffmpeg_of(farm: Farm, worker: "subprocess.Popen[bytes]") -> psutil.Process:
    """The ffmpeg child of a worker, once it runs."""
    found: list[psutil.Process] = []

    async def runs() -> bool:
        children = psutil.Process(worker.pid).children(recursive=True)
        found[:] = [child for child in children if "ffmpeg" in child.name()]
        return bool(found)

    await farm.until(runs)
    return found[0]


async def until_gone(farm: Farm, pid: int) -> None:
    async def gone() -> bool:
        return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

    await farm.until(gone)


async def test_cancel_kills_the_ffmpeg_child(farm: Farm) -> None:
    (number,) = await farm.add("crash.ffmpeg")
    child = await ffmpeg_of(farm, farm.start())
    async with farm.db.write() as session:
        await cancel_job(session, number)
    await farm.until_states(cancelled=1)
    await until_gone(farm, child.pid)


async def test_kill_9_leaves_no_ffmpeg_behind(sqlite_farm: Farm) -> None:
    farm = sqlite_farm
    await farm.add("crash.ffmpeg")
    worker = farm.start()
    child = await ffmpeg_of(farm, worker)
    worker.kill()
    worker.wait()
    await until_gone(farm, child.pid)


async def test_sigterm_leaves_no_ffmpeg_behind(sqlite_farm: Farm) -> None:
    farm = sqlite_farm
    await farm.add("crash.ffmpeg")
    worker = farm.start()
    child = await ffmpeg_of(farm, worker)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    await until_gone(farm, child.pid)


async def test_a_restart_kills_grandchildren_of_the_former_life(sqlite_farm: Farm) -> None:
    farm = sqlite_farm
    await farm.add("crash.tree")
    worker = farm.start()
    await farm.until_traced("grandchild", 1)
    grandchild = int(farm.trace("grandchild")[0])
    worker.kill()
    worker.wait()
    assert psutil.pid_exists(grandchild)
    (farm.traces / "grandchild").unlink()
    farm.start()
    await farm.until_traced("grandchild", 1)
    assert int(farm.trace("grandchild")[0]) != grandchild
    await until_gone(farm, grandchild)
    farm.kill_all()
    for pid in (int(number) for number in farm.trace("grandchild")):
        psutil.Process(pid).kill()
