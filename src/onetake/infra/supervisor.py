"""Keeps the processes of one server running: start, watch, restart, merge their logs, stop.

Runs on the event loop of `onetake serve`. A child is watched in two ways: by its exit, and by a heartbeat that its own
event loop writes into a pipe, so that a frozen process is replaced as well (fault F6).
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from onetake.infra.logging import get_logger
from onetake.infra.runfiles import RunFile
from onetake.kit.lifeline import BEAT_FD_ENV, SUPERVISOR_PID_ENV

START_LIMIT_S = 60.0
BEAT_LIMIT_S = 10.0
AFTER_LIMIT_S = 5.0
STOP_GRACE_S = 8.0
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0
HEALTHY_AFTER_S = 60.0
_TICK_S = 1.0
_MAX_LINE_BYTES = 64 * 1024
_READ_BYTES = 64 * 1024

log = get_logger("onetake.supervisor")
Echo = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One child: its role, command line, inherited descriptors and additions to the environment.

    At the first start it waits until the role `after` is ready (5 s at most), so that on a small machine the page
    answers before the rest competes for the processor.
    """

    role: str
    argv: Sequence[str]
    pass_fds: tuple[int, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    after: str | None = None


@dataclass(slots=True)
class _Child:
    process: asyncio.subprocess.Process
    beat_fd: int
    beat_limit_s: float = START_LIMIT_S
    started: float = field(default_factory=time.monotonic)
    seen: float = field(default_factory=time.monotonic)
    lag_ms: float = 0.0
    killed_for: str | None = None

    def signal(self, signum: signal.Signals) -> None:
        """Signal the whole group: the child leads its own session."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signum)


class Supervisor:
    """Runs `specs` until `stop`. `echo(role, line)` receives every line that a child writes."""

    def __init__(
        self, specs: Sequence[ProcessSpec], run_dir: Path, echo: Echo, *, on_ready: Callable[[], None] = lambda: None
    ) -> None:
        self._specs = specs
        self._run_dir = run_dir
        self._echo = echo
        self._on_ready = on_ready
        self._children: dict[str, _Child] = {}
        self._ready = {spec.role: asyncio.Event() for spec in specs}
        self._told_ready = False
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask for a clean stop; a second call kills at once."""
        if self._stopping.is_set():
            for child in self._children.values():
                child.signal(signal.SIGKILL)
        self._stopping.set()

    async def run(self) -> None:
        """Start everything and return after `stop`, when no child is left."""
        with RunFile(self._run_dir, "supervisor", os.getpid()):
            async with asyncio.TaskGroup() as group:
                keepers = [group.create_task(self._keep(spec), name=spec.role) for spec in self._specs]
                watcher = group.create_task(self._watch_beats())
                await self._stopping.wait()
                await self._end_children(keepers)
                watcher.cancel()

    async def _keep(self, spec: ProcessSpec) -> None:
        backoff_s, restarts = FIRST_BACKOFF_S, 0
        await self._turn(spec)
        while not self._stopping.is_set():
            lived_s = 0.0
            try:
                lived_s = await self._run_once(spec, restarts)
            except OSError as error:  # no memory, no descriptors: worth another try
                log.error("process could not be started", role=spec.role, error=str(error))
            if self._stopping.is_set():
                return
            backoff_s = FIRST_BACKOFF_S if lived_s >= HEALTHY_AFTER_S else backoff_s
            log.warning("process will be restarted", role=spec.role, in_s=backoff_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff_s)
            backoff_s, restarts = min(MAX_BACKOFF_S, backoff_s * 2), restarts + 1

    async def _turn(self, spec: ProcessSpec) -> None:
        if spec.after is None:
            return
        events = [asyncio.create_task(event.wait()) for event in (self._ready[spec.after], self._stopping)]
        await asyncio.wait(events, timeout=AFTER_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        for event in events:
            event.cancel()

    async def _run_once(self, spec: ProcessSpec, restarts: int) -> float:
        """One life of a child, from start to the last line of its log; returns its length in seconds."""
        child = await self._start(spec)
        self._children[spec.role] = child
        if self._stopping.is_set():  # started too late to be told like the others, and has done nothing yet
            child.signal(signal.SIGKILL)
        loop = asyncio.get_running_loop()
        with RunFile(self._run_dir, spec.role, child.process.pid, restarts=restarts) as run_file:
            loop.add_reader(child.beat_fd, self._read_beats, spec.role, child, run_file)
            pump = asyncio.create_task(self._pump(spec.role, child))
            try:
                code = await child.process.wait()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(pump, 1.0)
            finally:
                loop.remove_reader(child.beat_fd)
                os.close(child.beat_fd)
                child.signal(signal.SIGKILL)  # whatever it left behind in its group
                del self._children[spec.role]
        self._tell_end(spec.role, child, code)
        return time.monotonic() - child.started

    async def _start(self, spec: ProcessSpec) -> _Child:
        beat_read, beat_write = os.pipe()
        os.set_blocking(beat_read, False)
        env = {**os.environ, **spec.env, SUPERVISOR_PID_ENV: str(os.getpid()), BEAT_FD_ENV: str(beat_write)}
        try:
            process = await asyncio.create_subprocess_exec(
                *spec.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(beat_write, *spec.pass_fds),
                env=env,
                start_new_session=True,
            )
        except BaseException:
            os.close(beat_read)
            raise
        finally:
            os.close(beat_write)
        return _Child(process, beat_read)

    def _tell_end(self, role: str, child: _Child, code: int) -> None:
        if self._stopping.is_set():
            log.debug("process ended", role=role, code=code)
        elif child.killed_for:
            log.error("process was killed", role=role, why=child.killed_for)
        else:
            log.error("process ended unexpectedly", role=role, how=_how(code))

    def _read_beats(self, role: str, child: _Child, run_file: RunFile) -> None:
        try:
            data = os.read(child.beat_fd, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:  # the child closed it: its exit follows
            asyncio.get_running_loop().remove_reader(child.beat_fd)
            return
        child.seen, child.beat_limit_s = time.monotonic(), BEAT_LIMIT_S
        beat = _last_beat(data)
        child.lag_ms = float(beat.get("lag_ms", 0.0))
        run_file.beat(child.lag_ms)
        if beat.get("ready"):
            self._ready[role].set()
        if not self._told_ready and all(event.is_set() for event in self._ready.values()):
            self._told_ready = True
            self._on_ready()

    async def _watch_beats(self) -> None:
        while True:
            due = time.monotonic() + _TICK_S
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            for child in self._children.values():
                if now - due > _TICK_S:  # we ourselves were stopped: nobody else is to blame
                    child.seen = now
                silent_s = now - child.seen
                if silent_s > child.beat_limit_s and not child.killed_for:
                    child.killed_for = f"no heartbeat for {silent_s:.0f} s"
                    child.signal(signal.SIGKILL)

    async def _pump(self, role: str, child: _Child) -> None:
        stream = child.process.stdout
        assert stream is not None
        pending = b""
        while data := await stream.read(_READ_BYTES):
            *lines, pending = (pending + data).split(b"\n")
            if len(pending) > _MAX_LINE_BYTES:
                lines, pending = [*lines, pending[:_MAX_LINE_BYTES]], pending[_MAX_LINE_BYTES:]
            for line in lines:
                self._echo(role, line.decode(errors="replace").rstrip("\r"))
        if pending:
            self._echo(role, pending.decode(errors="replace"))

    async def _end_children(self, keepers: Sequence[asyncio.Task[None]]) -> None:
        for child in self._children.values():
            child.signal(signal.SIGTERM)
            child.signal(signal.SIGCONT)  # a frozen child must hear it too
        _, late = await asyncio.wait(keepers, timeout=STOP_GRACE_S)
        for role, child in self._children.items():
            log.warning("process did not stop in time and was killed", role=role)
            child.signal(signal.SIGKILL)
        if late:
            await asyncio.wait(late)


def _last_beat(data: bytes) -> dict[str, float | bool]:
    """The newest whole beat in `data`; empty when there is none (rare: a pipe write below 4 KiB is atomic)."""
    for line in reversed(data.splitlines()):
        with contextlib.suppress(ValueError):
            beat = json.loads(line)
            return beat if isinstance(beat, dict) else {}
    return {}


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"
