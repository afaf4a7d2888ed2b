"""Live updates for browsers: one WebSocket per page, topics with permissions, strict limits (K1, K2, R30).

Who somebody is comes from a `SocketGate`, which the accounts implement. Permissions are compared as text, so that this
module need not know them.
"""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import WebSocket, WebSocketDisconnect

from onetake.infra.logging import get_logger
from onetake.infra.pubsub import PubSub
from onetake.infra.ratelimit import Limit, RateLimiter
from onetake.infra.web.guards import OriginRule
from onetake.infra.web.headers import header
from onetake.infra.web.proxies import address_block

PROTOCOL = "onetake"
TICKET_PREFIX = "ticket."
MAX_FRAME_BYTES = 8 * 1024
MAX_QUEUED_BYTES = 1 << 20
MAX_PER_USER = 5
MAX_PER_ADDRESS = 50
MESSAGES = Limit("ws-message", 20, 10)
RECHECK_S = 5.0
"""Half of the ten seconds within which a ban or log-out must close a socket (S5)."""

POLICY_VIOLATION = 1008
TOO_BIG = 1009
INTERNAL_ERROR = 1011
SESSION_ENDED = 4401
_CLOSE_WAIT_S = 5.0
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SocketIdentity:
    """Who is at the other end. `grant` names the session or API token that the socket lives by."""

    user_id: int
    grant: str
    permissions: frozenset[str]


class SocketGate(Protocol):
    """Knows tickets and whether somebody is still welcome."""

    async def redeem(self, ticket: str) -> SocketIdentity | None:
        """Whose ticket this is; it is worthless afterwards. None for one that is not good."""

    async def still_welcome(self, grants: set[str]) -> Mapping[str, frozenset[str]]:
        """Permissions of this moment for those grants that are still good."""


class SocketHub:
    """All WebSockets of this process."""

    def __init__(self, pubsub: PubSub, gate: SocketGate, limiter: RateLimiter, origins: OriginRule) -> None:
        self.pubsub = pubsub
        self.limiter = limiter
        self._gate = gate
        self._origins = origins
        self._topics: dict[str, str] = {}
        self._connections: set[_Connection] = set()
        self._by_address: Counter[str] = Counter()
        self._by_user: Counter[int] = Counter()

    def declare_topic(self, name: str, permission: str) -> None:
        """Let those with `permission` subscribe to the pub-sub topic `name`."""
        self._topics[name] = permission

    def may_hear(self, identity_permissions: frozenset[str], topic: str) -> bool:
        """Whether a topic exists and these permissions open it."""
        permission = self._topics.get(topic)
        return permission is not None and permission in identity_permissions

    async def serve(self, socket: WebSocket) -> None:
        """One connection from handshake to end. Refusals come before `accept` and reach the client as HTTP 403."""
        block = address_block(socket.client.host if socket.client else None)
        if not self._origins.is_ours(header(socket.scope, "origin"), socket.scope):
            await socket.close(POLICY_VIOLATION)
            return
        if self._by_address[block] >= MAX_PER_ADDRESS:
            await socket.close(POLICY_VIOLATION)
            return
        with _counted(self._by_address, block):
            await self._admit(socket)

    async def _admit(self, socket: WebSocket) -> None:
        ticket = _offered_ticket(socket)
        identity = await self._gate.redeem(ticket) if ticket else None
        if identity is None or self._by_user[identity.user_id] >= MAX_PER_USER:
            await socket.close(POLICY_VIOLATION)
            return
        with _counted(self._by_user, identity.user_id):
            await socket.accept(subprotocol=PROTOCOL)
            connection = _Connection(self, socket, identity)
            self._connections.add(connection)
            try:
                await connection.run()
            finally:
                self._connections.discard(connection)

    async def watch(self) -> None:
        """Close what is no longer welcome, every few seconds, for ever."""
        while True:
            await asyncio.sleep(RECHECK_S)
            try:
                await self.recheck()
            except Exception:  # a database that is away for a moment must not end the watch
                _log.exception("sockets could not be checked")

    async def recheck(self) -> None:
        """Ask once, in one question for all connections, who is still welcome and for what."""
        if not self._connections:
            return
        present = tuple(self._connections)
        welcome = await self._gate.still_welcome({connection.identity.grant for connection in present})
        for connection in present:
            permissions = welcome.get(connection.identity.grant)
            if permissions is None:
                connection.end(SESSION_ENDED)
            else:
                connection.restrict(permissions)


