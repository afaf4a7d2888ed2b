"""A thousand viewers of one live stream, by HTTP-FLV and LL-HLS in turn, while two recordings run and the API is used.

`python -m bench.bench_load [--viewers 1000] [--seconds 30]`. Every figure stands beside that of the idle product in the
same run; the viewers run on the same machine and take their share of it.
"""

import argparse
import http.client
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import psutil
from bench.measure import ROOT, percentile, raise_file_limit, table
from tests.engine.peers import FFMPEG9, QUIET
from tests.running import Server, server_env, serving
from tests.station import PASSWORD, Station, everyday_calls, pushing

from onetake.infra.mediaserver import control_secret

ROLES = {"live": "--part=live", "files": "--part=files", "api": "api", "worker": "worker"}
CALM_S = 61
"""The loop lag that a process tells is the worst of its last minute."""
JOIN_S = 10
API_EVERY_S = 0.05
LIVE_EVERY_S = 0.02


def encode_clip(path: Path, kbps: int = 536) -> Path:
    """20 seconds of 640x360 with a keyframe every two, at a constant bit rate, and 64 kbit/s of sound."""
    rate = f"{kbps}k"
    video = ("-c:v", "libx264", "-preset", "veryfast", "-g", "50", "-pix_fmt", "yuv420p", "-x264-params", "nal-hrd=cbr")
    rates = ("-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate)
    inputs = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25", "-f", "lavfi", "-i", "sine=f=440:r=48000")
    command = [FFMPEG9, *QUIET, *inputs, *video, *rates, "-c:a", "aac", "-b:a", "64k", "-t", "20", "-y", str(path)]
    subprocess.run(command, check=True, timeout=120, stdin=subprocess.DEVNULL)
    return path


@contextmanager
def repeated(every_s: float, call: Callable[[], object]) -> Iterator[list[float]]:
    """Call again and again from a thread of its own; gives how long each call took, in ms. A call may not fail."""
    took_ms: list[float] = []
    over = threading.Event()

    def work() -> None:
        while not over.wait(every_s):
            began = time.perf_counter()
            call()
            took_ms.append((time.perf_counter() - began) * 1000)

    with ThreadPoolExecutor(1) as pool:
        calls = pool.submit(work)
        try:
            yield took_ms
        finally:
            over.set()
        calls.result()


def api_call(station: Station, video: int) -> Callable[[], object]:
    """One call after the other of those that pages make all the time."""
    wanted = cycle(everyday_calls(video))
    return lambda: station.call(*next(wanted))


def live_call(server: Server) -> Callable[[], object]:
    """The cheapest request to the live process: it takes as long as its loop is busy with others."""
    connection = http.client.HTTPConnection("127.0.0.1", int(server.env["ONETAKE_MEDIA_PORT"]), timeout=30)

    def call() -> object:
        connection.request("GET", "/healthz")
        return connection.getresponse().read()

    return call


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured over some time. Times in ms, CPU in shares of a core."""

    api_ms: list[float]
    live_ms: list[float]
    live_lag_ms: float
    api_lag_ms: float
    cpu: dict[str, float]


def measure(server: Server, station: Station, video: int, wait: Callable[[], object]) -> Figures:
    """Use the API and ask the live process while `wait` runs."""
    processes = {name: server.child(role) for name, role in ROLES.items()}
    before, began = {name: cpu_s(process) for name, process in processes.items()}, time.monotonic()
    with (
        repeated(API_EVERY_S, api_call(station, video)) as api_ms,
        repeated(LIVE_EVERY_S, live_call(server)) as live_ms,
    ):
        wait()
    spent_s = time.monotonic() - began
    cpu = {name: (cpu_s(process) - before[name]) / spent_s for name, process in processes.items()}
    api_lag_ms = station.call("GET", "/api/system/status")["loop_lag_worst_ms"]
    return Figures(api_ms, live_ms, live_lag_ms(server), api_lag_ms, cpu)


def cpu_s(process: psutil.Process) -> float:
    """CPU seconds of one process."""
    times = process.cpu_times()
    return float(times.user + times.system)


def live_lag_ms(server: Server) -> float:
    """The longest delay of the live process's loop in the last minute, as it tells."""
    port = server.env["ONETAKE_MEDIA_PORT"]
    secret = {"Authorization": f"Bearer {control_secret(server.data_dir)}"}
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", headers=secret, timeout=30).raise_for_status().text
    found = re.search(r'onetake_loop_lag_ms\{process="live"\} ([\d.]+)', text)
    return float(found[1]) if found else float("nan")


def start_audience(addresses: list[str], seconds: float) -> "subprocess.Popen[str]":
    """The viewers, in a process of their own."""
    command = [sys.executable, "-m", "bench.audience", "--media", f"{seconds + JOIN_S}", "--join", f"{JOIN_S}"]
    child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    child.stdin.write(json.dumps(addresses))
    child.stdin.close()
    return child


def record_a_video(station: Station, clip: Path) -> int:
    """A finished recording for the API to show."""
    source, url = station.push_source(name="earlier")
    with pushing(clip, url):
        station.until_live(source)
        task = station.record(source)
        station.until_recorded(source, 5)
        station.call("POST", f"/api/sources/{source}/record/stop")
        station.until_ended(task)
    video: int = station.video_of(source)["id"]
    return video


@dataclass(frozen=True, slots=True)
class Load:
    """What happened under load: figures, what the viewers saw, what became of the recordings."""

    figures: Figures
    seen: dict[str, Any]
    tasks: list[Any]


def under_load(server: Server, station: Station, clip: Path, video: int, viewers: int, seconds: float) -> Load:
    """Two recordings, the viewers of one of them, and the API."""
    with ExitStack() as stack:
        sources, tasks = [], []
        for name in ("watched", "other"):
            source, url = station.push_source(name=name, visibility="public")
            stack.enter_context(pushing(clip, url))
            station.until_live(source)
            tasks.append(station.record(source))
            sources.append(source)
        live = station.video_of(sources[0])["id"]
        audience = start_audience(station.guest_addresses(live, viewers), seconds)
        stack.callback(audience.kill)
        time.sleep(JOIN_S)
        figures = measure_with(audience, lambda wait: measure(server, station, video, wait))
        for source in sources:
            station.call("POST", f"/api/sources/{source}/record/stop")
        assert audience.stdout is not None
        return Load(figures, json.loads(audience.stdout.read()), [station.until_ended(task) for task in tasks])


def measure_with(audience: "subprocess.Popen[str]", work: Callable[[Callable[[], object]], Figures]) -> Figures:
    """Measure until the viewers are through, and what they themselves cost."""
    watching, spent = psutil.Process(audience.pid), [0.0]
    before, began = cpu_s(watching), time.monotonic()

    def until_seen() -> None:
        while audience.poll() is None:
            spent[0] = cpu_s(watching) - before
            time.sleep(0.2)

    figures = work(until_seen)
    figures.cpu["viewers"] = spent[0] / (time.monotonic() - began)
    return figures


def rows(idle: Figures, loaded: Figures) -> Iterator[tuple[str, ...]]:
    """The table of what the product did, idle and under load."""
    for name, before, after in (
        ("API p50", percentile(idle.api_ms, 0.5), percentile(loaded.api_ms, 0.5)),
        ("API p99", percentile(idle.api_ms, 0.99), percentile(loaded.api_ms, 0.99)),
        ("live process answers, p50", percentile(idle.live_ms, 0.5), percentile(loaded.live_ms, 0.5)),
        ("live process answers, p99", percentile(idle.live_ms, 0.99), percentile(loaded.live_ms, 0.99)),
        ("loop lag, live, worst of a minute", idle.live_lag_ms, loaded.live_lag_ms),
        ("loop lag, api, worst of a minute", idle.api_lag_ms, loaded.api_lag_ms),
    ):
        yield name, f"{before:.1f} ms", f"{after:.1f} ms", f"{after / before:.1f}" if before else ""
    for name, after in loaded.cpu.items():
        share = idle.cpu.get(name)
        ratio = f"{after / share:.1f}" if share else ""
        yield f"CPU, {name}", "" if share is None else f"{share * 100:.1f} %", f"{after * 100:.1f} %", ratio


def show(viewers: int, idle: Figures, load: Load, seconds: float) -> None:
    """Print both tables."""
    head = ("figure", "idle", f"{viewers} viewers", "ratio")
    table(f"One stream with {viewers} viewers, two recordings, the API in use", [head, *rows(idle, load.figures)])
    seen, all_s = load.seen, seconds + JOIN_S
    failures = ", ".join(f"{count} x {why}" for why, count in seen["failures"].items())
    what = [
        ("failed", failures or "none"),
        ("stalls", f"{seen['stalls']}, of {seen['stalled_viewers']} viewers, {seen['stalled_s']} s in all"),
        ("media left out", str(seen["gaps"])),
        ("media received by each, at least", f"{seen['media_s_least']} s"),
        ("received", f"{seen['received_bytes'] * 8 / all_s / 1e6:.0f} Mbit/s"),
        ("LL-HLS requests", f"{seen['requests'] / all_s:.0f} /s"),
        ("recordings", ", ".join(f"{task['status']} with {len(task['gaps'])} gaps" for task in load.tasks)),
    ]
    table("What the viewers saw", [("half by FLV, half by LL-HLS", ""), *what])


def main() -> None:
    """Idle first, then under load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    raise_file_limit()
    with tempfile.TemporaryDirectory() as folder:
        clip = encode_clip(Path(folder) / "clip.mp4")
        env = server_env(Path(folder) / "data", ONETAKE_ADMIN_PASSWORD=PASSWORD, ONETAKE_LOG_LEVEL="warning")
        with serving(env) as server:
            server.wait_until_ready()
            station = Station(env)
            video = record_a_video(station, clip)
            time.sleep(max(0.0, CALM_S - options.seconds))
            idle = measure(server, station, video, lambda: time.sleep(options.seconds))
            load = under_load(server, station, clip, video, options.viewers, options.seconds)
            show(options.viewers, idle, load, options.seconds)
            station.http.close()
            server.stop()


if __name__ == "__main__":
    main()
