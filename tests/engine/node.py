"""The live process as a process of its own, to be killed, starved, stopped and traced by the tests of faults."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from tests.engine.peers import FFMPEG9, QUIET, run
from tests.media.fmp4.clips import missing

from onetake.media.recording import video_files

ROOT = Path(__file__).parents[2]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Node:
    """A stand-alone live process on its own data folder; it can be killed and started again on the same ports."""

    def __init__(
        self, data_dir: Path, *wrapper: str, program: str | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir
        self.rtmp_port, self.http_port, self.files_port = free_ports(3)
        self._wrapper = wrapper
        self._program = ("-m", "onetake.engine") if program is None else ("-c", program)
        self._env = {**os.environ, **(env or {})}
        self.process: asyncio.subprocess.Process | None = None
        self.log = data_dir.parent / "node.log"

    async def spawn(self) -> asyncio.subprocess.Process:
        """Start the process."""
        ports = ("--rtmp-port", self.rtmp_port, "--http-port", self.http_port, "--files-port", self.files_port)
        what = ("--standalone", "--role", "live", "--min-free-mb", 1, "--data-dir", self.data_dir)
        arguments = [*self._wrapper, sys.executable, *self._program, *map(str, (*what, *ports))]
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, env=self._env, stderr=log)
        return self.process

    async def start(self) -> None:
        """Start and wait until it answers."""
        await self.spawn()
        async with asyncio.timeout(20):
            while True:
                try:
                    await self.get("/healthz")
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
                else:
                    return

    async def get(self, path: str) -> str:
        """The text of a GET."""
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{self.http_port}{path}") as answer:
            return await answer.text()

    async def control(self, path: str) -> Any:
        """The JSON of a GET."""
        return json.loads(await self.get(path))

    async def metric(self, name: str) -> float:
        """A figure of `/metrics`, summed over its labels."""
        lines = (await self.get("/metrics")).splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.partition("{")[0].split()[0] == name)

    async def sheets(self) -> list[dict[str, Any]]:
        """`GET /control/recordings`."""
        found: list[dict[str, Any]] = (await self.control("/control/recordings"))["recordings"]
        return found

    def rtmp(self, stream: str) -> str:
        """Where to publish."""
        return f"rtmp://127.0.0.1:{self.rtmp_port}/live/{stream}"

    def files(self, recording: str) -> list[Path]:
        """The MP4 files of a recording."""
        return video_files(next(self.data_dir.glob(f"media/*/*/{recording}")) / "source")

    async def end(self, number: int) -> int:
        """Signal it and wait."""
        assert self.process
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 20)


@asynccontextmanager
async def node(
    data_dir: Path, *wrapper: str, program: str | None = None, env: Mapping[str, str] | None = None
) -> AsyncIterator[Node]:
    """A running node. `program` is Python to run instead of the module, `env` additions to the environment."""
    data_dir.mkdir(parents=True, exist_ok=True)
    made = Node(data_dir, *wrapper, program=program, env=env)
    try:
        await made.start()
        yield made
    except BaseException:
        print(made.log.read_text(errors="replace")[-20_000:], file=sys.stderr)
        raise
    finally:
        await made.end(signal.SIGKILL)


async def decodes(path: Path) -> None:
    """Fails unless every frame of a file decodes."""
    said = await run(FFMPEG9, *QUIET, "-xerror", "-i", str(path), "-f", "null", "-")
    assert said == ""


async def wait_for_record(server: Node, state: str, reason: str) -> None:
    """Wait until the recording of `cam` is in a state."""
    async with asyncio.timeout(30):
        while True:
            [sheet] = await server.sheets() or [{"state": "", "reason": ""}]
            if (sheet["state"], sheet["reason"]) == (state, reason):
                return
            await asyncio.sleep(0.1)


async def eventually(condition: Callable[[], Awaitable[bool]], timeout_s: float = 30) -> None:
    """Wait until something that a node must be asked for is so."""
    async with asyncio.timeout(timeout_s):
        while not await condition():  # noqa: ASYNC110 (what is awaited happens in another process)
            await asyncio.sleep(0.1)


def tracer() -> str:
    """Path of strace, where it may attach to our processes."""
    found = shutil.which("strace")
    if found is None:
        missing("strace is not installed")
    probe = subprocess.run([str(found), "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        missing("this system does not let strace attach")
    return str(found)


@asynccontextmanager
async def tracing(server: Node, paths: Sequence[Path], inject: str) -> AsyncIterator[Path]:
    """A running node whose calls on `paths` are tampered with (strace's `-e inject=`); gives the trace of them."""
    assert server.process
    calls = inject.partition(":")[0]
    trace = server.data_dir.parent / "trace"
    command = [tracer(), "-f", "-qq", "-y", "-o", str(trace), "-e", f"trace={calls}", "-e", f"inject={inject}"]
    only = [option for path in paths for option in ("-P", str(path))]
    process = await asyncio.create_subprocess_exec(*command, *only, "-p", str(server.process.pid))
    try:
        threads = Path(f"/proc/{server.process.pid}/task")
        async with asyncio.timeout(10):
            while any("TracerPid:\t0" in (one / "status").read_text() for one in threads.iterdir()):
                assert process.returncode is None, "strace could not attach"
                await asyncio.sleep(0.02)
        yield trace
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
