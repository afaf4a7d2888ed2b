"""Job queue: claims/s, start latency, recovery after kill -9, idle cost; beside the bare database's round trip.

    python bench/bench_jobs.py [sqlite] [postgresql] [mariadb]

Servers are found by ONETAKE_TEST_POSTGRESQL_URL and ONETAKE_TEST_MARIADB_URL as in the tests; a database
`onetake_bench` is made and dropped there.
"""

import asyncio
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy import delete, select, text, update

from onetake.infra.db import Database
from onetake.infra.db.clock import db_now
from onetake.infra.db.database import server_engine
from onetake.infra.db.migrate import upgrade
from onetake.infra.db.urls import async_url
from onetake.infra.jobs import JobContext, enqueue, job, repository
from onetake.infra.jobs.models import Job
from onetake.infra.jobs.repository import Ending
from onetake.infra.jobs.runner import _choose
from onetake.infra.settings import load_settings
from onetake.kit.ids import random_hex

SERVERS = {
    "postgresql": os.environ.get("ONETAKE_TEST_POSTGRESQL_URL", "postgresql://127.0.0.1:5432/postgres"),
    "mariadb": os.environ.get("ONETAKE_TEST_MARIADB_URL", "mariadb://root@127.0.0.1:3306/mysql"),
}
PROCESSES = 2
JOBS = 600
LATENCY_JOBS = 8
LEASE_S = 8.0
IDLE_S = 10.0


@job("bench.quick", queue="net")
async def quick(ctx: JobContext) -> None:
    """Nothing: its start is what counts."""


@job("bench.long", queue="net")
async def long(ctx: JobContext) -> None:
    """Runs until it is killed, the first time."""
    if ctx.attempt == 1:
        await asyncio.sleep(3600)


# --- databases --------------------------------------------------------------------------------------------------------


@contextmanager
def scratch(kind: str, folder: Path) -> Iterator[str]:
    """URL of a migrated database of our own."""
    if kind == "sqlite":
        url = f"sqlite:///{folder}/bench.db"
        asyncio.run(upgrade(url))
        yield url
        return
    admin = SERVERS[kind]
    asyncio.run(execute(admin, "DROP DATABASE IF EXISTS onetake_bench", "CREATE DATABASE onetake_bench"))
    url = async_url(admin).set(database="onetake_bench").render_as_string(hide_password=False)
    asyncio.run(upgrade(url))
    try:
        yield url
    finally:
        asyncio.run(execute(admin, "DROP DATABASE onetake_bench"))


async def execute(url: str, *statements: str) -> None:
    """Run statements outside of transactions."""
    engine = server_engine(async_url(url), 1, 30).execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


# --- claims -----------------------------------------------------------------------------------------------------------


async def bare_transactions_per_s(url: str) -> float:
    """One-row UPDATE transactions of one connection: what the database itself can do."""
    db = Database(url, busy_timeout_s=30)
    async with db.write() as session:
        number = await enqueue(session, "bench.quick", {"bare": True})
    statement = text("UPDATE jobs SET priority=:p WHERE id=:id")
    async with db.writer.connect() as connection:
        started = time.perf_counter()
        for turn in range(400):
            async with connection.begin():
                await connection.execute(statement, {"p": turn, "id": number})
        elapsed_s = time.perf_counter() - started
    async with db.write() as session:
        await session.execute(delete(Job))
    await db.dispose()
    return 400 / elapsed_s


def work_off(url: str, results: Any) -> None:
    """One process: claim and finish until the queue is empty."""
    results.put(asyncio.run(_work_off(url)))


async def _work_off(url: str) -> tuple[int, int]:
    db, done, conflicts = Database(url, busy_timeout_s=30), 0, 0
    while True:
        async with db.read() as session:
            found = await repository.candidates(session, "net")
        if not found:
            break
        async with db.write() as session:
            claimed = await repository.claim(session, _choose(found), "bench", random_hex(), 60)
        if claimed is None:
            conflicts += 1
            continue
        async with db.write() as session:
            done += await repository.finish(session, claimed, Ending("done"))
    await db.dispose()
    return done, conflicts


async def fill(url: str, count: int) -> None:
    """Queue `count` quick jobs."""
    db = Database(url)
    async with db.write() as session:
        for number in range(count):
            await enqueue(session, "bench.quick", {"n": number})
    await db.dispose()


