"""The server's conversation: publish, play, refusals, control messages, and clients that break the rules."""

import gc
import struct
import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.media.rtmp import obs
from tests.media.rtmp.wire import C0_C1, C2, Reply, chunk, command, control, message, replies

from onetake.media import amf
from onetake.media.flv import FlvTag, TagKind
from onetake.media.flv.tags import encode_tag
from onetake.media.rtmp import (
    ConnectRequested,
    Limits,
    PauseChanged,
    PlayRequested,
    PlayStopped,
    PublishRequested,
    Refused,
    Request,
    RtmpError,
    ServerConnection,
    ServerEvent,
    Unpublished,
    encode_media,
)


class Session:
    """A server connection behind its handshake, with the replies it sent since the last look."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.connection = ServerConnection(limits)
        self.sent = bytearray()
        assert self.connection.receive(C0_C1 + C2) == []
        assert len(self.connection.data_to_send()) == 3073
        self._seen = 0

    def feed(self, data: bytes) -> list[ServerEvent]:
        events = self.connection.receive(data)
        self.sent += self.connection.data_to_send()
        return events

    def grant(self, events: list[ServerEvent]) -> list[ServerEvent]:
        request = events[-1]
        assert isinstance(request, ConnectRequested | PublishRequested | PlayRequested)
        self.connection.accept(request)
        return self.feed(b"")

    def replies(self) -> list[Reply]:
        """New replies; all bytes are read again, as chunk sizes must be followed from the start."""
        found = replies(bytes(self.sent))
        new, self._seen = found[self._seen :], len(found)
        return new

    def codes(self) -> list[str]:
        return [reply.code for reply in self.replies() if reply.values and isinstance(reply.values[-1], dict)]


def connect(app: str = "live", **more: amf.Writable) -> bytes:
    return command("connect", 1, {"app": app, "tcUrl": f"rtmp://host/{app}", "flashVer": "FMLE/3.0", **more})


def connected() -> Session:
    session = Session()
    assert session.grant(session.feed(connect())) == []
    assert session.feed(command("createStream", 2, None)) == []
    session.replies()
    return session


def publishing() -> Session:
    session = connected()
    assert session.grant(session.feed(command("publish", 3, None, "camera?key=1", "live", stream=1))) == []
    session.replies()
    return session


def playing() -> Session:
    session = connected()
    assert session.grant(session.feed(command("play", 3, None, "camera", -2000, stream=1))) == []
    session.replies()
    return session


BAD_APPS = ["", "a b", "../etc", "live/sub", "x" * 65, "live\n", "live\0", "直播", "live?" + "q" * 2000]
BUFFER_LENGTH = message(4, b"\0\x03\0\0\0\x01\0\0\x0b\xb8", csid=2)


class TestConnect:
    def test_accepted(self) -> None:
        session = Session()
        fourccs: list[amf.Writable] = ["hvc1", "av01", 7]
        (request,) = session.feed(connect("/live?token=x", fourCcList=fourccs, videoFourCcInfoMap={"vp09": 1}))
        assert request == ConnectRequested(
            1, "live", "token=x", "rtmp://host//live?token=x", "FMLE/3.0", "", frozenset({"hvc1", "av01", "vp09"})
        )
        assert session.sent == b""
        session.grant([request])
        sent = session.replies()
        assert [reply.kind for reply in sent] == [6, 5, 1, 20]
        assert sent[-1].values[:2] == ["_result", 1.0]
        assert sent[-1].code == "NetConnection.Connect.Success"
        info = sent[-1].values[-1]
        assert isinstance(info, dict)
        forwards = info["videoFourCcInfoMap"]
        assert isinstance(forwards, dict)
        assert {"hvc1", "av01", "Opus"} <= set(forwards)

    def test_default_instance_is_dropped(self) -> None:
        (request,) = Session().feed(connect("live/_definst_/"))
        assert isinstance(request, ConnectRequested)
        assert request.app == "live"

    @pytest.mark.parametrize(
        "app", ["", "a b", "../etc", "live/sub", "x" * 65, "live\n", "live\0", "直播", "live?" + "q" * 2000]
    )
    def test_bad_application_names_are_refused(self, app: str) -> None:
        session = Session()
        events = session.feed(connect(app))
        assert [type(event) for event in events] == [Refused]
        assert session.codes()[-1] == "NetConnection.Connect.Rejected"

    def test_rejected(self) -> None:
        session = Session()
        (request,) = session.feed(connect())
        assert isinstance(request, ConnectRequested)
        session.connection.reject(request, "We are closed.")
        session.feed(b"")
        last = session.replies()[-1]
        assert last.values[0] == "_error"
        assert last.code == "NetConnection.Connect.Rejected"

    def test_twice(self) -> None:
        with pytest.raises(RtmpError, match="second time"):
            connected().feed(connect())

    @pytest.mark.parametrize("name", ["createStream", "publish", "play", "hello", "x" * 100])
    def test_nothing_goes_before_it(self, name: str) -> None:
        with pytest.raises(RtmpError, match="before connect"):
            Session().feed(command(name, 1, None, "a"))

    def test_without_an_object(self) -> None:
        assert isinstance(Session().feed(command("connect", 1))[0], Refused)

    def test_amf3_command(self) -> None:
        body = amf.encode("connect", 1, {"app": "live"})
        (request,) = Session().feed(message(17, b"\0" + body))
        assert isinstance(request, ConnectRequested)

    def test_broken_tail_is_forgiven(self) -> None:
        body = amf.encode("connect", 1, {"app": "live"}) + b"\x04"
        (request,) = Session().feed(message(20, body))
        assert isinstance(request, ConnectRequested)

    @pytest.mark.parametrize("body", [b"", b"\xff", amf.encode(1), b"\x02\0\x09connect"])
    def test_command_without_a_name(self, body: bytes) -> None:
        with pytest.raises(RtmpError, match="without a name"):
            Session().feed(message(20, body))


class TestPublish:
    def test_obs(self) -> None:
        """The order of commands in which OBS (its librtmp) publishes."""
        session = connected()
        assert session.feed(command("releaseStream", 2, None, "camera") + command("FCPublish", 3, None, "camera")) == []
        assert session.feed(command("_checkbw", 5, None)) == []
        assert [reply.values[0] for reply in session.replies()] == ["_result"] * 3
        events = session.feed(command("publish", 5, None, "camera?key=s3cret", "live", stream=1))
        assert events == [PublishRequested(1, "live", "camera", "key=s3cret", "live")]
        session.grant(events)
        assert session.codes() == ["NetStream.Publish.Start"] * 2
        body = amf.encode("@setDataFrame", "onMetaData", amf.EcmaArray({"width": 1280.0}))
        assert session.feed(message(18, body, csid=4, stream=1)) == [FlvTag(TagKind.SCRIPT, 0, body)]
        data = message(9, b"\x17\x00video", csid=4, stream=1) + chunk(1, 4, b"\xaf\x01a", time=23, length=3, kind=8)
        tags = [FlvTag(TagKind.VIDEO, 0, b"\x17\x00video"), FlvTag(TagKind.AUDIO, 23, b"\xaf\x01a")]
        assert session.feed(data) == tags
        assert session.feed(command("FCUnpublish", 6, None, "camera")) == [Unpublished(1)]
        assert session.feed(command("deleteStream", 7, None, 1)) == []
        assert session.codes()[-1] == "NetStream.Unpublish.Success"

    def test_query_behind_the_application_counts(self) -> None:
        session = Session()
        session.grant(session.feed(connect("live?a=1")))
        session.feed(command("createStream", 2, None))
        (request,) = session.feed(command("publish", 3, None, "camera?b=2", "record", stream=1))
        assert request == PublishRequested(1, "live", "camera", "a=1&b=2", "record")

    def test_unknown_type_is_live(self) -> None:
        (request,) = connected().feed(command("publish", 3, None, "camera", "podcast", stream=1))
        assert isinstance(request, PublishRequested)
        assert request.type == "live"

    @pytest.mark.parametrize("name", ["", "a/b", "mp4:a", "a b", "x" * 65, "a\n", "?key=1", "a?" + "q" * 2000, None])
    def test_bad_names_are_refused(self, name: str | None) -> None:
        session = connected()
        assert [type(event) for event in session.feed(command("publish", 3, None, name, stream=1))] == [Refused]
        assert session.codes() == ["NetStream.Publish.BadName"]

    def test_rejected_with_a_sentence(self) -> None:
        session = connected()
        (request,) = session.feed(command("publish", 3, None, "camera", stream=1))
        assert isinstance(request, PublishRequested)
        session.connection.reject(request, "This stream key is not known.")
        session.feed(b"")
        (reply,) = session.replies()
        info = reply.values[-1]
        assert info == {
            "level": "error",
            "code": "NetStream.Publish.BadName",
            "description": "This stream key is not known.",
        }

    def test_second_stream_on_one_connection_is_refused(self) -> None:
        session = publishing()
        session.feed(command("createStream", 4, None))
        assert isinstance(session.feed(command("publish", 5, None, "other", stream=2))[0], Refused)
        assert isinstance(session.feed(command("play", 5, None, "camera", stream=1))[0], Refused)

    def test_stream_that_was_not_created_is_refused(self) -> None:
        assert isinstance(connected().feed(command("publish", 3, None, "camera", stream=9))[0], Refused)

    def test_again_behind_the_end(self) -> None:
        session = publishing()
        assert session.feed(command("closeStream", 0, None, stream=1)) == [Unpublished(1)]
        assert isinstance(session.feed(command("publish", 5, None, "camera", stream=1))[0], PublishRequested)

    @pytest.mark.parametrize("given", [1, None, float("nan"), -1])
    def test_delete_stream_names_it_or_is_sent_on_it(self, given: float | None) -> None:
        assert publishing().feed(command("deleteStream", 7, None, given, stream=1)) == [Unpublished(1)]

    def test_deleted_stream_is_gone(self) -> None:
        session = publishing()
        session.feed(command("deleteStream", 7, None, 1))
        assert isinstance(session.feed(command("publish", 5, None, "camera", stream=1))[0], Refused)

    def test_nothing_to_unpublish(self) -> None:
        session = connected()
        assert session.feed(command("FCUnpublish", 6, None, "camera") + command("FCUnpublish", 0, None)) == []
        assert session.feed(command("closeStream", 0, None, stream=5)) == []

    def test_media_before_admission_is_nothing(self) -> None:
        session = connected()
        assert session.feed(message(9, b"\x17", csid=4, stream=1)) == []

    def test_media_on_another_stream_is_nothing(self) -> None:
        assert publishing().feed(message(9, b"\x17", csid=4, stream=2)) == []

    def test_kicked(self) -> None:
        session = publishing()
        session.connection.end_publish("Another encoder took over.")
        session.connection.end_publish("Twice.")
        assert session.feed(message(9, b"\x17", csid=4, stream=1)) == []
        assert session.codes() == ["NetStream.Publish.Denied"]

    def test_aggregate_message(self) -> None:
        tags = encode_tag(8, 1000, b"one") + encode_tag(9, 1040, b"two") + encode_tag(15, 1040, b"odd") + b"tail"
        events = publishing().feed(message(22, tags, csid=6, time=5000, stream=1))
        assert events == [FlvTag(TagKind.AUDIO, 5000, b"one"), FlvTag(TagKind.VIDEO, 5040, b"two")]

    def test_broken_aggregate_message(self) -> None:
        with pytest.raises(RtmpError, match="aggregate"):
            publishing().feed(message(22, encode_tag(8, 0, b"abc")[:12], csid=6, stream=1))

    def test_amf3_data_and_empty_bodies(self) -> None:
        session = publishing()
        body = amf.encode("onCue")
        assert session.feed(message(15, b"\0" + body, stream=1)) == [FlvTag(TagKind.SCRIPT, 0, body)]
        assert session.feed(message(15, b"\0", stream=1) + message(9, b"", stream=1)) == []


class TestWaiting:
    def test_nothing_is_read_behind_an_open_request(self) -> None:
        session = Session()
        events = session.feed(connect() + command("createStream", 2, None) + command("publish", 3, None, "a", stream=1))
        assert [type(event) for event in events] == [ConnectRequested]
        assert session.feed(b"") == []
        events = session.grant(events)
        assert [type(event) for event in events] == [PublishRequested]
        session.feed(message(9, b"\x17early", stream=1))
        assert session.grant(events) == [FlvTag(TagKind.VIDEO, 0, b"\x17early")]

    def test_flood_behind_an_open_request(self) -> None:
        session = Session()
        session.feed(connect())
        for _ in range(10):
            assert session.feed(bytes(100_000)) == []
        with pytest.raises(RtmpError, match="not answered"):
            session.feed(bytes(100_000))

    def test_only_the_open_request_can_be_answered(self) -> None:
        session = Session()
        (request,) = session.feed(connect())
        assert isinstance(request, ConnectRequested)
        session.connection.accept(request)
        with pytest.raises(ValueError, match="not open"):
            session.connection.reject(request, "late")


class TestPlay:
    def test_accepted(self) -> None:
        session = connected()
        assert session.feed(command("getStreamLength", 3, None, "camera")) == []
        events = session.feed(command("play", 4, None, "camera?token=t", 12.5, stream=1))
        assert events == [PlayRequested(1, "live", "camera", "token=t", 12.5)]
        session.grant(events)
        length, begin, reset, start, access = session.replies()
        assert length.values == ["_result", 3.0, None, 0.0]
        assert (begin.kind, begin.body) == (4, b"\0\0\0\0\0\x01")
        assert [reset.code, start.code] == ["NetStream.Play.Reset", "NetStream.Play.Start"]
        assert (access.kind, access.values) == (18, ["|RtmpSampleAccess", True, True])

    def test_media_out(self) -> None:
        session = playing()
        tag = FlvTag(TagKind.VIDEO, 0x1000001, b"\x17" + bytes(70_000))
        session.sent += encode_media(tag, 1)
        (reply,) = session.replies()
        assert (reply.kind, reply.stream, reply.body) == (9, 1, tag.body)
        assert encode_media(tag) == encode_media(tag, 1)

    def test_end(self) -> None:
        session = playing()
        session.connection.end_play(1)
        session.feed(b"")
        ended, eof = session.replies()
        assert ended.code == "NetStream.Play.UnpublishNotify"
        assert eof.body == b"\0\x01\0\0\0\x01"

    def test_stopped_by_the_player(self) -> None:
        session = playing()
        assert session.feed(command("deleteStream", 5, None, 1)) == [PlayStopped(1)]

    def test_pause(self) -> None:
        session = playing()
        assert session.feed(command("pause", 0, None, True, 100, stream=1)) == [PauseChanged(1, True)]
        assert session.feed(command("pause", 0, None, False, 100, stream=1)) == [PauseChanged(1, False)]
        assert session.feed(command("pause", 0, None, True, 100, stream=4)) == []
        assert session.codes() == ["NetStream.Pause.Notify", "NetStream.Unpause.Notify"]

    def test_refused(self) -> None:
        session = playing()
        assert isinstance(session.feed(command("play", 4, None, "a/b", stream=1))[0], Refused)
        assert isinstance(session.feed(command("play", 4, None, "camera", stream=1))[0], Refused)
        assert session.codes() == ["NetStream.Play.Failed"] * 2

    def test_media_of_a_player_is_nothing(self) -> None:
        assert playing().feed(message(9, b"\x17", stream=1)) == []


class TestControl:
    def test_ping_is_answered(self) -> None:
        session = connected()
        assert session.feed(message(4, b"\0\x06\0\0\0\x2a", csid=2)) == []
        (reply,) = session.replies()
        assert reply.body == b"\0\x07\0\0\0\x2a"

    def test_our_ping(self) -> None:
        session = connected()
        session.connection.ping(7)
        session.feed(b"")
        assert session.replies()[0].body == b"\0\x06\0\0\0\x07"
        assert session.feed(message(4, b"\0\x07\0\0\0\x07", csid=2)) == []

    def test_acknowledges_the_clients_window(self) -> None:
        session = publishing()
        session.feed(control(5, 10_000))
        session.feed(message(9, bytes(12_000), stream=1))
        (reply,) = session.replies()
        assert reply.kind == 3
        assert int.from_bytes(reply.body, "big") == session.connection.received_bytes

    def test_tiny_window_does_not_make_us_chatter(self) -> None:
        session = publishing()
        session.feed(control(5, 1))
        session.feed(b"")
        assert len(session.replies()) == 0 or session.connection.received_bytes >= 4096

    def test_chunk_size_of_the_client(self) -> None:
        session = publishing()
        session.feed(control(1, 4096))
        assert len(session.feed(message(9, bytes(5000), stream=1, size=4096))) == 1

    def test_abort(self) -> None:
        session = publishing()
        session.feed(chunk(0, 6, bytes(128), length=300, kind=9, stream=1) + control(2, 6))
        assert len(session.feed(message(9, b"new", csid=6, stream=1))) == 1

    def test_acknowledgement_is_remembered(self) -> None:
        session = publishing()
        session.feed(control(3, 12_345))
        assert session.connection.acknowledged_by_peer == 12_345

    @pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 6])
    def test_too_short(self, kind: int) -> None:
        with pytest.raises(RtmpError, match="too early"):
            connected().feed(message(kind, b"\0\0", csid=2))

    @pytest.mark.parametrize("data", [BUFFER_LENGTH, message(16, b"so"), message(99, b"?")])
    def test_others_are_left_alone(self, data: bytes) -> None:
        session = connected()
        assert session.feed(data) == []
        assert session.replies() == []

    def test_unknown_command_is_answered_when_it_asks(self) -> None:
        session = connected()
        session.feed(command("onBWDone", 0, None) + command("whatever", 9, None))
        assert [reply.values[:2] for reply in session.replies()] == [["_result", 9.0]]


class TestLimits:
    def test_message_streams(self) -> None:
        session = connected()
        with pytest.raises(RtmpError, match="message streams"):
            session.feed(command("createStream", 2, None) * 1000)

    def test_big_message_before_admission(self) -> None:
        with pytest.raises(RtmpError, match="over the limit"):
            connected().feed(chunk(0, 6, bytes(128), length=300_000, kind=9, stream=1))

    def test_big_message_after_admission(self) -> None:
        session = publishing()
        session.feed(control(1, 1024 * 1024))
        body = bytes(2_000_000)
        assert len(session.feed(message(9, body, stream=1, size=1024 * 1024))) == 1

    def test_flood_of_tiny_messages(self) -> None:
        session = publishing()
        assert len(session.feed(message(9, b"\x17", csid=6, stream=1) * 500)) == 500
        session.feed(chunk(0, 6, b"", length=0, kind=9, stream=1))
        with pytest.raises(RtmpError, match="tiny"):
            session.feed(chunk(3, 6, b"") * 5000)

    def test_aggregate_of_too_many(self) -> None:
        session = publishing()
        session.feed(control(1, 1024 * 1024))
        body = encode_tag(8, 0, b"a") * 5000
        with pytest.raises(RtmpError, match="too much"):
            session.feed(message(22, body, stream=1, size=1024 * 1024))

    def test_command_of_many_values(self) -> None:
        body = amf.encode("connect", 1, {"app": "live"}) + b"\x05" * 50_000
        assert isinstance(Session().feed(message(20, body))[0], ConnectRequested)

    def test_deep_amf(self) -> None:
        body = amf.encode("connect", 1) + b"\x0a\0\0\0\x01" * 100
        assert isinstance(Session().feed(message(20, body))[0], Refused)


def conversation() -> bytes:
    """A whole publish with a bit of everything; the server grants each request."""
    return b"".join(
        (
            C0_C1,
            C2,
            control(5, 5000),
            connect(),
            command("createStream", 2, None),
            command("publish", 3, None, "camera?key=1", "live", stream=1),
            control(1, 1000),
            message(18, amf.encode("@setDataFrame", "onMetaData", {"width": 1.0}), stream=1, size=1000),
            message(9, b"\x17\x00" + bytes(3000), csid=6, stream=1, size=1000),
            chunk(1, 6, b"\x27\x01", time=40, length=2, kind=9),
            message(8, b"\xaf\x01abc", csid=4, time=0x1000000, stream=1, size=1000),
            message(4, b"\0\x06\0\0\0\x01", csid=2, size=1000),
            command("deleteStream", 7, None, 1, size=1000),
        )
    )


def talk(parts: Iterator[bytes]) -> tuple[list[ServerEvent], str]:
    connection, found = ServerConnection(), list[ServerEvent]()
    try:
        for part in parts:
            events = connection.receive(part)
            while events:
                found += events
                last: ServerEvent | Request = events[-1]
                if not isinstance(last, ConnectRequested | PublishRequested | PlayRequested):
                    break
                connection.accept(last)
                events = connection.receive(b"")
    except RtmpError as error:
        return found, str(error)
    return found, ""


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    position, turn = 0, 0
    while position < len(data):
        size = sizes[turn % len(sizes)]
        yield data[position : position + size]
        position, turn = position + size, turn + 1


SIZES = st.lists(st.integers(1, 2000), min_size=1, max_size=20)


def test_obs_from_beginning_to_end() -> None:
    events, error = talk(iter([obs.conversation()]))
    assert error == ""
    assert [type(event) for event in events[:2]] == [ConnectRequested, PublishRequested]
    assert events[1] == PublishRequested(1, "live", "camera", "key=s3cret", "live")
    assert events[2:-1] == obs.media()
    assert events[-1] == Unpublished(1)


@given(SIZES)
@settings(max_examples=30)
def test_any_split_of_obs_gives_the_same_events(sizes: list[int]) -> None:
    assert talk(cut(obs.conversation(), sizes)) == talk(iter([obs.conversation()]))


@given(SIZES)
def test_any_split_of_a_conversation_gives_the_same_events(sizes: list[int]) -> None:
    data = conversation()
    whole = talk(iter([data]))
    assert whole[1] == ""
    assert [type(event).__name__ for event in whole[0]] == [
        "ConnectRequested",
        "PublishRequested",
        "FlvTag",
        "FlvTag",
        "FlvTag",
        "FlvTag",
        "Unpublished",
    ]
    assert talk(cut(data, sizes)) == whole


@given(st.binary(max_size=400))
def test_any_bytes_behind_the_handshake(data: bytes) -> None:
    talk(iter([C0_C1 + C2 + data]))


@given(st.lists(st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=6)), min_size=1, max_size=4))
def test_damaged_conversation(damages: list[tuple[int, bytes]]) -> None:
    data = bytearray(conversation())
    for place, patch in damages:
        start = 3073 + place % (len(data) - 3073)
        data[start : start + len(patch)] = patch
    talk(iter([bytes(data)]))


def test_a_connection_is_freed_at_once() -> None:
    """No rings: buffers of a client that left must not wait for the garbage collector."""
    session = publishing()
    gone = weakref.ref(session.connection)
    gc.disable()
    try:
        del session
        assert gone() is None
    finally:
        gc.enable()


def test_struct_of_user_control() -> None:
    """A ping request carries a 32-bit number that wraps."""
    connection = ServerConnection()
    connection.ping(1 << 32 | 5)
    assert connection.data_to_send().endswith(struct.pack(">HI", 6, 5))
