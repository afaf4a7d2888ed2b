"""RTMP messages and their numbers (Adobe, "Real-Time Messaging Protocol (RTMP) specification" 1.0)."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from onetake.media import amf
from onetake.media.bits import WireError

DEFAULT_CHUNK_BYTES: Final = 128
MIN_CHUNK_BYTES: Final = 128  # § 5.4.1 asks for it; with single bytes a slow peer could keep a core busy
OUR_CHUNK_BYTES: Final = 65_536
OUR_WINDOW_BYTES: Final = 2_500_000
PORT: Final = 1935

CONTROL_CSID, COMMAND_CSID, AUDIO_CSID, DATA_CSID, VIDEO_CSID = 2, 3, 4, 5, 6


class RtmpError(WireError):
    """The peer breaks RTMP or a limit: close the connection."""


class MessageType(IntEnum):
    """Message type ids (§ 5.4, § 7.1)."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_ACK_SIZE = 5
    SET_PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    DATA_AMF3 = 15
    COMMAND_AMF3 = 17
    DATA = 18
    COMMAND = 20
    AGGREGATE = 22


class UserControl(IntEnum):
    """User control event types (§ 7.1.7)."""

    STREAM_BEGIN = 0
    STREAM_EOF = 1
    SET_BUFFER_LENGTH = 3
    PING_REQUEST = 6
    PING_RESPONSE = 7


@dataclass(frozen=True, slots=True)
class Limits:
    """What one peer may make us keep. The first two hold until its publishing is admitted.

    Sizes are bytes. `max_pending_bytes` counts all unfinished messages together; a chunk that is not complete yet is
    kept too, so memory before admission stays below the sum of both plus what is fed at once. Behind the first
    `free_messages`, messages must be `min_message_bytes` long on average, headers included: a flood of empty ones
    costs us much and its sender nothing.
    """

    early_message_bytes: int = 256 * 1024
    early_pending_bytes: int = 512 * 1024
    max_message_bytes: int = 16 * 1024 * 1024
    max_pending_bytes: int = 20 * 1024 * 1024
    max_chunk_bytes: int = 1024 * 1024
    max_chunk_streams: int = 64
    max_message_streams: int = 16
    free_messages: int = 1000
    min_message_bytes: int = 8


class Message(NamedTuple):
    """One whole message; `type_id` may be a number that `MessageType` does not know."""

    type_id: int
    timestamp_ms: int
    stream_id: int
    body: bytes


def encode_message(
    type_id: int, timestamp_ms: int, stream_id: int, body: bytes, csid: int, chunk_bytes: int = OUR_CHUNK_BYTES
) -> bytes:
    """A message as chunks, the first with a full header (§ 5.3.1.2.1).

    It leans on nothing sent before, so the same bytes serve every peer with the same chunk size.
    """
    stamp = timestamp_ms & 0xFFFFFFFF
    extended = struct.pack(">I", stamp) if stamp >= 0xFFFFFF else b""
    field = min(stamp, 0xFFFFFF)
    head = bytes((csid,)) + field.to_bytes(3, "big") + len(body).to_bytes(3, "big") + bytes((type_id,))
    head += struct.pack("<I", stream_id) + extended
    if len(body) <= chunk_bytes:
        return head + body
    parts = [head, body[:chunk_bytes]]
    continued = bytes((0xC0 | csid,)) + extended
    for start in range(chunk_bytes, len(body), chunk_bytes):
        parts.append(continued)
        parts.append(body[start : start + chunk_bytes])
    return b"".join(parts)


def control(type_id: MessageType, body: bytes) -> bytes:
    """A protocol control message (§ 5.4)."""
    return encode_message(type_id, 0, 0, body, CONTROL_CSID)


def user_control(event: UserControl, *values: int) -> bytes:
    """A user control message with its 32-bit values."""
    return control(MessageType.USER_CONTROL, struct.pack(f">H{len(values)}I", event, *values))


def command(stream_id: int, *values: amf.Writable) -> bytes:
    """An AMF0 command (§ 7.2)."""
    return encode_message(MessageType.COMMAND, 0, stream_id, amf.encode(*values), COMMAND_CSID)


def status(stream_id: int, code: str, description: str, level: str = "status") -> bytes:
    """An `onStatus` command (§ 7.2.2)."""
    info: dict[str, amf.Value] = {"level": level, "code": code, "description": description}
    return command(stream_id, "onStatus", 0, None, info)
