"""Pulled streams as the desired state wants them: start, stop, take part in sessions like any publisher."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engine.rtmp_client import RtmpPublisher, flv_tags
from tests.engine.servers import Live, live, until
from tests.engine.test_hooks import Receiver, serving

from onetake.engine.options import Limits
from onetake.engine.sessions import PushState
from onetake.engine.state import RecordMode, StreamConfig, hash_key
from onetake.media.flv import FlvTag

ClipMaker = Callable[..., Path]
PATTERN = {"url": "builtin:pattern"}
ON_DEMAND = PATTERN | {"on_demand": True}


class TestPulls:
    async def test_a_wanted_pull_becomes_a_stream_and_ends_with_its_wish(self, tmp_path: Path) -> None:
        config = StreamConfig("cam", record=RecordMode.AUTO, pull=PATTERN)
        async with live(tmp_path, standalone=False, limits=Limits(grace_s=0.5)) as server:
            await server.server.store.put_stream(config)
            await server.part("cam", 3, timeout_s=30)
            status = server.server.pulls.status("cam")
            assert status is not None
            assert (status["state"], status["source"]) == ("running", "builtin:pattern")
            assert server.server.recordings.active["cam"].sheet.trigger == "auto"
            await server.server.store.put_stream(StreamConfig("cam", record=RecordMode.AUTO))
            await server.state("cam", PushState.OFFLINE)
            assert server.server.pulls.status("cam") is None
            assert await server.recorded("cam")

    async def test_a_source_that_may_not_be_pulled_fails_with_its_reason(self, tmp_path: Path) -> None:
        async with live(tmp_path, standalone=False) as server:
            await server.server.store.put_stream(StreamConfig("bad", pull={"url": "file:///etc/passwd"}))
            await server.server.store.put_stream(StreamConfig("private", pull={"url": "http://127.0.0.1:1/x.flv"}))
            refused = server.server.pulls.status("bad")
            assert refused is not None
            assert refused["state"] == "failed"

            def judged() -> bool:
                status = server.server.pulls.status("private")
                return status is not None and status["state"] == "failed"

            await until(judged)

    async def test_a_pull_starts_again_with_the_server(self, tmp_path: Path) -> None:
        async with live(tmp_path, standalone=False) as server:
            await server.server.store.put_stream(StreamConfig("cam", pull=PATTERN))
        async with live(tmp_path, standalone=False) as server:
            await server.part("cam", 1, timeout_s=30)


class TestNotWanted:
    """Somebody else publishes, or the session is ended: the run ends, says why, and is tried again."""

    async def test_a_push_takes_over_and_the_pull_comes_back_behind_it(self, clip: ClipMaker, tmp_path: Path) -> None:
        receiver = Receiver()
        keyed = StreamConfig("cam", key_hashes=(hash_key("k"),), pull=PATTERN, grace_s=0)
        async with serving(receiver), live(tmp_path, standalone=False, api_url=receiver.url) as server:
            try_often(server)
            await server.server.store.put_stream(keyed)
            await server.part("cam", 1, timeout_s=30)
            async with await RtmpPublisher.open(server.rtmp("cam", "?key=k")) as push:
                sending = asyncio.create_task(repeat(push, flv_tags(clip("h264_aac", 2))))
                await until(lambda: error_of(server, "cam") == "stream_taken")
                refused = server.server.hub.refused
                await until(lambda: server.server.hub.refused >= refused + 2)
                stream = server.server.hub.streams["cam"]
                assert stream.publisher is not None
                assert stream.publisher.kind != "pull"
                assert state_of(server, "cam") in ("retrying", "connecting", "running")
                sending.cancel()
            await until(lambda: pulls_now(server, "cam"), timeout_s=30)
            await server.part("cam", 1)
            assert server.server.hooks is not None
            await server.server.hooks.drained()
        told = receiver.names("cam")
        assert told.count("on_publish") == 3
        assert told.count("on_unpublish") >= 2

    async def test_a_session_that_is_ended_is_pulled_anew(self, tmp_path: Path) -> None:
        async with live(tmp_path, standalone=False) as server:
            try_often(server)
            await server.server.store.put_stream(StreamConfig("cam", pull=PATTERN))
            await server.part("cam", 1, timeout_s=30)
            first = server.server.hub.life("cam")
            assert server.server.hub.end("cam", "ended_by_control")
            await until(lambda: error_of(server, "cam") == "pull_ended")
            await until(lambda: pulls_now(server, "cam"), timeout_s=30)
            await server.part("cam", 1)
            assert server.server.hub.life("cam") is not first
            assert error_of(server, "cam") == ""


class TestOnDemand:
    async def test_it_is_pulled_when_a_viewer_asks_and_rests_when_nobody_does(self, tmp_path: Path) -> None:
        async with live(tmp_path, standalone=False) as server:
            pulls = server.server.pulls
            await server.server.store.put_stream(StreamConfig("cam", pull=ON_DEMAND))
            assert state_of(server, "cam") == "idle"
            status, body = await server.get("/live/cam/index.m3u8")
            assert (status, body.startswith(b"#EXTM3U")) == (200, True)
            assert state_of(server, "cam") == "running"
            pulls.idle_s = 0.0
            pulls.tick()
            assert state_of(server, "cam") == "running"  # the viewer counts for some seconds more
            for viewer in server.server.viewers.sessions():
                server.server.viewers.disconnect(viewer)
            pulls.tick()
            assert state_of(server, "cam") == "idle"
            assert server.server.hub.state("cam") is PushState.OFFLINE
            pulls.idle_s = 30.0
            async with server.http.get(server.url("/live/cam.flv")) as answer:
                assert (answer.status, await answer.content.readexactly(3)) == (200, b"FLV")

    async def test_a_recording_starts_it_and_keeps_it(self, tmp_path: Path) -> None:
        async with live(tmp_path) as server:
            pulls = server.server.pulls
            await server.server.store.put_stream(StreamConfig("cam", pull=ON_DEMAND))
            status, sheet = await server.call("POST", "/control/record/start", {"stream": "cam"})
            assert (status, sheet["state"]) == (200, "recording")
            await server.part("cam", 3)
            pulls.idle_s = 0.0
            pulls.tick()
            assert state_of(server, "cam") == "running"
            await server.call("POST", "/control/record/stop", {"stream": "cam"})
            pulls.tick()
            assert state_of(server, "cam") == "idle"
            assert await server.recorded("cam")

    async def test_a_source_that_is_away_is_said_at_once(self, tmp_path: Path) -> None:
        async with live(tmp_path, standalone=False) as server:
            config = StreamConfig("away", pull={"url": "http://127.0.0.1:1/x.flv", "on_demand": True})
            await server.server.store.put_stream(config)
            async with asyncio.timeout(9):  # less than a viewer's whole patience
                status, _ = await server.get("/live/away.flv")
            assert status == 404
            assert state_of(server, "away") == "failed"

    async def test_an_idle_one_is_looked_at_without_being_pulled(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("onetake.engine.pulls.PROBE_PATIENCE_S", 30.0)
        allowed = ("127.0.0.1",)
        async with (
            live(tmp_path / "near", allow_private=allowed) as server,
            live(tmp_path / "far", standalone=False) as far,
        ):
            await far.server.store.put_stream(StreamConfig("hall", pull=PATTERN))
            await far.part("hall", 1, timeout_s=30)
            origin = {"url": far.url("/live/hall.flv"), "on_demand": True}
            await server.server.store.put_stream(StreamConfig("cam", pull=origin))
            status, found = await server.call("POST", "/control/streams/cam/probe")
            assert (status, [track["codec"] for track in found["tracks"]]) == (200, ["h264", "aac"])
            assert found["tracks"][0]["width"] > 0
            assert state_of(server, "cam") == "idle"
            assert "cam" not in server.server.hub.streams
            missing = origin | {"url": far.url("/live/nobody.flv")}
            await server.server.store.put_stream(StreamConfig("cam", pull=missing))
            assert (await server.call("POST", "/control/streams/cam/probe"))[1]["error"] == "source_not_found"

    async def test_a_look_takes_no_longer_than_the_asker_waits_and_is_kept(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        accepted: list[asyncio.StreamWriter] = []
        silent = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/x.flv"
        async with silent, live(tmp_path, allow_private=("127.0.0.1",)) as server:
            monkeypatch.setattr("onetake.engine.pulls.PROBE_PATIENCE_S", 0.0)
            await server.server.store.put_stream(StreamConfig("cam", pull={"url": url, "on_demand": True}))
            for _ in range(3):
                assert await server.call("POST", "/control/streams/cam/probe") == (200, {})
            await until(lambda: bool(accepted), timeout_s=30)
            accepted[0].write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            monkeypatch.setattr("onetake.engine.pulls.PROBE_PATIENCE_S", 30.0)
            assert (await server.call("POST", "/control/streams/cam/probe"))[1]["error"] == "source_not_found"
            assert len(accepted) == 1
            accepted[0].close()
            await server.server.store.put_stream(StreamConfig("always", pull=PATTERN))
            for other in ("always", "unknown"):
                assert await server.call("POST", f"/control/streams/{other}/probe") == (200, {})

    async def test_nobody_without_a_token_starts_it(self, tmp_path: Path) -> None:
        async with live(tmp_path, standalone=False, token_secret=b"x" * 32) as server:
            await server.server.store.put_stream(StreamConfig("cam", pull=ON_DEMAND, gated=True))
            assert (await server.get("/live/cam/index.m3u8"))[0] == 403
            assert (await server.get("/live/cam.flv"))[0] == 403
            assert state_of(server, "cam") == "idle"

    async def test_what_is_recorded_whenever_it_is_live_is_always_pulled(self, tmp_path: Path) -> None:
        async with live(tmp_path, standalone=False) as server:
            await server.server.store.put_stream(StreamConfig("cam", record=RecordMode.AUTO, pull=ON_DEMAND))
            await server.part("cam", 1, timeout_s=30)


def try_often(server: Live) -> None:
    """Shorten the back-off of the pulls that come."""
    pulls = server.server.pulls
    pulls._kit = replace(pulls._kit, backoff_min_s=0.2, backoff_max_s=0.4)


def pulls_now(server: Live, name: str) -> bool:
    stream = server.server.hub.streams.get(name)
    return stream is not None and stream.publisher is not None and stream.publisher.kind == "pull"


async def repeat(publisher: RtmpPublisher, tags: list[FlvTag]) -> None:
    """Send a clip over and over, in real time."""
    for round_ in range(1000):
        for tag in tags:
            await publisher.send([tag], shift_ms=round_ * 2000)
            await asyncio.sleep(0.01)


def error_of(server: Live, name: str) -> str:
    status = server.server.pulls.status(name)
    return str(status.get("error", "")) if status else ""


def state_of(server: Live, name: str) -> str:
    status = server.server.pulls.status(name)
    return str(status["state"]) if status else ""
