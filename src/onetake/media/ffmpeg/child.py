"""Run a media tool as a child: own session and group, limits, empty environment, bounded stderr, sure death (N3, F27).

asyncio only. A `Child` is started with `start`, read through `stdout`, and always ended with `stop` or by `wait`;
`run` does all of it for tools that come to an end by themselves.
"""

import asyncio
import contextlib
import json
import os
import signal
import ssl
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from onetake.kit.redact import redact
from onetake.media.ffmpeg.errors import LimitExceeded, ToolError, ToolMissing, explain
from onetake.media.ffmpeg.progress import Progress, ProgressParser

STDERR_BYTES = 64 << 10
STOP_GRACE_S = 5.0
LAST_WORDS_S = 1.0
PIPE_BYTES = 1 << 20
_LAUNCHER = str(Path(__file__).with_name("launch.py"))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use; None = no limit of ours. `no_network` takes the network away where the system allows it."""

    address_space_bytes: int | None = 4 << 30
    cpu_s: int | None = None
    file_bytes: int | None = None
    open_files: int | None = 256
    nice: int = 0
    no_network: bool = False


class StderrRing:
    """The last 64 KB of what a child wrote to stderr, redacted when read."""

    def __init__(self, size_bytes: int = STDERR_BYTES) -> None:
        self._size_bytes = size_bytes
        self._tail = bytearray()
        self.total_bytes = 0

    def feed(self, data: bytes) -> None:
        """Keep `data`, forget what is too old."""
        self.total_bytes += len(data)
        self._tail += data[-self._size_bytes :]
        del self._tail[: -self._size_bytes]

    @property
    def text(self) -> str:
        """The kept text without credentials."""
        return redact(self._tail.decode("utf-8", "replace"))


class Child:
    """A running tool. Made by `start`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.stderr = StderrRing()
        self._reader = asyncio.create_task(self._read_stderr())

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        limits: Limits,
        *,
        stdout: bool = False,
        cwd: Path | None = None,
        stdin: bytes | None = None,
    ) -> "Child":
        """Start `argv` (its first element an absolute path).

        Args:
            argv: program and arguments, never through a shell.
            limits: what it may use.
            stdout: whether `stdout` is a pipe to be read; else it goes nowhere.
            cwd: the child's own folder, default `/`.
            stdin: what it is given to read; whatever it does not take is lost. None: it has nothing to read.

        Raises:
            ToolMissing: it cannot be started.
            ValueError: an argument that no command of ours can hold (R5).
        """
        _check(argv)
        told = json.dumps({**asdict(limits), "parent": os.getpid()})
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", _LAUNCHER, told, *argv),
                stdin=DEVNULL if stdin is None else PIPE,
                stdout=PIPE if stdout else DEVNULL,
                stderr=PIPE,
                cwd=cwd or "/",
                env=_environment(),
                start_new_session=True,
                limit=PIPE_BYTES,
            )
        except OSError as error:
            raise ToolMissing(reason=str(error)) from error
        if process.stdin is not None:
            process.stdin.write(stdin or b"")
            process.stdin.close()
        return cls(process)

    @property
    def pid(self) -> int:
        """Process id, also the id of its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code when it has ended, negative for a signal."""
        return self._process.returncode

    @property
    def stdout(self) -> asyncio.StreamReader:
        """What it writes; only when started with `stdout=True`."""
        if self._process.stdout is None:
            raise RuntimeError("the child was started without a pipe")
        return self._process.stdout

    async def wait(self) -> int:
        """Wait for its end; the exit code. Whatever it left behind in its group is killed."""
        code = await self._process.wait()
        self._signal(signal.SIGKILL)
        # A grandchild that left the group may hold the pipe open; it is not waited for.
        await asyncio.wait([self._reader], timeout=LAST_WORDS_S)
        self._reader.cancel()
        return code

    async def stop(self, grace_s: float = STOP_GRACE_S) -> int:
        """End the whole group: SIGTERM, after `grace_s` SIGKILL. Returns the exit code."""
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    # Drained, because a child that blocks on a full pipe cannot end by itself.
                    await asyncio.gather(self._process.wait(), self._drain_stdout())
            self._signal(signal.SIGKILL)
        return await self.wait()

    def failure(self) -> ToolError:
        """The named error for how it ended."""
        return explain(self.stderr.text, self.exit_code)

    async def _drain_stdout(self) -> None:
        if self._process.stdout is not None:
            while await self._process.stdout.read(PIPE_BYTES):
                pass

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def _read_stderr(self) -> None:
        if self._process.stderr is not None:
            while data := await self._process.stderr.read(STDERR_BYTES):
                self.stderr.feed(data)


