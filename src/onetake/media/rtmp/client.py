"""The client's side of an RTMP connection: publish to, or play from, another server."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from onetake.media import amf
from onetake.media.flv.tags import FOURCC, FlvTag
from onetake.media.rtmp.events import ClientEvent, Ended, Refused, Started
from onetake.media.rtmp.handshake import ClientHandshake
from onetake.media.rtmp.messages import (
    PORT,
    Limits,
    Message,
    MessageType,
    RtmpError,
    UserControl,
    command,
    user_control,
)
from onetake.media.rtmp.peer import Peer, command_values, encode_media, media_tags

_BUFFER_MS = 3000
_CONNECT, _CREATE = 1.0, 4.0
_STARTS = frozenset({"NetStream.Publish.Start", "NetStream.Play.Start"})
_ENDS = frozenset({"NetStream.Play.UnpublishNotify", "NetStream.Play.Stop", "NetStream.Play.Complete"})
_COMMANDS = (MessageType.COMMAND, MessageType.COMMAND_AMF3)


@dataclass(frozen=True, slots=True)
class RtmpUrl:
    """`rtmp://host[:port]/app/name[?query]`; `name` keeps its query, as RTMP sends it."""

    host: str
    port: int
    app: str
    name: str
    tls: bool = False

    @property
    def tc_url(self) -> str:
        """The address of the application, as `connect` names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"rtmp{'s' if self.tls else ''}://{host}:{self.port}/{self.app}"


def parse_url(url: str) -> RtmpUrl:
    """Take an RTMP or RTMPS address apart. Raises ValueError with one sentence."""
    parts = urlsplit(url)
    if parts.scheme not in ("rtmp", "rtmps") or not parts.hostname:
        raise ValueError("An RTMP address looks like rtmp://host/app/stream.")
    app, _, name = parts.path.strip("/").rpartition("/")
    if not app or not name:
        raise ValueError("An RTMP address names an application and a stream: rtmp://host/app/stream.")
    tls = parts.scheme == "rtmps"
    name = f"{name}?{parts.query}" if parts.query else name
    return RtmpUrl(parts.hostname, parts.port or (443 if tls else PORT), app, name, tls)


class ClientConnection(Peer):
    """Publishes or plays one stream: write `data_to_send` first, then feed `receive`.

    `Started` says that tags may be sent (publish) or will come (play); `Refused` that the server said no.
    """

    def __init__(self, url: RtmpUrl, mode: Literal["publish", "play"], limits: Limits | None = None) -> None:
        handshake = ClientHandshake()
        super().__init__(handshake, limits or Limits())
        self._url = url
        self._mode = mode
        self._stream_id = 0
        self._reader.admit()
        self._connecting = False
        self._out.append(handshake.start())

    def receive(self, data: bytes) -> list[ClientEvent]:
        """What the server says with `data`. Raises RtmpError."""
        events: list[ClientEvent] = []
        if not self._take(data):
            return events
        if not self._connecting:
            self._connect()
        while message := self._next_message():
            events += self._handle(message)
        return events

    def send_tag(self, tag: FlvTag) -> None:
        """Queue one tag of the published stream."""
        self._out.append(encode_media(tag, self._stream_id))

    def close(self) -> None:
        """Queue the clean end of the stream."""
        if not self._stream_id:
            return
        if self._mode == "publish":
            self._out.append(command(0, "FCUnpublish", 6, None, self._url.name))
        self._out.append(command(0, "deleteStream", 7, None, self._stream_id))

    def _connect(self) -> None:
        self._connecting = True
        fourccs: list[amf.Writable] = [name.decode() for name in FOURCC.values()]
        properties: dict[str, amf.Writable] = {
            "app": self._url.app,
            "type": "nonprivate",
            "flashVer": "FMLE/3.0 (compatible; OneTake)",
            "tcUrl": self._url.tc_url,
            "fourCcList": fourccs,
            "objectEncoding": 0,
        }
        self._announce()
        self._out.append(command(0, "connect", _CONNECT, properties))

    def _handle(self, message: Message) -> list[ClientEvent]:
        if message.type_id in _COMMANDS:
            return self._on_command(message)
        if message.type_id >= MessageType.AUDIO:
            return [*media_tags(message)] if self._mode == "play" else []
        self._control(message)
        return []

    def _on_command(self, message: Message) -> list[ClientEvent]:
        name, transaction, arguments = command_values(message)
        if name == "onStatus":
            return _status_event(arguments)
        if name == "_error" and transaction in (_CONNECT, _CREATE):
            info = arguments[-1] if arguments else None
            return [_refused(info)]
        if name == "_result" and transaction == _CONNECT:
            self._create_stream()
        elif name == "_result" and transaction == _CREATE:
            self._begin(arguments)
        return []

    def _create_stream(self) -> None:
        if self._mode == "publish":
            self._out.append(command(0, "releaseStream", 2, None, self._url.name))
            self._out.append(command(0, "FCPublish", 3, None, self._url.name))
        self._out.append(command(0, "createStream", _CREATE, None))

    def _begin(self, arguments: list[amf.Value]) -> None:
        given = arguments[1] if len(arguments) > 1 else None
        if not isinstance(given, float) or not 0 < given <= 0xFFFF:
            raise RtmpError("createStream was answered without a stream id")
        self._stream_id = int(given)
        if self._mode == "publish":
            self._out.append(command(self._stream_id, "publish", 5, None, self._url.name, "live"))
            return
        self._out.append(command(self._stream_id, "play", 5, None, self._url.name, -2000))
        self._out.append(user_control(UserControl.SET_BUFFER_LENGTH, self._stream_id, _BUFFER_MS))


def _status_event(arguments: list[amf.Value]) -> list[ClientEvent]:
    info = arguments[-1] if arguments else None
    code = info.get("code") if isinstance(info, dict) else None
    if not isinstance(info, dict) or not isinstance(code, str):
        return []
    if info.get("level") == "error":
        return [_refused(info)]
    if code in _STARTS:
        return [Started(code)]
    return [Ended(code)] if code in _ENDS else []


def _refused(info: amf.Value) -> Refused:
    values = info if isinstance(info, dict) else {}
    code, description = values.get("code"), values.get("description")
    return Refused(str(code or "NetConnection.Call.Failed")[:128], str(description or "")[:512])
