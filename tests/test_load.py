"""Two hundred viewers on one live stream while two recordings run and the API is used."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.engine.peers import make_clip, of_stream
from tests.running import Server, server_env, serving
from tests.station import LIMIT_S, PASSWORD, Station, pushing

ROOT = Path(__file__).parent.parent
VIEWERS = 200
WATCHED_S = 15


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    env = server_env(tmp_path / "data", ONETAKE_ADMIN_PASSWORD=PASSWORD, ONETAKE_LOG_FORMAT="json")
    with serving(env) as running:
        running.wait_until_ready()
        yield running


def watch(addresses: list[str], while_watching: Any) -> dict[str, Any]:
    """Run the audience; `while_watching` is called over and over until it is over."""
    command = [sys.executable, "-m", "bench.audience", "--media", str(WATCHED_S), "--limit", str(LIMIT_S)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as audience:
        assert audience.stdin is not None
        assert audience.stdout is not None
        audience.stdin.write(json.dumps(addresses))
        audience.stdin.close()
        while audience.poll() is None:
            while_watching()
        seen: dict[str, Any] = json.loads(audience.stdout.read())
    return seen


@pytest.mark.slow
def test_two_hundred_viewers_while_two_recordings_run_and_the_api_is_used(server: Server, tmp_path: Path) -> None:
    clip = make_clip(tmp_path, "h264_aac", 10)
    station = Station(server.env)
    watched, watched_url = station.push_source(name="watched", visibility="public")
    other, other_url = station.push_source(name="other")
    with pushing(clip, watched_url), pushing(clip, other_url):
        tasks = {}
        for source in (watched, other):
            station.until_live(source)
            tasks[source] = station.call("POST", f"/api/sources/{source}/record/start", {"title": f"录制 {source}"})[
                "id"
            ]
        video = station.video_of(watched)["id"]
        counts: list[int] = []
        addresses = station.guest_addresses(video, VIEWERS)
        seen = watch(addresses, lambda: counts.append(station.use_everything(watched, video)))
        assert (seen["viewers"], seen["failures"], seen["gaps"]) == (VIEWERS, {}, 0), seen
        assert seen["media_s_least"] >= WATCHED_S
        assert max(counts) == VIEWERS
        for source, task in tasks.items():
            station.call("POST", f"/api/sources/{source}/record/stop")
            assert_complete(station, source, station.until_ended(task))
    station.http.close()
    assert server.stop() == 0
    assert_nothing_went_wrong(server)


def assert_complete(station: Station, source: int, task: Any) -> None:
    """A recording without a gap, all of which plays."""
    assert (task["status"], task["gaps"], task["error_message"]) == ("completed", [], None)
    assert task["duration"] >= WATCHED_S
    pictures = of_stream(station.packets(station.video_of(source)["id"]), 0)
    assert abs(len(pictures) / 30 - task["duration"]) <= 1


def assert_nothing_went_wrong(server: Server) -> None:
    """No process logged an error."""
    entries = [json.loads(line) for line in server.lines if line.startswith("{")]
    assert entries
    assert [entry for entry in entries if entry["level"] in ("error", "critical")] == []
    assert "Traceback" not in server.output
