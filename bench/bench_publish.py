"""Publishers: CPU per publisher with LL-HLS and recording on, beside nginx-rtmp with HLS (2 s) and FLV recording.

`python -m bench.bench_publish [--count 10] [--seconds 20]`
"""

import argparse
import time

from bench.bench_fanout import start
from bench.measure import Server, cpu_s, nginx_rtmp, onetake, raise_file_limit, rss_bytes, table

RATES_KBPS = (600, 4000)


def measure(server: Server, kbps: int, count: int, seconds: float) -> tuple[float, float]:
    """CPU share of a core per publisher, and memory per publisher in MB."""
    empty_bytes = rss_bytes(server.pid)
    pusher = start(
        "bench.pusher", "--url", server.rtmp(f"r{kbps}-"), "--count", count, "--kbps", kbps, "--seconds", 600
    )
    try:
        time.sleep(5)
        cpu, began = cpu_s(server.pid), time.monotonic()
        time.sleep(seconds)
        share = (cpu_s(server.pid) - cpu) / (time.monotonic() - began)
        return share / count, (rss_bytes(server.pid) - empty_bytes) / count / 1e6
    finally:
        pusher.kill()
        pusher.wait()


def main() -> None:
    """Both servers at both rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    raise_file_limit()
    rows = [("server", "bit rate", "CPU of a core / publisher", "RSS / publisher", "ratio of CPU")]
    ours: dict[int, float] = {}
    for kbps in RATES_KBPS:
        with onetake("--role", "live") as server:
            ours[kbps], memory = measure(server, kbps, options.count, options.seconds)
        rows.append(("onetake", f"{kbps} kbit/s", f"{ours[kbps] * 100:.2f} %", f"{memory:.1f} MB", ""))
        with nginx_rtmp() as server:
            theirs, memory = measure(server, kbps, options.count, options.seconds)
        ratio = f"{ours[kbps] / theirs:.1f}" if theirs else "-"
        rows.append(("nginx-rtmp", f"{kbps} kbit/s", f"{theirs * 100:.2f} %", f"{memory:.1f} MB", ratio))
    table(f"{options.count} publishers with HLS and recording", rows)


if __name__ == "__main__":
    main()
