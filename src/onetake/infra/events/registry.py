"""Which handlers want which events."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, is_dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

E = TypeVar("E")
Handler = Callable[[AsyncSession, E], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A handler under its stable name, by which the outbox remembers that it is done."""

    name: str
    event_class: type[Any]
    handler: Handler[Any]


class EventRegistry:
    """Handlers by event type."""

    def __init__(self) -> None:
        self._subscribers: dict[str, list[Subscriber]] = {}

    def add(self, event_class: type[E], handler: Handler[E]) -> None:
        """Register once; a second registration of the same function is a programming error (ValueError)."""
        name = f"{handler.__module__.removeprefix('onetake.')}.{getattr(handler, '__qualname__', repr(handler))}"
        subscribers = self._subscribers.setdefault(type_name(event_class), [])
        if any(known.name == name for known in subscribers):
            raise ValueError(f"{name} already handles {type_name(event_class)}")
        subscribers.append(Subscriber(name, event_class, handler))

    def subscribers(self, event_type: str) -> tuple[Subscriber, ...]:
        """Everybody who wants events of this type, in the order of registration."""
        return tuple(self._subscribers.get(event_type, ()))


REGISTRY = EventRegistry()


def handles(event_class: type[E], registry: EventRegistry = REGISTRY) -> Callable[[Handler[E]], Handler[E]]:
    """Register `async def handler(session, event)`.

    It runs in a transaction of its own, together with the note that it is done. It must be idempotent and must not wait
    for a network: enqueue a job for that.
    """

    def register(handler: Handler[E]) -> Handler[E]:
        registry.add(event_class, handler)
        return handler

    return register


def type_name(event_class: type[Any]) -> str:
    """The stable name in the outbox: `<domain>.<Class>`, as in `accounts.UserDisabled`."""
    module = event_class.__module__.removeprefix("onetake.").removesuffix(".events")
    return f"{module}.{event_class.__qualname__}"


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def adapter(event_class: type[E]) -> TypeAdapter[E]:
    """Turns an event into JSON and back, with datetimes, UUIDs and enums. Raises TypeError for non-dataclasses."""
    if not is_dataclass(event_class):
        raise TypeError(f"{event_class.__qualname__} must be a frozen dataclass")
    if event_class not in _adapters:
        _adapters[event_class] = TypeAdapter(event_class)
    return _adapters[event_class]
