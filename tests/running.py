"""A real `onetake serve` in a process of its own, for tests that watch the whole program."""

import contextlib
import http.client
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

LIMIT_S = 60.0
_POLL_S = 0.05


def free_ports(count: int = 1) -> list[int]:
    """TCP ports of the loopback that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def server_env(data_dir: Path, **more: str) -> dict[str, str]:
    """Environment of a server with its own folder and ports, and nothing of the developer's settings."""
    http_port, media, files, rtmp = free_ports(4)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ONETAKE_", "_ONETAKE_"))}
    return {
        **clean,
        "ONETAKE_DATA_DIR": str(data_dir),
        "ONETAKE_HTTP_PORT": str(http_port),
        "ONETAKE_MEDIA_PORT": str(media),
        "ONETAKE_FILES_PORT": str(files),
        "ONETAKE_RTMP_PORT": str(rtmp),
        **more,
    }


def relative(path: Path) -> Path:
    """`path` as seen from the working folder: what a server is given when it is started as the README says."""
    return Path(os.path.relpath(path))


class Server:
    """A running `onetake serve`; its output is collected line by line."""

    def __init__(self, env: dict[str, str], command: list[str] | None = None) -> None:
        self.env = env
        self.port = int(env["ONETAKE_HTTP_PORT"])
        self.data_dir = Path(env["ONETAKE_DATA_DIR"])
        self.lines: list[str] = []
        self._fresh: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            command or [sys.executable, "-P", "-m", "onetake", "serve"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._fresh.put(line.rstrip("\n"))
        self._fresh.put(None)

    def wait_for_line(self, pattern: str) -> str:
        """The next line that matches; fails when the program ends or a minute passes first."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            try:
                line = self._fresh.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line like {pattern!r} in time:\n" + self.output) from None
            if line is None:
                raise AssertionError(f"ended without a line like {pattern!r}:\n" + self.output)
            self.lines.append(line)
            if re.search(pattern, line):
                return line

    def wait_until_ready(self) -> None:
        """Until every process works."""
        self.wait_for_line("OneTake is running")

    @property
    def output(self) -> str:
        """Everything read so far."""
        return "\n".join(self.lines)

    def get(self, path: str, headers: dict[str, str] | None = None, *, port: int | None = None) -> tuple[int, str]:
        """Status and body of one request, to the page's port or another one."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")

    def child(self, role: str) -> psutil.Process:
        """The living process of a role."""
        return next(child for child in self.children() if child.cmdline()[-1:] == [role])

    def children(self) -> list[psutil.Process]:
        """All direct children of the supervisor."""
        return psutil.Process(self.process.pid).children()

    def wait_for_replacement(self, role: str, old: psutil.Process) -> psutil.Process:
        """The process that took the place of `old`."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(StopIteration, psutil.Error):
                found = self.child(role)
                if found.pid != old.pid:
                    return found
            time.sleep(_POLL_S)
        raise AssertionError(f"nobody replaced the {role}:\n" + self.output)

    def stop(self, signum: signal.Signals = signal.SIGINT) -> int:
        """Ask it to stop; returns its exit code."""
        self.process.send_signal(signum)
        return self.end()

    def close(self) -> None:
        """Let go of the pipe; nothing of the server may be alive."""
        self._reader.join(LIMIT_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def end(self) -> int:
        """Wait for its end and its last line."""
        code = self.process.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        while (line := self._fresh.get(timeout=LIMIT_S)) is not None:
            self.lines.append(line)
        return code


@contextlib.contextmanager
def serving(env: dict[str, str], command: list[str] | None = None) -> Iterator[Server]:
    """A server that is gone, children included, when the block ends."""
    server = Server(env, command)
    family: list[psutil.Process] = []
    try:
        yield server
    finally:
        with contextlib.suppress(psutil.Error):
            family = server.children()
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait(LIMIT_S)
        for child in family:
            with contextlib.suppress(psutil.Error):
                child.kill()
        server.close()
