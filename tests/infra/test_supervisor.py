"""Real child processes under the supervisor: readiness, crash, freeze, stop, left-over children."""

import asyncio
import contextlib
import dataclasses
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from onetake.infra import supervisor as module
from onetake.infra.runfiles import read_run_files
from onetake.infra.supervisor import ProcessSpec, Supervisor

GOOD = """
    import asyncio, os, signal
    from onetake.kit.lifeline import Lifeline, die_with_supervisor
    die_with_supervisor()
    async def main():
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        async with Lifeline().beating() as lifeline:
            print("up", os.getpid(), flush=True)
            lifeline.ready()
            await stop.wait()
            print("bye", flush=True)
    asyncio.run(main())
"""
DEAF = """
    import os, signal, time
    from onetake.kit.lifeline import Lifeline
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("up", os.getpid(), flush=True)
    Lifeline().ready()
    time.sleep(600)
"""
LOUD = """
    import sys
    sys.stdout.write("x" * 200_000 + chr(10) + "end")
    sys.stdout.flush()
"""


class Log:
    """Collects the lines of the children and lets a test wait for one."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = asyncio.Event()

    def __call__(self, role: str, text: str) -> None:
        self.lines.append(f"{role}: {text}")
        self._changed.set()

    async def wait_for(self, good: Callable[[list[str]], bool]) -> None:
        async with asyncio.timeout(30):
            while not good(self.lines):
                self._changed.clear()
                await self._changed.wait()

    def pids(self) -> list[int]:
        return [int(line.split()[-1]) for line in self.lines if ": up " in line]


def spec(source: str, role: str = "child") -> ProcessSpec:
    return ProcessSpec(role, [sys.executable, "-c", textwrap.dedent(source)])


@contextlib.asynccontextmanager
async def supervising(supervisor: Supervisor) -> AsyncIterator[None]:
    task = asyncio.create_task(supervisor.run())
    try:
        yield
    finally:
        supervisor.stop()
        async with asyncio.timeout(30):
            await task


async def test_tells_when_everything_is_ready(tmp_path: Path) -> None:
    ready = asyncio.Event()
    log = Log()
    supervisor = Supervisor([spec(GOOD, "a"), spec(GOOD, "b")], tmp_path, log, on_ready=ready.set)
    async with supervising(supervisor):
        async with asyncio.timeout(30):
            await ready.wait()
        await log.wait_for(lambda _: len(log.pids()) >= 2)
        roles = {info.role: info.pid for info in read_run_files(tmp_path)}
        assert set(roles) == {"a", "b", "supervisor"}
        assert set(log.pids()) == {roles["a"], roles["b"]}
    assert sorted(line for line in log.lines if "bye" in line) == ["a: bye", "b: bye"]
    assert list(read_run_files(tmp_path)) == []


async def test_one_starts_after_another_is_ready(tmp_path: Path) -> None:
    ready = asyncio.Event()
    log = Log()
    first, second = spec(GOOD, "first"), spec(GOOD, "second")
    specs = [dataclasses.replace(second, after="first"), first]
    async with supervising(Supervisor(specs, tmp_path, log, on_ready=ready.set)):
        async with asyncio.timeout(30):
            await ready.wait()
        await log.wait_for(lambda _: len(log.pids()) >= 2)
        assert [line.split(":")[0] for line in log.lines] == ["first", "second"]


async def test_nobody_waits_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AFTER_LIMIT_S", 0.01)
    log = Log()
    never = spec("import time; time.sleep(600)", "never")
    specs = [never, dataclasses.replace(spec(GOOD, "other"), after="never")]
    async with supervising(Supervisor(specs, tmp_path, log)):
        await log.wait_for(lambda _: bool(log.pids()))


async def test_stop_before_its_turn(tmp_path: Path) -> None:
    never = spec("import time; time.sleep(600)", "never")
    specs = [never, dataclasses.replace(spec(GOOD, "other"), after="never")]
    async with supervising(Supervisor(specs, tmp_path, Log())):
        await asyncio.sleep(0)


async def test_restarts_a_crashed_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACKOFF_S", 0.01)
    log = Log()
    async with supervising(Supervisor([spec(GOOD)], tmp_path, log)):
        await log.wait_for(lambda _: len(log.pids()) == 1)
        os.kill(log.pids()[0], signal.SIGKILL)
        await log.wait_for(lambda _: len(log.pids()) >= 2)
        assert [info.restarts for info in read_run_files(tmp_path) if info.role == "child"] == [1]


async def test_replaces_a_frozen_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACKOFF_S", 0.01)
    monkeypatch.setattr(module, "BEAT_LIMIT_S", 2.5)
    log, ready = Log(), asyncio.Event()
    async with supervising(Supervisor([spec(GOOD)], tmp_path, log, on_ready=ready.set)):
        await log.wait_for(lambda _: len(log.pids()) == 1)
        async with asyncio.timeout(30):
            await ready.wait()  # before its first beat a child has a minute
        os.kill(log.pids()[0], signal.SIGSTOP)
        await log.wait_for(lambda _: len(log.pids()) >= 2)
        assert not psutil.pid_exists(log.pids()[0])


async def test_kills_a_child_that_will_not_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_GRACE_S", 0.2)
    log = Log()
    async with supervising(Supervisor([spec(DEAF)], tmp_path, log)):
        await log.wait_for(lambda _: bool(log.pids()))
    assert not psutil.pid_exists(log.pids()[0])


async def test_stop_during_back_off_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACKOFF_S", 3600.0)
    log = Log()
    async with supervising(Supervisor([spec("print('gone', flush=True)")], tmp_path, log)):
        await log.wait_for(lambda lines: lines == ["child: gone"])


async def test_program_that_cannot_start_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACKOFF_S", 0.01)
    program = tmp_path / "program"
    log = Log()
    async with supervising(Supervisor([ProcessSpec("late", [str(program)])], tmp_path / "run", log)):
        await asyncio.sleep(0)
        program.write_text("#!/bin/sh\necho here\nexec sleep 600\n")
        program.chmod(0o755)
        await log.wait_for(lambda lines: "late: here" in lines)


async def test_long_lines_are_cut_not_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACKOFF_S", 3600.0)
    log = Log()
    async with supervising(Supervisor([spec(LOUD)], tmp_path, log)):
        await log.wait_for(lambda lines: any(line.endswith("end") for line in lines))
    assert max(len(line) for line in log.lines) <= 2 * 64 * 1024 + 100
    assert sum(line.count("x") for line in log.lines) == 200_000


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
async def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    program = f"""
        import asyncio
        from pathlib import Path
        from onetake.infra.supervisor import ProcessSpec, Supervisor
        import sys
        child = ProcessSpec("child", [sys.executable, "-c", {textwrap.dedent(GOOD)!r}])
        asyncio.run(Supervisor([child], Path({str(tmp_path)!r}), lambda _role, text: print(text, flush=True)).run())
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(program), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        child = psutil.Process(int((await process.stdout.readline()).split()[-1]))
        process.kill()
        await process.wait()
        await asyncio.to_thread(psutil.wait_procs, [child], 20)
    assert not child.is_running()