class _Connection:
    """One accepted socket: a reader, a sender with a bounded queue, and a pump per subscribed topic."""

    def __init__(self, hub: SocketHub, socket: WebSocket, identity: SocketIdentity) -> None:
        self.identity = identity
        self._hub = hub
        self._socket = socket
        self._permissions = identity.permissions
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._queued_bytes = 0
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Until the client leaves, breaks a rule, reads too slowly or is no longer welcome."""
        work: list[asyncio.Future[Any]] = [asyncio.create_task(self._read()), asyncio.create_task(self._send())]
        try:
            await asyncio.wait([*work, self._ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel([*work, *self._pumps.values()])
        self._report(work)
        if self._ended.done():
            with contextlib.suppress(Exception):  # the other side may be gone already
                await asyncio.wait_for(self._socket.close(self._ended.result()), _CLOSE_WAIT_S)

    def _report(self, work: list[asyncio.Future[Any]]) -> None:
        """A fault of ours must not vanish: say it in the log and close as for any other end."""
        for task in work:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                _log.error("a WebSocket failed", exc_info=error)
                self.end(INTERNAL_ERROR)

    def end(self, code: int) -> None:
        """Close with this code as soon as possible."""
        if not self._ended.done():
            self._ended.set_result(code)

    def restrict(self, permissions: frozenset[str]) -> None:
        """Stop what these permissions no longer allow."""
        self._permissions = permissions
        for topic in [topic for topic in self._pumps if not self._hub.may_hear(permissions, topic)]:
            self._unsubscribe(topic)

    async def _read(self) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                code = await self._obey(message.get("text"))
                if code:
                    self.end(code)
                    return

    async def _obey(self, text: str | None) -> int | None:
        """Do what one frame asks; a close code when it breaks a rule."""
        if text is None:
            return POLICY_VIOLATION  # binary frames mean nothing here
        if len(text.encode("utf-8", "surrogatepass")) > MAX_FRAME_BYTES:
            return TOO_BIG
        if not await self._hub.limiter.allow(MESSAGES, str(self.identity.user_id)):
            return POLICY_VIOLATION
        kind, topic = _parse(text)
        if kind == "ping":
            self._push({"type": "pong"})
        elif kind == "subscribe" and topic is not None:
            self._subscribe(topic)
        elif kind == "unsubscribe" and topic is not None:
            self._unsubscribe(topic)
        else:
            return POLICY_VIOLATION
        return None

    def _subscribe(self, topic: str) -> None:
        if not self._hub.may_hear(self._permissions, topic):
            self._push({"type": "error", "topic": topic[:64], "code": "not_allowed"})
        elif topic not in self._pumps:
            self._pumps[topic] = asyncio.create_task(self._pump(topic))

    def _unsubscribe(self, topic: str) -> None:
        pump = self._pumps.pop(topic, None)
        if pump is not None:
            pump.cancel()

    async def _pump(self, topic: str) -> None:
        with self._hub.pubsub.subscribe(topic) as updates:
            self._push({"type": "subscribed", "topic": topic})
            async for message in updates:
                self._push({"topic": message.topic, "event": message.event, "data": message.data})

    def _push(self, message: Mapping[str, Any]) -> None:
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), default=str)
        self._queued_bytes += len(text)
        if self._queued_bytes > MAX_QUEUED_BYTES:
            self.end(POLICY_VIOLATION)
        else:
            self._queue.put_nowait(text)

    async def _send(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # RuntimeError: closed under our hands
            while True:
                text = await self._queue.get()
                await self._socket.send_text(text)
                self._queued_bytes -= len(text)


def _offered_ticket(socket: WebSocket) -> str | None:
    """The ticket among the offered sub-protocols; None unless ours is offered too."""
    offered: list[str] = socket.scope["subprotocols"]
    tickets = [name.removeprefix(TICKET_PREFIX) for name in offered if name.startswith(TICKET_PREFIX)]
    return tickets[0] if PROTOCOL in offered and len(tickets) == 1 else None


def _parse(text: str) -> tuple[object, str | None]:
    """Type and topic of a frame; (None, None) for anything that is no message of ours."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(message, dict):
        return None, None
    topic = message.get("topic")
    return message.get("type"), topic if isinstance(topic, str) else None


@contextlib.contextmanager
def _counted(counter: Counter[Any], key: Any) -> Any:
    counter[key] += 1
    try:
        yield
    finally:
        counter[key] -= 1
        if counter[key] <= 0:
            del counter[key]


async def _cancel(tasks: list[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
