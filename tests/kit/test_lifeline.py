"""The child's end of supervision, without a supervisor."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from onetake.kit import lifeline as module
from onetake.kit.lifeline import BEAT_FD_ENV, SUPERVISOR_PID_ENV, Lifeline, LoopLag, die_with_supervisor


def test_nothing_happens_when_started_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SUPERVISOR_PID_ENV, raising=False)
    monkeypatch.delenv(BEAT_FD_ENV, raising=False)
    assert die_with_supervisor() is False
    Lifeline().ready()


@pytest.mark.parametrize("value", ["", "x", "-1", "999999"])
def test_nonsense_descriptor_is_ignored(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(BEAT_FD_ENV, value)
    Lifeline().ready()


async def test_beats_reach_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_EVERY_S", 0.001)
    reader, writer = os.pipe()
    monkeypatch.setenv(BEAT_FD_ENV, str(writer))
    try:
        async with Lifeline().beating() as line:
            line.ready()
            data = await asyncio.to_thread(os.read, reader, 65536)
        assert json.loads(data.splitlines()[0])["ready"] is True
        assert BEAT_FD_ENV not in os.environ, "children of this process must not inherit it"
    finally:
        os.close(reader)
        os.close(writer)


def test_gone_supervisor_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    monkeypatch.setenv(BEAT_FD_ENV, str(writer))
    line = Lifeline()
    os.close(reader)
    line.ready()
    line.ready()
    os.close(writer)


def test_full_pipe_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    monkeypatch.setenv(BEAT_FD_ENV, str(writer))
    line = Lifeline()
    for _ in range(5000):
        line.ready()
    os.close(reader)
    os.close(writer)


def test_child_of_a_dead_supervisor_ends_at_once() -> None:
    program = "from onetake.kit.lifeline import die_with_supervisor; die_with_supervisor(); print('alive')"
    env = {**os.environ, SUPERVISOR_PID_ENV: "1" if os.getpid() != 1 else "2"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "alive" not in done.stdout


def test_loop_lag_keeps_the_worst_of_a_minute() -> None:
    lag = LoopLag()
    assert lag.last_ms == lag.worst_ms == 0
    lag.note(0.25)
    lag.note(-0.001)
    assert lag.last_ms == 0
    assert lag.worst_ms == lag.worst_of_ms(2) == 250
    assert lag.worst_of_ms(1) == 0
    for _ in range(60):
        lag.note(0.001)
    assert lag.worst_ms == 1
