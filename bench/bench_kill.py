"""kill -9 at random moments while five streams record: what every file holds afterwards, over many rounds.

`python -m bench.bench_kill [--rounds 50] [--seed 1]`

What a round checks: the media that the live playlists listed right before the kill is in the recovered files, but for
at most one part (0.4 s) per stream, and every file decodes from its first to its last frame.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from bench.measure import ROOT, free_port, percentile, table, wait_port
from tests.engine.peers import FFMPEG9, QUIET, make_clip, push_command

from onetake.media.index import IndexReader
from onetake.media.recording import video_files

STREAMS = [f"cam{number}" for number in range(5)]
PART_S = 0.4


class Victim:
    """The live process that is killed."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.rtmp_port, self.http_port = free_port(), free_port()
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start; how long it took until it listened, in seconds."""
        began = time.monotonic()
        ports = ["--rtmp-port", str(self.rtmp_port), "--http-port", str(self.http_port)]
        command = [sys.executable, "-m", "onetake.engine", "--standalone", "--role", "live", *ports]
        command += ["--data-dir", str(self.data_dir)]
        self.child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        wait_port(self.http_port)
        wait_port(self.rtmp_port)
        return time.monotonic() - began

    def kill(self) -> None:
        """No mercy."""
        assert self.child
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait()

    def get(self, path: str) -> str:
        """A page of the live port."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
            return text

    def sheets(self) -> list[dict[str, Any]]:
        """The recordings."""
        found: list[dict[str, Any]] = json.loads(self.get("/control/recordings"))["recordings"]
        return found

    def files(self, recording: str) -> list[Path]:
        """Its MP4 files."""
        return video_files(next(self.data_dir.glob(f"media/*/*/{recording}")) / "source")


def listed_s(playlist: str) -> float:
    """Media time that a playlist lists, parts of the open segment included."""
    whole = sum(float(value) for value in re.findall(r"#EXTINF:([\d.]+)", playlist))
    tail = playlist.rpartition("#EXTINF")[2]
    return whole + sum(float(value) for value in re.findall(r"#EXT-X-PART:DURATION=([\d.]+)", tail))


def decodes(path: Path) -> bool:
    """Whether every frame can be decoded."""
    command = [FFMPEG9, *QUIET, "-xerror", "-i", str(path), "-f", "null", "-"]
    return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == 0


def one_round(victim: Victim, clip: Path, seconds: float) -> tuple[list[float], float, int]:
    """Loss per stream in seconds, restart time, files that do not decode."""
    urls = [f"rtmp://127.0.0.1:{victim.rtmp_port}/live/{name}" for name in STREAMS]
    pushers = [subprocess.Popen(push_command(clip, url, loop=True), stderr=subprocess.DEVNULL) for url in urls]
    time.sleep(2 + seconds)
    running = {sheet["name"]: sheet for sheet in victim.sheets() if sheet["state"] == "recording"}
    earlier = {name: len(victim.files(running[name]["id"])) - 1 for name in STREAMS}
    listed = {name: listed_s(victim.get(f"/live/{name}/live.m3u8")) for name in STREAMS}
    victim.kill()
    for pusher in pushers:
        pusher.kill()
        pusher.wait()
    restart_s = victim.start()
    losses, broken = [], 0
    for name in STREAMS:
        newest = victim.files(running[name]["id"])[earlier[name] :]
        broken += sum(not decodes(path) for path in newest)
        held = sum(duration_s(path) for path in newest)
        losses.append(max(0.0, listed[name] - held))
    return losses, restart_s, broken


def duration_s(path: Path) -> float:
    """Length of a file by its index."""
    with IndexReader(path.with_suffix(".idx")) as index:
        return (index[-1].end_ticks - index[0].dts_ticks) / index.header.timescale if len(index) else 0.0


def main() -> None:
    """All rounds on one data folder, so that recordings also go on after each restart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    losses: list[float] = []
    restarts: list[float] = []
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder), "h264_aac", 10)
        victim = Victim(Path(folder) / "data")
        victim.start()
        for _ in range(options.rounds):
            lost, restart_s, bad = one_round(victim, clip, moments.uniform(0, 2.5))
            losses += lost
            restarts.append(restart_s)
            broken += bad
        victim.kill()
    rows = [
        ("rounds x streams", "files that do not decode", "loss p50", "loss max", "more than a part", "restart max"),
        (
            f"{options.rounds} x {len(STREAMS)}",
            str(broken),
            f"{percentile(losses, 0.5) * 1000:.0f} ms",
            f"{max(losses) * 1000:.0f} ms",
            str(sum(loss > PART_S + 0.01 for loss in losses)),
            f"{max(restarts):.1f} s",
        ),
    ]
    table(f"kill -9 while recording (seed {options.seed})", rows)


if __name__ == "__main__":
    main()
