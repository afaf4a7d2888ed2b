"""Opus: the `dOps` body (Opus in ISO BMFF § 4.3.2), the OpusHead of RFC 7845 § 5.1 and packet durations."""

import struct

from onetake.media.bits import CodecError
from onetake.media.codecs.info import AudioInfo

SAMPLE_RATE = 48_000
_MAGIC = b"OpusHead"
_FIELDS = 11
_MAX_PACKET_SAMPLES = 5760  # 120 ms
_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)


def dops_from_head(head: bytes) -> bytes:
    """The `dOps` body of an OpusHead packet: same fields, big-endian, version 0. Raises CodecError."""
    if not head.startswith(_MAGIC) or len(head) < len(_MAGIC) + _FIELDS:
        raise CodecError("not an Opus identification header")
    body = head[len(_MAGIC) :]
    channels, skip, rate, gain, family = struct.unpack_from("<BHIhB", body, 1)
    return _checked(struct.pack(">BBHIhB", 0, channels, skip, rate, gain, family) + body[_FIELDS:])


def head_from_dops(config: bytes) -> bytes:
    """The OpusHead packet of a `dOps` body. Raises CodecError."""
    channels, skip, rate, gain, family = struct.unpack_from(">BHIhB", _checked(config), 1)
    return _MAGIC + struct.pack("<BBHIhB", 1, channels, skip, rate, gain, family) + config[_FIELDS:]


def _checked(config: bytes) -> bytes:
    if len(config) < _FIELDS or config[0] != 0 or not config[1]:
        raise CodecError("not an Opus specific box")
    if config[10]:
        end = _FIELDS + 2 + config[1]
        if len(config) < end:
            raise CodecError("Opus channel mapping ends too early")
        return config[:end]
    return config[:_FIELDS]


def audio_info(config: bytes) -> AudioInfo:
    """Channels of a `dOps` body; Opus always decodes at 48 kHz. Raises CodecError."""
    return AudioInfo("Opus", SAMPLE_RATE, _checked(config)[1], 0)


def packet_samples(packet: bytes) -> int:
    """Samples at 48 kHz that a packet decodes to (RFC 6716 § 3.1), 0 when it is not a valid packet."""
    if not packet:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = _SILK[config & 3]
    elif config < 16:
        frame = _HYBRID[config & 1]
    else:
        frame = _CELT[config & 3]
    count = (1, 2, 2, packet[1] & 0x3F if len(packet) > 1 else 0)[code]
    samples = frame * count
    return samples if samples <= _MAX_PACKET_SAMPLES else 0
