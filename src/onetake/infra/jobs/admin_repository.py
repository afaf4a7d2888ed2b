"""SQL behind the admin page: lists, counts, retry and cancel."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db.clock import db_now
from onetake.infra.db.rows import matched_rows
from onetake.infra.jobs.models import Job, JobLog, JobWorker
from onetake.infra.jobs.repository import ACTIVE, child_ended

SORTS = {
    "id": Job.id,
    "created_at": Job.created_at,
    "updated_at": Job.updated_at,
    "started_at": Job.started_at,
    "finished_at": Job.finished_at,
    "priority": Job.priority,
    "kind": Job.kind,
    "state": Job.state,
}


def _filtered(
    states: Sequence[str], queue: str | None, kind: str | None, parent_id: int | None
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if states:
        conditions.append(Job.state.in_(states))
    if queue is not None:
        conditions.append(Job.queue == queue)
    if kind is not None:
        conditions.append(Job.kind.startswith(kind, autoescape=True))
    if parent_id is not None:
        conditions.append(Job.parent_id == parent_id)
    return conditions


async def page(
    session: AsyncSession,
    *,
    states: Sequence[str],
    queue: str | None,
    kind: str | None,
    parent_id: int | None,
    order: Sequence[tuple[str, bool]],
    offset: int,
    limit: int,
) -> tuple[list[Job], int]:
    """Rows of one page and the number of all."""
    conditions = _filtered(states, queue, kind, parent_id)
    total = (await session.execute(select(func.count(Job.id)).where(*conditions))).scalar_one()
    columns = [SORTS[name].desc() if descending else SORTS[name].asc() for name, descending in order]
    query = select(Job).where(*conditions).order_by(*columns, Job.id.desc())
    rows = (await session.execute(query.offset(offset).limit(limit))).scalars()
    return list(rows), total


async def one(session: AsyncSession, job_id: int) -> Job | None:
    """The row with this number, as it is now."""
    query = select(Job).where(Job.id == job_id).execution_options(populate_existing=True)
    return (await session.execute(query)).scalar_one_or_none()


async def children_of(session: AsyncSession, job_id: int, limit: int = 500) -> list[Job]:
    """The rows of a parent's children."""
    query = select(Job).where(Job.parent_id == job_id).order_by(Job.id).limit(limit)
    return list((await session.execute(query)).scalars())


async def mean_progress(session: AsyncSession, parents: Sequence[int]) -> dict[int, float]:
    """Mean progress of the children of each parent; an ended child counts as whole."""
    done = case((Job.state.in_(ACTIVE), Job.progress), else_=1.0)
    query = select(Job.parent_id, func.avg(done)).where(Job.parent_id.in_(parents)).group_by(Job.parent_id)
    return {parent: float(mean) for parent, mean in await session.execute(query) if parent is not None}


async def log_tail(session: AsyncSession, job_id: int) -> str:
    """The last lines of the job's log."""
    return (await session.execute(select(JobLog.tail).where(JobLog.job_id == job_id))).scalar_one_or_none() or ""


async def counts(session: AsyncSession) -> list[tuple[str, str, int]]:
    """(queue, state, number) of all jobs."""
    query = select(Job.queue, Job.state, func.count(Job.id)).group_by(Job.queue, Job.state)
    return [(queue, state, number) for queue, state, number in await session.execute(query)]


async def oldest_waiting_s(session: AsyncSession) -> dict[str, float]:
    """For how long the oldest queued job of each queue has been due."""
    query = select(Job.queue, db_now() - func.min(Job.run_at)).where(Job.state == "queued").group_by(Job.queue)
    return {queue: max(0.0, float(age)) for queue, age in await session.execute(query)}


async def changed_since(session: AsyncSession, since: float, limit: int) -> list[Job]:
    """Jobs written at `since` (database's clock) or later, oldest change first."""
    query = select(Job).where(Job.updated_at >= since).order_by(Job.updated_at, Job.id).limit(limit)
    return list((await session.execute(query)).scalars())


async def now(session: AsyncSession) -> float:
    """The database's clock, seconds since 1970."""
    return float((await session.execute(select(db_now()))).scalar_one())


