"""A real API process on a free port, as `onetake api` starts it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

START_LIMIT_S = 120


@dataclass(frozen=True)
class ApiProcess:
    """Where it answers and where it writes."""

    base_url: str
    log: Path


@contextmanager
def api_process(folder: Path, sqlite_url: str, **settings: str) -> Iterator[ApiProcess]:
    """`onetake api` over a migrated database until the end of the block; `settings` by their names in lower case."""
    folder.mkdir(parents=True, exist_ok=True)
    started = ApiProcess(f"http://127.0.0.1:{_free_port()}", folder / "output.log")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONETAKE_")}
    wanted = {
        "data_dir": str(folder / "data"),
        "database_url": sqlite_url,
        "http_port": started.base_url.rpartition(":")[2],
        **settings,
    }
    environment |= {f"ONETAKE_{name.upper()}": value for name, value in wanted.items()}
    with started.log.open("wb") as output:
        command = [sys.executable, "-m", "onetake", "api"]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_until_it_answers(started, process)
            yield started
        finally:
            process.terminate()
            process.wait(timeout=START_LIMIT_S)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_until_it_answers(started: ApiProcess, process: "subprocess.Popen[bytes]") -> None:
    deadline_s = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline_s:
        try:
            httpx.get(f"{started.base_url}/healthz")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(started.log.read_text())
