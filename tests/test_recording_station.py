"""The whole product once: sources, recording, schedules and videos through a real `onetake serve` and real media."""

import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import imageio_ffmpeg
import pytest
from tests.running import relative, server_env, serving
from tests.station import PASSWORD, Station

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
PATTERN = ("-re", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25", "-f", "lavfi", "-i", "sine=f=440:r=48000")
ENCODE = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "flv")


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    env = server_env(relative(tmp_path_factory.mktemp("station") / "data"), ONETAKE_ADMIN_PASSWORD=PASSWORD)
    with serving(env) as server:
        server.wait_until_ready()
        running = Station(env)
        yield running
        running.http.close()
        server.stop()


def a_test_source(station: Station, **fields: Any) -> int:
    body = {"name": "Pattern", "protocol": "test", "visibility": "public"} | fields
    source: int = station.call("POST", "/api/sources", body)["id"]
    station.until(f"/api/sources/{source}/status", lambda status: status["state"] == "live" and status["fps"])
    return source


@pytest.mark.slow
def test_from_a_new_source_to_a_video_that_is_restored_from_the_trash(station: Station) -> None:
    source = a_test_source(station)
    status = station.call("GET", f"/api/sources/{source}/status")
    assert (status["codec"], status["online"], status["last_error"]) == ("h264", True, None)
    task = station.call("POST", f"/api/sources/{source}/record/start", {"title": "第一次录制", "pre_roll_s": 2})
    assert task["status"] == "recording"
    again = station.call("POST", f"/api/sources/{source}/record/start", {}, status=409)
    assert again["code"] == "recording_running"
    assert station.call("DELETE", f"/api/sources/{source}", status=409)["code"] == "source_recording"
    running = station.until(f"/api/tasks/{task['id']}", lambda row: row["duration"] >= 6)
    assert running["file_size"] > 0
    found = station.until(f"/api/videos?source_id={source}", lambda page: page["total"] == 1)["items"][0]
    assert found["is_live"]
    play = station.call("GET", f"/api/videos/{found['id']}/play")
    assert "#EXT-X-ENDLIST" not in station.media(play["hls_url"]).text
    assert station.media(play["live_url"]).status_code == 200
    stopped = station.call("POST", f"/api/sources/{source}/record/stop")
    assert stopped["status"] in ("recording", "completed")
    done = station.until(f"/api/tasks/{task['id']}", lambda row: row["status"] == "completed")
    assert done["gaps"] == []
    video = station.until(f"/api/videos/{found['id']}", lambda row: row["storyboard_url"] and not row["is_live"])
    assert video["title"] == "第一次录制"
    assert video["duration"] == done["duration"] >= 4
    plays_everywhere(station, video["id"])
    undo(station, video["id"])


