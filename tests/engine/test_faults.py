"""The media server as a process of its own: killed, out of disk, without its API (faults F1, F2, F7, F8, F30, F31)."""

import asyncio
import json
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.engine.node import Node, decodes, free_ports, node, wait_for_record
from tests.engine.peers import pushing
from tests.engine.rtmp_client import Refused, RtmpPublisher, flv_tags
from tests.engine.servers import live
from tests.media.fmp4 import clips

from onetake.engine.options import Limits
from onetake.engine.sessions import PushState
from onetake.engine.state import RecordMode, StreamConfig, hash_key
from onetake.media.recording import video_files

ClipMaker = Callable[..., Path]


def listed_s(playlist: str) -> float:
    """Media time that a playlist lists, parts of the open segment included."""
    whole = sum(float(value) for value in re.findall(r"#EXTINF:([\d.]+)", playlist))
    tail = playlist.rpartition("#EXTINF")[2]
    return whole + sum(float(value) for value in re.findall(r"#EXT-X-PART:DURATION=([\d.]+)", tail))


class TestKill:
    @pytest.mark.slow
    async def test_every_recording_plays_and_loses_at_most_one_part(self, clip: ClipMaker, tmp_path: Path) -> None:
        source = clip("h264_aac", 10)
        async with node(tmp_path / "data") as server:
            for delay_s in (0.9, 0.37):
                async with AsyncExitStack() as stack:
                    names = [f"cam{number}" for number in range(3)]
                    for name in names:
                        await stack.enter_async_context(pushing(source, server.rtmp(name)))
                    await asyncio.sleep(1 + delay_s)
                    listed = [listed_s(await server.get(f"/live/{name}/live.m3u8")) for name in names]
                    before = {sheet["name"]: sheet for sheet in await server.sheets() if sheet["state"] == "recording"}
                    await server.end(signal.SIGKILL)
                await server.start()
                after = {sheet["id"]: sheet for sheet in await server.sheets()}
                for name, seconds in zip(names, listed, strict=True):
                    sheet = after[before[name]["id"]]
                    assert sheet["duration_s"] >= seconds - 0.41, (sheet, seconds)
                    assert sheet["state"] == "interrupted"
                    for path in server.files(sheet["id"]):
                        await decodes(path)

    async def test_the_recording_goes_on_when_the_publisher_returns(self, clip: ClipMaker, tmp_path: Path) -> None:
        source = clip("h264_aac", 10)
        async with node(tmp_path / "data") as server:
            async with pushing(source, server.rtmp("cam")):
                await asyncio.sleep(2)
                await server.end(signal.SIGKILL)
            await server.start()
            [interrupted] = await server.sheets()
            async with pushing(source, server.rtmp("cam")) as publisher:
                await asyncio.sleep(2)
                [running] = await server.sheets()
                assert (running["id"], running["state"]) == (interrupted["id"], "recording")
                assert running["duration_s"] > interrupted["duration_s"]
                publisher.send_signal(signal.SIGINT)
                await publisher.wait()
            await wait_for_record(server, "finished", "")
            assert len(server.files(running["id"])) == 2


