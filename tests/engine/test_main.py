"""Both processes as `run_media` starts them: live and files side by side, restart of the file side, clean end."""

import asyncio
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest
from tests.engine.node import ROOT, free_ports
from tests.engine.peers import assert_same, packets, push

from onetake.engine.main import _serve_live
from onetake.engine.options import MediaOptions

ClipMaker = Callable[..., Path]


class Both:
    """A stand-alone media server with both of its processes."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.rtmp, self.http, self.files = free_ports(3)
        self.pid = 0

    async def get(self, port: int, path: str) -> tuple[int, bytes]:
        """Status and body."""
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, await answer.read()

    async def answers(self, port: int) -> None:
        """Wait until a process answers."""
        async with asyncio.timeout(30):
            while True:
                try:
                    await self.get(port, "/healthz")
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
                else:
                    return

    async def shows(self, port: int, path: str, pattern: bytes) -> bytes:
        """Wait until a page matches; the matching group."""
        async with asyncio.timeout(20):
            while not (found := re.search(pattern, (await self.get(port, path))[1])):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            return found[1]


@asynccontextmanager
async def both(data_dir: Path) -> AsyncIterator[Both]:
    """Started, and ended with SIGTERM and exit code 0."""
    server = Both(data_dir)
    ports = ("--rtmp-port", server.rtmp, "--http-port", server.http, "--files-port", server.files)
    arguments = map(str, ("--standalone", "--min-free-mb", 1, "--data-dir", data_dir, *ports))
    with (data_dir.parent / "both.log").open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "onetake.engine", *arguments, cwd=ROOT, stderr=log
        )
    server.pid = child.pid
    try:
        await server.answers(server.http)
        await server.answers(server.files)
        yield server
        child.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(child.wait(), 20) == 0
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


class TestBoth:
    @pytest.mark.slow
    async def test_what_was_live_plays_on_demand_the_moment_it_ends(self, clip: ClipMaker, tmp_path: Path) -> None:
        source = clip("bframes", 4)
        async with both(tmp_path / "data") as server:
            publisher = asyncio.create_task(push(source, f"rtmp://127.0.0.1:{server.rtmp}/live/cam", realtime=True))
            asset = (await server.shows(server.http, "/control/recordings", rb'"id": "([0-9a-f-]{36})"')).decode()
            await server.shows(server.files, f"/vod/{asset}/index.m3u8", b"(#EXTINF)")
            assert not publisher.done()
            await publisher
            await server.shows(server.files, f"/vod/{asset}/index.m3u8", b"(ENDLIST)")
            got = await packets(f"http://127.0.0.1:{server.files}/vod/{asset}/index.m3u8")
            whole = await packets(f"http://127.0.0.1:{server.files}/vod/{asset}/video.mp4")
        sent = await packets(str(source))
        assert_same(sent, got)
        assert_same(sent, whole)

    async def test_the_file_process_comes_back_and_dies_with_the_live_one(self, tmp_path: Path) -> None:
        async with both(tmp_path / "data") as server:
            child = next(one for one in psutil.Process(server.pid).children() if listens(one, server.files))
            child.kill()
            await asyncio.to_thread(child.wait, 10)
            await server.answers(server.files)
            again = next(one for one in psutil.Process(server.pid).children() if listens(one, server.files))
        await asyncio.to_thread(again.wait, 10)


def listens(process: psutil.Process, port: int) -> bool:
    """Whether a process listens on a port."""
    return any(one.laddr.port == port and one.status == "LISTEN" for one in process.net_connections("tcp"))


@pytest.mark.parametrize("fault", ["port", "disk"])
async def test_why_it_cannot_start_is_said(fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "spool").write_text("not a folder")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        api_url = "http://127.0.0.1:1/" if fault == "disk" else None
        options = MediaOptions(tmp_path, rtmp_port=0, http_port=port, files_port=0, api_url=api_url)
        assert await _serve_live(options) == 1
    wanted = f"'127.0.0.1', {port}" if fault == "port" else str(tmp_path / "spool")
    assert wanted in caplog.text
