"""What the pictures of live streams cost: CPU of their makers, and lag of the live loop, unseen and looked at.

`python -m bench.bench_stills [--streams 10] [--seconds 60]`; a page that shows all streams asks for each every 15 s,
this program every 5 s. The bound is a tenth of a core (`engine.live_posters.SHARE`).
"""

import argparse
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from bench.bench_isolation import loop_lag_ms
from bench.measure import Server, onetake, percentile, table
from tests.engine.peers import push_command
from tests.media.fmp4.clips import BIG_BUCK_BUNNY

EVERY_S = 5.0
LAG_WINDOW_S = 61.0


@contextmanager
def streams(server: Server, names: list[str]) -> Iterator[None]:
    """Big Buck Bunny in 1080p as so many streams."""
    commands = [push_command(BIG_BUCK_BUNNY, server.rtmp(name), loop=True) for name in names]
    pushers = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands]
    try:
        time.sleep(5)
        yield
    finally:
        for pusher in pushers:
            pusher.kill()
            pusher.wait()


class Looker(threading.Thread):
    """Asks for the picture of one stream over and over."""

    def __init__(self, url: str, until_s: float) -> None:
        super().__init__(daemon=True)
        self.pictures: set[bytes] = set()
        self.waits_s: list[float] = []
        self.missing = 0
        self._url = url
        self._until_s = until_s

    def run(self) -> None:
        """Ask until the time is over."""
        while (began_s := time.monotonic()) < self._until_s:
            try:
                with urllib.request.urlopen(self._url, timeout=30) as answer:
                    self.pictures.add(answer.read())
            except urllib.error.HTTPError:
                self.missing += 1
            self.waits_s.append(time.monotonic() - began_s)
            time.sleep(max(0.0, began_s + EVERY_S - time.monotonic()))


def makers_cpu_s(server: Server) -> float:
    """CPU seconds of the children that have ended."""
    times = psutil.Process(server.pid).cpu_times()
    return float(times.children_user + times.children_system)


def look(server: Server, names: list[str], seconds: float) -> tuple[str, ...]:
    """Look at all streams for so long; a line of the table."""
    before_s, began_s = makers_cpu_s(server), time.monotonic()
    lookers = [Looker(server.http(f"/live/{name}/poster.jpg"), began_s + seconds) for name in names]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    lag_ms = loop_lag_ms(server)
    spent_s, took_s = makers_cpu_s(server) - before_s, time.monotonic() - began_s
    made = sum(len(looker.pictures) for looker in lookers)
    waits_ms = [wait_s * 1000 for looker in lookers for wait_s in looker.waits_s]
    missing = sum(looker.missing for looker in lookers)
    share = f"{spent_s / took_s * 100:.1f} %"
    each = f"{spent_s / max(1, made) * 1000:.0f} ms"
    return "looked at", str(made), each, share, f"{percentile(waits_ms, 0.5):.0f} ms", str(missing), f"{lag_ms:.0f} ms"


def main() -> None:
    """Nobody looks, then somebody looks at all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    names = [f"s{number}" for number in range(options.streams)]
    head = ("streams are", "pictures made", "CPU each", "CPU of a core", "wait p50", "not there yet", "loop lag max")
    with onetake() as server, streams(server, names):
        time.sleep(LAG_WINDOW_S)
        unseen = ("unseen", "0", "", "0 %", "", "", f"{loop_lag_ms(server):.0f} ms")
        seen = look(server, names, options.seconds)
    table(f"Pictures of {options.streams} live streams, 1080p", [head, unseen, seen])


if __name__ == "__main__":
    main()
