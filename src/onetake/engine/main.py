"""Runs the media server: one process for the live side, one for files, so that disk reads never delay a live stream."""

import asyncio
import contextlib
import fcntl
import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from multiprocessing.process import BaseProcess

from onetake.engine.live import LiveServer
from onetake.engine.options import MediaOptions
from onetake.kit.lifeline import Lifeline, die_with_supervisor

log = logging.getLogger(__name__)

EXIT_BUSY = 3
DRAIN_S = 10.0
RESTART_AFTER_S = 1.0


class Role(StrEnum):
    """Which of the two processes to run."""

    LIVE = "live"
    FILES = "files"
    BOTH = "both"


def plain_log() -> None:
    """Log lines for people, unless the log is set up already."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def run_media(options: MediaOptions, role: Role = Role.BOTH, files_log: Callable[[], None] = plain_log) -> int:
    """Serve until SIGINT or SIGTERM; the exit code. `BOTH` runs the live side here and the file side in a child.

    `files_log`: sets up the log of that child (picklable). 3: another media server uses the data folder (F30).
    """
    die_with_supervisor()
    plain_log()
    if role is Role.FILES:
        return run_files(options)
    options.data_dir.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context((options.data_dir / "media.lock").open("a+"))
        if not _lock(lock.fileno()):
            log.error("another media server already uses %s", options.data_dir)
            return EXIT_BUSY
        if role is Role.BOTH:
            stack.enter_context(_files_beside(options, files_log))
        return asyncio.run(_serve_live(options))


def run_files(options: MediaOptions) -> int:
    """The file process: everything that reads from disk (:8081)."""
    from onetake.engine.http_files import serve_files

    return asyncio.run(serve_files(options))


async def _serve_live(options: MediaOptions) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = LiveServer(options)
    try:
        await server.__aenter__()
    except OSError as error:
        log.error("cannot start: %s", error)
        return 1
    # Units come by the thousand and hold no cycles: collect seldom, and never walk what lives as long as the process.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    log.info(
        "live on rtmp://%s:%d/live and http://%s:%d", options.bind, server.rtmp_port, options.bind, server.http_port
    )
    async with Lifeline().beating() as lifeline:
        lifeline.ready()
        await stop.wait()
    try:
        async with asyncio.timeout(DRAIN_S):
            await server.__aexit__(None, None, None)
    except TimeoutError:
        log.error("not everything could be finished in %.0f s; recovery at the next start completes it", DRAIN_S)
    return 0


@contextlib.contextmanager
def _files_beside(options: MediaOptions, set_up_log: Callable[[], None]) -> Iterator[None]:
    """Keep a file process running next to this one."""
    keeper = _Keeper(options, set_up_log)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()


class _Keeper(threading.Thread):
    """Starts the file process again whenever it dies."""

    def __init__(self, options: MediaOptions, set_up_log: Callable[[], None]) -> None:
        super().__init__(name="files-keeper", daemon=True)
        self._options = options
        self._set_up_log = set_up_log
        self._stopping = threading.Event()
        self._child: BaseProcess | None = None

    def run(self) -> None:
        """Start, wait, start again."""
        spawn = multiprocessing.get_context("spawn")
        while not self._stopping.is_set():
            what = (self._options, os.getpid(), self._set_up_log)
            child = self._child = spawn.Process(target=_files_child, args=what, name="files")
            child.start()
            child.join()
            if not self._stopping.wait(RESTART_AFTER_S):
                log.error("the file process ended with %s, starting it again", child.exitcode)

    def stop(self) -> None:
        """End the child and this thread."""
        self._stopping.set()
        child = self._child
        if child is not None and child.is_alive():
            child.terminate()
            child.join(5)
            if child.is_alive():
                child.kill()
        self.join(5)


def _files_child(options: MediaOptions, parent_pid: int, set_up_log: Callable[[], None]) -> None:
    """Entry of the file process: it dies with the live process, whatever happens to that."""
    os.environ["_ONETAKE_SUPERVISOR_PID"] = str(parent_pid)
    die_with_supervisor()
    set_up_log()
    sys.exit(run_files(options))


def _lock(descriptor: int) -> bool:
    """Take the lock of the data folder; a restart may overlap with the end of the old process for a moment."""
    until = time.monotonic() + DRAIN_S / 2
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        else:
            return True
