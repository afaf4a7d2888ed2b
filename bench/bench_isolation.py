"""Live while the file process is saturated: delay of FLV viewers and lag of the live loop, idle and under load.

`python -m bench.bench_isolation [--seconds 20] [--downloads 8]`
"""

import argparse
import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.bench_fanout import read_json, start
from bench.measure import Server, control, onetake, raise_file_limit, table

VIEWERS = 100


@contextmanager
def downloads(url: str, count: int) -> Iterator[list[int]]:
    """Fetch `url` over and over with `count` threads; gives the bytes read so far, per thread."""
    stopping, read = threading.Event(), [0] * count

    def work(index: int) -> None:
        while not stopping.is_set():
            with urllib.request.urlopen(url, timeout=30) as answer:
                while (data := answer.read(1 << 20)) and not stopping.is_set():
                    read[index] += len(data)

    threads = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield read
    finally:
        stopping.set()
        for thread in threads:
            thread.join(10)


def watch(server: Server, seconds: float) -> dict[str, float]:
    """What viewers of the live stream see."""
    child = start("bench.viewers", "--url", server.http("/live/cam.flv"), "--count", VIEWERS, "--seconds", seconds)
    read_json(child)
    seen = read_json(child)
    child.wait()
    return seen


def loop_lag_ms(server: Server) -> float:
    """The longest delay of the live loop in the last minute."""
    with urllib.request.urlopen(server.http("/metrics"), timeout=10) as answer:
        found = re.search(r'onetake_loop_lag_ms\{process="live"\} ([\d.]+)', answer.read().decode())
    return float(found[1]) if found else float("nan")


def row(name: str, seen: dict[str, float], lag_ms: float, rate: str) -> tuple[str, ...]:
    """One line of the table."""
    return name, f"{seen['p50_ms']:.0f} ms", f"{seen['p99_ms']:.0f} ms", f"{lag_ms:.0f} ms", rate


def main() -> None:
    """Idle first, then under load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--downloads", type=int, default=8)
    options = parser.parse_args()
    raise_file_limit()
    rows: list[tuple[str, ...]] = [("file process", "FLV delay p50", "FLV delay p99", "loop lag max", "downloads")]
    with onetake() as server:
        filler = start("bench.pusher", "--url", server.rtmp("big"), "--kbps", 20_000, "--seconds", 20)
        pusher = start("bench.pusher", "--url", server.rtmp("cam"), "--kbps", 600, "--seconds", 600)
        filler.wait()
        recordings: Any = control(server, "/control/recordings?name=big")
        url = f"http://127.0.0.1:{server.files_port}/vod/{recordings['recordings'][0]['id']}/video.mp4"
        time.sleep(61)  # the lag is the worst of a minute
        idle = watch(server, options.seconds)
        rows.append(
            ("idle", f"{idle['p50_ms']:.0f} ms", f"{idle['p99_ms']:.0f} ms", f"{loop_lag_ms(server):.0f} ms", "")
        )
        with downloads(url, options.downloads) as read:
            loaded = watch(server, options.seconds)
            lag_ms, rate = loop_lag_ms(server), sum(read) / options.seconds / 1e6
        loaded_row = (
            f"{loaded['p50_ms']:.0f} ms",
            f"{loaded['p99_ms']:.0f} ms",
            f"{lag_ms:.0f} ms",
            f"{rate:.0f} MB/s",
        )
        rows.append((f"{options.downloads} downloads", *loaded_row))
        pusher.kill()
        pusher.wait()
    table(f"Live delay with {VIEWERS} viewers while files are read", rows)


if __name__ == "__main__":
    main()
