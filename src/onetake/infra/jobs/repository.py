"""SQL of the job queue that is not one of the fenced statements' texts: their calls, inserts and look-ups."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CursorResult, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db import upsert
from onetake.infra.db.clock import db_now
from onetake.infra.db.rows import matched_rows
from onetake.infra.jobs.models import Job, JobLog, JobSchedule, JobWorker
from onetake.infra.jobs.statements import Statements, statements

TERMINAL = ("done", "failed", "cancelled")
ACTIVE = ("scheduled", "queued", "running", "waiting")
_MAX_ERROR = 8000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A queued job that may be claimed."""

    id: int
    kind: str
    args: str
    priority: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that is ours while its lease lasts; `token` fences every write."""

    id: int
    kind: str
    args: dict[str, Any]
    token: str
    attempt: int
    max_attempts: int
    parent_id: int | None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ends for good. `result` is JSON-able."""

    state: str
    error: str | None = None
    result: Any = None
    progress: float = 1.0


@dataclass(frozen=True, slots=True)
class Child:
    """A child's outcome, for its parent."""

    id: int
    kind: str
    state: str
    error: str | None
    result: Any


def _texts(session: AsyncSession) -> Statements:
    return statements(session.get_bind().dialect.name)


# --- enqueue ----------------------------------------------------------------------------------------------------------


async def insert_job(session: AsyncSession, values: Mapping[str, Any], delay_s: float, run_at: float | None) -> int:
    """Insert one job and return its number; with a `dedupe` key that exists, the number of the job that has it."""
    now = db_now()
    row = {**values, "run_at": run_at if run_at is not None else now + delay_s, "created_at": now, "updated_at": now}
    dedupe = values.get("dedupe")
    if dedupe is None:
        result = await session.execute(insert(Job).values(**row))
        key = result.inserted_primary_key if isinstance(result, CursorResult) else None
        return int(key[0]) if key else 0
    await upsert(session, Job, _with_defaults(row), key=["dedupe"], update=[])
    return int((await session.execute(select(Job.id).where(Job.dedupe == dedupe))).scalar_one())


def _with_defaults(row: dict[str, Any]) -> dict[str, Any]:
    return {"attempts": 0, "cancel": 0, "progress": 0.0, "waiting": 0} | row


async def is_active(session: AsyncSession, kind: str, args: str) -> bool:
    """Whether a job of this kind with these arguments has not ended yet."""
    query = select(Job.id).where(Job.state.in_(ACTIVE), Job.kind == kind, Job.args == args).limit(1)
    return (await session.execute(query)).first() is not None


# --- claim and run ----------------------------------------------------------------------------------------------------


async def candidates(session: AsyncSession, queue: str) -> list[Candidate]:
    """Statement 1."""
    return [Candidate(*row) for row in await session.execute(_texts(session).candidates, {"q": queue})]


async def queues_with_work(session: AsyncSession, queues: Sequence[str]) -> set[str]:
    """Which of the queues have a queued job: one look instead of one per queue."""
    looks = [exists().where(Job.queue == queue, Job.state == "queued").label(queue) for queue in queues]
    row = (await session.execute(select(*looks))).one()
    return {queue for queue, found in zip(queues, row, strict=True) if found}


async def claim(session: AsyncSession, candidate: Candidate, worker: str, token: str, lease_s: float) -> Claimed | None:
    """Statement 2; None when another worker was first."""
    values = {"id": candidate.id, "w": worker, "t": token, "lease": lease_s}
    if await matched_rows(session, _texts(session).claim, values) != 1:
        return None
    query = select(Job.attempts, Job.max_attempts, Job.parent_id).where(Job.id == candidate.id)
    attempts, max_attempts, parent_id = (await session.execute(query)).one()
    args = json.loads(candidate.args)
    return Claimed(candidate.id, candidate.kind, args, token, attempts, max_attempts, parent_id)


async def heartbeat(
    session: AsyncSession, job_id: int, token: str, lease_s: float, progress: float, stage: str | None
) -> bool:
    """Statement 3; False when the lease is lost."""
    values = {"id": job_id, "t": token, "lease": lease_s, "p": progress, "s": stage}
    return await matched_rows(session, _texts(session).heartbeat, values) == 1


