"""One child process from start to end: own group, limits, bounded output, a watchdog, and never left behind."""

import asyncio
import contextlib
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onetake.infra.jobs.errors import ChildFailed
from onetake.infra.jobs.sandbox import Limits, child_setup

_LINGER_S = 1.0
_LONGEST_WAIT_S = 60.0
_STDERR = 2


@dataclass(frozen=True, slots=True)
class Command:
    """What to start and how. `silence_s` None switches the watchdog off, `wall_s` None lets it run for ever."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    limits: Limits
    network: bool = False
    silence_s: float | None = 30.0
    wall_s: float | None = None
    kill_grace_s: float = 5.0


Sink = Callable[[bytes], bool]
"""Takes output; returns True when it is a sign of life."""


async def run_process(command: Command, on_stdout: Sink, on_stderr: Sink) -> int:
    """Run to the end and return the exit code (negative: the signal that ended it).

    When it is silent or runs for too long, or when this coroutine is cancelled, its whole group gets SIGTERM and, after
    the grace, SIGKILL. Raises ChildFailed when it cannot be started or was ended for such a reason. Must be awaited on
    the main event loop's thread, since the child dies with the thread that started it.
    """
    transport, child = await _start(command, on_stdout, on_stderr)
    try:
        await _wait_watched(child, command.silence_s, command.wall_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.drained.wait(), _LINGER_S)
    finally:
        await asyncio.shield(_end_group(transport, child, command.kill_grace_s))
    code = transport.get_returncode()
    return -1 if code is None else code


class _Child(asyncio.SubprocessProtocol):
    """Watches a child. Its exit is told apart from the end of its pipes, which a grandchild may keep open."""

    def __init__(self, on_stdout: Sink, on_stderr: Sink) -> None:
        self._on_stdout = on_stdout
        self._on_stderr = on_stderr
        self._open_pipes = 2
        self._alive_at = time.monotonic()
        self.exited = asyncio.Event()
        self.drained = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if (self._on_stderr if fd == _STDERR else self._on_stdout)(data):
            self._alive_at = time.monotonic()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open_pipes -= 1
        if self._open_pipes == 0:
            self.drained.set()

    def process_exited(self) -> None:
        self.exited.set()

    def silent_s(self) -> float:
        return time.monotonic() - self._alive_at


async def _start(command: Command, on_stdout: Sink, on_stderr: Sink) -> tuple[asyncio.SubprocessTransport, _Child]:
    try:
        return await asyncio.get_running_loop().subprocess_exec(
            lambda: _Child(on_stdout, on_stderr),
            *command.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=command.cwd,
            env=dict(command.env),
            start_new_session=True,
            preexec_fn=child_setup(command.limits, network=command.network),
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise ChildFailed(f"{Path(command.argv[0]).name} cannot be started: {error}") from error


async def _wait_watched(child: _Child, silence_s: float | None, wall_s: float | None) -> None:
    started_at = time.monotonic()
    while not child.exited.is_set():
        left_s = (wall_s or math.inf) - (time.monotonic() - started_at)
        quiet_left_s = (silence_s or math.inf) - child.silent_s()
        if left_s <= 0:
            raise ChildFailed(f"took longer than {wall_s:g} s")
        if quiet_left_s <= 0:
            raise ChildFailed(f"no progress for {silence_s:g} s")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.exited.wait(), min(left_s, quiet_left_s, _LONGEST_WAIT_S))


async def _end_group(transport: asyncio.SubprocessTransport, child: _Child, grace_s: float) -> None:
    """Make sure that nothing of the group lives on, then let go of its pipes."""
    group = transport.get_pid()
    if not child.exited.is_set():
        _signal_group(group, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.exited.wait(), grace_s)
    if not child.exited.is_set() or not child.drained.is_set():
        _signal_group(group, signal.SIGKILL)  # open pipes: grandchildren are left in the group
        await child.exited.wait()
    transport.close()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
