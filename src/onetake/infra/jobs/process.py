"""One child process from start to end: own group, limits, bounded output, a watchdog, and never left behind."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onetake.infra.jobs.errors import ChildFailed
from onetake.infra.jobs.sandbox import Limits, child_setup

_CHUNK_BYTES = 64 << 10
_LINGER_S = 1.0


@dataclass(frozen=True, slots=True)
class Command:
    """What to start and how. `silence_s` None switches the watchdog off."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    limits: Limits
    network: bool = False
    silence_s: float | None = 30.0
    kill_grace_s: float = 5.0


Sink = Callable[[bytes], bool]
"""Takes output; returns True when it is a sign of life."""


async def run_process(command: Command, on_stdout: Sink, on_stderr: Sink) -> int:
    """Run to the end and return the exit code (negative: the signal that ended it).

    When it is silent for too long, or when this coroutine is cancelled, its whole group gets SIGTERM and, after the
    grace, SIGKILL. Raises ChildFailed when it cannot be started or is silent. Must be awaited on the main event loop's
    thread, since the child dies with the thread that started it.
    """
    process = await _start(command)
    alive = _Alive()
    assert process.stdout is not None
    assert process.stderr is not None
    readers = [
        asyncio.create_task(_pump(process.stdout, on_stdout, alive)),
        asyncio.create_task(_pump(process.stderr, on_stderr, alive)),
    ]
    try:
        await _wait_watched(process, alive, command.silence_s)
        await asyncio.wait(readers, timeout=_LINGER_S)
        return process.returncode if process.returncode is not None else -1
    finally:
        await asyncio.shield(_end_group(process, readers, command.kill_grace_s))


class _Alive:
    """When the process last gave a sign of life."""

    def __init__(self) -> None:
        self.at = time.monotonic()

    def sign(self) -> None:
        self.at = time.monotonic()

    def silent_s(self) -> float:
        return time.monotonic() - self.at


async def _start(command: Command) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=command.cwd,
            env=dict(command.env),
            start_new_session=True,
            preexec_fn=child_setup(command.limits, network=command.network),
        )
    except (OSError, ValueError) as error:
        raise ChildFailed(f"{Path(command.argv[0]).name} cannot be started: {error}") from error


async def _pump(stream: asyncio.StreamReader, sink: Sink, alive: _Alive) -> None:
    while data := await stream.read(_CHUNK_BYTES):
        if sink(data):
            alive.sign()


async def _wait_watched(process: asyncio.subprocess.Process, alive: _Alive, silence_s: float | None) -> None:
    if silence_s is None:
        await process.wait()
        return
    while True:
        try:
            async with asyncio.timeout(max(0.01, silence_s - alive.silent_s())):
                await process.wait()
            return
        except TimeoutError:
            if alive.silent_s() >= silence_s:
                raise ChildFailed(f"no progress for {silence_s:g} s") from None


async def _end_group(
    process: asyncio.subprocess.Process, readers: Sequence["asyncio.Task[None]"], grace_s: float
) -> None:
    """Make sure that nothing of the group lives on, then let go of its pipes."""
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await process.wait()
    if process.returncode is None or not all(reader.done() for reader in readers):
        _signal_group(process.pid, signal.SIGKILL)  # open pipes: grandchildren are left in the group
        await process.wait()
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    process._transport.close()  # type: ignore[attr-defined]  # a grandchild outside the group may hold the pipes


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
