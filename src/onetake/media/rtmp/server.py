"""The server's side of an RTMP connection, without any input or output of its own."""

import re
import struct
from collections.abc import Callable
from typing import Final, TypeAlias

from onetake.media import amf
from onetake.media.flv.tags import FOURCC
from onetake.media.rtmp.events import (
    ConnectRequested,
    PauseChanged,
    PlayRequested,
    PlayStopped,
    PublishRequested,
    Refused,
    Request,
    ServerEvent,
    Unpublished,
)
from onetake.media.rtmp.handshake import ServerHandshake
from onetake.media.rtmp.messages import (
    DATA_CSID,
    OUR_WINDOW_BYTES,
    Limits,
    Message,
    MessageType,
    RtmpError,
    UserControl,
    command,
    control,
    encode_message,
    status,
    user_control,
)
from onetake.media.rtmp.peer import Peer, command_values, media_tags

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_MAX_QUERY_CHARS: Final = 1024
_DYNAMIC_LIMIT: Final = 2
_CAN_FORWARD: Final = 4.0
_CAPS_MOD_EX: Final = 4.0
_PUBLISH_TYPES: Final = frozenset({"live", "record", "append"})
_FLASH_SERVER: Final = "FMS/3,5,7,7009"  # what clients expect to read; some switch features on it
_MEDIA: Final = frozenset(
    {MessageType.AUDIO, MessageType.VIDEO, MessageType.DATA, MessageType.DATA_AMF3, MessageType.AGGREGATE}
)
_COMMANDS: Final = frozenset({MessageType.COMMAND, MessageType.COMMAND_AMF3})
_Arguments: TypeAlias = list[amf.Value]


