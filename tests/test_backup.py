"""The documented backup of a running product, restored elsewhere: everything plays, also what was being recorded."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.peers import Packet
from tests.running import Server, server_env, serving
from tests.station import PASSWORD, Station, packets

LATER_S = 3600


def onetake(env: dict[str, str], *words: str) -> str:
    """Output of the real command; it must succeed."""
    command = [sys.executable, "-P", "-m", "onetake", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def a_test_source(station: Station, name: str) -> int:
    body = {"name": name, "protocol": "test", "visibility": "public"}
    source: int = station.call("POST", "/api/sources", body)["id"]
    station.until_live(source)
    return source


def restore(backup: Path, data_dir: Path) -> None:
    """As the documentation says; and later than the grace window, in which an encoder could go on."""
    subprocess.run(["cp", "-a", f"{backup}/.", str(data_dir)], check=True)
    for video in data_dir.glob("media/**/video-*.mp4"):
        found = video.stat()
        os.utime(video, (found.st_atime - LATER_S, found.st_mtime - LATER_S))


@pytest.fixture
def original(tmp_path: Path) -> Iterator[tuple[Server, Station]]:
    env = server_env(tmp_path / "data", ONETAKE_ADMIN_PASSWORD=PASSWORD)
    with serving(env) as server:
        server.wait_until_ready()
        yield server, Station(env)


def by_mp4(station: Station, video: int) -> list[Packet]:
    """All packets of a video's MP4."""
    return packets(station.media_url(station.call("GET", f"/api/videos/{video}/play")["mp4_url"]))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_backup_of_a_running_instance_restored_elsewhere_plays(
    original: tuple[Server, Station], tmp_path: Path
) -> None:
    server, station = original
    hall, studio = a_test_source(station, "Hall"), a_test_source(station, "Studio")
    finished_task = station.record(hall, title="第一讲")
    station.until_recorded(hall, 4)
    station.call("POST", f"/api/sources/{hall}/record/stop")
    station.until_ended(finished_task)
    finished = station.until(
        f"/api/videos?source_id={hall}", lambda page: page["total"] and page["items"][0]["storyboard_url"]
    )["items"][0]
    running_task = station.record(studio, title="第二讲")
    before = station.until_recorded(studio, 4)
    told = onetake(station.env, "backup", str(tmp_path / "backup"))
    assert told.startswith("Backed up to ")
    station.until_recorded(studio, before["duration"] + 2)
    assert station.call("GET", f"/api/tasks/{running_task}")["gaps"] == []
    sent = station.packets(finished["id"])
    station.http.close()
    assert server.stop() == 0

    env = server_env(tmp_path / "elsewhere")
    restore(tmp_path / "backup", tmp_path / "elsewhere")
    findings = onetake(env, "doctor")
    assert "FAIL" not in findings
    with serving(env) as restored:
        restored.wait_until_ready()
        station = Station(env)  # the password of the administrator came along
        assert station.packets(finished["id"]) == sent
        assert len(by_mp4(station, finished["id"])) == len(sent)
        assert station.media(finished_poster(station, finished["id"])).content.startswith(b"\xff\xd8")
        interrupted = station.until_ended(running_task)
        assert interrupted["status"] == "interrupted"
        assert interrupted["duration"] >= before["duration"]
        video = station.video_of(studio)
        assert (video["title"], video["is_live"]) == ("第二讲", False)
        heard = station.packets(video["id"])
        assert len(heard) == len(by_mp4(station, video["id"])) >= before["duration"] * 25
        again = station.record(hall)
        station.until_recorded(hall, 1)
        station.call("POST", f"/api/sources/{hall}/record/stop")
        assert station.until_ended(again)["status"] == "completed"
        station.http.close()
        assert restored.stop() == 0


def finished_poster(station: Station, video: int) -> str:
    """The signed address of a video's poster."""
    poster: str = station.call("GET", f"/api/videos/{video}")["poster_url"]
    return poster
