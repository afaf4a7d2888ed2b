"""Shared by the benches: CPU of a process tree, percentiles, free ports, and servers under test as child processes."""

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
NGINX_RTMP = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")


def percentile(values: list[float], q: float) -> float:
    """The value below which the share `q` (0-1) of `values` lies; NaN for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else float("nan")


def free_port() -> int:
    """A TCP port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_port(port: int, timeout_s: float = 15) -> None:
    """Return once something accepts on `port`; TimeoutError otherwise."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on {port}")


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its living children, user and system."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def rss_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(psutil.Process(pid).memory_info().rss)


@dataclass(frozen=True, slots=True)
class Server:
    """A media server under test on loopback."""

    name: str
    pid: int
    rtmp_port: int
    http_port: int
    files_port: int
    data_dir: Path

    def rtmp(self, stream: str) -> str:
        """Where to publish or play `stream` by RTMP."""
        return f"rtmp://127.0.0.1:{self.rtmp_port}/live/{stream}"

    def http(self, path: str) -> str:
        """An address on the live port."""
        return f"http://127.0.0.1:{self.http_port}{path}"


def control(server: Server, path: str, body: object = None, method: str | None = None) -> object:
    """One control call on a stand-alone OneTake."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.http(path), data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@contextlib.contextmanager
def onetake(*extra: str, data_dir: Path | None = None) -> Iterator[Server]:
    """`onetake media --standalone` on free ports; its live process is `pid`."""
    folder = data_dir or Path(tempfile.mkdtemp(prefix="bench-onetake-"))
    rtmp, http, files = free_port(), free_port(), free_port()
    ports = ["--rtmp-port", str(rtmp), "--http-port", str(http), "--files-port", str(files)]
    command = [sys.executable, "-m", "onetake.engine", "--standalone", "--data-dir", str(folder), *ports, *extra]
    child = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        wait_port(http)
        wait_port(rtmp)
        yield Server("onetake", child.pid, rtmp, http, files, folder)
    finally:
        _end(child)
        if data_dir is None:
            shutil.rmtree(folder, ignore_errors=True)


NGINX_CONF = """
load_module {module};
daemon off; master_process off; worker_processes 1; error_log {folder}/error.log; pid {folder}/pid;
events {{ worker_connections 4096; }}
rtmp {{ server {{ listen 127.0.0.1:{rtmp}; chunk_size 4096;
  application live {{ live on; {outputs} }} }} }}
http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
  server {{ listen 127.0.0.1:{http}; root {folder}; }} }}
"""


@contextlib.contextmanager
def nginx_rtmp(outputs: bool = True) -> Iterator[Server]:
    """Debian's nginx with libnginx-mod-rtmp; `outputs` = HLS (2 s) and FLV recording of every stream."""
    folder = Path(tempfile.mkdtemp(prefix="bench-nginx-"))
    rtmp, http = free_port(), free_port()
    both = f"hls on; hls_path {folder}/hls; hls_fragment 2s; record all; record_path {folder}/rec; record_unique on;"
    for name in ("hls", "rec"):
        (folder / name).mkdir()
    text = NGINX_CONF.format(module=NGINX_RTMP, folder=folder, rtmp=rtmp, http=http, outputs=both if outputs else "")
    folder.chmod(0o755)
    (folder / "nginx.conf").write_text(text)
    child = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder), "-g", "user root;"])
    try:
        wait_port(rtmp)
        yield Server("nginx-rtmp", child.pid, rtmp, http, 0, folder)
    finally:
        _end(child)
        shutil.rmtree(folder, ignore_errors=True)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(15)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def child_pids(pid: int) -> list[int]:
    """Children of a process, oldest first."""
    return [process.pid for process in psutil.Process(pid).children()]


def raise_file_limit(count: int = 20_000) -> None:
    """Allow this process and its children `count` open files (as far as the system lets us)."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


def table(title: str, rows: Sequence[tuple[str, ...]]) -> None:
    """Print a Markdown table; the first row is its head."""
    print(f"\n### {title}\n")
    for index, row in enumerate(rows):
        print("| " + " | ".join(row) + " |")
        if index == 0:
            print("|" + " --- |" * len(row))
