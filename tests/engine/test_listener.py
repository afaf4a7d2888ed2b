"""Limits of the live HTTP port, and what both processes know of revocations."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from tests.engine.servers import live, options, until

from onetake.engine import listener
from onetake.engine.http_files import FileServer, running
from onetake.engine.options import Limits


async def cut_off(reader: asyncio.StreamReader) -> None:
    """Wait until the server has ended a connection without a word."""
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 5) == b""


class TestLimits:
    async def test_a_connection_without_a_request_is_closed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listener, "FIRST_REQUEST_S", 0.2)
        async with live(tmp_path) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.server.http_port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            await cut_off(reader)
            writer.close()
            assert (await server.get("/healthz"))[0] == 200

    async def test_connections_past_the_limit_are_refused(self, tmp_path: Path) -> None:
        async with live(tmp_path, limits=Limits(max_connections=3)) as server:
            held = [await asyncio.open_connection("127.0.0.1", server.server.http_port) for _ in range(3)]
            reader, writer = await asyncio.open_connection("127.0.0.1", server.server.http_port)
            await cut_off(reader)
            for _, one in held:
                one.close()
                await one.wait_closed()
            writer.close()

    @pytest.mark.parametrize(
        "head",
        [
            b"GET / HTTP/9.9\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET /live/" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
            b"POST /control/state HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        ],
    )
    async def test_broken_requests_are_answered_or_cut(self, head: bytes, tmp_path: Path) -> None:
        async with live(tmp_path) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.server.http_port)
            writer.write(head + b"\r\n")
            writer.write_eof()
            answer = await asyncio.wait_for(reader.read(), 5)
            assert not answer or answer.split()[1].startswith(b"4")
            writer.close()
            assert (await server.get("/healthz"))[0] == 200


class TestRevocations:
    async def test_the_file_process_follows_also_after_a_restart(self, tmp_path: Path) -> None:
        files = FileServer(options(tmp_path))
        order = {"what": "viewer", "value": "user.7"}
        async with running(options(tmp_path), files) as port, live(tmp_path, files_port=port) as server:
            await server.call("POST", "/control/revoke", order)
            await until(lambda: files.gate.revocations() == [("viewer", "user.7")])
            files.gate.restore("viewer", "user.7")
            files.gate.revoke("viewer", "user.8")
            await until(lambda: files.gate.revocations() == [("viewer", "user.7")])
            await server.call("POST", "/control/revoke", order | {"restore": True})
            await until(lambda: files.gate.revocations() == [])