def claims(url: str) -> tuple[float, int, int]:
    """Full cycles per second of all processes together, conflicts, and jobs that were not done exactly once."""
    asyncio.run(fill(url, JOBS))
    results: Any = multiprocessing.get_context("spawn").Queue()
    workers = [
        multiprocessing.get_context("spawn").Process(target=work_off, args=(url, results)) for _ in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    outcomes = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    span_s = asyncio.run(_span_s(url))
    return JOBS / span_s, sum(conflict for _, conflict in outcomes), abs(JOBS - sum(done for done, _ in outcomes))


async def _span_s(url: str) -> float:
    """From the first start to the last end, by the database's clock."""
    db = Database(url)
    async with db.write() as session:
        rows = (await session.execute(select(Job.started_at, Job.finished_at))).all()
        await session.execute(delete(Job))
    await db.dispose()
    return float(max(row.finished_at for row in rows) - min(row.started_at for row in rows))


# --- a real worker ----------------------------------------------------------------------------------------------------


def start_worker(url: str, data_dir: Path, **settings: str) -> "subprocess.Popen[bytes]":
    """`onetake worker` with the bench's kinds."""
    environment = os.environ | {"ONETAKE_DATABASE_URL": url, "ONETAKE_DATA_DIR": str(data_dir)}
    environment |= {f"ONETAKE_{name}": value for name, value in settings.items()}
    return subprocess.Popen([sys.executable, __file__, "--worker"], env=environment, stderr=subprocess.DEVNULL)


async def wait_until(db: Database, number: int, *states: str) -> Any:
    """The job's row once it is in one of the states."""
    while True:
        async with db.read() as session:
            query = select(Job.state, Job.attempts, Job.created_at, Job.started_at).where(Job.id == number)
            row = (await session.execute(query)).one()
        if row.state in states:
            return row
        await asyncio.sleep(0.01)


async def latency_ms(url: str, folder: Path) -> tuple[list[float], float, float]:
    """Start latencies of single jobs on an idle worker, its idle CPU in percent, its memory in MB."""
    db, worker = Database(url), start_worker(url, folder / "one")
    waits_ms = []
    try:
        for number in range(LATENCY_JOBS + 1):
            async with db.write() as session:
                job_id = await enqueue(session, "bench.quick", {"n": number})
            row = await wait_until(db, job_id, "done")
            waits_ms.append((row.started_at - row.created_at) * 1000)
            await asyncio.sleep(0.13 * (1 + number % 5))
        idle_percent, memory_mb = await idle(worker.pid)
    finally:
        worker.terminate()
        worker.wait()
        await db.dispose()
    return waits_ms[1:], idle_percent, memory_mb  # the first one waited for the process to start


async def idle(pid: int) -> tuple[float, float]:
    """CPU percent and unique memory of an idle worker."""
    process = psutil.Process(pid)
    before = process.cpu_times()
    await asyncio.sleep(IDLE_S)
    after = process.cpu_times()
    busy_s = after.user + after.system - before.user - before.system
    return busy_s / IDLE_S * 100, process.memory_full_info().uss / 1e6


async def recovery_s(url: str, folder: Path) -> tuple[float, float]:
    """From kill -9 to the job's next start: the same worker restarted at once; another machine, lease 8 s."""
    quick_lease = {"JOB_LEASE_S": str(LEASE_S), "JOB_HEARTBEAT_S": "1", "JOB_SELF_FENCE_S": "2", "JOB_SWEEP_S": "1"}
    same = await _kill_and_wait(url, folder / "one", folder / "one", {})
    other = await _kill_and_wait(url, folder / "two", folder / "three", quick_lease)
    return same, other


async def _kill_and_wait(url: str, first: Path, second: Path, settings: dict[str, str]) -> float:
    db = Database(url)
    async with db.write() as session:
        job_id = await enqueue(session, "bench.long", {"at": time.time()})
    victim = start_worker(url, first, **settings)
    await wait_until(db, job_id, "running")
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    async with db.read() as session:
        killed_at = (await session.execute(select(db_now()))).scalar_one()
    heir = start_worker(url, second, **settings)
    row = await wait_until(db, job_id, "done")
    heir.terminate()
    heir.wait()
    async with db.write() as session:
        await session.execute(update(Job).values(priority=0))
        await session.execute(delete(Job))
    await db.dispose()
    return float(row.started_at - killed_at)


# --- report -----------------------------------------------------------------------------------------------------------


def measure(kind: str) -> list[str]:
    """One column of the table."""
    with tempfile.TemporaryDirectory() as name, scratch(kind, Path(name)) as url:
        folder = Path(name)
        bare = asyncio.run(bare_transactions_per_s(url))
        cycles, conflicts, wrong = claims(url)
        waits_ms, idle_percent, memory_mb = asyncio.run(latency_ms(url, folder))
        same_s, other_s = asyncio.run(recovery_s(url, folder))
    return [
        f"{bare:.0f}",
        f"{cycles:.0f}  ({cycles / bare:.2f} of bare)",
        f"{conflicts} / {wrong}",
        f"{min(waits_ms):.0f} - {statistics.median(waits_ms):.0f} - {max(waits_ms):.0f}",
        f"{same_s:.1f}",
        f"{other_s:.1f}  ({other_s / LEASE_S:.2f} of the lease)",
        f"{idle_percent:.2f}",
        f"{memory_mb:.0f}",
    ]


ROWS = (
    "bare one-row transactions/s, 1 connection",
    f"claim + finish cycles/s, {PROCESSES} processes (2 transactions and 1 read each)",
    "conflicts / jobs not done exactly once",
    "start latency on an idle worker, ms (min - median - max)",
    "kill -9, same worker restarted: job runs again after s (its start included)",
    f"kill -9, another machine takes over after s (lease {LEASE_S:g} s)",
    "idle worker, CPU %",
    "idle worker, memory of its own, MB",
)


def main() -> None:
    """Measure the databases named as arguments, all three by default."""
    kinds = sys.argv[1:] or ["sqlite", *SERVERS]
    columns = {kind: measure(kind) for kind in kinds}
    table = Table(title="job queue")
    for heading in ("", *columns):
        table.add_column(heading)
    for index, label in enumerate(ROWS):
        table.add_row(label, *(column[index] for column in columns.values()))
    Console(width=150).print(table)


if __name__ == "__main__":
    if "--worker" in sys.argv:
        from onetake import worker

        worker.run(load_settings())
    else:
        main()
