"""Sending files where the short way does not work: behind TLS, after bytes that wait, and files that are too short."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from tests.engine.pull_sources import make_certificate

from onetake.engine.file_send import Piece, attachment, send_piece

DATA = os.urandom(3 << 20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.write_bytes(DATA)
    return made


@asynccontextmanager
async def serving(
    path: Path, size_bytes: int, before: Callable[[web.Request], None], tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    fd = os.open(path, os.O_RDONLY)

    async def handle(request: web.Request) -> web.StreamResponse:
        before(request)
        return await send_piece(request, Piece(fd, 0, size_bytes, "video/mp4", '"x"', None, {}), lambda count: None)

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
        os.close(fd)


async def fetch(url: str, tls: ssl.SSLContext | bool = True) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(url, ssl=tls, server_hostname="files.example") as answer:
        return await answer.read()


async def test_over_tls_nothing_goes_around_the_encryption(path: Path, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "files.example")
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with serving(path, len(DATA), lambda request: None, server_tls) as url:
        assert await fetch(url, trusting) == DATA


async def test_bytes_that_still_wait_go_first(path: Path) -> None:
    """A transport that holds something back must empty it before the kernel writes past it."""

    def hold_back(request: web.Request) -> None:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 103 Early Hints\r\nX-Pad: " + b"a" * (6 << 20) + b"\r\n\r\n")
        assert request.transport.get_write_buffer_size()

    async with serving(path, len(DATA), hold_back) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].strip("/")))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = await reader.read(-1)
        writer.close()
    assert got.endswith(DATA)
    assert got.count(b"HTTP/1.1 200") == 1


async def test_a_file_shorter_than_promised_breaks_the_connection_instead_of_the_framing(path: Path) -> None:
    async with serving(path, len(DATA) + 1000, lambda request: None) as url:
        with pytest.raises(aiohttp.ClientPayloadError):
            await fetch(url)


@pytest.mark.parametrize("name", ["", ".", "..", "a" * 5000, "\x00\x1f", "a.mp4", "名字", "a/b\\c", "%0d%0a", "'; x=1"])
def test_names_of_downloads_are_one_header_value(name: str) -> None:
    value = attachment(name, ".mp4")
    plain, _, encoded = value.removeprefix('attachment; filename="').partition("\"; filename*=UTF-8''")
    assert plain.endswith(".mp4")
    assert encoded.endswith(".mp4")
    assert value.isascii()
    assert value.isprintable()
    assert not set(plain) & set('/\\"')
    assert ";" not in encoded
