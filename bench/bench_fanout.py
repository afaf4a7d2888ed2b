"""Fan-out: CPU and memory per 1000 viewers at 600 kbit/s and the delay that the server adds, beside nginx-rtmp.

`python -m bench.bench_fanout [--viewers 1000] [--seconds 20]`
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass

from bench.measure import ROOT, Server, cpu_s, nginx_rtmp, onetake, raise_file_limit, rss_bytes, table

KBPS = 600


@dataclass(frozen=True, slots=True)
class Figures:
    """One run."""

    cpu_share: float
    rss_bytes: int
    p50_ms: float
    p99_ms: float
    mbit_s: float
    lost: int


def start(module: str, *arguments: object) -> subprocess.Popen[str]:
    """Run one of our bench processes."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def read_json(child: subprocess.Popen[str]) -> dict[str, float]:
    """The next line that a bench process printed."""
    assert child.stdout
    found: dict[str, float] = json.loads(child.stdout.readline())
    return found


def measure(server: Server, url: str, viewers: int, seconds: float) -> Figures:
    """Publish one stream, let `viewers` watch, and measure the server while they do."""
    pusher = start("bench.pusher", "--url", server.rtmp("cam"), "--kbps", KBPS, "--seconds", 600)
    try:
        time.sleep(3)
        empty_bytes = rss_bytes(server.pid)
        watching = start("bench.viewers", "--url", url, "--count", viewers, "--seconds", seconds)
        read_json(watching)
        time.sleep(2)
        cpu, began = cpu_s(server.pid), time.monotonic()
        time.sleep(seconds - 5)
        share = (cpu_s(server.pid) - cpu) / (time.monotonic() - began)
        grown_bytes = rss_bytes(server.pid) - empty_bytes
        seen = read_json(watching)
        watching.wait()
        mbit_s = seen["received_bytes"] * 8 / seconds / 1e6
        return Figures(share, grown_bytes, seen["p50_ms"], seen["p99_ms"], mbit_s, int(seen["lost"]))
    finally:
        pusher.kill()
        pusher.wait()


def baseline(server: Server, seconds: float) -> float:
    """CPU share with a publisher and nobody watching."""
    pusher = start("bench.pusher", "--url", server.rtmp("base"), "--kbps", KBPS, "--seconds", 600)
    try:
        time.sleep(2)
        cpu = cpu_s(server.pid)
        time.sleep(seconds)
        return (cpu_s(server.pid) - cpu) / seconds
    finally:
        pusher.kill()
        pusher.wait()


def row(name: str, figures: Figures, base: float, viewers: int) -> tuple[str, ...]:
    """One line of the table."""
    per_1000 = (figures.cpu_share - base) * 1000 / viewers
    return (
        name,
        f"{per_1000 * 100:.1f} %",
        f"{figures.rss_bytes * 1000 / viewers / 1e6:.1f} MB",
        f"{figures.p50_ms:.0f} ms",
        f"{figures.p99_ms:.0f} ms",
        f"{figures.mbit_s:.0f} Mbit/s",
        str(figures.lost),
    )


def main() -> None:
    """Both servers, RTMP and FLV."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    raise_file_limit()
    head = ("server, protocol", "CPU of a core / 1000", "RSS / 1000", "delay p50", "delay p99", "sent", "lost")
    rows: list[tuple[str, ...]] = [head]
    with onetake("--role", "live") as ours:
        base = baseline(ours, 5)
        for url, name in ((ours.http("/live/cam.flv"), "onetake HTTP-FLV"), (ours.rtmp("cam"), "onetake RTMP")):
            rows.append(row(name, measure(ours, url, options.viewers, options.seconds), base, options.viewers))
            time.sleep(2)
    with nginx_rtmp(outputs=False) as peer:
        base = baseline(peer, 5)
        rows.append(
            row(
                "nginx-rtmp RTMP",
                measure(peer, peer.rtmp("cam"), options.viewers, options.seconds),
                base,
                options.viewers,
            )
        )
    table(f"Fan-out to {options.viewers} viewers at {KBPS} kbit/s", rows)


if __name__ == "__main__":
    main()