class ServerConnection(Peer):
    """One client. Feed bytes to `receive`, write what `data_to_send` gives, answer requests.

    A request (`ConnectRequested`, `PublishRequested`, `PlayRequested`) stops the reading: nothing behind it is looked
    at until `accept` or `reject`; then call `receive(b"")` for what has come in meanwhile. Stop reading from the
    transport while a request is open. After `RtmpError` or `Refused`, write what is queued and close.

    One connection publishes one stream at most, and plays up to `limits.max_message_streams`.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(ServerHandshake(), limits or Limits())
        self._request: Request | None = None
        self._app = ""
        self._app_query = ""
        self._streams: set[int] = set()
        self._created = 0
        self._publishing: PublishRequested | None = None
        self._playing: set[int] = set()

    # -- in ------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[ServerEvent]:
        """What the client says with `data` and before it. Raises RtmpError."""
        events: list[ServerEvent] = []
        if not self._take(data):
            return events
        if self._request and self._reader.buffered_bytes > self._limits.max_chunk_bytes:
            raise RtmpError("client sends on while its request is not answered")
        while self._request is None and (message := self._next_message()):
            events += self._handle(message)
        return events

    def _handle(self, message: Message) -> list[ServerEvent]:
        if message.type_id in _MEDIA:
            admitted = self._publishing is not None and self._publishing.stream_id == message.stream_id
            return [*media_tags(message)] if admitted else []
        if message.type_id in _COMMANDS:
            return self._on_command(message)
        self._control(message)
        return []

    def _on_command(self, message: Message) -> list[ServerEvent]:
        name, transaction, arguments = command_values(message)
        if not self._app and name != "connect":
            raise RtmpError(f"{name[:32]} before connect")
        handler = _HANDLERS.get(name)
        if handler:
            return handler(self, transaction, arguments, message.stream_id)
        if transaction:
            self._out.append(command(message.stream_id, "_result", transaction, None, None))
        return []

    # -- requests ------------------------------------------------------------------------------------------------

    def _ask(self, request: Request) -> list[ServerEvent]:
        self._request = request
        return [request]

    def _on_connect(self, transaction: float, arguments: _Arguments, stream_id: int) -> list[ServerEvent]:
        del stream_id
        if self._app:
            raise RtmpError("connect a second time")
        properties = arguments[0] if arguments and isinstance(arguments[0], dict) else {}
        app, _, query = _text(properties, "app").partition("?")
        app = app.strip("/").removesuffix("/_definst_")
        request = ConnectRequested(
            transaction,
            app,
            query,
            _text(properties, "tcUrl"),
            _text(properties, "flashVer")[:64],
            _text(properties, "pageUrl"),
            _fourccs(properties),
        )
        if not _NAME.fullmatch(app) or len(query) > _MAX_QUERY_CHARS:
            return self._refuse(request, "the application name is not allowed")
        return self._ask(request)

    def _on_publish(self, transaction: float, arguments: _Arguments, stream_id: int) -> list[ServerEvent]:
        del transaction
        name, query = self._stream_name(arguments)
        kind = arguments[2] if len(arguments) > 2 and isinstance(arguments[2], str) else "live"
        request = PublishRequested(stream_id, self._app, name, query, kind if kind in _PUBLISH_TYPES else "live")
        if not _NAME.fullmatch(name) or len(query) > _MAX_QUERY_CHARS:
            return self._refuse(request, "the stream name is not allowed")
        if stream_id not in self._streams or self._publishing or stream_id in self._playing:
            return self._refuse(request, "this connection cannot publish (again) here")
        return self._ask(request)

    def _on_play(self, transaction: float, arguments: _Arguments, stream_id: int) -> list[ServerEvent]:
        del transaction
        name, query = self._stream_name(arguments)
        start = arguments[2] if len(arguments) > 2 and isinstance(arguments[2], float) else -2.0
        request = PlayRequested(stream_id, self._app, name, query, start)
        if not _NAME.fullmatch(name) or len(query) > _MAX_QUERY_CHARS:
            return self._refuse(request, "the stream name is not allowed")
        if stream_id not in self._streams or stream_id in self._playing or self._is_publishing(stream_id):
            return self._refuse(request, "this connection cannot play (again) here")
        return self._ask(request)

    def _stream_name(self, arguments: _Arguments) -> tuple[str, str]:
        """Name and query; what stood behind the application comes first."""
        given = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], str) else ""
        name, _, query = given.partition("?")
        return name, "&".join(each for each in (self._app_query, query) if each)

    def _is_publishing(self, stream_id: int) -> bool:
        return self._publishing is not None and self._publishing.stream_id == stream_id

    def _refuse(self, request: Request, description: str) -> list[ServerEvent]:
        return [Refused(self._send_refusal(request, description), description)]

    def accept(self, request: Request) -> None:
        """Grant the open request; call `receive(b"")` next."""
        self._close_request(request)
        if isinstance(request, ConnectRequested):
            self._accept_connect(request)
        elif isinstance(request, PublishRequested):
            self._publishing = request
            self._reader.admit()
            self._out.append(command(request.stream_id, "onFCPublish", 0, None, _info("NetStream.Publish.Start")))
            self._out.append(status(request.stream_id, "NetStream.Publish.Start", f"Publishing {request.name}."))
        else:
            self._accept_play(request)

    def reject(self, request: Request, description: str) -> None:
        """Deny the open request with a sentence for the person at the encoder; then write and close."""
        self._close_request(request)
        self._send_refusal(request, description)

    def _close_request(self, request: Request) -> None:
        if request is not self._request:
            raise ValueError("this request is not open")
        self._request = None

    def _accept_connect(self, request: ConnectRequested) -> None:
        self._app, self._app_query = request.app, request.query
        bandwidth = struct.pack(">IB", OUR_WINDOW_BYTES, _DYNAMIC_LIMIT)
        self._out.append(control(MessageType.SET_PEER_BANDWIDTH, bandwidth))
        self._announce()
        properties: dict[str, amf.Value] = {"fmsVer": _FLASH_SERVER, "capabilities": 31.0, "mode": 1.0}
        info = _info("NetConnection.Connect.Success", "Connection succeeded.")
        info["objectEncoding"] = 0.0
        forwards: dict[str, amf.Value] = {name.decode(): _CAN_FORWARD for name in FOURCC.values()}
        info |= {"capsEx": _CAPS_MOD_EX, "videoFourCcInfoMap": forwards, "audioFourCcInfoMap": forwards}
        self._out.append(command(0, "_result", request.transaction, properties, info))

    def _accept_play(self, request: PlayRequested) -> None:
        stream_id = request.stream_id
        self._playing.add(stream_id)
        self._out.append(user_control(UserControl.STREAM_BEGIN, stream_id))
        self._out.append(status(stream_id, "NetStream.Play.Reset", f"Playing and resetting {request.name}."))
        self._out.append(status(stream_id, "NetStream.Play.Start", f"Started playing {request.name}."))
        access = amf.encode("|RtmpSampleAccess", True, True)
        self._out.append(encode_message(MessageType.DATA, 0, stream_id, access, DATA_CSID))

    def _send_refusal(self, request: Request, description: str) -> str:
        if isinstance(request, ConnectRequested):
            code = "NetConnection.Connect.Rejected"
            self._announce()
            info = _info(code, description, "error")
            self._out.append(command(0, "_error", request.transaction, None, info))
        else:
            code = "NetStream.Publish.BadName" if isinstance(request, PublishRequested) else "NetStream.Play.Failed"
            self._out.append(status(request.stream_id, code, description, "error"))
        return code

    # -- other commands ------------------------------------------------------------------------------------------

    def _on_create_stream(self, transaction: float, arguments: _Arguments, stream_id: int) -> list[ServerEvent]:
        del arguments, stream_id
        if len(self._streams) >= self._limits.max_message_streams:
            raise RtmpError("too many message streams")
        self._created += 1
        self._streams.add(self._created)
        self._out.append(command(0, "_result", transaction, None, self._created))
        return []

    def _on_get_stream_length(self, transaction: float, arguments: _Arguments, stream_id: int) -> list[ServerEvent]:
        del arguments
        self._out.append(command(stream_id, "_result", transaction, None, 0.0))
        return []

    def _on_pause(self, transaction: float, arguments: _Arguments, stream_id: int) -> list[ServerEvent]:
        del transaction
        if stream_id not in self._playing:
            return []
        paused = len(arguments) > 1 and arguments[1] is True
        code = "NetStream.Pause.Notify" if paused else "NetStream.Unpause.Notify"
        self._out.append(status(stream_id, code, "Paused." if paused else "Playing."))
        return [PauseChanged(stream_id, paused)]

    def _on_delete_stream(self, transaction: float, arguments: _Arguments, stream_id: int) -> list[ServerEvent]:
        del transaction
        given = arguments[1] if len(arguments) > 1 else None
        named = int(given) if isinstance(given, float) and 0 <= given <= 0xFFFFFFFF else stream_id
        events = self._close(named)
        self._streams.discard(named)
        return events

    def _on_close_stream(self, transaction: float, arguments: _Arguments, stream_id: int) -> list[ServerEvent]:
        del transaction, arguments
        return self._close(stream_id)

    def _on_fc_unpublish(self, transaction: float, arguments: _Arguments, stream_id: int) -> list[ServerEvent]:
        del arguments, stream_id
        if transaction:
            self._out.append(command(0, "_result", transaction, None, None))
        return self._close(self._publishing.stream_id) if self._publishing else []

    def _close(self, stream_id: int) -> list[ServerEvent]:
        if self._is_publishing(stream_id):
            self._publishing = None
            self._out.append(command(stream_id, "onFCUnpublish", 0, None, _info("NetStream.Unpublish.Success")))
            self._out.append(status(stream_id, "NetStream.Unpublish.Success", "Stopped publishing."))
            return [Unpublished(stream_id)]
        if stream_id in self._playing:
            self._playing.discard(stream_id)
            return [PlayStopped(stream_id)]
        return []

    # -- out -----------------------------------------------------------------------------------------------------

    def end_play(self, stream_id: int, description: str = "The stream has ended.") -> None:
        """Tell a player that the live stream is over."""
        self._playing.discard(stream_id)
        self._out.append(status(stream_id, "NetStream.Play.UnpublishNotify", description))
        self._out.append(user_control(UserControl.STREAM_EOF, stream_id))

    def end_publish(self, description: str) -> None:
        """Tell the publisher that it was put out (kicked, displaced); then write and close."""
        if self._publishing:
            stream_id = self._publishing.stream_id
            self._publishing = None
            self._out.append(status(stream_id, "NetStream.Publish.Denied", description, "error"))


def _text(properties: dict[str, amf.Value], key: str) -> str:
    value = properties.get(key)
    return value[:2048] if isinstance(value, str) else ""


def _fourccs(properties: dict[str, amf.Value]) -> frozenset[str]:
    """The codecs that an enhanced client says it can send (`fourCcList`, or the keys of the E-RTMP v2 maps)."""
    given = properties.get("fourCcList")
    found = {each for each in given if isinstance(each, str)} if isinstance(given, list) else set()
    for key in ("videoFourCcInfoMap", "audioFourCcInfoMap"):
        value = properties.get(key)
        found |= set(value) if isinstance(value, dict) else set()
    return frozenset(sorted(found)[:32])


def _info(code: str, description: str = "", level: str = "status") -> dict[str, amf.Value]:
    return {"level": level, "code": code, "description": description}


# Of the class, not of each object: an object that keeps its own bound methods is a ring and outlives its client.
_HANDLERS: Final[dict[str, Callable[[ServerConnection, float, _Arguments, int], list[ServerEvent]]]] = {
    "connect": ServerConnection._on_connect,
    "createStream": ServerConnection._on_create_stream,
    "publish": ServerConnection._on_publish,
    "play": ServerConnection._on_play,
    "pause": ServerConnection._on_pause,
    "deleteStream": ServerConnection._on_delete_stream,
    "closeStream": ServerConnection._on_close_stream,
    "FCUnpublish": ServerConnection._on_fc_unpublish,
    "getStreamLength": ServerConnection._on_get_stream_length,
}
