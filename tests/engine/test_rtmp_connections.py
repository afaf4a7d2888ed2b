"""What becomes of single RTMP connections: idle ones, paused ones, greedy ones, and who may play."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from tests.engine.rtmp_client import Refused, RtmpPublisher, flv_tags
from tests.engine.servers import Live, live, until

from onetake.engine.options import Limits
from onetake.engine.sessions import PushState
from onetake.engine.state import StreamConfig, hash_key
from onetake.kit.signing import Grant, Keyring, Method, ScopeKind, sign
from onetake.media import rtmp
from onetake.media.flv import FlvTag
from onetake.media.flv.tags import TagKind
from onetake.media.rtmp.messages import MessageType, command, control

ClipMaker = Callable[..., Path]
SECRET = b"s" * 32


@pytest.fixture
def tags(clip: ClipMaker) -> list[FlvTag]:
    return flv_tags(clip("h264_aac", 4))


class Player:
    """An RTMP player that reads as far as a test tells it to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str) -> None:
        self.reader, self.writer = reader, writer
        self.protocol = rtmp.ClientConnection(rtmp.parse_url(url), "play")
        self.events: list[rtmp.ClientEvent] = []

    async def read(self) -> None:
        """What is there next; raises `Refused`."""
        self.writer.write(self.protocol.data_to_send())
        data = await self.reader.read(65_536)
        if not data:
            raise Refused("connection closed")
        fresh = self.protocol.receive(data)
        self.events += fresh
        for event in fresh:
            if isinstance(event, rtmp.Refused):
                raise Refused(event.description)

    async def until(self, there: Callable[[rtmp.ClientEvent], bool]) -> None:
        """Read on until an event is there that was not before."""
        seen = len(self.events)
        async with asyncio.timeout(15):
            while not any(there(event) for event in self.events[seen:]):
                await self.read()

    def pause(self, paused: bool) -> None:
        self.writer.write(command(1, "pause", 0, None, paused, 0))


@asynccontextmanager
async def playing(url: str) -> AsyncIterator[Player]:
    target = rtmp.parse_url(url)
    reader, writer = await asyncio.open_connection(target.host, target.port)
    try:
        player = Player(reader, writer, url)
        await player.until(lambda event: isinstance(event, rtmp.Started))
        yield player
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def is_picture(event: rtmp.ClientEvent, *, key: bool = False) -> bool:
    """A coded picture (no sequence header) of H.264; `key`: a keyframe."""
    if not isinstance(event, FlvTag) or event.kind is not TagKind.VIDEO or event.body[1] != 1:
        return False
    return not key or event.body[0] >> 4 == 1