def plays_everywhere(station: Station, video_id: int) -> None:
    """HLS by ffmpeg, MP4 by ranges, poster and storyboard; and nothing without the token."""
    play = station.call("GET", f"/api/videos/{video_id}/play")
    url = f"http://127.0.0.1:{station.env['ONETAKE_FILES_PORT']}{play['hls_url']}"
    command = [FFMPEG, "-hide_banner", "-nostdin", "-i", url, "-f", "null", "-"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stderr
    seconds = re.findall(r"time=00:00:(\d\d)", shown)
    assert int(seconds[-1]) >= 4
    part = station.media(play["mp4_url"], Range="bytes=4-7")
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert station.media(play["poster_url"]).content.startswith(b"\xff\xd8")
    assert station.media(play["storyboard_url"]).text.startswith("WEBVTT")
    bare = re.sub(r"^/t/[^/]+", "", play["hls_url"])
    assert station.media(bare).status_code == 403


def undo(station: Station, video_id: int) -> None:
    station.call("DELETE", f"/api/videos/{video_id}")
    assert station.call("GET", "/api/videos?trash=true")["total"] == 1
    assert station.call("GET", "/api/videos")["total"] == 0
    station.call("POST", f"/api/videos/{video_id}/restore")
    assert station.call("GET", "/api/videos")["total"] == 1
    station.call("DELETE", f"/api/videos/{video_id}")
    station.call("DELETE", f"/api/videos/{video_id}?permanently=true")


@pytest.mark.slow
def test_a_schedule_runs_once_and_ends_by_itself(station: Station) -> None:
    source = a_test_source(station, record_mode="schedule")
    begin = datetime.now(UTC) + timedelta(seconds=2)
    plan = {
        "source_id": source,
        "name": "once",
        "run_at": begin.isoformat(),
        "duration_s": 4,
        "timezone": "Asia/Taipei",
    }
    schedule = station.call("POST", "/api/schedules", plan)
    assert len(schedule["next_runs"]) == 1
    tasks = station.until(
        f"/api/tasks?source_id={source}", lambda page: page["total"] and page["items"][0]["status"] == "completed"
    )
    assert tasks["total"] == 1
    assert tasks["items"][0]["trigger"] == "schedule"
    assert 2 <= tasks["items"][0]["duration"] <= 8
    after = station.call("GET", f"/api/schedules/{schedule['id']}")
    assert (after["last_result"], after["next_run_at"]) == ("started", None)


@pytest.mark.slow
def test_an_encoder_that_drops_and_returns_makes_one_video_with_one_gap(station: Station) -> None:
    made = station.call(
        "POST", "/api/sources", {"name": "OBS", "protocol": "push", "record_mode": "automatic", "grace_s": 20}
    )
    target = f"{made['push_url']}/{made['stream_key']}"
    assert made["push_url"].startswith("rtmp://127.0.0.1:")
    source = made["id"]
    for drop_s in (5, 0):
        encoder = subprocess.Popen(
            [FFMPEG, "-hide_banner", "-nostdin", "-loglevel", "error", *PATTERN, *ENCODE, target],
            stderr=subprocess.DEVNULL,
        )
        try:
            station.until(f"/api/sources/{source}/status", lambda status: status["state"] == "live")
            before = station.call("GET", f"/api/tasks?source_id={source}")["items"]
            grown = before[0]["duration"] + 3 if before else 3
            station.until(f"/api/tasks?source_id={source}", partial(has_grown, seconds=grown))
        finally:
            encoder.kill()  # no clean stop: the grace window opens
            encoder.wait()
        station.until(f"/api/sources/{source}/status", lambda status: status["state"] in ("grace", "stalled"))
        time.sleep(drop_s)
    station.call("PUT", f"/api/sources/{source}", {"is_active": False})
    tasks = station.until(f"/api/tasks?source_id={source}", lambda page: page["items"][0]["status"] != "recording")
    assert tasks["total"] == 1
    task = tasks["items"][0]
    assert (task["status"], task["trigger"], len(task["gaps"])) == ("completed", "automatic", 1)
    assert task["gaps"][0]["duration_ms"] > 4000
    video = station.video_of(source)
    assert (video["is_live"], video["duration"]) == (False, task["duration"])
    times = [packet.dts_s for packet in station.packets(video["id"]) if packet.stream == 0]
    assert times == sorted(times)
    assert times[-1] - times[0] > task["duration"] - 2


def has_grown(page: Any, seconds: int) -> bool:
    return bool(page["total"]) and page["items"][0]["duration"] >= seconds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("protocol", "url", "code"),
    [
        ("rtmp", "rtmp://127.0.0.1:1/live/x", "address_refused"),
        ("hls", "http://no-such-host.invalid/a.m3u8", "name_not_resolved"),
    ],
)
def test_why_a_source_is_offline_is_said(station: Station, protocol: str, url: str, code: str) -> None:
    made = station.call("POST", "/api/sources", {"name": "far", "protocol": protocol, "url": url})
    status = station.until(f"/api/sources/{made['id']}/status", lambda found: found["error_code"])
    assert status["error_code"] == code
    assert status["last_error"]
    assert station.call("POST", f"/api/sources/{made['id']}/record/start", status=409)["code"] == "source_offline"
    station.call("DELETE", f"/api/sources/{made['id']}")
