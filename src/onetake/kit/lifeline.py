"""The child's end of supervision: die with the supervisor, and beat while the event loop turns.

The supervisor names itself and one pipe in the environment. A process that was started by hand finds nothing there
and `Lifeline` does nothing. Runs in the child, beats on its event loop.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator

SUPERVISOR_PID_ENV = "_ONETAKE_SUPERVISOR_PID"
BEAT_FD_ENV = "_ONETAKE_BEAT_FD"
BEAT_EVERY_S = 1.0
_PR_SET_PDEATHSIG = 1


class LoopLag:
    """How late the event loop of this process wakes up, measured once a second over the last minute."""

    def __init__(self) -> None:
        self._window_ms: deque[float] = deque([0.0], maxlen=60)

    def note(self, late_s: float) -> None:
        """Record that a timer fired `late_s` seconds after its time."""
        self._window_ms.append(max(0.0, late_s * 1000))

    @property
    def last_ms(self) -> float:
        """The newest delay, in milliseconds."""
        return self._window_ms[-1]

    @property
    def worst_ms(self) -> float:
        """The longest delay of the last minute, in milliseconds."""
        return max(self._window_ms)

    def worst_of_ms(self, seconds: int) -> float:
        """The longest delay of the last `seconds` (at least one), in milliseconds."""
        return max(list(self._window_ms)[-seconds:])


loop_lag = LoopLag()


class Lifeline:
    """What a supervised process holds on to; harmless without a supervisor."""

    def __init__(self) -> None:
        self._fd = _inherited_fd()
        self._ready = False

    def ready(self) -> None:
        """Tell the supervisor that this process now does its work (answers, claims jobs)."""
        self._ready = True
        self._beat()

    async def run(self) -> None:
        """Beat once a second and measure the loop's lag, until cancelled."""
        while True:
            due = time.monotonic() + BEAT_EVERY_S
            await asyncio.sleep(BEAT_EVERY_S)
            loop_lag.note(time.monotonic() - due)
            self._beat()

    @contextlib.asynccontextmanager
    async def beating(self) -> AsyncIterator["Lifeline"]:
        """Beat for as long as the block runs."""
        task = asyncio.create_task(self.run(), name="lifeline")
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _beat(self) -> None:
        if self._fd is None:
            return
        line = json.dumps({"ready": self._ready, "lag_ms": round(loop_lag.last_ms, 1)}) + "\n"
        try:
            os.write(self._fd, line.encode())
        except BlockingIOError:
            return  # the supervisor is busy; it will see the next beat
        except OSError:
            self._fd = None


def _inherited_fd() -> int | None:
    value = os.environ.pop(BEAT_FD_ENV, "")
    if not value.isdigit():
        return None
    fd = int(value)
    try:
        os.set_blocking(fd, False)
        os.set_inheritable(fd, False)
    except OSError:
        return None
    return fd


def die_with_supervisor() -> bool:
    """Ask the system to kill this process when its supervisor is gone; False when it was started by hand.

    Linux does it in the kernel (prctl PR_SET_PDEATHSIG), elsewhere a thread watches the parent's pid.
    """
    value = os.environ.pop(SUPERVISOR_PID_ENV, "")
    if not value.isdigit():
        return False
    supervisor_pid = int(value)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch_parent, args=(supervisor_pid,), daemon=True, name="parent-watch").start()
    if os.getppid() != supervisor_pid:  # it died before prctl was in force
        os._exit(1)
    return True


def _watch_parent(supervisor_pid: int) -> None:
    while os.getppid() == supervisor_pid:
        time.sleep(0.5)
    os._exit(1)
