"""The database stops answering while a job runs (F22): the worker fences itself, then everything goes on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from onetake.infra.db import Database
from onetake.infra.db.urls import async_url
from onetake.infra.jobs import JobContext, job

if TYPE_CHECKING:
    from tests.infra.jobs.conftest import Bench


class Proxy:
    """A TCP proxy that can stop forwarding without closing anything: a black hole."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def hold(self) -> None:
        """Nothing passes any more, in either direction."""
        self._flows.clear()

    def let_go(self) -> None:
        """Everything passes again."""
        self._flows.set()

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # aborted transports say goodbye in the next turn of the loop

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            return
        finally:
            sink.transport.abort()


@pytest.fixture(params=["postgresql", "mariadb"])
async def proxied(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple["Bench", Proxy]]:
    """A bench whose database stands behind a proxy."""
    from tests.infra.jobs.conftest import Bench

    direct = async_url(request.getfixturevalue(f"empty_{request.param}_url"))
    proxy = Proxy(direct.host or "127.0.0.1", direct.port or 0)
    await proxy.start()
    url = direct.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    database = Database(url)
    bench = Bench(database, tmp_path / "data")
    yield bench, proxy
    proxy.let_go()
    await bench.stop()
    await database.dispose()
    await proxy.stop()


async def test_a_silent_database_fences_the_job_and_the_job_runs_again(proxied: "tuple[Bench, Proxy]") -> None:
    bench, proxy = proxied
    pids: list[int] = []

    @job("test.encode", queue="video", registry=bench.registry)
    async def encode(ctx: JobContext) -> None:
        if ctx.attempt > 1:
            return
        await ctx.ffmpeg(["-f", "lavfi", "-re", "-i", "testsrc2=size=64x64:rate=5:duration=99", "-f", "null", "-"])

    bench.start()
    number = await bench.add("test.encode")

    async def ffmpeg_runs() -> bool:
        children = psutil.Process().children(recursive=True)
        pids[:] = [child.pid for child in children if "ffmpeg" in child.name()]
        return bool(pids)

    async def ffmpeg_is_gone() -> bool:
        return not psutil.pid_exists(pids[0])

    await bench.eventually(ffmpeg_runs)
    proxy.hold()
    await bench.eventually(ffmpeg_is_gone)
    proxy.let_go()
    detail = await bench.until(number, "done")
    assert detail.job.attempts == 2
