"""Child processes that hang, babble, fork, ignore signals or cannot be started (F27)."""

import asyncio
import resource
import sys
from pathlib import Path

import psutil
import pytest

from onetake.infra.jobs.errors import ChildFailed
from onetake.infra.jobs.process import Command, run_process
from onetake.infra.jobs.ring import Tail
from onetake.infra.jobs.sandbox import LINUX, Limits

ONLY_LINUX = pytest.mark.skipif(not LINUX, reason="prctl, name spaces and /proc are Linux")
LEAVES_A_GRANDCHILD = (
    "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']); "
    "print(child.pid, flush=True)"
)
PRINT_PID = "import os, sys; print(os.getpid(), flush=True); "


class Outputs:
    """Collects what a child says and announces its first word."""

    def __init__(self) -> None:
        self.stdout = b""
        self.stderr = Tail(1000)
        self.spoke = asyncio.Event()

    def take_stdout(self, data: bytes) -> bool:
        self.stdout += data
        self.spoke.set()
        return True

    def take_stderr(self, data: bytes) -> bool:
        self.stderr.write(data)
        return True

    async def first_word(self) -> str:
        async with asyncio.timeout(100):
            await self.spoke.wait()
        return self.stdout.decode().split()[0]


def python(code: str, cwd: Path, **options: object) -> Command:
    values: dict[str, object] = {"limits": Limits(), "silence_s": 20.0, "kill_grace_s": 0.3} | options
    return Command(argv=[sys.executable, "-c", code], cwd=cwd, env={"PATH": "/usr/bin:/bin"}, **values)  # type: ignore[arg-type]


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(60):
        while lives(pid):  # noqa: ASYNC110  somebody else's process
            await asyncio.sleep(0.01)


async def run(command: Command) -> tuple[int, Outputs]:
    outputs = Outputs()
    return await run_process(command, outputs.take_stdout, outputs.take_stderr), outputs


async def test_output_and_exit_code_arrive(tmp_path: Path) -> None:
    code, outputs = await run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", tmp_path))
    assert (code, outputs.stdout, outputs.stderr.text()) == (3, b"out\n", "err\n")


async def test_a_signal_shows_as_a_negative_code(tmp_path: Path) -> None:
    code, _ = await run(python("import os; os.kill(os.getpid(), 9)", tmp_path))
    assert code == -9


async def test_what_cannot_be_started_says_so(tmp_path: Path) -> None:
    command = Command(["/nonexistent/ffmpeg"], tmp_path, {}, Limits())
    with pytest.raises(ChildFailed, match="ffmpeg cannot be started"):
        await run(command)


async def test_a_silent_child_is_killed(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match=r"no progress for 0\.3 s"):
        await run(python("import time; time.sleep(3600)", tmp_path, silence_s=0.3))


async def test_a_child_that_takes_too_long_is_killed_although_it_talks(tmp_path: Path) -> None:
    talk = "import time\nwhile True: print('.', flush=True); time.sleep(0.01)"
    with pytest.raises(ChildFailed, match=r"took longer than 0\.3 s"):
        await run(python(talk, tmp_path, wall_s=0.3))


async def test_without_a_watchdog_silence_is_fine(tmp_path: Path) -> None:
    assert (await run(python("import time; time.sleep(0.2)", tmp_path, silence_s=None)))[0] == 0


async def test_output_that_is_no_sign_of_life_does_not_save_a_child(tmp_path: Path) -> None:
    babble = "import time\nwhile True: print('frame=0', flush=True); time.sleep(0.01)"
    command = python(babble, tmp_path, silence_s=0.4)
    with pytest.raises(ChildFailed, match="no progress"):
        await run_process(command, lambda data: False, lambda data: False)


async def test_a_gigabyte_of_babble_needs_no_memory(tmp_path: Path) -> None:
    babble = "import sys\nfor _ in range(300): sys.stderr.buffer.write(b'x' * 1_000_000)"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code, outputs = await run(python(babble, tmp_path))
    assert code == 0
    assert len(outputs.stderr.text()) <= 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


async def test_cancelling_ends_a_child_that_ignores_sigterm(tmp_path: Path) -> None:
    stubborn = PRINT_PID + "import signal, time; signal.signal(15, signal.SIG_IGN); print('armed', flush=True)\n"
    stubborn += "while True: time.sleep(1)"
    outputs = Outputs()
    task = asyncio.create_task(run_process(python(stubborn, tmp_path), outputs.take_stdout, outputs.take_stderr))
    pid = int(await outputs.first_word())
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert not psutil.pid_exists(pid)


async def test_the_whole_group_ends_with_a_cancel(tmp_path: Path) -> None:
    forking = LEAVES_A_GRANDCHILD + "; time.sleep(99)"
    outputs = Outputs()
    task = asyncio.create_task(run_process(python(forking, tmp_path), outputs.take_stdout, outputs.take_stderr))
    grandchild = int(await outputs.first_word())
    task.cancel()
    await asyncio.wait([task])
    await until_gone(grandchild)


async def test_a_grandchild_that_keeps_the_pipes_does_not_hang_the_job(tmp_path: Path) -> None:
    async with asyncio.timeout(60):
        code, outputs = await run(python(LEAVES_A_GRANDCHILD, tmp_path))
    assert code == 0
    grandchild = int(outputs.stdout)
    await until_gone(grandchild)


async def test_limits_are_in_force(tmp_path: Path) -> None:
    report = "import resource as r, os; print(r.getrlimit(r.RLIMIT_AS)[0], r.getrlimit(r.RLIMIT_FSIZE)[0], "
    report += "r.getrlimit(r.RLIMIT_CORE)[0], r.getrlimit(r.RLIMIT_NOFILE)[0], os.getsid(0) == os.getpid())"
    limits = Limits(memory_bytes=1 << 30, file_bytes=1 << 20, open_files=100)
    _, outputs = await run(python(report, tmp_path, limits=limits))
    assert outputs.stdout.split() == [b"1073741824", b"1048576", b"0", b"100", b"True"]


async def test_a_file_that_grows_too_large_ends_the_child(tmp_path: Path) -> None:
    write = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\nopen('big', 'wb').write(b'x' * 2_000_000)"
    code, _ = await run(python(write, tmp_path, limits=Limits(file_bytes=1 << 20)))
    assert code != 0
    assert (tmp_path / "big").stat().st_size <= 1 << 20


async def test_the_environment_is_only_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONETAKE_DATABASE_URL", "postgresql://user:secret@host/db")
    _, outputs = await run(python("import os; print(sorted(os.environ))", tmp_path))
    assert b"ONETAKE" not in outputs.stdout
    assert b"PATH" in outputs.stdout


@ONLY_LINUX
async def test_no_network_unless_asked_for(tmp_path: Path) -> None:
    """In a name space of its own even loopback is down; with the network a refused connection proves that it is up."""
    connect = "import socket\ntry: socket.create_connection(('127.0.0.1', 9), 2)\nexcept OSError as e: print(e.errno)"
    with_network = (await run(python(connect, tmp_path, network=True)))[1].stdout
    without = (await run(python(connect, tmp_path, network=False)))[1].stdout
    assert with_network.strip() == b"111"
    if without == with_network:
        pytest.skip("this system allows no network name space")
    assert without.strip() == b"101"


@ONLY_LINUX
async def test_children_gain_no_privileges(tmp_path: Path) -> None:
    _, outputs = await run(python("print([l for l in open('/proc/self/status') if 'NoNewPrivs' in l])", tmp_path))
    assert b"NoNewPrivs:\\t1" in outputs.stdout
