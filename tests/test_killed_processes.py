"""A process is killed or restarted in the middle of a recording: what becomes of it, as the documentation says."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.measure import wait_port
from tests.engine.peers import make_clip
from tests.running import Server, server_env, serving
from tests.station import LIMIT_S, PASSWORD, Station, assert_piece, packets, pushing, reconnecting

LIVE = "--part=live"
FILES = "--part=files"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip"), "h264_aac", 10)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(server_env(tmp_path_factory.mktemp("server") / "data", ONETAKE_ADMIN_PASSWORD=PASSWORD)) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="module")
def station(server: Server) -> Iterator[Station]:
    signed_in = Station(server.env)
    yield signed_in
    signed_in.http.close()


def replace_process(server: Server, role: str, signum: signal.Signals = signal.SIGKILL) -> None:
    """End a process and wait for the one that takes its place."""
    old = server.child(role)
    old.send_signal(signum)
    server.wait_for_replacement(role, old)


@pytest.mark.slow
def test_a_recording_does_not_notice_that_api_worker_and_files_go(server: Server, station: Station, clip: Path) -> None:
    source, url = station.push_source()
    with pushing(clip, url):
        station.until_live(source)
        task = station.record(source)
        seconds = 2
        for role, signum in (
            ("api", signal.SIGKILL),
            ("api", signal.SIGTERM),
            ("worker", signal.SIGKILL),
            (FILES, signal.SIGKILL),
        ):
            station.until_recorded(source, seconds)
            replace_process(server, role, signum)
            seconds += 3
            row = station.until_recorded(source, seconds)
            assert (row["id"], row["status"], row["gaps"]) == (task, "recording", [])
        station.call("POST", f"/api/sources/{source}/record/stop")
    done = station.until_ended(task)
    assert (done["status"], done["gaps"], done["error_message"]) == ("completed", [], None)
    video = station.video_of(source)["id"]
    wait_port(int(server.env["ONETAKE_FILES_PORT"]), LIMIT_S)
    assert_piece(packets(str(clip), laps=20), station.packets(video))
    station.until(f"/api/videos/{video}", lambda row: row["storyboard_url"])
    assert station.media(station.call("GET", f"/api/videos/{video}/play")["poster_url"]).status_code == 200


@pytest.mark.slow
def test_a_worker_killed_at_work_leaves_it_to_the_next(server: Server, station: Station, clip: Path) -> None:
    source, url = station.push_source()
    with pushing(clip, url):
        station.until_live(source)
        task = station.record(source)
        station.until_recorded(source, 4)
        station.call("POST", f"/api/sources/{source}/record/stop")
        station.until_ended(task)
        replace_process(server, "worker")
    path = f"/api/videos/{station.video_of(source)['id']}"
    video = station.until(path, lambda row: row["storyboard_url"])
    assert station.media(video["poster_url"]).content.startswith(b"\xff\xd8")


@pytest.mark.slow
def test_a_recording_goes_on_after_the_media_server_when_its_source_returns(
    server: Server, station: Station, clip: Path
) -> None:
    """An encoder connects again by itself, as OBS does; what we pull we fetch again ourselves."""
    pushed, url = station.push_source()
    pulled = station.call("POST", "/api/sources", {"name": "Pattern", "protocol": "test"})["id"]
    tasks, before_s = {}, {}
    with reconnecting(clip, url):
        for source in (pushed, pulled):
            station.until_live(source)
            tasks[source] = station.record(source)
            before_s[source] = station.until_recorded(source, 3)["duration"]
        replace_process(server, LIVE)
        for source, task in tasks.items():
            row = station.until_recorded(source, before_s[source] + 6)
            assert (row["id"], row["status"]) == (task, "recording")
            station.call("POST", f"/api/sources/{source}/record/stop")
    for source, task in tasks.items():
        done = station.until_ended(task)
        assert (done["status"], len(done["gaps"])) == ("completed", 1), done
        assert station.call("GET", f"/api/tasks?source_id={source}")["total"] == 1
        assert plays(station, source, done["duration"])
        play = station.call("GET", f"/api/videos/{station.video_of(source)['id']}/play")
        assert station.media(play["hls_url"]).text.count("#EXT-X-MAP") == 2, "not in a new file"


def cut_off(server: Server, station: Station, clip: Path, *, grace_s: int) -> tuple[int, int, float]:
    """A source that is recorded, its task and recorded seconds; media server and encoder end, neither waits."""
    source, url = station.push_source(grace_s=grace_s)
    with pushing(clip, url):
        station.until_live(source)
        task = station.record(source)
        recorded = station.until_recorded(source, 4)["duration"]
        replace_process(server, LIVE)
    return source, task, recorded


@pytest.mark.slow
def test_a_recording_is_interrupted_when_its_source_does_not_return(
    server: Server, station: Station, clip: Path
) -> None:
    source, task, recorded = cut_off(server, station, clip, grace_s=3)
    done = station.until_ended(task)
    assert (done["status"], done["error_code"]) == ("interrupted", "interrupted")
    assert done["error_message"]
    assert done["duration"] >= recorded
    assert plays(station, source, done["duration"])


@pytest.mark.slow
def test_a_recording_whose_source_does_not_return_is_ended_by_stop(
    server: Server, station: Station, clip: Path
) -> None:
    source, task, recorded = cut_off(server, station, clip, grace_s=120)
    station.until(f"/api/sources/{source}/status", lambda status: not status["online"])
    assert station.call("GET", f"/api/tasks/{task}")["status"] == "recording"
    station.call("POST", f"/api/sources/{source}/record/stop")
    done = station.until_ended(task)
    assert (done["status"], done["error_code"]) == ("completed", None)
    assert done["duration"] >= recorded
    assert plays(station, source, done["duration"])


@pytest.mark.slow
def test_everything_is_killed_and_started_again(tmp_path: Path, clip: Path) -> None:
    env = server_env(tmp_path / "data", ONETAKE_ADMIN_PASSWORD=PASSWORD)
    with serving(env) as first:
        first.wait_until_ready()
        station = Station(env)
        source, url = station.push_source()
        with pushing(clip, url):
            station.until_live(source)
            task = station.record(source)
            recorded = station.until_recorded(source, 4)["duration"]
            first.process.kill()
            first.process.wait()
        station.http.close()
    with serving(env) as second:
        second.wait_until_ready()
        station = Station(env)
        with pushing(clip, url):
            station.until_recorded(source, recorded + 4)
            assert station.call("GET", f"/api/tasks/{task}")["status"] == "recording"
            station.call("POST", f"/api/sources/{source}/record/stop")
        done = station.until_ended(task)
        assert (done["status"], len(done["gaps"])) == ("completed", 1)
        assert plays(station, source, done["duration"])
        station.http.close()


def plays(station: Station, source: int, seconds: int) -> bool:
    """Whether the only video of a source is over and has so many seconds of pictures and of sound."""
    video = station.until(f"/api/videos?source_id={source}", lambda page: not page["items"][0]["is_live"])["items"][0]
    found = station.packets(video["id"])
    per_stream = [[packet.dts_s for packet in found if packet.stream == stream] for stream in (0, 1)]
    return all(times and times == sorted(times) and times[-1] - times[0] > seconds - 2 for times in per_stream)
