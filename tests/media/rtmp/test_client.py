"""Our client against our server, in memory, and what other servers may answer."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.rtmp.wire import command, control, message

from onetake.media.flv import FlvTag, TagKind
from onetake.media.rtmp import (
    ClientConnection,
    ClientEvent,
    ConnectRequested,
    Ended,
    PlayRequested,
    PublishRequested,
    Refused,
    Request,
    RtmpError,
    RtmpUrl,
    ServerConnection,
    ServerEvent,
    Started,
    Unpublished,
    encode_media,
    parse_url,
)

URL = parse_url("rtmp://example.org/live/camera?key=1")
TAG = FlvTag(TagKind.VIDEO, 40, b"\x17\x01" + bytes(100_000))
SERVER_HANDSHAKE = b"\x03" + bytes(1536) + bytes(1536)


def grant(server: ServerConnection, request: Request) -> None:
    server.accept(request)


class Pair:
    """A client and a server whose bytes go back and forth until both are quiet."""

    def __init__(self, client: ClientConnection, decide: Callable[[ServerConnection, Request], None] = grant) -> None:
        self.client, self.server, self.decide = client, ServerConnection(), decide
        self.client_events: list[ClientEvent] = []
        self.server_events: list[ServerEvent] = []

    def run(self) -> None:
        while True:
            up, down = self.client.data_to_send(), self.server.data_to_send()
            if not up and not down:
                return
            events = self.server.receive(up)
            while events:
                self.server_events += events
                if not isinstance(events[-1], ConnectRequested | PublishRequested | PlayRequested):
                    break
                self.decide(self.server, events[-1])
                events = self.server.receive(b"")
            self.client_events += self.client.receive(down)


def test_publish() -> None:
    pair = Pair(ClientConnection(URL, "publish"))
    pair.run()
    assert pair.client_events == [Started("NetStream.Publish.Start")]
    assert pair.server_events[-1] == PublishRequested(1, "live", "camera", "key=1", "live")
    pair.client.send_tag(TAG)
    pair.client.close()
    pair.run()
    assert pair.server_events[-2:] == [TAG, Unpublished(1)]


def test_play() -> None:
    pair = Pair(ClientConnection(URL, "play"))
    pair.run()
    assert Started("NetStream.Play.Start") in pair.client_events
    assert pair.server_events[-1] == PlayRequested(1, "live", "camera", "key=1", -2000.0)
    pair.client.ping(9)
    pair.run()
    assert pair.client.receive(encode_media(TAG, 1)) == [TAG]
    pair.server.end_play(1)
    pair.run()
    assert pair.client_events[-1] == Ended("NetStream.Play.UnpublishNotify")
    pair.client.close()
    pair.run()


@pytest.mark.parametrize("refused", [ConnectRequested, PublishRequested])
def test_refused(refused: type[Request]) -> None:
    def decide(server: ServerConnection, request: Request) -> None:
        if isinstance(request, refused):
            server.reject(request, "No.")
        else:
            server.accept(request)

    pair = Pair(ClientConnection(URL, "publish"), decide)
    pair.run()
    assert isinstance(pair.client_events[-1], Refused)
    assert pair.client_events[-1].description == "No."


def test_closing_before_the_stream_exists() -> None:
    client = ClientConnection(URL, "publish")
    client.data_to_send()
    client.close()
    assert client.data_to_send() == b""


def answered(*messages: bytes) -> list[ClientEvent]:
    return ClientConnection(URL, "play").receive(SERVER_HANDSHAKE + b"".join(messages))


@pytest.mark.parametrize("result", [(), (None,), (None, "one"), (None, 0), (None, -5)])
def test_create_stream_without_an_id(result: tuple[object, ...]) -> None:
    with pytest.raises(RtmpError, match="stream id"):
        answered(command("_result", 1, None), command("_result", 4, *result))  # type: ignore[arg-type]


def test_errors_of_other_servers() -> None:
    assert answered(command("_error", 1)) == [Refused("NetConnection.Call.Failed", "")]
    found = answered(command("onStatus", 0, None, {"level": "error", "code": "NetStream.Play.StreamNotFound"}))
    assert found == [Refused("NetStream.Play.StreamNotFound", "")]


def test_what_is_of_no_interest() -> None:
    odd = command("onStatus", 0, None, {"level": "status", "code": "NetStream.Data.Start"})
    assert answered(odd, command("onStatus"), command("onBWDone", 0), command("_error", 3, None), control(3, 1)) == []
    publisher = ClientConnection(URL, "publish")
    assert publisher.receive(SERVER_HANDSHAKE + message(9, b"\x17", stream=1)) == []


@given(st.binary(max_size=300))
def test_any_bytes_of_a_server(data: bytes) -> None:
    with suppress(RtmpError):
        answered(data)


class TestUrl:
    def test_parts(self) -> None:
        assert RtmpUrl("example.org", 1935, "live", "camera?key=1") == URL
        assert URL.tc_url == "rtmp://example.org:1935/live"
        secure = parse_url("rtmps://[::1]/a/b/key")
        assert (secure.port, secure.app, secure.name, secure.tls) == (443, "a/b", "key", True)
        assert secure.tc_url == "rtmps://[::1]:443/a/b"

    @pytest.mark.parametrize(
        "url",
        ["http://h/live/a", "rtmp:///live/a", "rtmp://h/live", "rtmp://h", "rtmp://h:99999/live/a", "rtmp://[/a/b"],
    )
    def test_wrong(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            parse_url(url)
