"""What a child process is given and denied, set between fork and exec.

It dies with this process (PR_SET_PDEATHSIG), has limits, cannot gain privileges and, where the system allows it, has no
network. Only calls that are safe after fork are made: everything is looked up before.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWNET = 0x4000_0000
LINUX = sys.platform == "linux"
DIES_WITH_PARENT = LINUX
"""Whether a killed worker takes its child processes along; elsewhere a restart must wait for the lease."""
_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one child process; None leaves a limit as it is."""

    memory_bytes: int | None = None
    file_bytes: int | None = None
    cpu_s: int | None = None
    open_files: int = 512
    nice: int = 10


def child_setup(limits: Limits, *, network: bool) -> Callable[[], None]:
    """The function to run in the child between fork and exec.

    The parent-death signal follows the *thread* that forks, so the child must be started from the event loop's thread.
    """
    parent = os.getpid()
    bounds = _bounds(limits)
    nice = limits.nice

    def setup() -> None:
        if _libc is not None:
            if not network:
                _cut_network()
            # after the name space: entering one resets the signal
            _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(127)  # the parent died before the signal was armed
            _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        for which, bound in bounds:
            resource.setrlimit(which, bound)
        os.nice(nice)

    return setup


def _cut_network() -> None:
    """Best effort: some systems forbid user name spaces, and then the URL guard is the only wall."""
    assert _libc is not None
    if _libc.unshare(_CLONE_NEWNET) != 0:
        _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _bounds(limits: Limits) -> list[tuple[int, tuple[int, int]]]:
    wanted = {
        resource.RLIMIT_AS: limits.memory_bytes if LINUX else None,  # macOS refuses to lower it
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_CPU: limits.cpu_s,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CORE: 0,
    }
    return [(which, _within_hard_limit(which, value)) for which, value in wanted.items() if value is not None]


def _within_hard_limit(which: int, value: int) -> tuple[int, int]:
    hard = resource.getrlimit(which)[1]
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    return bound, bound
