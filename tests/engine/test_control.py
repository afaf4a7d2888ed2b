"""`/control/*`, the SRS API, the stand-alone page: who may use them and what they do to a running stream."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.engine.peers import of_stream, packets, pushing, stop_cleanly
from tests.engine.rtmp_client import RtmpPublisher, flv_tags
from tests.engine.servers import live, options, until
from tests.running import free_ports

from onetake.engine import revocations
from onetake.engine.http_files import FileServer, running
from onetake.engine.sessions import PushState
from onetake.engine.state import hash_key
from onetake.kit.signing import Grant, Keyring, Method, ScopeKind, sign

ClipMaker = Callable[..., Path]
SECRET = {"Authorization": "Bearer " + "s" * 32}
STREAM = {"key_hashes": [hash_key("k")], "record": "manual"}


class TestWhoMay:
    async def test_managed_servers_want_the_secret_everywhere(self, tmp_path: Path) -> None:
        paths = ("/control/state", "/control/streams", "/control/recordings", "/control/revoked", "/metrics")
        async with live(tmp_path, standalone=False, control_secret="s" * 32) as server:
            for path in (*paths, "/api/v1/streams/"):
                assert (await server.get(path))[0] == 401
                assert (await server.get(path, Authorization="Bearer wrong"))[0] == 401
                assert (await server.get(path, **SECRET))[0] == 200
            assert (await server.get("/healthz"))[0] == 200
            assert (await server.get("/"))[0] == 404

    async def test_a_foreign_page_may_not_drive_a_standalone_server(self, tmp_path: Path) -> None:
        body = {"what": "viewer", "value": "x"}
        async with live(tmp_path) as server:
            assert (await server.call("POST", "/control/revoke", body))[0] == 200
            assert (await server.call("POST", "/control/revoke", body, Origin="http://evil.example"))[0] == 403
            assert (await server.call("POST", "/control/revoke", body, **{"Sec-Fetch-Site": "cross-site"}))[0] == 403
            assert (await server.call("POST", "/control/revoke", body, Host="evil.example:80"))[0] == 401
            own = server.url("")
            assert (await server.call("POST", "/control/revoke", body, Origin=own))[0] == 200


class TestState:
    async def test_put_get_and_conflict(self, tmp_path: Path) -> None:
        async with live(tmp_path, standalone=False, control_secret="s" * 32) as server:
            full = {"version": 7, "streams": [{"name": "cam", **STREAM}]}
            assert (await server.call("PUT", "/control/state", full, **SECRET))[0] == 200
            assert (await server.call("PUT", "/control/state", full | {"version": 6}, **SECRET))[0] == 409
            status, state = await server.call("GET", "/control/state", **SECRET)
            assert (status, state["version"], state["streams"][0]["name"]) == (200, 7, "cam")
            assert (await server.call("PUT", "/control/streams/two", STREAM, **SECRET))[0] == 200
            assert (await server.call("DELETE", "/control/streams/cam", **SECRET))[0] == 200
            _, streams = await server.call("GET", "/control/streams", **SECRET)
        assert [stream["name"] for stream in streams["streams"]] == ["two"]
        assert (tmp_path / "media-state.json").exists()

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ([], ("not_an_object", "state")),
            ({"version": -1}, ("not_in_range", "version")),
            ({"version": 1, "streams": [{"name": "../x"}]}, ("bad_name", "name")),
            ({"streams": 3}, ("not_short_list", "streams")),
        ],
    )
    async def test_bad_states_change_nothing(self, body: object, named: tuple[str, str], tmp_path: Path) -> None:
        async with live(tmp_path) as server:
            status, problem = await server.call("PUT", "/control/state", body)
            assert status == 400
            assert (problem["code"], problem["field"]) == named
            assert server.server.store.state.version == 0

    async def test_pushing_the_state_again_disturbs_nothing(self, clip: ClipMaker, tmp_path: Path) -> None:
        full = {"version": 1, "streams": [{"name": "cam", **STREAM, "record": "auto"}]}
        async with live(tmp_path, standalone=False, control_secret="s" * 32) as server:
            await server.call("PUT", "/control/state", full, **SECRET)
            async with await RtmpPublisher.open(server.rtmp("cam", "?key=k")) as publisher:
                await publisher.send(flv_tags(clip("h264_aac", 3)))
                await server.part("cam")
                life = server.server.hub.life("cam")
                recording = server.server.recordings.active["cam"].sheet.id
                await server.call("PUT", "/control/state", full | {"version": 2}, **SECRET)
                assert server.server.hub.life("cam") is life
                assert server.server.recordings.active["cam"].sheet.id == recording


class TestRecording:
    async def test_start_with_preroll_stop_and_list(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with live(tmp_path, standalone=False, control_secret="s" * 32) as server:
            await server.call("PUT", "/control/streams/cam", STREAM, **SECRET)
            start = {"stream": "cam", "preroll_s": 2.5}
            assert (await server.call("POST", "/control/record/start", start, **SECRET))[0] == 409
            async with pushing(clip("h264_aac", 10), server.rtmp("cam", "?key=k")):
                await server.segment("cam", 3)
                assert server.server.recordings.active == {}
                status, sheet = await server.call("POST", "/control/record/start", start, **SECRET)
                assert (status, sheet["state"], sheet["trigger"]) == (200, "recording", "manual")
                _, told = await server.call("GET", "/control/streams", **SECRET)
                assert told["server"]["received_bytes"] > 0
                assert (told["streams"][0]["recording"], told["streams"][0]["paused"]) == (sheet["id"], None)
                _, again = await server.call("POST", "/control/record/start", start, **SECRET)
                assert again["id"] == sheet["id"]
                await server.segment("cam", 5)
                status, stopped = await server.call("POST", "/control/record/stop", {"stream": "cam"}, **SECRET)
                assert status == 200
                assert (await server.call("POST", "/control/record/stop", {"stream": "cam"}, **SECRET))[0] == 409
                assert server.server.hub.state("cam") is PushState.PUSHING
            [path] = await server.recorded("cam")
            _, listing = await server.call("GET", "/control/recordings?name=cam", **SECRET)
        assert (
            listing["recordings"][0] | {"id": sheet["id"], "files": 1, "state": "finished"} == listing["recordings"][0]
        )
        assert stopped["duration_s"] >= 3
        assert len(of_stream(await packets(str(path)), 0)) / 30 == pytest.approx(stopped["duration_s"], abs=0.1)

    @pytest.mark.parametrize(
        "body", [{}, {"stream": 5}, {"stream": "cam", "preroll_s": -1}, {"stream": "cam", "preroll_s": "x"}, [1]]
    )
    async def test_bad_orders_are_refused(self, body: object, tmp_path: Path) -> None:
        async with live(tmp_path) as server:
            assert (await server.call("POST", "/control/record/start", body))[0] == 400

    async def test_rotation_starts_new_files_at_keyframes(self, clip: ClipMaker, tmp_path: Path) -> None:
        config = STREAM | {"record": "auto", "rotate_s": 3}
        async with live(tmp_path, standalone=False, control_secret="s" * 32) as server:
            await server.call("PUT", "/control/streams/cam", config, **SECRET)
            async with await RtmpPublisher.open(server.rtmp("cam", "?key=k")) as publisher:
                await publisher.send(flv_tags(clip("h264_aac", 10)))
            files = await server.recorded("cam")
        counts = [len(of_stream(await packets(str(path)), 0)) for path in files]
        assert len(counts) >= 3
        assert sum(counts) == 300

    async def test_a_time_shift_window_is_kept_and_removed_with_the_session(
        self, clip: ClipMaker, tmp_path: Path
    ) -> None:
        config = STREAM | {"time_shift_s": 30}
        async with live(tmp_path, standalone=False, control_secret="s" * 32) as server:
            await server.call("PUT", "/control/streams/cam", config, **SECRET)
            async with await RtmpPublisher.open(server.rtmp("cam", "?key=k")) as publisher:
                await publisher.send(flv_tags(clip("h264_aac", 10)))
                await server.segment("cam", 8)
                window = server.server.recordings.windows["cam"]
                await until(lambda: window.thread.progress.duration_s > 8)
                assert server.server.recordings.window_s("cam") == 30
                assert server.server.recordings.asset_of("cam", 1) == window.sheet.id
                _, listing = await server.call("GET", "/control/recordings", **SECRET)
                assert listing["recordings"] == []
            folder = window.thread.place.folder.parent
            await until(lambda: not folder.exists())


class TestKickAndRevoke:
    async def test_kicking_a_publisher_ends_its_session(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with live(tmp_path) as server, pushing(clip("h264_aac", 10), server.rtmp("cam")) as publisher:
            await server.part("cam")
            _, streams = await server.call("GET", "/api/v1/streams/")
            cid = streams["streams"][0]["publish"]["cid"]
            assert (await server.call("DELETE", f"/api/v1/clients/{cid}"))[1]["code"] == 0
            await asyncio.wait_for(publisher.wait(), 10)
            assert server.server.hub.state("cam") is PushState.OFFLINE
            assert (await server.call("POST", "/control/kick", {"client_id": cid}))[0] == 404

    async def test_kicking_a_player_cuts_only_it(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with live(tmp_path) as server, pushing(clip("h264_aac", 10), server.rtmp("cam")) as publisher:
            await server.part("cam")
            players = [asyncio.create_task(packets(server.url("/live/cam.flv"))) for _ in range(2)]
            await until(lambda: server.server.viewers.online() == 2)
            _, clients = await server.call("GET", "/api/v1/clients/")
            viewer = next(client for client in clients["clients"] if client["type"] == "flv-play")
            assert (await server.call("POST", "/control/kick", {"client_id": viewer["id"]}))[0] == 200
            await asyncio.wait(players, return_when=asyncio.FIRST_COMPLETED)
            assert sum(player.done() for player in players) == 1
            await stop_cleanly(publisher)
            assert all([await player for player in players])

    async def test_a_kicked_hls_viewer_is_refused_for_a_while(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with live(tmp_path) as server, pushing(clip("h264_aac", 10), server.rtmp("cam")):
            await server.segment("cam", 1)
            path, one, other = "/live/cam/live.m3u8", {"User-Agent": "one"}, {"User-Agent": "other"}
            assert (await server.get(path, **one))[0] == 200
            _, streams = await server.call("GET", "/api/v1/streams/")
            assert streams["streams"][0]["clients"] == 2
            _, clients = await server.call("GET", "/api/v1/clients/?start=1&count=1")
            [viewer] = clients["clients"]
            assert viewer["type"] == "hls-play"
            assert (await server.call("GET", f"/api/v1/clients/{viewer['id']}"))[1]["client"]["id"] == viewer["id"]
            assert (await server.call("POST", "/control/kick", {"client_id": viewer["id"]}))[0] == 200
            assert (await server.get(path, **one))[0] == 403
            assert (await server.get("/live/cam/index.m3u8", **one))[0] == 403
            assert (await server.get(path, **other))[0] == 200

    async def test_a_kick_by_token_reaches_the_file_process_at_once(
        self, clip: ClipMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(revocations, "EVERY_S", 3600)
        secret, [files_port] = b"s" * 32, free_ports(1)
        grant = Grant(Method.PLAY, ScopeKind.STREAM, "live:cam", "sess-1", "user.1", int(time.time()) + 60)
        path = f"/t/{sign(grant, Keyring.from_secret(secret))}/live/cam/live.m3u8"
        changes: dict[str, Any] = {"token_secret": secret, "files_port": files_port, "control_secret": "c" * 32}
        file_server = FileServer(options(tmp_path, **changes))
        async with (
            running(options(tmp_path, **changes), file_server),
            live(tmp_path, **changes) as server,
            pushing(clip("h264_aac", 10), server.rtmp("cam")),
        ):
            await server.segment("cam", 1)
            assert (await server.get(path))[0] == 200
            _, clients = await server.call("GET", "/api/v1/clients/")
            viewer = next(client for client in clients["clients"] if client["type"] == "hls-play")
            assert (await server.call("DELETE", f"/api/v1/clients/{viewer['id']}"))[1]["code"] == 0
            assert (await server.get(path))[0] == 403
            await until(lambda: ("session", "sess-1") in file_server.gate.revocations())


class TestPage:
    async def test_the_page_and_its_parts_are_served(self, tmp_path: Path) -> None:
        async with live(tmp_path) as server:
            status, body = await server.get("/")
            assert status == 200
            for path in ("/page/app.js", "/page/style.css"):
                assert path.encode() in body
                assert (await server.get(path))[0] == 200
            async with server.http.get(server.url("/")) as answer:
                assert "default-src 'self'" in answer.headers["Content-Security-Policy"]

    async def test_metrics_name_the_stream(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with live(tmp_path) as server, pushing(clip("h264_aac", 10), server.rtmp("cam")):
            await server.part("cam", 3)
            status, text = await server.get("/metrics")
        assert status == 200
        assert b'onetake_live_push_up{stream="live/cam"} 1.0' in text
        assert b'onetake_recording{stream="live/cam"} 1.0' in text
