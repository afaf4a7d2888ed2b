"""Live updates by topic: inside the process always, between processes through Redis when it is configured.

Delivery is at most once and for the moment only: whoever needs the truth reads the database. A slow subscriber loses
its oldest messages and is told so; it never slows a publisher down.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

LAGGED = "lagged"
"""Event name of the message that stands in for lost ones: the subscriber should read the whole state again."""
_MAX_WAITING = 256
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """One update. `data` is JSON-able."""

    topic: str
    event: str
    data: Mapping[str, Any] = field(default_factory=dict)


class Subscription:
    """The messages of one topic for one subscriber, as an endless async iterator."""

    def __init__(self, topic: str, max_waiting: int = _MAX_WAITING) -> None:
        self.topic = topic
        self._max_waiting = max_waiting
        self._waiting: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._lagged = False

    def deliver(self, message: Message) -> None:
        """Add a message; the oldest one makes room for it."""
        if len(self._waiting) >= self._max_waiting:
            self._waiting.popleft()
            self._lagged = True
        self._waiting.append(message)
        self._arrived.set()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        if self._lagged:
            self._lagged = False
            return Message(self.topic, LAGGED)
        return self._waiting.popleft()


class Carrier(Protocol):
    """Takes messages to the other processes and brings theirs to `PubSub.deliver`."""

    async def start(self, pubsub: "PubSub") -> None:
        """Begin to receive; must not fail when the other side is away."""

    async def send(self, message: Message) -> None:
        """Hand a message over; a failure loses it, which the contract of live updates allows."""

    async def stop(self) -> None:
        """End and release everything."""


class PubSub:
    """Topics of one process, optionally joined with other processes by a carrier."""

    def __init__(self, carrier: Carrier | None = None) -> None:
        self._carrier = carrier
        self._subscriptions: dict[str, set[Subscription]] = {}

    async def start(self) -> None:
        """Begin to receive from other processes."""
        if self._carrier is not None:
            await self._carrier.start(self)

    async def stop(self) -> None:
        """End the exchange with other processes."""
        if self._carrier is not None:
            await self._carrier.stop()

    async def publish(self, topic: str, event: str, data: Mapping[str, Any] | None = None) -> None:
        """Tell every subscriber of `topic`, here at once and elsewhere when the carrier is up."""
        message = Message(topic, event, data or {})
        self.deliver(message)
        if self._carrier is not None:
            await self._carrier.send(message)

    def deliver(self, message: Message) -> None:
        """Tell the subscribers of this process only."""
        for subscription in tuple(self._subscriptions.get(message.topic, ())):
            subscription.deliver(message)

    @contextmanager
    def subscribe(self, topic: str) -> Iterator[Subscription]:
        """`with pubsub.subscribe("jobs") as updates: async for message in updates: …`."""
        subscription = Subscription(topic)
        self._subscriptions.setdefault(topic, set()).add(subscription)
        try:
            yield subscription
        finally:
            self._forget(subscription)

    def has_subscribers(self, topic: str) -> bool:
        """Whether anybody in this process listens, so that a costly feed can rest otherwise."""
        return topic in self._subscriptions

    def _forget(self, subscription: Subscription) -> None:
        others = self._subscriptions.get(subscription.topic, set())
        others.discard(subscription)
        if not others:
            self._subscriptions.pop(subscription.topic, None)


def create_pubsub(redis_url: str | None = None) -> PubSub:
    """In-process topics; shared through Redis when `redis_url` is given."""
    if redis_url is None:
        return PubSub()
    from onetake.infra.pubsub_redis import RedisCarrier

    return PubSub(RedisCarrier(redis_url))
