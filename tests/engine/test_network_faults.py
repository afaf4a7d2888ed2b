"""Connections that go dead without a word (F16) or are slower than the media (F18), through a relay."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from tests.engine.peers import assert_same, packets, push, pushing
from tests.engine.proxy import Relay, relaying
from tests.engine.rtmp_client import RtmpPublisher, flv_tags
from tests.engine.servers import Live, live, until

from onetake.engine.options import Limits
from onetake.engine.sessions import PushState
from onetake.media.flv import FlvDemuxer, FlvReader, FlvTag
from onetake.media.flv.tags import TagKind
from onetake.media.units import Unit

ClipMaker = Callable[..., Path]
FILLER_BYTES = 100_000
MOST_SECONDS = 30
PATIENT = Limits(grace_s=30.0, silent_s=0.3, publisher_timeout_s=60.0)
"""A server that would not miss a dead publisher for a minute."""
SMALL = replace(PATIENT, viewer_buffer_bytes=500_000, viewer_slow_s=60.0)


@pytest.fixture
def tags(clip: ClipMaker) -> list[FlvTag]:
    return flv_tags(clip("h264_aac", 10))


def through(relay: Relay, stream: str) -> str:
    return f"rtmp://127.0.0.1:{relay.port}/live/{stream}"


class TestHalfOpen:
    async def test_a_dead_publisher_is_lost_by_timeout_and_may_return(self, tags: list[FlvTag], tmp_path: Path) -> None:
        limits = replace(PATIENT, publisher_timeout_s=1.0)
        async with live(tmp_path, limits=limits) as server, relaying(server.server.rtmp_port) as relay:
            publisher = await RtmpPublisher.open(through(relay, "cam"))
            await publisher.send(tags[:200])
            await server.part("cam")
            life = server.server.hub.life("cam")
            relay.rate_bytes_s = 0
            await server.state("cam", PushState.GRACE)
            async with await RtmpPublisher.open(server.rtmp("cam")) as again:
                assert server.server.hub.life("cam") is life
                await again.send(tags)
            files = await server.recorded("cam")
            await publisher.abort()
        assert len(files) == 1
        assert life is not None
        assert [gap.reason for gap in life.gaps] == ["timeout"]

    async def test_the_same_key_takes_over_from_a_dead_publisher_at_once(
        self, tags: list[FlvTag], tmp_path: Path
    ) -> None:
        async with live(tmp_path, limits=PATIENT) as server, relaying(server.server.rtmp_port) as relay:
            publisher = await RtmpPublisher.open(through(relay, "cam"))
            await publisher.send(tags[:200])
            await server.part("cam")
            session = server.server.hub.streams["cam"].session
            dead, life = session.client_id, server.server.hub.life("cam")
            relay.rate_bytes_s = 0
            await until(lambda: server.server.hub.now_s() - session.heard_s > PATIENT.silent_s)
            async with await RtmpPublisher.open(server.rtmp("cam")) as again:
                assert session.client_id not in (None, dead)
                assert server.server.hub.life("cam") is life
                await again.send(tags)
                await until(lambda: len(server.server.rtmp.connections) == 1)
            await server.recorded("cam")
            await publisher.abort()
        assert session.client_id is None

    async def test_a_dead_viewer_is_reaped_and_nobody_else_notices(self, tags: list[FlvTag], tmp_path: Path) -> None:
        limits = replace(SMALL, viewer_slow_s=0.2)
        async with live(tmp_path, limits=limits) as server, relaying(server.server.http_port) as relay:
            async with await RtmpPublisher.open(server.rtmp("cam")) as publisher:
                viewers = server.server.players.viewers
                async with watching(server.server.http_port) as lively, watching(relay.port) as dead:
                    await publisher.send(tags[:20])
                    await until(lambda: len(lively.units) > 10 and len(dead.units) > 10)
                    assert viewers.count("stream:live/cam") == 2
                    relay.rate_bytes_s = 0
                    sent = await send_heavy(publisher, tags, lively, lambda: viewers.count("stream:live/cam") == 1)
                    await until(lambda: len(lively.units) >= sent)
            assert server.server.hub.life("cam") is not None


class Watcher:
    """An HTTP-FLV player that keeps the units it gets."""

    def __init__(self) -> None:
        self.units: list[Unit] = []

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Read until the end."""
        await reader.readuntil(b"\r\n\r\n")
        flv, demuxer = FlvReader(), FlvDemuxer()
        while data := await reader.read(1 << 16):
            for tag in flv.feed(data):
                self.units += [item for item in demuxer.push(tag) if isinstance(item, Unit)]

    def video(self) -> list[Unit]:
        """The pictures."""
        return [unit for unit in self.units if unit.track_id == 1]


