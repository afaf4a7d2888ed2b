"""An operator before a running product: its API and its media ports, for tests that watch the whole product."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
from tests.engine.peers import FFMPEG9, QUIET, Packet, of_stream, parse_framehash, push_command

PASSWORD = "walrus under glass"
LIMIT_S = 60.0
TICK_S = 0.0025
"""Two times that were rounded to a millisecond more than once may differ by this much from the original."""
SEAM_S = 1.0
"""Sound and picture of a clip differ in length: for so long after a new lap, times are put right."""


class Station:
    """A signed-in operator before a running product."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        self.data_dir = Path(env["ONETAKE_DATA_DIR"])
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{env['ONETAKE_HTTP_PORT']}", timeout=30)
        answer = self.http.post("/api/auth/login", json={"username": "admin", "password": PASSWORD})
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def call(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        """JSON of an answer; the status must be good, or the one that is given."""
        response = self.http.request(method, path, json=body)
        wanted = response.is_success if status is None else response.status_code == status
        assert wanted, f"{method} {path}: {response.status_code} {response.text[:300]}"
        return response.json() if response.content else None

    def until(self, path: str, fits: Callable[[Any], Any]) -> Any:
        """The answer of `path` once it fits."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            answer = self.call("GET", path)
            if fits(answer):
                return answer
            assert time.monotonic() < deadline, f"{path} stayed {answer}"
            time.sleep(0.2)

    def media_url(self, path: str) -> str:
        """A path that the API gave, with the port of the process that serves it."""
        port = self.env["ONETAKE_FILES_PORT" if "/vod/" in path else "ONETAKE_MEDIA_PORT"]
        return f"http://127.0.0.1:{port}{path}"

    def media(self, path: str, **headers: str) -> httpx.Response:
        """One address of the media server."""
        return httpx.get(self.media_url(path), headers=headers, timeout=30)

    def push_source(self, **fields: Any) -> tuple[int, str]:
        """A new source that is pushed to: its number, and where to push."""
        made = self.call("POST", "/api/sources", {"name": "Push", "protocol": "push"} | fields)
        return made["id"], f"{made['push_url']}/{made['stream_key']}"

    def until_live(self, source: int) -> Any:
        """The status of a source once its pictures have been looked at."""
        return self.until(f"/api/sources/{source}/status", lambda found: found["state"] == "live" and found["fps"])

    def record(self, source: int, **wish: Any) -> int:
        """Start a recording; the number of its task."""
        task: int = self.call("POST", f"/api/sources/{source}/record/start", wish)["id"]
        return task

    def until_recorded(self, source: int, seconds: float) -> Any:
        """The newest task of a source once it has so many seconds."""
        path = f"/api/tasks?source_id={source}"
        return self.until(path, lambda page: page["total"] and page["items"][0]["duration"] >= seconds)["items"][0]

    def until_ended(self, task: int) -> Any:
        """A recording task once it has ended, as a row."""
        return self.until(f"/api/tasks/{task}", lambda row: row["status"] not in ("pending", "recording"))

    def video_of(self, source: int) -> Any:
        """The only video of a source."""
        return self.until(f"/api/videos?source_id={source}", lambda page: page["total"] == 1)["items"][0]

    def packets(self, video: int, *options: str) -> list[Packet]:
        """All packets of a video, as a player gets them by HLS."""
        return packets(self.media_url(self.call("GET", f"/api/videos/{video}/play")["hls_url"]), *options)

    def guest_addresses(self, video: int, count: int) -> list[str]:
        """What so many guests are told to play of a live video: each asks for itself; every other one plays FLV."""

        def ask(number: int) -> str:
            answer = httpx.get(f"{self.http.base_url}/api/videos/{video}/play", timeout=LIMIT_S)
            return self.media_url(answer.raise_for_status().json()["flv_url" if number % 2 else "live_url"])

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(ask, range(count)))

    def use_everything(self, source: int, video: int) -> int:
        """What an operator's and a viewer's pages ask for, once; how many viewers the source has."""
        for method, path, body in everyday_calls(video):
            self.call(method, path, body)
        viewers: int = self.call("GET", f"/api/sources/{source}/status")["viewers"]
        return viewers


def everyday_calls(video: int) -> list[tuple[str, str, Any]]:
    """Method, path and body of calls that pages make all the time."""
    position = {"position": 1, "duration": 5, "watch_duration": 1}
    return [
        ("GET", "/api/sources", None),
        ("GET", "/api/tasks", None),
        ("GET", "/api/videos?q=录制", None),
        ("GET", f"/api/videos/{video}/play", None),
        ("PUT", f"/api/videos/{video}", {"description": "under load"}),
        ("POST", f"/api/videos/{video}/progress", position),
        ("POST", "/api/videos/views", {"video_ids": [video]}),
        ("GET", "/api/system/status", None),
    ]


def packets(url: str, *options: str) -> list[Packet]:
    """Every packet that ffmpeg demuxes from `url`, through the filters among `options`; it must have no complaint."""
    command = [FFMPEG9, *QUIET, "-i", url, "-map", "0", "-c", "copy", *options, "-f", "framehash", "-hash", "md5", "-"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (found.returncode, found.stderr) == (0, ""), found.stderr
    return parse_framehash(found.stdout)


@contextmanager
def pushing(clip: Path, url: str) -> Iterator["subprocess.Popen[bytes]"]:
    """An encoder that sends `clip` over and over and is killed at the end of the block: no clean stop."""
    command = push_command(clip, url, loop=True)
    encoder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield encoder
    finally:
        encoder.kill()
        encoder.wait()


def assert_lap(original: Sequence[Packet], got: Sequence[Packet]) -> None:
    """`got` is a piece of `original` in a loop: no packet lost, added or changed, and all as far apart as they were."""
    for stream in sorted({packet.stream for packet in original}):
        whole, part = of_stream(list(original), stream), of_stream(list(got), stream)
        assert part, f"stream {stream} is missing"
        wanted = [packet.digest for packet in part]
        laps = [packet.digest for packet in whole] * (len(wanted) // len(whole) + 2)
        begin = next((at for at in range(len(whole)) if laps[at : at + len(wanted)] == wanted), None)
        assert begin is not None, f"stream {stream}: {len(wanted)} packets are not a piece of the original"
        for number, (before, after) in enumerate(pairwise(part), begin):
            here, there = whole[number % len(whole)], whole[(number + 1) % len(whole)]
            if SEAM_S < here.dts_s < there.dts_s:
                assert abs((after.dts_s - before.dts_s) - (there.dts_s - here.dts_s)) <= TICK_S, (stream, before, after)
