"""What serving recordings costs: CPU seconds per GiB beside Debian's nginx, and a segment of 1 min against one of 3 h.

    python -m bench.bench_vod [--quick]

The same bytes are asked for in the same order: from OneTake's file process as virtual segments and as byte ranges of
the MP4, from nginx (one worker, sendfile) as byte ranges of the same file. One process of eight keep-alive
connections asks; only the servers' CPU is counted, so the rates (which the client limits) matter less. The last table
holds the target of the media core: request cost 3 h / 1 min <= 1.1, cold (each segment once) and warm.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import ROOT, cpu_s, free_port, percentile, table, wait_port

from onetake.kit.ids import uuid7
from onetake.media.index import IndexHeader, IndexRecord, IndexWriter
from onetake.media.recording import recording_place

CONNECTIONS = 8
SEGMENT_S, PARTS_PER_SEGMENT, TIMESCALE = 6, 15, 90_000
HEAD_BYTES, START_MS, PREFIX = 66_236, 1_700_000_000_000, "0123456789ab"
GIB = 1 << 30
NGINX_CONF = """daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; sendfile_max_chunk 1m; tcp_nopush on; keepalive_requests 1000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; root {root}; }} }}
"""


@dataclass(frozen=True)
class Title:
    """A recording on disk with its index; `segment_bytes` per six seconds."""

    id: uuid.UUID
    video: Path
    segments: int
    segment_bytes: int


@dataclass(frozen=True)
class Ask:
    """One request: path and range, and what must come."""

    path: str
    start: int | None
    size_bytes: int


@dataclass(frozen=True)
class Cost:
    """What a run cost the server."""

    requests: int
    size_bytes: int
    cpu_s: float
    wall_s: float
    p99_ms: float

    @property
    def cpu_s_per_gib(self) -> float:
        return self.cpu_s / (self.size_bytes / GIB)

    @property
    def cpu_us_per_request(self) -> float:
        return self.cpu_s / self.requests * 1e6


def make_title(data_dir: Path, seconds: int, kbps: int) -> Title:
    """A title of parts of 0.4 s; the bytes are noise, only their number matters here."""
    asset = uuid7()
    place = recording_place(data_dir, asset)
    place.folder.mkdir(parents=True)
    part_bytes = kbps * 1000 // 8 * SEGMENT_S // PARTS_PER_SEGMENT
    segments, ticks = seconds // SEGMENT_S, TIMESCALE * SEGMENT_S // PARTS_PER_SEGMENT
    header = IndexHeader(TIMESCALE, 700, 1, HEAD_BYTES, 0, START_MS, PREFIX, 1)
    writer = IndexWriter.create(place.video(0).with_suffix(".idx"), header)
    writer.append(
        IndexRecord(
            HEAD_BYTES + number * part_bytes,
            part_bytes,
            ticks,
            number * ticks,
            START_MS + number * ticks // 90,
            number // PARTS_PER_SEGMENT,
            3 if number % PARTS_PER_SEGMENT == 0 else 0,
            0,
        )
        for number in range(segments * PARTS_PER_SEGMENT)
    )
    writer.close()
    noise = os.urandom(1 << 20)
    left = HEAD_BYTES + segments * PARTS_PER_SEGMENT * part_bytes
    with place.video(0).open("wb") as file:
        while left > 0:
            left -= file.write(noise[:left])
    return Title(asset, place.video(0), segments, PARTS_PER_SEGMENT * part_bytes)


@contextlib.contextmanager
def file_process(data_dir: Path) -> Iterator[tuple[int, int]]:
    """OneTake's file process; pid and port."""
    port = free_port()
    argv = ["-m", "onetake.engine", "--role", "files", "--standalone", "--data-dir", str(data_dir)]
    child = subprocess.Popen([sys.executable, *argv, "--files-port", str(port)], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        wait_port(port)
        yield child.pid, port
    finally:
        child.terminate()
        child.wait(15)


@contextlib.contextmanager
def nginx(root: Path) -> Iterator[tuple[int, int]]:
    """Debian's nginx over the same folder; pid and port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bench-vod-nginx-") as folder:
        config = Path(folder, "nginx.conf")
        config.write_text(NGINX_CONF.format(folder=folder, port=port, root=root))
        user = "user root;" if os.geteuid() == 0 else "master_process on;"
        child = subprocess.Popen(["nginx", "-c", str(config), "-p", folder, "-g", user])
        try:
            wait_port(port)
            yield child.pid, port
        finally:
            child.terminate()
            child.wait(15)


def virtual(title: Title, order: Sequence[int]) -> list[Ask]:
    """The segments as HLS players ask for them."""
    return [Ask(f"/vod/{title.id}/s/{PREFIX}/{number}.m4s", None, title.segment_bytes) for number in order]


def ranges(title: Title, order: Sequence[int], path: str) -> list[Ask]:
    """The same bytes as ranges of one file."""
    return [Ask(path, HEAD_BYTES + number * title.segment_bytes, title.segment_bytes) for number in order]


def _worker(port: int, asks: list[Ask], latencies: list[float]) -> None:
    buffer = bytearray(1 << 20)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for ask in asks:
            begun = time.perf_counter()
            wanted = "" if ask.start is None else f"Range: bytes={ask.start}-{ask.start + ask.size_bytes - 1}\r\n"
            connection.sendall(f"GET {ask.path} HTTP/1.1\r\nHost: bench\r\n{wanted}\r\n".encode())
            _read_answer(connection, ask, buffer)
            latencies.append((time.perf_counter() - begun) * 1000)


def _read_answer(connection: socket.socket, ask: Ask, buffer: bytearray) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(65536)
        if not data:
            raise ConnectionError(f"closed after {head[:200]!r}")
        head += data
    head, _, body = head.partition(b"\r\n\r\n")
    expected = b" 200 " if ask.start is None else b" 206 "
    if (
        expected not in head.partition(b"\r\n")[0] + b" "
        or f"Content-Length: {ask.size_bytes}\r".encode() not in head + b"\r"
    ):
        raise ValueError(f"unexpected answer to {ask}: {head[:300]!r}")
    left = ask.size_bytes - len(body)
    while left > 0:
        count = connection.recv_into(buffer, min(left, len(buffer)))
        if not count:
            raise ConnectionError("closed inside a body")
        left -= count


def _client(port: int, asks: list[Ask], answer: "multiprocessing.Queue[list[float]]") -> None:
    latencies: list[float] = []
    shares = [asks[number::CONNECTIONS] for number in range(CONNECTIONS)]
    threads = [threading.Thread(target=_worker, args=(port, share, latencies)) for share in shares if share]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer.put(latencies)


def load(pid: int, port: int, asks: list[Ask]) -> Cost:
    """Ask for everything once, in another process, and see what it costs the server."""
    spawn = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[list[float]] = spawn.Queue()
    client = spawn.Process(target=_client, args=(port, asks, answer))
    before, begun = cpu_s(pid), time.perf_counter()
    client.start()
    latencies = answer.get(timeout=600)
    wall_s = time.perf_counter() - begun
    spent = cpu_s(pid) - before
    client.join()
    if len(latencies) != len(asks):
        raise RuntimeError(f"only {len(latencies)} of {len(asks)} requests were answered")
    return Cost(len(asks), sum(ask.size_bytes for ask in asks), spent, wall_s, percentile(latencies, 0.99))


def best_of(runs: int, pid: int, port: int, asks: list[Ask]) -> Cost:
    """The run with the least CPU: other work on the machine only ever adds."""
    return min((load(pid, port, asks) for _ in range(runs)), key=lambda cost: cost.cpu_s)


def order_of(title: Title, count: int) -> list[int]:
    """`count` segments, each as often as any other, shuffled the same way for every server."""
    order = [number % title.segments for number in range(count)]
    random.Random(7).shuffle(order)
    return order


def compare(data_dir: Path, named: dict[str, tuple[Title, int]], runs: int) -> None:
    """CPU per GiB of the three ways, title by title."""
    rows: list[tuple[str, ...]] = [
        ("title", "server", "CPU-s/GiB", "ratio to nginx", "CPU us/request", "requests/s", "p99 ms")
    ]
    with file_process(data_dir) as ours, nginx(data_dir) as theirs:
        for name, (title, count) in named.items():
            order = order_of(title, count)
            path = f"/{title.video.relative_to(data_dir)}"
            peer = best_of(runs, *theirs, ranges(title, order, path))
            ways = {
                "nginx ranges": peer,
                "OneTake segments": best_of(runs, *ours, virtual(title, order)),
                "OneTake ranges": best_of(runs, *ours, ranges(title, order, f"/vod/{title.id}/video.mp4")),
            }
            for way, cost in ways.items():
                ratio = f"{cost.cpu_s / peer.cpu_s:.2f}"
                figures = (f"{cost.cpu_s_per_gib:.3f}", ratio, f"{cost.cpu_us_per_request:.0f}")
                rows.append((name, way, *figures, f"{cost.requests / cost.wall_s:.0f}", f"{cost.p99_ms:.1f}"))
    table("VOD bytes beside nginx", rows)


def length_matters(data_dir: Path, short: Title, long: Title, runs: int) -> None:
    """Request cost by the length of the title: small pieces of segments, so that the look-up is most of it."""
    rows: list[tuple[str, ...]] = [("look-ups", "1 min CPU us", "3 h CPU us", "3 h / 1 min")]
    spread = [number * long.segments // 1500 for number in range(1500)]
    random.Random(7).shuffle(spread)
    for name, orders, repeat in (
        ("cold (each segment once)", ([n % short.segments for n in spread], spread), 1),
        ("warm", ([n % short.segments for n in spread], spread), 3),
    ):
        costs = []
        for title, order in zip((short, long), orders, strict=True):
            asks = [Ask(f"/vod/{title.id}/s/{PREFIX}/{number}.m4s", 0, 1000) for number in order for _ in range(repeat)]
            costs.append(min(_fresh(data_dir, title, asks, warm=repeat > 1) for _ in range(runs)))
        rows.append((name, f"{costs[0]:.0f}", f"{costs[1]:.0f}", f"{costs[1] / costs[0]:.2f}"))
    table("Segment request by title length", rows)


def _fresh(data_dir: Path, title: Title, asks: list[Ask], *, warm: bool) -> float:
    """CPU microseconds per request in a server that has only read the playlist before (and, warm, every segment)."""
    with file_process(data_dir) as (pid, port):
        playlist = f"http://127.0.0.1:{port}/vod/{title.id}/index.m3u8"
        subprocess.run(["curl", "-sf", "-o", "/dev/null", playlist], check=True)
        if warm:
            load(pid, port, asks)
        return load(pid, port, asks).cpu_us_per_request


def main() -> None:
    """Make the titles, run both comparisons, print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests, one run each")
    quick = parser.parse_args().quick
    if shutil.which("nginx") is None or shutil.which("curl") is None:
        raise SystemExit("nginx and curl are needed")
    runs, share = (1, 10) if quick else (3, 1)
    with tempfile.TemporaryDirectory(prefix="bench-vod-") as folder:
        data_dir = Path(folder)
        short, long = make_title(data_dir, 60, 373), make_title(data_dir, 3 * 3600, 373)
        named = {
            "60 s at 5 Mbit/s (3.6 MiB segments)": (make_title(data_dir, 60, 5000), 800 // share),
            "3 h at 373 kbit/s (0.27 MiB segments)": (long, 6000 // share),
        }
        compare(data_dir, named, runs)
        length_matters(data_dir, short, long, runs)


if __name__ == "__main__":
    main()