async def is_owner(session: AsyncSession, job: Claimed) -> bool:
    """Whether the job still runs under this attempt's token."""
    query = select(Job.id).where(Job.id == job.id, Job.token == job.token, Job.state == "running")
    return (await session.execute(query)).first() is not None


async def finish(session: AsyncSession, job: Claimed, ending: Ending) -> bool:
    """Statement 4 for an end; False when the lease is lost. `child_ended` must follow in the same transaction."""
    values = {
        "id": job.id,
        "t": job.token,
        "st": ending.state,
        "p": ending.progress,
        "e": _bounded(ending.error),
        "result": None if ending.result is None else json.dumps(ending.result, ensure_ascii=False),
    }
    return await matched_rows(session, _texts(session).finish, values) == 1


async def child_ended(session: AsyncSession, parent_id: int | None) -> None:
    """Statement 6, for a child that has just ended in this transaction."""
    if parent_id is not None:
        await session.execute(_texts(session).child_ended, {"parent": parent_id})
        await session.execute(_texts(session).parent_ready, {"parent": parent_id})


async def retry(session: AsyncSession, job: Claimed, error: str, backoff_s: float) -> bool:
    """Statement 4 for another attempt after `backoff_s`; False when the lease is lost."""
    values = {"id": job.id, "t": job.token, "e": _bounded(error), "backoff": backoff_s}
    return await matched_rows(session, _texts(session).retry, values) == 1


async def release(session: AsyncSession, job: Claimed) -> bool:
    """Statement 4 for a worker that stops: back to the queue as if it had not been claimed."""
    return await matched_rows(session, _texts(session).release, {"id": job.id, "t": job.token}) == 1


async def cancel_requests(session: AsyncSession, worker: str) -> set[str]:
    """Tokens of this worker's running jobs that somebody wants to end."""
    query = select(Job.token).where(Job.worker == worker, Job.state == "running", Job.cancel == 1)
    return {token for token in (await session.execute(query)).scalars() if token}


async def children(session: AsyncSession, parent_id: int) -> list[Child]:
    """The children of a parent in the order of their making."""
    query = select(Job.id, Job.kind, Job.state, Job.error, Job.result).where(Job.parent_id == parent_id)
    rows = await session.execute(query.order_by(Job.id))
    return [
        Child(number, kind, state, error, None if result is None else json.loads(result))
        for number, kind, state, error, result in rows
    ]


async def save_log(session: AsyncSession, job_id: int, tail: str) -> None:
    """Keep the last lines of a job."""
    await upsert(session, JobLog, {"job_id": job_id, "tail": tail}, key=["job_id"])


def _bounded(error: str | None) -> str | None:
    return None if error is None else error[:_MAX_ERROR]


# --- sweep ------------------------------------------------------------------------------------------------------------


async def expired(session: AsyncSession, limit: int = 200) -> list[tuple[int, int | None]]:
    """Running jobs whose lease has ended: (id, parent)."""
    query = select(Job.id, Job.parent_id).where(Job.state == "running", Job.lease_until < db_now()).limit(limit)
    return [(row.id, row.parent_id) for row in await session.execute(query)]


async def running_of(session: AsyncSession, worker: str) -> list[tuple[int, int | None]]:
    """Running jobs of one worker: (id, parent)."""
    query = select(Job.id, Job.parent_id).where(Job.state == "running", Job.worker == worker)
    return [(row.id, row.parent_id) for row in await session.execute(query)]


async def sweep(session: AsyncSession, job_id: int, parent_id: int | None) -> bool:
    """Statement 5 for one dead lease, with 6 when the job ends by it; False when somebody else was first."""
    if await matched_rows(session, _texts(session).sweep, {"id": job_id}) != 1:
        return False
    await _fan_in_if_ended(session, job_id, parent_id)
    return True


async def fast_restart(session: AsyncSession, job_id: int, parent_id: int | None, worker: str) -> bool:
    """As `sweep`, for a job of this worker's former life, without waiting for its lease."""
    if await matched_rows(session, _texts(session).fast_restart, {"id": job_id, "w": worker}) != 1:
        return False
    await _fan_in_if_ended(session, job_id, parent_id)
    return True


