"""Live updates over a real socket: admission, limits, revocation (K1, K2, R30, S5)."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.infra.web.conftest import Live
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from onetake.infra.web import websocket
from onetake.infra.web.websocket import SocketHub, _parse

pytestmark = pytest.mark.timeout(60)


async def ticket(live: Live, role: str = "operator") -> str:
    response = await live.http.post("/api/auth/ws-ticket", headers=await live.headers(role))
    assert response.status_code == 200
    found: str = response.json()["ticket"]
    return found


@asynccontextmanager
async def opened(
    live: Live, given_ticket: str | None, origin: str | None = "own", protocols: tuple[str, ...] | None = None
) -> AsyncIterator[ClientConnection]:
    offered = protocols if protocols is not None else ("onetake", f"ticket.{given_ticket}")
    own = live.origin if origin == "own" else origin
    async with connect(
        f"ws://127.0.0.1:{live.port}/api/ws",
        origin=Origin(own) if own else None,
        subprotocols=[Subprotocol(name) for name in offered] or None,
        proxy=None,
    ) as socket:
        yield socket


async def refused(live: Live, *args: Any, **options: Any) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with opened(live, *args, **options):
            pass
    return caught.value.response.status_code


async def subscribe(socket: ClientConnection, topic: str = "jobs") -> dict[str, Any]:
    await socket.send(json.dumps({"type": "subscribe", "topic": topic}))
    answer: dict[str, Any] = json.loads(await socket.recv())
    return answer


@pytest.fixture
def hub(live: Live) -> SocketHub:
    """The hub, with one topic for operators and one for administrators."""
    found: SocketHub = live.app.state.hub
    found.declare_topic("jobs", "jobs.read")
    found.declare_topic("audit", "audit.read")
    return found


async def test_updates_arrive_in_order(live: Live, hub: SocketHub) -> None:
    async with opened(live, await ticket(live)) as socket:
        assert socket.subprotocol == "onetake"
        assert await subscribe(socket) == {"type": "subscribed", "topic": "jobs"}
        for number in range(3):
            await hub.pubsub.publish("jobs", "updated", {"id": number, "state": "完成"})
        got = [json.loads(await socket.recv()) for _ in range(3)]
    assert got == [{"topic": "jobs", "event": "updated", "data": {"id": n, "state": "完成"}} for n in range(3)]


async def test_unsubscribing_stops_them(live: Live, hub: SocketHub) -> None:
    async with opened(live, await ticket(live)) as socket:
        await subscribe(socket)
        await socket.send('{"type":"unsubscribe","topic":"jobs"}')
        await socket.send('{"type":"ping"}')
        assert json.loads(await socket.recv()) == {"type": "pong"}
        await hub.pubsub.publish("jobs", "updated", {})
        await socket.send('{"type":"ping"}')
        assert json.loads(await socket.recv()) == {"type": "pong"}
    assert not hub.pubsub.has_subscribers("jobs")


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", "http://127.0.0.1:1"])
async def test_missing_or_foreign_origin_is_403_before_the_upgrade(live: Live, origin: str | None) -> None:
    good = await ticket(live)
    assert await refused(live, good, origin) == 403
    async with opened(live, good):
        pass  # the refusal did not even look at the ticket


async def test_a_ticket_is_needed_and_good_once(live: Live) -> None:
    good = await ticket(live)
    for protocols in (
        (),
        ("onetake",),
        (f"ticket.{good}",),
        ("onetake", "ticket.made-up"),
        ("onetake", "ticket.a", "ticket.b"),
    ):
        assert await refused(live, None, "own", protocols) == 403
    async with opened(live, good):
        pass
    assert await refused(live, good) == 403


async def test_topics_need_their_permission(live: Live, hub: SocketHub) -> None:
    async with opened(live, await ticket(live)) as socket:
        for topic in ("audit", "nothing", "jobs.1", ""):
            assert await subscribe(socket, topic) == {"type": "error", "topic": topic, "code": "not_allowed"}
    async with opened(live, await ticket(live, "member")) as socket:
        assert (await subscribe(socket))["code"] == "not_allowed"


async def closed_with(socket: ClientConnection) -> int | None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await socket.recv()
    return socket.close_code


async def fewer_than(hub: SocketHub, count: int) -> None:
    """The server notices a closed socket a moment after the client."""
    while len(hub._connections) >= count:  # noqa: ASYNC110  the hub has no reason to offer an event for this
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{}", 1008),
        ("not json", 1008),
        ("[1]", 1008),
        ('{"type":"exec"}', 1008),
        ('{"type":"subscribe"}', 1008),
        ('{"type":"subscribe","topic":7}', 1008),
        ("[" * 4000, 1008),
        (b"binary", 1008),
        ('{"type":"ping","x":"' + "y" * 8192 + '"}', 1009),
        ("x" * 70_000, 1009),
    ],
)
async def test_what_is_no_message_of_ours_closes(live: Live, frame: str | bytes, code: int) -> None:
    async with opened(live, await ticket(live)) as socket:
        await socket.send(frame)
        assert await closed_with(socket) == code


async def test_a_flood_closes(live: Live) -> None:
    async with opened(live, await ticket(live)) as socket:
        for _ in range(21):
            await socket.send('{"type":"ping"}')
        assert await closed_with(socket) == 1008


async def test_five_sockets_a_user(live: Live, hub: SocketHub) -> None:
    tickets = [await ticket(live) for _ in range(7)]
    async with opened(live, tickets[0]), opened(live, tickets[1]), opened(live, tickets[2]):
        async with opened(live, tickets[3]), opened(live, tickets[4]):
            assert await refused(live, tickets[5]) == 403
        await fewer_than(hub, 4)
        async with opened(live, tickets[6]):
            pass


async def test_fifty_sockets_an_address(live: Live, hub: SocketHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MAX_PER_ADDRESS", 2)
    first, second, third = await ticket(live), await ticket(live, "admin"), await ticket(live, "member")
    async with opened(live, first), opened(live, second):
        assert await refused(live, third) == 403


async def test_log_out_closes_the_socket_at_the_next_look(live: Live, hub: SocketHub) -> None:
    bearer = await live.headers("operator")
    good = (await live.http.post("/api/auth/ws-ticket", headers=bearer)).json()["ticket"]
    async with opened(live, good) as socket, opened(live, await ticket(live, "admin")) as other:
        await subscribe(socket)
        user = await live.user("operator")
        await live.http.put(f"/api/users/{user.id}", headers=await live.headers("admin"), json={"is_active": False})
        await hub.recheck()
        assert await closed_with(socket) == websocket.SESSION_ENDED
        assert (await subscribe(other))["type"] == "subscribed"


async def test_the_watch_looks_every_few_seconds(live: Live, hub: SocketHub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2 * websocket.RECHECK_S <= 10
    looked = asyncio.Event()

    async def look() -> None:
        looked.set()
        raise OSError("the database is away")  # must not end the watch

    monkeypatch.setattr(websocket, "RECHECK_S", 0.01)
    monkeypatch.setattr(hub, "recheck", look)
    watch = asyncio.create_task(hub.watch())
    for _ in range(2):
        looked.clear()
        await looked.wait()
    watch.cancel()


async def test_losing_a_permission_ends_the_topic_but_not_the_socket(live: Live, hub: SocketHub) -> None:
    admin = await live.headers("admin")
    wanted = {"name": "watcher", "scopes": ["jobs.read"]}
    made = (await live.http.post("/api/auth/tokens", headers=admin, json=wanted)).json()
    by_token = {"Authorization": f"Bearer {made['token']}"}
    good = (await live.http.post("/api/auth/ws-ticket", headers=by_token)).json()["ticket"]
    async with opened(live, good) as socket:
        await subscribe(socket)
        for connection in hub._connections:
            connection.restrict(frozenset())
        assert (await subscribe(socket))["code"] == "not_allowed"
        assert not hub.pubsub.has_subscribers("jobs")
        await live.http.delete(f"/api/auth/tokens/{made['id']}", headers=admin)
        await hub.recheck()
        assert await closed_with(socket) == websocket.SESSION_ENDED


async def test_a_reader_that_does_not_read_is_dropped(
    live: Live, hub: SocketHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "MAX_QUEUED_BYTES", 64 * 1024)
    monkeypatch.setattr(websocket, "_CLOSE_WAIT_S", 0.1)
    async with opened(live, await ticket(live)) as socket:
        await subscribe(socket)
        socket.transport.pause_reading()
        blob = "x" * 32 * 1024
        while hub._connections:
            await hub.pubsub.publish("jobs", "updated", {"blob": blob})
            await asyncio.sleep(0)
        socket.transport.abort()
    assert not hub.pubsub.has_subscribers("jobs")


async def test_a_fault_of_ours_closes_with_1011_and_is_logged(
    live: Live, hub: SocketHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> bool:
        raise OSError("away")

    async with opened(live, await ticket(live)) as socket:
        monkeypatch.setattr(hub.limiter, "allow", broken)
        with capture_logs() as lines:
            await socket.send('{"type":"ping"}')
            assert await closed_with(socket) == websocket.INTERNAL_ERROR
    assert "a WebSocket failed" in [line["event"] for line in lines]


async def test_tickets_are_in_no_log(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        good = await ticket(live)
        async with opened(live, good):
            pass
    assert caplog.records
    assert good not in caplog.text


@given(st.text(max_size=500))
def test_any_frame_parses_to_something_harmless(text: str) -> None:
    _, topic = _parse(text)
    assert topic is None or isinstance(topic, str)
