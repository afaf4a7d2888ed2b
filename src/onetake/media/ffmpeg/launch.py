"""Run as a script, never imported by the server: takes on limits, then becomes the tool.

    python -I -S launch.py '<limits as JSON>' <program> <argument>…

A script of its own instead of `preexec_fn`: nothing of ours runs between fork and exec in a process with threads, and
the big server process is not forked. The pid stays the same, so the group and its exit code are the tool's.
"""

import ctypes
import json
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_LIMITS = {
    "address_space_bytes": resource.RLIMIT_AS,
    "cpu_s": resource.RLIMIT_CPU,
    "file_bytes": resource.RLIMIT_FSIZE,
    "open_files": resource.RLIMIT_NOFILE,
}


def main(argv: list[str]) -> None:
    """Limit this process as told in `argv[0]` and replace it by the program `argv[1:]`."""
    told = json.loads(argv[0])
    if sys.platform == "linux":
        _linux(told)
    for name, what in _LIMITS.items():
        if told.get(name) is not None:
            _limit(what, int(told[name]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Python ignores these two; the tool must feel them.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    if told.get("nice"):
        os.nice(int(told["nice"]))
    try:
        os.execv(argv[1], argv[1:])
    except OSError as error:
        sys.stderr.write(f"cannot start: {error.strerror}\n")
        sys.exit(127)


def _linux(told: dict[str, int]) -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != told["parent"]:  # it died before prctl was in force
        sys.exit(127)
    if told.get("no_network"):
        # Where namespaces are forbidden the protocol whitelist still stands; so a failure is not an error.
        libc.unshare(_CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWUSER | _CLONE_NEWNET)


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (ceiling, ceiling))


if __name__ == "__main__":
    main(sys.argv[1:])