async def _fan_in_if_ended(session: AsyncSession, job_id: int, parent_id: int | None) -> None:
    state = (await session.execute(select(Job.state).where(Job.id == job_id))).scalar_one()
    if state in TERMINAL:
        await child_ended(session, parent_id)


async def queue_due(session: AsyncSession) -> int:
    """Statement 5 for back-offs and future jobs whose time has come; returns how many."""
    return await matched_rows(session, _texts(session).due, {})


async def current_tokens(session: AsyncSession, job_ids: Sequence[int]) -> dict[int, str]:
    """The tokens in force of those of the jobs that are running."""
    query = select(Job.id, Job.token).where(Job.id.in_(job_ids), Job.state == "running")
    return {row.id: row.token for row in await session.execute(query) if row.token}


async def purge_ended(session: AsyncSession, older_than_s: float, limit: int = 1000) -> int:
    """Delete jobs that ended long ago, with their logs; returns how many."""
    old = select(Job.id).where(Job.state.in_(TERMINAL), Job.updated_at < db_now() - older_than_s).limit(limit)
    ids = list((await session.execute(old)).scalars())
    if ids:
        await session.execute(delete(JobLog).where(JobLog.job_id.in_(ids)))
        await session.execute(delete(Job).where(Job.id.in_(ids)))
    return len(ids)


# --- clock ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agenda:
    """The database's time and what comes next, in seconds since 1970."""

    now: float
    next_due: float | None
    next_tick: float | None


async def agenda(session: AsyncSession) -> Agenda:
    """What the clock has to wake up for."""
    due = select(func.min(Job.run_at)).where(Job.state == "scheduled").scalar_subquery()
    tick = select(func.min(JobSchedule.next_at)).scalar_subquery()
    now, next_due, next_tick = (await session.execute(select(db_now(), due, tick))).one()
    return Agenda(float(now), next_due, next_tick)


async def schedules(session: AsyncSession) -> list[JobSchedule]:
    """All periodic tasks by name."""
    return list((await session.execute(select(JobSchedule).order_by(JobSchedule.name))).scalars())


async def tick(session: AsyncSession, name: str, seen: float, following: float) -> bool:
    """Statement 7; False when another worker has fired this tick."""
    return await matched_rows(session, _texts(session).tick, {"n": name, "seen": seen, "next": following}) == 1


async def add_schedule(session: AsyncSession, name: str, cron: str, next_at: float) -> None:
    """Insert a periodic task; one that another worker has just inserted keeps its clock hand."""
    await upsert(session, JobSchedule, {"name": name, "cron": cron, "next_at": next_at}, key=["name"], update=[])


async def change_schedule(session: AsyncSession, seen: JobSchedule, cron: str, next_at: float) -> None:
    """Give a periodic task another expression or hour, unless another worker has just done it."""
    same = (JobSchedule.name == seen.name, JobSchedule.cron == seen.cron, JobSchedule.next_at == seen.next_at)
    await matched_rows(session, update(JobSchedule).where(*same).values(cron=cron, next_at=next_at))


async def delete_schedules_except(session: AsyncSession, names: Sequence[str]) -> None:
    """Forget periodic tasks that no code knows any more."""
    await session.execute(delete(JobSchedule).where(JobSchedule.name.not_in(names)))


# --- workers ----------------------------------------------------------------------------------------------------------


async def save_worker(session: AsyncSession, values: Mapping[str, Any]) -> None:
    """A sign of life of a worker process; `started_at` is kept from the first one."""
    row = {**values, "started_at": db_now(), "seen_at": db_now()}
    await upsert(session, JobWorker, row, key=["id"], update=["host", "pid", "version", "queues", "seen_at"])


async def delete_worker(session: AsyncSession, worker: str) -> None:
    """A worker has stopped cleanly."""
    await session.execute(delete(JobWorker).where(JobWorker.id == worker))


async def delete_old_workers(session: AsyncSession, older_than_s: float) -> None:
    """Forget workers that were last seen long ago."""
    await session.execute(delete(JobWorker).where(JobWorker.seen_at < db_now() - older_than_s))
