"""The FLV tag and the numbers of FLV bodies."""

import struct
from enum import IntEnum
from typing import NamedTuple

from onetake.media.bits import WireError
from onetake.media.units import Codec

MAX_BODY_BYTES = 16 * 1024 * 1024 - 1  # also all that the 24-bit size field can say
HEADER_BYTES = 11
VIDEO_TRACK_ID, AUDIO_TRACK_ID = 1, 2

_TAG_HEADER = struct.Struct(">IHBI")  # kind and 24-bit size, timestamp low 24 + high 8 bits, 24-bit stream id 0
_SIZE = struct.Struct(">I")


class FlvError(WireError):
    """Bytes are not FLV, or break a limit."""


class TagKind(IntEnum):
    """Tag types, equal to the RTMP message types."""

    AUDIO = 8
    VIDEO = 9
    SCRIPT = 18


class FlvTag(NamedTuple):
    """One tag without its framing; `timestamp_ms` is an unsigned 32-bit number that wraps."""

    kind: TagKind
    timestamp_ms: int
    body: bytes


def encode_tag(kind: int, timestamp_ms: int, *body: bytes) -> bytes:
    """Tag header, body parts and PreviousTagSize in one piece (annex E.4.1). Raises FlvError when it is too long."""
    size = sum(map(len, body))
    if size > MAX_BODY_BYTES:
        raise FlvError(f"a tag of {size} bytes does not fit into FLV")
    stamp = timestamp_ms & 0xFFFFFFFF
    low, high = stamp & 0xFFFFFF, stamp >> 24
    header = _TAG_HEADER.pack(kind << 24 | size, low >> 8, low & 0xFF, high << 24)
    return b"".join((header, *body, _SIZE.pack(HEADER_BYTES + size)))


class FrameType(IntEnum):
    """Video frame types (E.4.3.1)."""

    KEY = 1
    INTER = 2
    COMMAND = 5


class VideoPacket(IntEnum):
    """Packet types of enhanced video; the first three equal AVCPacketType."""

    SEQUENCE_START = 0
    CODED_FRAMES = 1
    SEQUENCE_END = 2
    CODED_FRAMES_X = 3
    METADATA = 4
    MPEG2TS_SEQUENCE_START = 5
    MULTITRACK = 6
    MOD_EX = 7


class AudioPacket(IntEnum):
    """Packet types of enhanced audio."""

    SEQUENCE_START = 0
    CODED_FRAMES = 1
    SEQUENCE_END = 2
    MULTICHANNEL_CONFIG = 4
    MULTITRACK = 5
    MOD_EX = 7


EX_VIDEO = 0x80
EX_AUDIO = 9
VIDEO_CODEC_AVC, VIDEO_CODEC_HEVC = 7, 12  # 12 is not Adobe's: what Chinese encoders and SRS used before E-RTMP
SOUND_MP3, SOUND_MP3_8K, SOUND_AAC = 2, 14, 10

FOURCC = {
    Codec.H264: b"avc1",
    Codec.HEVC: b"hvc1",
    Codec.AV1: b"av01",
    Codec.AAC: b"mp4a",
    Codec.OPUS: b"Opus",
    Codec.MP3: b".mp3",
}
CODEC_BY_FOURCC = {name: codec for codec, name in FOURCC.items()}
