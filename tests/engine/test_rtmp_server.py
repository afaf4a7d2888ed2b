"""Real publishers and players against the live server, compared packet by packet with what was sent."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engine.peers import FFMPEG5, FFMPEG9, HAS_FFMPEG5, assert_same, packets, push
from tests.engine.servers import live

from onetake.engine.sessions import PushState

ClipMaker = Callable[..., Path]
ONE_GOP = 400
needs_ffmpeg5 = pytest.mark.skipif(not HAS_FFMPEG5, reason="Debian's ffmpeg is not installed")


@pytest.mark.parametrize(
    "name",
    ["h264_aac", "bframes", "fps60", "vfr", "surround", "video_only", "audio_only", "hevc", "av1", "opus", "mp3"],
)
class TestEveryKindOfStream:
    async def test_flv_and_rtmp_players_and_the_recording_get_what_was_sent(
        self, name: str, clip: ClipMaker, tmp_path: Path
    ) -> None:
        source = clip(name, 3, ONE_GOP)
        sent = await packets(str(source))
        async with live(tmp_path) as server:
            publisher = asyncio.create_task(push(source, server.rtmp("cam"), realtime=True))
            await server.state("cam", PushState.PUSHING)
            flv, rtmp, _ = await asyncio.gather(
                packets(server.url("/live/cam.flv")), packets(server.rtmp("cam"), "-rtmp_live", "live"), publisher
            )
            files = await server.recorded("cam")
            recorded = await packets(str(files[0]))
        if name == "audio_only":
            # There are no keyframes to start at: players join where the stream is.
            assert {packet.digest for packet in flv} <= {packet.digest for packet in sent}
            assert len(flv) > len(sent) / 3
        else:
            assert_same(sent, flv)
            assert_same(sent, rtmp)
        assert len(files) == 1
        assert_same(sent, recorded)


class TestOtherPeers:
    @needs_ffmpeg5
    @pytest.mark.parametrize("name", ["h264_aac", "bframes"])
    async def test_debian_ffmpeg_publishes_and_plays(self, name: str, clip: ClipMaker, tmp_path: Path) -> None:
        source = clip(name, 3, ONE_GOP)
        sent = await packets(str(source), ffmpeg=FFMPEG5)
        async with live(tmp_path) as server:
            publisher = asyncio.create_task(push(source, server.rtmp("cam"), ffmpeg=FFMPEG5, realtime=True))
            await server.state("cam", PushState.PUSHING)
            flv, rtmp, _ = await asyncio.gather(
                packets(server.url("/live/cam.flv"), ffmpeg=FFMPEG5),
                packets(server.rtmp("cam"), "-rtmp_live", "live", ffmpeg=FFMPEG5),
                publisher,
            )
            recorded = await packets(str((await server.recorded("cam"))[0]), ffmpeg=FFMPEG5)
        assert_same(sent, flv)
        assert_same(sent, rtmp)
        assert_same(sent, recorded)

    async def test_a_publisher_faster_than_real_time_loses_nothing(self, clip: ClipMaker, tmp_path: Path) -> None:
        source = clip("bframes", 20)
        async with live(tmp_path) as server:
            await push(source, server.rtmp("cam"), ffmpeg=FFMPEG9)
            recorded = await packets(str((await server.recorded("cam"))[0]))
        assert_same(await packets(str(source)), recorded)
