"""A live process that stands still (F6): one that wakes again loses nothing, one that does not is replaced."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engine.node import Node, eventually, node, wait_for_record
from tests.engine.peers import assert_same, joined_late, packets, push
from tests.running import server_env, serving
from tests.station import PASSWORD, Station

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="stopping a process is tried on Linux"),
]
ClipMaker = Callable[..., Path]
FROZEN_S = 6.0
IMPATIENT = """
import functools, sys
from onetake.engine import __main__ as program
from onetake.engine.options import Limits
limits = Limits(publisher_timeout_s=2.0, stalled_s=1.0, silent_s=0.5, handshake_s=1.0)
program.MediaOptions = functools.partial(program.MediaOptions, limits=limits)
sys.exit(program.main())
"""


async def test_waking_up_sets_off_no_stale_timers(clip: ClipMaker, tmp_path: Path) -> None:
    """It was still for three times as long as a publisher may be silent; whose media is waiting is not silent."""
    source = clip("h264_aac", 14)
    async with node(tmp_path / "data", program=IMPATIENT) as server:
        publisher = asyncio.create_task(push(source, server.rtmp("cam"), realtime=True))
        await eventually(lambda: has_parts(server))
        viewer = asyncio.create_task(packets(f"http://127.0.0.1:{server.http_port}/live/cam.flv"))
        await eventually(lambda: is_watched(server))
        assert server.process
        server.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(FROZEN_S)
        server.process.send_signal(signal.SIGCONT)
        await publisher
        seen = await viewer
        await wait_for_record(server, "finished", "")
        [sheet] = await server.sheets()
        [file] = server.files(sheet["id"])
        recorded = await packets(str(file))
    sent = await packets(str(source))
    assert_same(sent, recorded)
    assert_same(joined_late(sent, seen), seen)
    assert (sheet["gaps"], sheet["damages"]) == ([], [])


async def has_parts(server: Node) -> bool:
    """Whether the live playlist lists something."""
    return "#EXT-X-PART:" in await server.get("/live/cam/live.m3u8")


async def is_watched(server: Node) -> bool:
    """Whether somebody watches."""
    [stream] = (await server.control("/control/streams"))["streams"]
    return bool(stream["viewers"])


def test_a_frozen_live_process_is_replaced_and_the_recording_goes_on(tmp_path: Path) -> None:
    """The supervisor misses its heartbeat; the source comes back by itself into the same recording."""
    env = server_env(tmp_path / "data", ONETAKE_ADMIN_PASSWORD=PASSWORD)
    with serving(env) as server:
        server.wait_until_ready()
        station = Station(env)
        body = {"name": "Pattern", "protocol": "test", "record_mode": "automatic"}
        source = station.call("POST", "/api/sources", body)["id"]
        before = station.until_recorded(source, 3)
        frozen = server.child("--part=live")
        frozen.send_signal(signal.SIGSTOP)
        server.wait_for_replacement("--part=live", frozen)
        after = station.until_recorded(source, before["duration"] + 5)
        assert (after["id"], after["status"]) == (before["id"], "recording")
        station.call("POST", f"/api/sources/{source}/record/stop")
        done = station.until_ended(after["id"])
        assert (done["status"], len(done["gaps"])) == ("completed", 1)
        video = station.video_of(source)
        assert len(station.packets(video["id"])) > done["duration"] * 25
        station.http.close()
        assert server.stop() == 0