async def workers(session: AsyncSession) -> list[tuple[JobWorker, float, int]]:
    """(worker, seconds since its last sign of life, number of its running jobs)."""
    running = (
        select(func.count(Job.id))
        .where(Job.state == "running", Job.worker == JobWorker.id)
        .correlate(JobWorker)
        .scalar_subquery()
    )
    query = select(JobWorker, db_now() - JobWorker.seen_at, running).order_by(JobWorker.host, JobWorker.id)
    return [(worker, float(silent_s), number) for worker, silent_s, number in await session.execute(query)]


# --- acts -------------------------------------------------------------------------------------------------------------

_UNSTARTED = ("scheduled", "queued", "waiting")
_ENDED_BADLY = ("failed", "cancelled")


async def cancel_unstarted(session: AsyncSession, job_id: int) -> bool:
    """End a job that does not run; False when it runs or has ended."""
    return await _end_unstarted(session, Job.id == job_id) == 1


async def request_cancel(session: AsyncSession, job_id: int) -> bool:
    """Ask the worker of a running job to end it; False when it does not run."""
    return await _flag_running(session, Job.id == job_id, cancel=1) == 1


async def cancel_children(session: AsyncSession, parent_id: int) -> None:
    """Both for all children of a cancelled parent, which counts them no longer."""
    await _end_unstarted(session, Job.parent_id == parent_id)
    await _flag_running(session, Job.parent_id == parent_id, cancel=1)


async def fan_in(session: AsyncSession, parent_id: int | None) -> None:
    """A child ended outside of a worker."""
    await child_ended(session, parent_id)


async def requeue(session: AsyncSession, job_id: int) -> bool:
    """Give an ended job all its attempts back; False when it has not failed or been cancelled.

    It waits now: `count_children` must follow in the same transaction.
    """
    return await _revive(session, Job.id == job_id, "waiting") == 1


async def requeue_children(session: AsyncSession, parent_id: int) -> None:
    """Give the children that ended badly another chance, and let those that still run finish."""
    await _revive(session, Job.parent_id == parent_id, "queued")
    await _flag_running(session, Job.parent_id == parent_id, cancel=0)


async def count_children(session: AsyncSession, job_id: int) -> None:
    """Count the living children of a job that `requeue` has just locked; without any it is queued.

    A child that ends meanwhile waits for that lock with its own counting down, so none is missed or counted twice.
    """
    query = select(func.count(Job.id)).where(Job.parent_id == job_id, Job.state.in_(ACTIVE))
    living = (await session.execute(query)).scalar_one()
    state = "waiting" if living else "queued"
    await matched_rows(session, update(Job).where(Job.id == job_id).values(state=state, waiting=living))


async def wait_for_one_more(session: AsyncSession, parent_id: int) -> bool:
    """A child runs again, so its parent waits for it if it has not started; False when it has."""
    statement = update(Job).where(Job.id == parent_id, Job.state.in_(_UNSTARTED))
    return await matched_rows(session, statement.values(state="waiting", waiting=Job.waiting + 1)) == 1


async def _end_unstarted(session: AsyncSession, which: ColumnElement[bool]) -> int:
    ended = {"state": "cancelled", "error": "cancelled by a person", "finished_at": db_now(), "updated_at": db_now()}
    return await matched_rows(session, update(Job).where(which, Job.state.in_(_UNSTARTED)).values(**ended))


async def _flag_running(session: AsyncSession, which: ColumnElement[bool], *, cancel: int) -> int:
    flag = {"cancel": cancel, "updated_at": db_now()}
    return await matched_rows(session, update(Job).where(which, Job.state == "running").values(**flag))


async def _revive(session: AsyncSession, which: ColumnElement[bool], state: str) -> int:
    fresh = {"attempts": 0, "cancel": 0, "progress": 0.0, "error": None, "finished_at": None, "result": None}
    moment = {"state": state, "stage": None, "run_at": db_now(), "updated_at": db_now()}
    return await matched_rows(session, update(Job).where(which, Job.state.in_(_ENDED_BADLY)).values(**fresh, **moment))