@asynccontextmanager
async def running(
    argv: Sequence[str],
    limits: Limits,
    *,
    stdout: bool = False,
    cwd: Path | None = None,
    stdin: bytes | None = None,
) -> AsyncIterator[Child]:
    """A child that is surely dead when the block is left, also by an exception or cancellation."""
    child = await Child.start(argv, limits, stdout=stdout, cwd=cwd, stdin=stdin)
    try:
        yield child
    finally:
        await asyncio.shield(asyncio.ensure_future(child.stop()))


async def run(
    argv: Sequence[str],
    limits: Limits,
    *,
    timeout_s: float,
    on_progress: Callable[[Progress], None] | None = None,
    silence_s: float | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a tool to its end and return its (redacted) stderr.

    Args:
        argv: as for `Child.start`; with `-progress pipe:1` inside when progress is wanted.
        limits: as for `Child.start`.
        timeout_s: wall time after which it is killed.
        on_progress: called for each progress report.
        silence_s: killed when no progress report came for so long.
        cwd: as for `Child.start`.

    Raises:
        ToolError: the named error; `LimitExceeded` when it took too long or said nothing for too long.
    """
    try:
        async with asyncio.timeout(timeout_s), running(argv, limits, stdout=on_progress is not None, cwd=cwd) as child:
            if on_progress is not None:
                await _follow(child, on_progress, silence_s)
            if await child.wait() != 0:
                raise child.failure()
            return child.stderr.text
    except TimeoutError:
        raise LimitExceeded from None


async def read_output(
    argv: Sequence[str], limits: Limits, *, timeout_s: float, max_bytes: int, stdin: bytes | None = None
) -> bytes:
    """Run a tool to its end, with `stdin` to read, and return what it wrote to stdout, at most `max_bytes`.

    Raises:
        ToolError: as `run`; `LimitExceeded` also when it wrote more.
    """
    parts: list[bytes] = []
    left = max_bytes
    try:
        async with asyncio.timeout(timeout_s), running(argv, limits, stdout=True, stdin=stdin) as child:
            while data := await child.stdout.read(min(left + 1, PIPE_BYTES)):
                left -= len(data)
                if left < 0:
                    raise LimitExceeded
                parts.append(data)
            if await child.wait() != 0:
                raise child.failure()
    except TimeoutError:
        raise LimitExceeded from None
    return b"".join(parts)


async def _follow(child: Child, on_progress: Callable[[Progress], None], silence_s: float | None) -> None:
    parser = ProgressParser()
    while True:
        async with asyncio.timeout(silence_s):
            data = await child.stdout.read(4096)
        if not data:
            return
        for report in parser.feed(data):
            on_progress(report)


def _check(argv: Sequence[str]) -> None:
    if not Path(argv[0]).is_absolute():
        raise ValueError("the program must be an absolute path")
    for item in argv:
        if any(ord(char) < 32 or char == "\x7f" for char in item):
            raise ValueError("an argument holds a control character")


def _environment() -> dict[str, str]:
    # The static ffmpeg looks for certificates in Debian's places only; it is told where this system has them.
    trusted = ssl.get_default_verify_paths()
    found = {"SSL_CERT_FILE": trusted.cafile, "SSL_CERT_DIR": trusted.capath}
    certificates = {name: path for name, path in found.items() if path}
    return {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": "/nonexistent", **certificates}