@asynccontextmanager
async def watching(port: int) -> AsyncIterator[Watcher]:
    """A player of `cam` at a port. HTTP/1.0, so that FLV comes as it is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /live/cam.flv HTTP/1.0\r\nHost: x\r\n\r\n")
    watcher = Watcher()
    task = asyncio.create_task(watcher.run(reader))
    try:
        yield watcher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        writer.close()


def heavy(tag: FlvTag) -> FlvTag:
    """A picture with filler data behind it (H.264 NAL type 12), so that buffers fill soon."""
    is_picture = tag.kind is TagKind.VIDEO and tag.body[1] == 1
    filler = b"\x0c" + b"\xff" * FILLER_BYTES + b"\x80"
    return tag._replace(body=tag.body + len(filler).to_bytes(4, "big") + filler) if is_picture else tag


def is_media(tag: FlvTag) -> bool:
    """Neither metadata nor a sequence header."""
    return tag.kind is not TagKind.SCRIPT and tag.body[1] != 0


async def send_heavy(
    publisher: RtmpPublisher, tags: list[FlvTag], lively: Watcher, enough: Callable[[], bool], first: int = 1
) -> int:
    """Send the same second over and over, each when the lively player has the one before; its units in the end."""
    second = [tag for tag in tags if is_media(tag) and tag.timestamp_ms < 1000]
    for number in range(first, first + MOST_SECONDS):
        wanted = len(lively.units) + len(second) - 5
        await publisher.send([heavy(tag) for tag in second], number * 1000)
        await until(lambda: len(lively.units) >= wanted)  # noqa: B023 (it is awaited in the loop)
        if enough():
            return len(lively.units)
    raise AssertionError(f"not enough after {MOST_SECONDS} s of media")


class TestSlow:
    async def test_a_slow_viewer_goes_on_at_a_keyframe_and_is_counted(self, tags: list[FlvTag], tmp_path: Path) -> None:
        async with (
            live(tmp_path, limits=SMALL) as server,
            relaying(server.server.http_port) as relay,
            await RtmpPublisher.open(server.rtmp("cam")) as publisher,
            watching(server.server.http_port) as lively,
            watching(relay.port) as slow,
        ):
            await publisher.send(tags[:20])
            await until(lambda: len(lively.units) > 10 and len(slow.units) > 10)
            relay.rate_bytes_s = 0
            life = server.server.hub.life("cam")
            assert life is not None
            await send_heavy(publisher, tags, lively, lambda: life.fanout.skipped > 60)
            last_pts, arrived = lively.video()[-1].pts, len(lively.units) - life.fanout.skipped
            relay.rate_bytes_s = None
            await until(lambda: len(slow.units) >= arrived - 10)
            await send_heavy(publisher, tags, lively, lambda: slow.video()[-1].pts > last_pts, first=1 + MOST_SECONDS)
            await until(lambda: slow.video()[-1].pts == lively.video()[-1].pts)
            assert await shown(server, "skipped") == life.fanout.skipped
        assert_holes_end_at_keyframes(lively.video(), slow.video())

    @pytest.mark.slow
    async def test_a_slow_publisher_can_be_seen(self, clip: ClipMaker, tmp_path: Path) -> None:
        source = clip("h264_aac", 10)
        half_bytes_s = source.stat().st_size / 10 / 2
        async with live(tmp_path) as server, relaying(server.server.rtmp_port) as relay:
            async with pushing(source, through(relay, "cam")):
                await server.part("cam")
                await seen(server, lambda speed: 0.9 < speed < 1.1)
                relay.rate_bytes_s = half_bytes_s
                await seen(server, lambda speed: 0 < speed < 0.7)
                relay.rate_bytes_s = None
                await seen(server, lambda speed: speed > 1.1)
            life = server.server.hub.life("cam")
        assert life is not None
        assert life.gaps == [], "late is not lost"

    @pytest.mark.slow
    async def test_a_slow_hls_player_gets_everything(self, clip: ClipMaker, tmp_path: Path) -> None:
        source = clip("h264_aac", 10)
        async with live(tmp_path) as server, relaying(server.server.http_port) as relay:
            relay.rate_bytes_s = source.stat().st_size / 10 * 0.7
            publisher = asyncio.create_task(push(source, server.rtmp("cam"), realtime=True))
            await server.part("cam")
            url = f"http://127.0.0.1:{relay.port}/live/cam/index.m3u8"
            got = await packets(url, "-live_start_index", "0")
            await publisher
        assert_same(await packets(str(source)), got)


async def shown(server: Live, figure: str) -> float:
    """A figure of `cam` as the control plane sees it."""
    _, answer = await server.call("GET", "/control/streams")
    [stream] = answer["streams"]
    return float(stream[figure] if figure in stream else stream["stats"][figure])


async def seen(server: Live, wanted: Callable[[float], bool]) -> None:
    """Wait until the push speed that people are shown is as `wanted`."""
    async with asyncio.timeout(40):
        while not wanted(await shown(server, "push_speed")):  # noqa: ASYNC110 (what is awaited happens elsewhere)
            await asyncio.sleep(0.2)


def assert_holes_end_at_keyframes(whole: list[Unit], got: list[Unit]) -> None:
    """`got` is `whole` with holes, each of which ends at a keyframe."""
    place = {unit.pts: number for number, unit in enumerate(whole)}
    numbers = [place[unit.pts] for unit in got]
    assert [unit.payload for unit in got] == [whole[number].payload for number in numbers]
    jumps = [after for before, after in pairwise(numbers) if after != before + 1]
    assert jumps, "nothing was left out"
    assert all(after > before for before, after in pairwise(numbers))
    assert all(whole[after].keyframe for after in jumps)
