"""SQL of the outbox: portable compare-and-set, as in the job queue."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db.clock import db_now
from onetake.infra.db.rows import matched_rows
from onetake.infra.events.models import OutboxEvent

_MAX_ERROR = 4000


@dataclass(frozen=True, slots=True)
class Pending:
    """An event at the head of its stream. `waits_s` is negative or zero when it is due."""

    id: int
    type: str
    payload: Any
    attempts: int
    handled: list[str]
    waits_s: float


async def insert_event(session: AsyncSession, *, type: str, stream: str, payload: Any) -> None:
    """Add a pending event to the caller's transaction."""
    now = db_now()
    row = {"type": type, "stream": stream, "payload": payload, "state": "pending", "attempts": 0, "handled": []}
    await session.execute(insert(OutboxEvent).values(**row, next_at=now, created_at=now))


async def heads(session: AsyncSession, limit: int) -> list[Pending]:
    """The oldest pending event of each stream that nobody has claimed, soonest due first."""
    oldest = (
        select(func.min(OutboxEvent.id).label("id"))
        .where(OutboxEvent.state == "pending")
        .group_by(OutboxEvent.stream)
        .subquery()
    )
    waits_s = (OutboxEvent.next_at - db_now()).label("waits_s")
    query = (
        select(
            OutboxEvent.id, OutboxEvent.type, OutboxEvent.payload, OutboxEvent.attempts, OutboxEvent.handled, waits_s
        )
        .join(oldest, oldest.c.id == OutboxEvent.id)
        .where(_unclaimed())
        .order_by(OutboxEvent.next_at, OutboxEvent.id)
        .limit(limit)
    )
    return [Pending(*row) for row in (await session.execute(query)).all()]


async def claim(session: AsyncSession, event_id: int, token: str, lease_s: float) -> bool:
    """Take the event for `lease_s`; False when another relay was first."""
    statement = (
        update(OutboxEvent)
        .where(OutboxEvent.id == event_id, OutboxEvent.state == "pending", _unclaimed())
        .values(claim=token, claim_until=db_now() + lease_s, attempts=OutboxEvent.attempts + 1)
    )
    return await matched_rows(session, statement) == 1


async def mark_handled(session: AsyncSession, event_id: int, token: str, handled: list[str]) -> bool:
    """Note which handlers are done; False when the claim was lost and the handler's work must be rolled back."""
    return await _update_claimed(session, event_id, token, {"handled": handled})


async def finish(session: AsyncSession, event_id: int, token: str) -> bool:
    """Every handler is done."""
    values = {"state": "done", "done_at": db_now(), "claim": None, "claim_until": None, "error": None}
    return await _update_claimed(session, event_id, token, values)


async def postpone(session: AsyncSession, event_id: int, token: str, error: str, backoff_s: float) -> bool:
    """A handler failed: try again after `backoff_s`."""
    values = {"next_at": db_now() + backoff_s, "claim": None, "claim_until": None, "error": error[:_MAX_ERROR]}
    return await _update_claimed(session, event_id, token, values)


async def bury(session: AsyncSession, event_id: int, token: str, error: str) -> bool:
    """A handler failed too often: set the event aside as a dead letter, so that its stream goes on."""
    values = {"state": "dead", "done_at": db_now(), "claim": None, "claim_until": None, "error": error[:_MAX_ERROR]}
    return await _update_claimed(session, event_id, token, values)


async def revive(session: AsyncSession, event_id: int) -> bool:
    """Give a dead letter its attempts back."""
    statement = (
        update(OutboxEvent)
        .where(OutboxEvent.id == event_id, OutboxEvent.state == "dead")
        .values(state="pending", attempts=0, next_at=db_now(), done_at=None)
    )
    return await matched_rows(session, statement) == 1


async def dead_letters(session: AsyncSession, limit: int = 100) -> list[OutboxEvent]:
    """The newest events that were set aside."""
    query = select(OutboxEvent).where(OutboxEvent.state == "dead").order_by(OutboxEvent.id.desc()).limit(limit)
    return list((await session.execute(query)).scalars())


async def count_by_state(session: AsyncSession) -> dict[str, int]:
    """How many events are pending, done and dead."""
    rows = await session.execute(select(OutboxEvent.state, func.count()).group_by(OutboxEvent.state))
    return {state: count for state, count in rows.all()}  # noqa: C416  a Row is no pair for the type checker


async def purge_done(session: AsyncSession, older_than_s: float) -> int:
    """Delete handled events; dead letters stay. Returns how many went."""
    statement = delete(OutboxEvent).where(OutboxEvent.state == "done", OutboxEvent.done_at < db_now() - older_than_s)
    return await matched_rows(session, statement)


def _unclaimed() -> Any:
    return or_(OutboxEvent.claim_until.is_(None), OutboxEvent.claim_until < db_now())


async def _update_claimed(session: AsyncSession, event_id: int, token: str, values: dict[str, Any]) -> bool:
    statement = update(OutboxEvent).where(
        OutboxEvent.id == event_id, OutboxEvent.claim == token, OutboxEvent.state == "pending"
    )
    return await matched_rows(session, statement.values(**values)) == 1
