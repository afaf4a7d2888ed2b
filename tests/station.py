"""An operator before a running product: its API and its media ports, for tests that watch the whole product."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.engine.peers import FFMPEG9, QUIET, Packet, of_stream, parse_framehash, push_command

PASSWORD = "walrus under glass"
LIMIT_S = 60.0
MOST_SHIFT_S = 0.03
"""Times are rounded to milliseconds on the way, and sound is put right when it is off by half a frame."""


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
        """The answer of `path` once it fits; 503, which asks for patience, gets it."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            response = self.http.get(path)
            assert response.is_success or response.status_code == 503, f"{path}: {response.text[:300]}"
            if response.is_success and fits(response.json()):
                return response.json()
            assert time.monotonic() < deadline, f"{path} stayed {response.text}"
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


def packets(url: str, *options: str, laps: int = 1) -> list[Packet]:
    """Every packet that ffmpeg demuxes from `url`, through the filters among `options`; it must have no complaint."""
    again = ("-stream_loop", str(laps - 1)) if laps > 1 else ()
    output = ("-map", "0", "-c", "copy", *options, "-f", "framehash", "-hash", "md5", "-")
    command = [FFMPEG9, *QUIET, *again, "-i", url, *output]
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


@contextmanager
def reconnecting(clip: Path, url: str) -> Iterator[None]:
    """An encoder that connects again a second after each loss of its connection, as OBS does."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(1):
            with pushing(clip, url) as encoder:
                while encoder.poll() is None and not over.wait(0.1):
                    pass

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def assert_piece(original: Sequence[Packet], got: Sequence[Packet]) -> None:
    """`got` is a piece of `original`: no packet lost, added or changed, and sound and picture where they were."""
    shifts_s: list[float] = []
    for stream in sorted({packet.stream for packet in original}):
        whole, part = of_stream(list(original), stream), of_stream(list(got), stream)
        assert part, f"stream {stream} is missing"
        laps = [shifts_s_of(whole[begin:], part) for begin in occurrences(whole, part)]
        assert laps, f"stream {stream}: {len(part)} packets are not a piece of the original"
        # Sound may begin in the lap before that of the picture, so the first and the last lap are none to start from.
        near_s = (shifts_s or laps[len(laps) // 2])[0]
        shifts_s += sorted(laps, key=lambda lap: abs(lap[0] - near_s))[0]
    assert max(shifts_s) - min(shifts_s) <= MOST_SHIFT_S, (min(shifts_s), max(shifts_s))


def occurrences(whole: Sequence[Packet], part: Sequence[Packet]) -> list[int]:
    """Where the payloads of `part` stand in `whole`, which may repeat itself."""
    sent, wanted = [packet.digest for packet in whole], [packet.digest for packet in part]
    return [at for at in range(len(sent)) if sent[at : at + len(wanted)] == wanted]


def shifts_s_of(sent: Sequence[Packet], got: Sequence[Packet]) -> list[float]:
    """How much later than it was sent each packet is."""
    return [after.dts_s - before.dts_s for before, after in zip(sent, got, strict=False)]
