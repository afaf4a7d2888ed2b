"""Slow, endless and oversized request heads on a real connection (L2)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.infra.web.conftest import Live

from onetake.infra.web import http_protocol
from onetake.infra.web.http_protocol import HEAD_LIMIT_BYTES

GOOD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@asynccontextmanager
async def connection(live: Live) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(live: Live, *sent: bytes) -> bytes:
    """Everything that the server says until it closes."""
    async with connection(live) as (reader, writer):
        for part in sent:
            writer.write(part)
        return await asyncio.wait_for(reader.read(), 20)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a tenth of a second instead of ten."""
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_S", 0.1)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("sent", [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: y"])
async def test_a_head_that_does_not_come_is_a_408(live: Live, sent: bytes) -> None:
    assert (await answer(live, sent)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.usefixtures("impatient")
async def test_the_second_head_of_a_connection_has_a_clock_too(live: Live) -> None:
    said = await answer(live, GOOD + b"\r\n", b"GET /slow")
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.count(b"HTTP/1.1 ") <= 2  # the 408, unless the first answer was still on its way


async def test_dribbling_does_not_reset_the_clock(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_S", 0.3)
    async with connection(live) as (reader, writer):
        reading = asyncio.create_task(reader.read())
        writer.write(GOOD)
        while not reading.done():
            writer.write(b"a: b\r\n")
            await asyncio.sleep(0.02)
        assert (await reading).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "sent",
    [
        GOOD + b"X: " + b"y" * HEAD_LIMIT_BYTES,  # a header without an end
        GOOD + b"X: " + b"y" * HEAD_LIMIT_BYTES + b"\r\n\r\n",
        GOOD + b"a: b\r\n" * HEAD_LIMIT_BYTES + b"\r\n",
        b"GET /" + b"y" * HEAD_LIMIT_BYTES + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
async def test_a_head_too_large_is_a_431(live: Live, sent: bytes) -> None:
    try:
        said = await answer(live, sent)
    except ConnectionResetError:  # we were still sending when the server had enough
        return
    assert said.startswith(b"HTTP/1.1 431 ")


async def test_ordinary_requests_pass_one_after_the_other(live: Live) -> None:
    one = GOOD + b"\r\n"
    said = await answer(live, one, one + GOOD + b"Connection: close\r\n\r\n")
    assert said.count(b"HTTP/1.1 200 ") == 3


async def test_a_large_body_is_no_large_head(live: Live) -> None:
    body = b" " * 200_000 + b"{}"
    head = (
        b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    )
    said = await answer(live, head + f"Content-Length: {len(body)}\r\n\r\n".encode(), body)
    assert said.startswith(b"HTTP/1.1 422 ")