class TestIdle:
    async def test_a_connection_that_unpublished_may_publish_again_later(
        self, tags: list[FlvTag], tmp_path: Path
    ) -> None:
        skipped_s = 0.0
        async with live(tmp_path) as server:
            server.server.hub.now_s = lambda: time.monotonic() + skipped_s
            publisher = await RtmpPublisher.open(server.rtmp("cam"))
            for index in range(4):
                skipped_s += 6
                await publisher.send(tags[index * 50 : index * 50 + 50])
                received = server.server.hub.received_bytes
                await publisher.send(tags[index * 50 : index * 50 + 50])
                await until(lambda before=received: server.server.hub.received_bytes > before)  # type: ignore[misc]
            publisher.protocol.close()
            publisher._flush()
            await server.state("cam", PushState.OFFLINE)
            server.server.rtmp.sweep()
            publisher.writer.write(command(0, "createStream", 8, None))
            publisher.writer.write(command(2, "publish", 9, None, "cam", "live"))
            await server.state("cam", PushState.PUSHING)
            await publisher.stop()

    async def test_a_connection_that_does_nothing_is_closed(self, tmp_path: Path) -> None:
        skipped_s = 0.0
        async with live(tmp_path) as server:
            server.server.hub.now_s = lambda: time.monotonic() + skipped_s
            publisher = await RtmpPublisher.open(server.rtmp("cam"))
            publisher.protocol.close()
            publisher._flush()
            await server.state("cam", PushState.OFFLINE)
            skipped_s = 16
            await publisher.closed_by_server()

    async def test_a_fault_of_ours_closes_the_connection(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        async with live(tmp_path) as server:

            async def broken(name: str) -> None:
                raise RuntimeError(name)

            monkeypatch.setattr(server.server.hub, "ask_for", broken)
            with pytest.raises((Refused, ConnectionError)):
                async with playing(server.rtmp("cam")):
                    pass
            await until(lambda: not server.server.rtmp.connections)


async def ask_for_ever(publisher: RtmpPublisher, question: bytes) -> None:
    while True:
        publisher.writer.write(question * 500)
        await publisher.writer.drain()


class TestUnread:
    async def test_who_does_not_read_our_answers_is_cut_off(self, tags: list[FlvTag], tmp_path: Path) -> None:
        async with live(tmp_path, limits=Limits(unread_bytes=64 << 10)) as server:
            publisher = await RtmpPublisher.open(server.rtmp("cam"))
            await publisher.send(tags)
            publisher.writer.transport.pause_reading()  # type: ignore[attr-defined]
            question = command(0, "getStreamLength", 1, None, "cam")
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(ask_for_ever(publisher, question), 60)
            await until(lambda: not server.server.rtmp.connections)

    async def test_pings_reach_a_player_whose_stream_rests(self, tags: list[FlvTag], tmp_path: Path) -> None:
        skipped_s = 0.0
        async with live(tmp_path, limits=Limits(grace_s=500)) as server:
            server.server.hub.now_s = lambda: time.monotonic() + skipped_s
            publisher = await RtmpPublisher.open(server.rtmp("cam"))
            await publisher.send(tags)
            await publisher.abort()
            async with playing(server.rtmp("cam")) as player:
                skipped_s = 31
                ping = control(MessageType.USER_CONTROL, b"")[7:8] + bytes(4) + b"\0\x06"
                raw = b""
                async with asyncio.timeout(15):
                    while ping not in raw:
                        raw += await player.reader.read(65_536)


class TestPause:
    async def test_a_paused_player_gets_nothing_and_goes_on_at_a_keyframe(
        self, tags: list[FlvTag], tmp_path: Path
    ) -> None:
        async with live(tmp_path) as server, await RtmpPublisher.open(server.rtmp("cam")) as publisher:
            await publisher.send(tags)
            async with playing(server.rtmp("cam")) as player:
                await player.until(is_picture)
                player.pause(True)
                [viewer] = [each.viewer for each in server.server.players._players.values()]
                await until(lambda: viewer.paused)
                sent = viewer.sent_bytes
                await publisher.send(tags, 4000)
                await server.segment("cam", 6)
                assert viewer.sent_bytes == sent
                before = len(player.events)
                player.pause(False)
                await until(lambda: not viewer.paused)
                await publisher.send(tags, 8000)
                await player.until(lambda event: isinstance(event, FlvTag) and event.timestamp_ms >= 8000)
                later = [event for event in player.events[before:] if is_picture(event)]
                resumed = next(event for event in later if isinstance(event, FlvTag) and event.timestamp_ms > 6000)
                assert is_picture(resumed, key=True)


class TestWhoMayPlay:
    async def test_the_key_of_the_stream_or_a_token_opens_it(self, tags: list[FlvTag], tmp_path: Path) -> None:
        ring = Keyring.from_secret(SECRET)
        token = sign(Grant(Method.PLAY, ScopeKind.STREAM, "live:cam", "s", "v", int(time.time()) + 60), ring)
        config = StreamConfig("cam", key_hashes=(hash_key("k"),), gated=True)
        async with live(tmp_path, standalone=False, token_secret=SECRET) as server:
            await server.server.store.put_stream(config)
            async with await RtmpPublisher.open(server.rtmp("cam", "?key=k")) as publisher:
                await publisher.send(tags)
                for query in ("?key=k", f"?token={token}"):
                    async with playing(server.rtmp("cam", query)) as player:
                        await player.until(is_picture)
                for query in ("", "?key=other", "?key=", "?token=other"):
                    with pytest.raises(Refused):
                        async with playing(server.rtmp("cam", query)):
                            pass

    async def test_a_stream_that_is_not_configured_is_open_to_nobody(self, tags: list[FlvTag], tmp_path: Path) -> None:
        """The control plane let its publisher in, and its configuration is not here yet."""
        async with live(tmp_path, standalone=False, token_secret=SECRET) as server:
            await server.server.store.put_stream(StreamConfig("cam", key_hashes=(hash_key("k"),)))
            async with await RtmpPublisher.open(server.rtmp("cam", "?key=k")) as publisher:
                await publisher.send(tags)
                assert (await server.get("/live/cam/index.m3u8"))[0] == 200
                forget(server, "cam")
                assert (await server.get("/live/cam/index.m3u8"))[0] == 403
                assert (await server.get("/live/cam.flv"))[0] == 403
                with pytest.raises(Refused):
                    async with playing(server.rtmp("cam")):
                        pass


def forget(server: Live, name: str) -> None:
    """As if the desired state had never named the stream."""
    store = server.server.store
    store.state = store.state.without_stream(name)