class TestEnd:
    async def test_sigterm_finishes_files_and_exits_0(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with node(tmp_path / "data") as server, pushing(clip("h264_aac", 10), server.rtmp("cam")):
            await asyncio.sleep(2)
            [sheet] = await server.sheets()
            assert await server.end(signal.SIGTERM) == 0
            [path] = server.files(sheet["id"])
            assert b"sidx" in path.read_bytes()[:600_000]
            assert not list((tmp_path / "data" / "open").glob("*.json"))

    async def test_a_second_server_on_the_folder_exits_3(self, tmp_path: Path) -> None:
        async with node(tmp_path / "data"):
            second = await Node(tmp_path / "data").spawn()
            assert await asyncio.wait_for(second.wait(), 15) == 3


class TestDisk:
    async def test_a_file_size_limit_makes_more_files_and_loses_nothing(self, clip: ClipMaker, tmp_path: Path) -> None:
        limit = ("prlimit", f"--fsize={800_000}")
        if shutil.which("prlimit") is None:
            pytest.skip("prlimit is not installed")
        source = clip("h264_aac", 10)
        async with node(tmp_path / "data", *limit) as server:
            async with await RtmpPublisher.open(server.rtmp("cam")) as publisher:
                await publisher.send(flv_tags(source))
            await wait_for_record(server, "finished", "")
            [sheet] = await server.sheets()
            files = server.files(sheet["id"])
        assert len(files) > 1
        # PyAV, because ffmpeg leaves out what a file that starts without a keyframe has before its first one.
        assert sum(len(clips.read_packets(path)["video"]) for path in files) == 300
        assert {damage["code"] for damage in sheet["damages"]} == {"file_too_large"}

    @pytest.mark.slow
    async def test_a_full_disk_pauses_the_recording_and_room_resumes_it(self, clip: ClipMaker, tmp_path: Path) -> None:
        media = tmp_path / "data" / "media"
        media.mkdir(parents=True)
        probe = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(media)], check=False)
        if probe.returncode != 0:
            pytest.skip("this system allows no mounts of its own")
        ballast = f"dd if=/dev/zero of={media}/ballast bs=1k count=3000 status=none"
        script = f'mount -t tmpfs -o size=4500k none {media} && {ballast} && exec "$@"'
        inside = ("unshare", "-rm", "sh", "-c", script, "sh")
        async with node(tmp_path / "data", *inside) as server:
            assert server.process is not None
            root = Path(f"/proc/{server.process.pid}/root")
            async with pushing(clip("h264_aac", 30), server.rtmp("cam")):
                await wait_for_record(server, "paused", "disk_full")
                assert "#EXTINF" in await server.get("/live/cam/live.m3u8")
                (root / str(media).lstrip("/") / "ballast").unlink()
                await wait_for_record(server, "recording", "")
            [sheet] = await server.sheets()
            folder = next((root / str(media).lstrip("/")).glob(f"*/*/{sheet['id']}/source"))
            for path in video_files(folder):
                await decodes(path)


class TestControlPlaneAway:
    async def test_known_keys_work_and_events_arrive_once_it_is_back(self, clip: ClipMaker, tmp_path: Path) -> None:
        [port] = free_ports(1)
        config = StreamConfig("cam", key_hashes=(hash_key("k"),), record=RecordMode.AUTO)
        url = f"http://127.0.0.1:{port}/callbacks"
        quick = Limits(admission_s=1.0)
        async with live(tmp_path, standalone=False, api_url=url, control_secret="s" * 32, limits=quick) as server:
            await server.server.store.put_stream(config)
            with pytest.raises(Refused, match="cannot check"):
                await RtmpPublisher.open(server.rtmp("other", "?key=k"))
            async with await RtmpPublisher.open(server.rtmp("cam", "?key=k")) as publisher:
                await publisher.send(flv_tags(clip("h264_aac", 4)))
                assert server.server.hub.state("cam") is PushState.PUSHING
            assert await server.recorded("cam")
            events: list[dict[str, Any]] = []
            async with callbacks(port, events):
                assert server.server.hooks is not None
                await asyncio.wait_for(server.server.hooks.drained(), 30)
        told = [(event["action"], event.get("event")) for event in events if event["stream"] == "cam"]
        assert told == [
            ("on_publish", None),
            ("on_session", "started"),
            ("on_record", "started"),
            ("on_unpublish", None),
            ("on_session", "ended"),
            ("on_record", "finished"),
        ]
        record = events[-1]["recording"]
        assert (record["files"], round(record["duration_s"])) == (1, 4)
        assert "key=k" not in json.dumps(events)


@asynccontextmanager
async def callbacks(port: int, events: list[dict[str, Any]]) -> AsyncIterator[None]:
    """A control plane that says yes to everything and keeps what it was told."""

    async def take(request: web.Request) -> web.Response:
        events.append(await request.json())
        return web.json_response({"code": 0})

    app = web.Application()
    app.router.add_post("/callbacks", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()
