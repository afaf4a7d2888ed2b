"""LL-HLS from a real publisher: real players get every packet, and the rules of blocking reload hold."""

import asyncio
import gzip
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.engine.peers import FFMPEG5, FFMPEG9, HAS_FFMPEG5, assert_same, packets, push, pushing, stop_cleanly
from tests.engine.rtmp_client import RtmpPublisher, flv_tags
from tests.engine.servers import Live, live

from onetake.engine.options import LiveOptions
from onetake.engine.sessions import PushState
from onetake.engine.state import StreamConfig
from onetake.kit.signing import Grant, Keyring, Method, ScopeKind, sign

ClipMaker = Callable[..., Path]
PLAYERS = [FFMPEG9, *([FFMPEG5] if HAS_FFMPEG5 else [])]
MEDIA = "/live/cam/live.m3u8"


@asynccontextmanager
async def on_air(clip: ClipMaker, data_dir: Path, **changes: object) -> AsyncIterator[Live]:
    """A server with a running stream `cam` (1 s GOPs) that has at least one segment."""
    async with live(data_dir, **changes) as server, pushing(clip("h264_aac", 10), server.rtmp("cam")):
        await server.part("cam", 4)
        yield server


async def playlist(server: Live, query: str = "") -> str:
    """The media playlist as text."""
    status, body = await server.get(MEDIA + query)
    assert status == 200, body
    return body.decode()


def position(text: str) -> tuple[int, int]:
    """Media sequence number and part that the preload hint names."""
    match = re.search(r"PRELOAD-HINT:TYPE=PART,URI=\"s/\w+/(\d+)\.(\d+)\.m4s\"", text)
    assert match
    return int(match[1]), int(match[2])


class TestRealPlayers:
    @pytest.mark.parametrize("ffmpeg", PLAYERS)
    @pytest.mark.parametrize("name", ["h264_aac", "bframes"])
    async def test_ffmpeg_gets_every_packet(self, name: str, ffmpeg: str, clip: ClipMaker, tmp_path: Path) -> None:
        source = clip(name, 3)
        sent = await packets(str(source))
        async with live(tmp_path) as server:
            publisher = asyncio.create_task(push(source, server.rtmp("cam"), realtime=True))
            await server.state("cam", PushState.PUSHING)
            got = await packets(server.url("/live/cam/index.m3u8"), "-live_start_index", "0", ffmpeg=ffmpeg)
            await publisher
        assert_same(sent, got)

    @pytest.mark.parametrize("ffmpeg", PLAYERS)
    async def test_ffmpeg_starts_within_a_long_group_of_pictures(
        self, ffmpeg: str, clip: ClipMaker, tmp_path: Path
    ) -> None:
        source = clip("bframes", 9, 900)
        async with live(tmp_path) as server:
            publisher = asyncio.create_task(push(source, server.rtmp("cam"), realtime=True))
            await server.state("cam", PushState.PUSHING)
            status, playlist = await server.get("/live/cam/live.m3u8")
            assert (status, playlist.count(b"#EXT-X-START:TIME-OFFSET=-")) == (200, 0)
            life = server.server.hub.life("cam")
            assert life is not None
            assert sum(segment.ended for segment in life.ring.segments) == 1
            await server.part("cam", 12)
            _, playlist = await server.get("/live/cam/live.m3u8")
            assert playlist.count(b"#EXT-X-START:TIME-OFFSET=-") == 1
            got = await packets(server.url("/live/cam/index.m3u8"), "-live_start_index", "0", ffmpeg=ffmpeg)
            await publisher
        assert_same(await packets(str(source)), got)

    @pytest.mark.parametrize(
        "name", ["hevc", "av1", "opus", "mp3", "audio_only", "video_only", "fps60", "vfr", "surround"]
    )
    async def test_every_codec_plays_after_the_end(self, name: str, clip: ClipMaker, tmp_path: Path) -> None:
        source = clip(name, 5)
        async with live(tmp_path) as server:
            await push(source, server.rtmp("cam"), realtime=False)
            got = await packets(server.url("/live/cam/index.m3u8"), "-live_start_index", "0")
        assert_same(await packets(str(source)), got)


