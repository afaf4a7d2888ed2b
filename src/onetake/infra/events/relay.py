"""The relay: hands events to their handlers at least once, in order per stream, with retries and dead letters."""

import asyncio
import logging
import random
import traceback
from dataclasses import dataclass

from onetake.infra.context import SYSTEM, acting_as
from onetake.infra.db import Database
from onetake.infra.events import repository
from onetake.infra.events.outbox import add_waker
from onetake.infra.events.registry import REGISTRY, EventRegistry, Subscriber, adapter
from onetake.infra.events.repository import Pending
from onetake.kit.ids import random_hex
from onetake.kit.redact import redact

_logger = logging.getLogger(__name__)
_BATCH = 32
_TROUBLE_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class RelayTimes:
    """How patient a relay is. `poll_s` is only a net: whoever runs a relay calls `wake()` when the database changes."""

    poll_s: float = 10.0
    claim_s: float = 60.0
    handler_timeout_s: float = 30.0
    retry_base_s: float = 2.0
    retry_max_s: float = 600.0
    max_attempts: int = 10


class _ClaimLost(Exception):
    """Another relay took the event over; what this handler did is rolled back."""


class Relay:
    """Any number of relays may run, in any number of processes."""

    def __init__(self, db: Database, registry: EventRegistry = REGISTRY, times: RelayTimes | None = None) -> None:
        self._db = db
        self._registry = registry
        self._times = times or RelayTimes()
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Relay until cancelled; a database that is away is waited for."""
        remove_waker = add_waker(self._woken.set)
        try:
            while True:
                pause_s = await self._round_safely()
                await self._wait(pause_s)
        finally:
            remove_waker()

    async def drain(self) -> int:
        """Handle everything that is due now; returns how many events ended (done or dead)."""
        return (await self._drain())[0]

    async def _drain(self) -> tuple[int, float]:
        """How many events ended, and the seconds until the next one is due."""
        ended = 0
        while True:
            heads = await self._heads()
            due = [event for event in heads if event.waits_s <= 0]
            if not due:
                return ended, min([event.waits_s for event in heads], default=float("inf"))
            ended += sum([await self._relay(event) for event in due])

    def wake(self) -> None:
        """There may be work now."""
        self._woken.set()

    async def _round_safely(self) -> float:
        """One drain; returns how long to wait for the next at most."""
        try:
            _, wait_s = await self._drain()
        except Exception:
            _logger.exception("the relay of events will try again")
            return _TROUBLE_PAUSE_S
        return min(self._times.poll_s, wait_s)

    async def _wait(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    async def _heads(self) -> list[Pending]:
        async with self._db.read() as session:
            return await repository.heads(session, _BATCH)

    async def _relay(self, event: Pending) -> bool:
        """Claim one event and run its handlers; True when it has ended."""
        token = random_hex()
        async with self._db.write() as session:
            if not await repository.claim(session, event.id, token, self._times.claim_s):
                return False
        handled = list(event.handled)
        for subscriber in self._registry.subscribers(event.type):
            if subscriber.name in handled:
                continue
            try:
                await self._handle(event, token, subscriber, handled)
            except _ClaimLost:
                return False
            except Exception as error:
                return await self._failed(event, token, subscriber, error)
        async with self._db.write() as session:
            return await repository.finish(session, event.id, token)

    async def _handle(self, event: Pending, token: str, subscriber: Subscriber, handled: list[str]) -> None:
        """The handler's writes and the note that it is done are one transaction."""
        payload = adapter(subscriber.event_class).validate_python(event.payload)
        with acting_as(SYSTEM):
            async with asyncio.timeout(self._times.handler_timeout_s), self._db.write() as session:
                await subscriber.handler(session, payload)
                done = [*handled, subscriber.name]
                if not await repository.mark_handled(session, event.id, token, done):
                    raise _ClaimLost
        handled[:] = done

    async def _failed(self, event: Pending, token: str, subscriber: Subscriber, error: Exception) -> bool:
        attempts = event.attempts + 1
        lines = traceback.format_exception_only(error)
        text = redact(f"{subscriber.name}: {''.join(lines).strip()}")
        _logger.warning("event %d (%s), attempt %d: %s", event.id, event.type, attempts, text)
        async with self._db.write() as session:
            if attempts >= self._times.max_attempts:
                return await repository.bury(session, event.id, token, text)
            await repository.postpone(session, event.id, token, text, self._backoff_s(attempts))
        return False

    def _backoff_s(self, attempts: int) -> float:
        exact = self._times.retry_base_s * 2.0 ** (attempts - 1)
        return min(self._times.retry_max_s, exact) * random.uniform(0.8, 1.2)
