"""Emitting: one row in the caller's transaction."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db import on_commit
from onetake.infra.events import repository
from onetake.infra.events.registry import adapter, type_name

_MAX_STREAM = 128
_wakers: set[Callable[[], None]] = set()


async def emit(session: AsyncSession, event: object, *, stream: str | None = None) -> None:
    """Record that `event` (a frozen dataclass) happened, if and only if the caller's transaction commits.

    Events of one `stream` (`user:7`) are handled in the order of their emission; by default each event type is a
    stream of its own. Raises TypeError for anything but a dataclass.
    """
    event_class = type(event)
    payload = adapter(event_class).dump_python(event, mode="json")
    name = type_name(event_class)
    await repository.insert_event(session, type=name, stream=(stream or name)[:_MAX_STREAM], payload=payload)
    on_commit(session, wake_relays)


def wake_relays() -> None:
    """Tell the relays of this process that there is work; those of other processes watch the database."""
    for waker in tuple(_wakers):
        waker()


def add_waker(waker: Callable[[], None]) -> Callable[[], None]:
    """Register a relay's wake-up; returns the function that removes it."""
    _wakers.add(waker)
    return lambda: _wakers.discard(waker)