class TestPlaylists:
    async def test_index_names_codecs_size_and_measured_rates(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with on_air(clip, tmp_path) as server:
            _, body = await server.get("/live/cam/index.m3u8")
        assert re.search(
            rb'BANDWIDTH=\d{5,7},.*CODECS="avc1\.\w{6},mp4a\.40\.2",RESOLUTION=320x180,FRAME-RATE=30', body
        )

    async def test_no_header_tells_a_version(self, tmp_path: Path) -> None:
        async with live(tmp_path) as server, server.http.get(server.url("/healthz")) as answer:
            assert answer.headers["Server"] == "OneTake"

    async def test_a_segment_is_its_parts_and_the_init_is_there(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with on_air(clip, tmp_path) as server:
            text = await playlist(server)
            first = re.findall(r"URI=\"(s/\w+/0\.\d+\.m4s)\"", text)
            init = re.search(r"MAP:URI=\"(.+?)\"", text)
            assert init
            parts = [await server.get(f"/live/cam/{uri}") for uri in first]
            status, whole = await server.get(f"/live/cam/{first[0].rsplit('.', 2)[0]}.m4s")
            assert (await server.get(f"/live/cam/{init[1]}"))[1][4:8] == b"ftyp"
        assert status == 200
        assert b"".join(body for _, body in parts) == whole
        assert whole[4:8] == b"moof"

    async def test_gzip_cors_head_and_cache_headers(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with on_air(clip, tmp_path) as server:
            plain = await playlist(server)
            address = server.url(MEDIA)
            async with server.http.get(address, headers={"Accept-Encoding": "gzip"}, auto_decompress=False) as answer:
                assert answer.headers["Content-Encoding"] == "gzip"
                assert gzip.decompress(await answer.read())[:30] == plain.encode()[:30]
                assert answer.headers["Access-Control-Allow-Origin"] == "*"
                assert answer.headers["Cache-Control"] == "no-cache"
            async with server.http.head(address) as answer:
                assert (answer.status, await answer.read()) == (200, b"")
            segment = re.findall(r"s/\w+/\d+\.m4s", plain)[0]
            async with server.http.get(server.url(f"/live/cam/{segment}")) as answer:
                assert "immutable" in answer.headers["Cache-Control"]
            async with server.http.options(address, headers={"Origin": "http://other"}) as answer:
                assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"

    async def test_a_clean_stop_ends_the_list_and_it_can_be_finished(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with live(tmp_path) as server:
            async with pushing(clip("h264_aac", 10), server.rtmp("cam")) as publisher:
                await server.part("cam", 4)
                await stop_cleanly(publisher)
            await server.state("cam", PushState.OFFLINE)
            assert (await playlist(server)).endswith("#EXT-X-ENDLIST\n")
            assert (await server.get("/live/cam.flv"))[0] == 404


class TestBlockingReload:
    async def test_it_answers_when_the_part_is_there(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with on_air(clip, tmp_path) as server:
            msn, part = position(await playlist(server))
            text = await playlist(server, f"?_HLS_msn={msn}&_HLS_part={part}")
            assert position(text) > (msn, part)

    async def test_the_preload_hint_is_served_when_it_is_made(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with on_air(clip, tmp_path) as server:
            text = await playlist(server)
            hint = re.search(r"PRELOAD-HINT:TYPE=PART,URI=\"(.+?)\"", text)
            assert hint
            status, body = await server.get(f"/live/cam/{hint[1]}")
            assert (status, body[4:8]) == (200, b"moof")

    async def test_many_waiters_are_answered_by_one_part(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with on_air(clip, tmp_path) as server:
            msn, part = position(await playlist(server))
            texts = await asyncio.gather(*(playlist(server, f"?_HLS_msn={msn}&_HLS_part={part}") for _ in range(50)))
        assert len(set(texts)) <= 2

    async def test_bad_directives_are_refused(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with on_air(clip, tmp_path) as server:
            for query in ("part=1", "msn=x", "msn=-1", "msn=99999", "msn=1e3", "msn=" + "9" * 40):
                assert (await server.get(f"{MEDIA}?_HLS_{query}"))[0] == 400, query

    async def test_a_delta_update_skips_what_is_known(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with live(tmp_path) as server:
            # ffmpeg would close its socket with our answers unread, and a busy server then lose what it has not read.
            async with await RtmpPublisher.open(server.rtmp("cam")) as publisher:
                await publisher.send(flv_tags(clip("h264_aac", 60)))
            await server.state("cam", PushState.OFFLINE)
            life = server.server.hub.life("cam")
            assert life is not None
            life.playlist.ended = False
            text = await playlist(server, "?_HLS_skip=YES")
        assert re.search(r"EXT-X-SKIP:SKIPPED-SEGMENTS=\d+", text)

    async def test_unknown_names_are_404(self, clip: ClipMaker, tmp_path: Path) -> None:
        paths = ("s/nope/0.m4s", "s/nope/init.mp4", "s/x/../../etc", "s/a/0.0.0.m4s", "other.m3u8", "s/a/b/c")
        async with on_air(clip, tmp_path) as server:
            for path in paths:
                assert (await server.get(f"/live/cam/{path}"))[0] == 404, path
            assert (await server.get("/live/none/index.m3u8"))[0] == 404


class TestWindow:
    async def test_a_segment_that_left_memory_is_redirected_to_the_recording(
        self, clip: ClipMaker, tmp_path: Path
    ) -> None:
        async with on_air(clip, tmp_path, live=LiveOptions(ring_s=2.0), files_port=4711) as server:
            await server.segment("cam", 4)
            recording = server.server.recordings.active["cam"].sheet.id
            text = await playlist(server, "?dvr=1")
            oldest = re.findall(r"s/\w+/0\.m4s", text)[0]
            async with server.http.get(server.url(f"/live/cam/{oldest}"), allow_redirects=False) as answer:
                status, where = answer.status, answer.headers.get("Location", "")
        assert "MEDIA-SEQUENCE:0\n" in text
        assert (status, where) == (302, f"http://127.0.0.1:4711/vod/{recording}/{oldest}")

    async def test_numbers_go_on_after_a_restart(self, clip: ClipMaker, tmp_path: Path) -> None:
        seen = []
        for _ in range(2):
            async with live(tmp_path) as server:
                await push(clip("h264_aac", 3), server.rtmp("cam"), realtime=False)
                seen.append(await playlist(server))
        sequences = [int(re.findall(r"MEDIA-SEQUENCE:(\d+)", text)[0]) for text in seen]
        prefixes = [set(re.findall(r"s/(\w+)/", text)) for text in seen]
        assert sequences[1] > sequences[0] + 3
        assert not prefixes[0] & prefixes[1]
        assert "DISCONTINUITY-SEQUENCE:1" in seen[1]


class TestAccess:
    async def test_gated_streams_need_a_token_on_every_url(self, clip: ClipMaker, tmp_path: Path) -> None:
        secret = b"s" * 32
        grant = Grant(Method.PLAY, ScopeKind.STREAM, "live:cam", "sess-1", "user.1", int(time.time()) + 60)
        token = sign(grant, Keyring.from_secret(secret))
        async with on_air(clip, tmp_path, token_secret=secret) as server:
            await server.server.store.put_stream(StreamConfig("cam", gated=True))
            text = (await server.get(f"/t/{token}{MEDIA}"))[1].decode()
            segment = re.findall(r"s/\w+/\d+\.m4s", text)[0]
            for path in (MEDIA, f"/live/cam/{segment}", "/live/cam.flv", "/live/cam/index.m3u8"):
                assert (await server.get(path))[0] == 403
                assert (await server.get(f"/t/{token[:-4]}AAAA{path}"))[0] == 403
            assert (await server.get(f"/t/{token}/live/cam/{segment}"))[0] == 200
            inherited = (await server.get(f"{MEDIA}?token={token}"))[1].decode()
            assert f"{segment}?token={token}" in inherited
            async with server.http.get(server.url(f"/t/{token}/live/cam/{segment}")) as answer:
                assert answer.headers["Cache-Control"].startswith("private")
            for path in ("/live/cam/index.m3u8", MEDIA):
                async with server.http.get(server.url(f"/t/{token}{path}")) as answer:
                    assert answer.headers["Cache-Control"] == "private, no-cache"
            server.server.players.gate.revoke("viewer", "user.1")
            assert (await server.get(f"/t/{token}{MEDIA}"))[0] == 403

    async def test_viewers_are_counted_once_per_session(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with on_air(clip, tmp_path) as server:
            for _ in range(3):
                await playlist(server)
            _, streams = await server.call("GET", "/control/streams")
            _, clients = await server.call("GET", "/api/v1/clients/")
        assert streams["streams"][0]["viewers"] == 1
        assert sorted(client["type"] for client in clients["clients"]) == ["fmle-publish", "hls-play"]
