"""What both ends of an RTMP connection do: control messages, acknowledgements, media in, the queue out."""

import struct
from typing import Final

from onetake.media import amf
from onetake.media.flv.tags import HEADER_BYTES, FlvTag, TagKind
from onetake.media.rtmp.chunks import ChunkReader
from onetake.media.rtmp.handshake import ClientHandshake, ServerHandshake
from onetake.media.rtmp.messages import (
    AUDIO_CSID,
    DATA_CSID,
    OUR_CHUNK_BYTES,
    OUR_WINDOW_BYTES,
    VIDEO_CSID,
    Limits,
    Message,
    MessageType,
    RtmpError,
    UserControl,
    control,
    encode_message,
    user_control,
)

_CSIDS: Final = {TagKind.AUDIO: AUDIO_CSID, TagKind.VIDEO: VIDEO_CSID, TagKind.SCRIPT: DATA_CSID}
_KINDS: Final = {int(kind): kind for kind in TagKind}
_MIN_WINDOW_BYTES: Final = 4096
_TAG_TRAILER_BYTES: Final = 4
_MAX_COMMAND_ITEMS: Final = 1000
_MAX_AGGREGATED: Final = 4096


def encode_media(tag: FlvTag, stream_id: int = 1, chunk_bytes: int = OUR_CHUNK_BYTES) -> bytes:
    """A media message as chunks; the same bytes serve every player with this stream id and chunk size."""
    return encode_message(tag.kind, tag.timestamp_ms, stream_id, tag.body, _CSIDS[tag.kind], chunk_bytes)


class Peer:
    """Half of a sans-IO connection. `data_to_send` drains what is to be written, in order."""

    def __init__(self, handshake: ServerHandshake | ClientHandshake, limits: Limits) -> None:
        self._handshake = handshake
        self._limits = limits
        self._reader = ChunkReader(limits)
        self._messages = 0
        self._out: list[bytes] = []
        self._window_bytes = OUR_WINDOW_BYTES
        self._acknowledged_bytes = 0
        self.received_bytes = 0
        self.acknowledged_by_peer = 0

    def data_to_send(self) -> bytes:
        """What is to be written to the transport now; the queue is empty afterwards."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def ping(self, value: int) -> None:
        """Queue a ping request. Its answer is not waited for: a dead peer leaves it unacknowledged in TCP."""
        self._out.append(user_control(UserControl.PING_REQUEST, value & 0xFFFFFFFF))

    def _take(self, data: bytes) -> bool:
        """Feed bytes; whether messages may follow."""
        self.received_bytes += len(data)
        if self._handshake.done:
            self._reader.feed(data)
        else:
            answer, rest = self._handshake.receive(data)
            self._out.append(answer)
            self._reader.feed(rest)
        if self.received_bytes - self._acknowledged_bytes >= self._window_bytes:
            self._acknowledged_bytes = self.received_bytes
            body = struct.pack(">I", self.received_bytes & 0xFFFFFFFF)
            self._out.append(control(MessageType.ACKNOWLEDGEMENT, body))
        return self._handshake.done

    def _next_message(self) -> Message | None:
        """The next message. Raises RtmpError, also for a flood of tiny ones."""
        message = self._reader.next_message()
        if message:
            self._messages += 1
            counted = self._messages - self._limits.free_messages
            if counted * self._limits.min_message_bytes > self.received_bytes:
                raise RtmpError("too many tiny messages")
        return message

    def _announce(self) -> None:
        """Our window and chunk size, which the peer mirrors or just obeys."""
        self._out.append(control(MessageType.WINDOW_ACK_SIZE, struct.pack(">I", OUR_WINDOW_BYTES)))
        self._out.append(control(MessageType.SET_CHUNK_SIZE, struct.pack(">I", OUR_CHUNK_BYTES)))

    def _control(self, message: Message) -> None:
        """Obey a protocol control message; others are left alone. Raises RtmpError."""
        kind, body = message.type_id, message.body
        value = int.from_bytes(body[:4], "big")
        if kind <= MessageType.SET_PEER_BANDWIDTH and len(body) < 4:
            raise RtmpError(f"control message {kind} ends too early")
        if kind == MessageType.SET_CHUNK_SIZE:
            self._reader.set_chunk_size(value)
        elif kind == MessageType.ABORT:
            self._reader.abort(value)
        elif kind == MessageType.ACKNOWLEDGEMENT:
            self.acknowledged_by_peer = value
        elif kind == MessageType.WINDOW_ACK_SIZE:
            self._window_bytes = max(value, _MIN_WINDOW_BYTES)
        elif kind == MessageType.USER_CONTROL:
            self._user_control(body)

    def _user_control(self, body: bytes) -> None:
        event, value = int.from_bytes(body[:2], "big"), int.from_bytes(body[2:6], "big")
        if event == UserControl.PING_REQUEST:
            self._out.append(user_control(UserControl.PING_RESPONSE, value))


def media_tags(message: Message) -> list[FlvTag]:
    """The tags of an audio, video, data or aggregate message. Raises RtmpError."""
    kind = _KINDS.get(message.type_id)
    if kind is not None:
        return [FlvTag(kind, message.timestamp_ms, message.body)] if message.body else []
    if message.type_id == MessageType.DATA_AMF3:
        return [FlvTag(TagKind.SCRIPT, message.timestamp_ms, message.body[1:])] if len(message.body) > 1 else []
    return _split_aggregate(message)


def _split_aggregate(message: Message) -> list[FlvTag]:
    """The FLV tags inside an aggregate message, moved to its time (§ 7.1.6)."""
    body, position, tags = message.body, 0, list[FlvTag]()
    first_ms: int | None = None
    while position + HEADER_BYTES <= len(body):
        size = int.from_bytes(body[position + 1 : position + 4], "big")
        stamp = int.from_bytes(body[position + 4 : position + 7], "big") | body[position + 7] << 24
        first_ms = stamp if first_ms is None else first_ms
        start = position + HEADER_BYTES
        if start + size > len(body) or len(tags) == _MAX_AGGREGATED:
            raise RtmpError("aggregate message ends too early, or holds too much")
        kind = _KINDS.get(body[position])
        if kind is not None and size:
            time_ms = (message.timestamp_ms + stamp - first_ms) & 0xFFFFFFFF
            tags.append(FlvTag(kind, time_ms, body[start : start + size]))
        position = start + size + _TAG_TRAILER_BYTES
    return tags


def command_values(message: Message) -> tuple[str, float, list[amf.Value]]:
    """Name, transaction and arguments of a command message. Raises RtmpError.

    A broken tail is cut: encoders send commands with odd arguments, their names are what counts.
    """
    body = message.body
    if message.type_id == MessageType.COMMAND_AMF3:
        body = body[1:]
    values, error = amf.decode_prefix(body, _MAX_COMMAND_ITEMS)
    if not values or not isinstance(values[0], str):
        raise RtmpError(f"command without a name: {error or 'empty'}")
    transaction = values[1] if len(values) > 1 and isinstance(values[1], float) else 0.0
    return values[0], transaction, values[2:]
