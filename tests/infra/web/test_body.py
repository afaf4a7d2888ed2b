"""Body limits: counted while streaming, within a wall-clock time (R26, L2)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.api_fixtures import Api

from onetake.infra.web.body import BodyLimit, BodyRefused
from onetake.kit.errors import PayloadTooLarge, RequestTimeout

JSON = {"Content-Type": "application/json"}


async def chunks(count: int, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * size


async def test_an_announced_length_is_refused_before_a_byte_is_read(api: Api) -> None:
    response = await api.http.post("/api/auth/login", content=b" " * (1 << 20) + b"{}", headers=JSON)
    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")


async def test_an_unannounced_length_is_counted(api: Api) -> None:
    response = await api.http.post("/api/auth/login", content=chunks(17), headers=JSON)
    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")
    assert "1048576" in response.json()["detail"]


async def test_a_body_at_the_limit_passes(api: Api) -> None:
    body = b'{"username": "a", "password": "b"}'
    response = await api.http.post("/api/auth/login", content=body.ljust(1 << 20), headers=JSON)
    assert response.status_code == 401


@pytest.mark.parametrize("length", ["-1", "1e3", "x", "999999999999999999999999999", "²"])
async def test_odd_lengths_are_refused(length: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        pytest.fail("must not be reached")

    scope = {"type": "http", "headers": [(b"content-length", length.encode("latin-1"))]}
    with pytest.raises(PayloadTooLarge):
        await BodyLimit(app, 100)(scope, _silence, _silence)


async def _silence(*_: Any) -> Any:
    await asyncio.Event().wait()


def drip(messages: list[bytes]) -> Callable[[], Awaitable[dict[str, Any]]]:
    """A client that sends what it is given and then stops without an end."""

    async def receive() -> dict[str, Any]:
        if not messages:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": messages.pop(0), "more_body": True}

    return receive


async def test_a_body_that_never_ends_is_cut_off_by_the_clock() -> None:
    read = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            read.append(await receive())

    scope = {"type": "http", "headers": []}
    with pytest.raises(BodyRefused) as caught:
        await BodyLimit(app, 100, timeout_s=0.05)(scope, drip([b"a", b"b"]), _silence)
    assert isinstance(caught.value.error, RequestTimeout)
    assert caught.value.error.headers == {"Connection": "close"}
    assert len(read) == 2


async def test_after_the_body_waiting_for_the_disconnect_has_no_limit() -> None:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend([await receive(), await receive()])

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return messages.pop(0)

    await BodyLimit(app, 100, timeout_s=5)({"type": "http", "headers": []}, receive, _silence)
    assert seen[1]["type"] == "http.disconnect"
