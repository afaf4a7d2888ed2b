"""Taking enhanced (E-RTMP v2) headers apart: ModEx prefixes, multitrack, four-character codes."""

from dataclasses import dataclass

from onetake.media.flv.tags import AudioPacket, FlvError, VideoPacket

_MULTITRACK_ONE, _MULTITRACK_MANY_CODECS = 0, 2
_MAX_PREFIXES = 16


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet of track 0: its type, codec code and what follows the header."""

    kind: int
    fourcc: bytes
    body: bytes


def split_video(body: bytes) -> Packet | None:
    """The packet of track 0 in an enhanced video tag; None when the tag is for other tracks. Raises FlvError."""
    return _split(body, VideoPacket.MOD_EX, VideoPacket.MULTITRACK)


def split_audio(body: bytes) -> Packet | None:
    """The packet of track 0 in an enhanced audio tag; None when the tag is for other tracks. Raises FlvError."""
    return _split(body, AudioPacket.MOD_EX, AudioPacket.MULTITRACK)


def _split(body: bytes, mod_ex: int, multitrack: int) -> Packet | None:
    kind, position = _skip_mod_ex(body, mod_ex)
    if kind == multitrack:
        return _first_track(body, position)
    if len(body) < position + 4:
        raise FlvError("enhanced header ends too early")
    return Packet(kind, body[position : position + 4], body[position + 4 :])


def _skip_mod_ex(body: bytes, mod_ex: int) -> tuple[int, int]:
    """Packet type and position behind any ModEx prefixes (nanosecond offsets and what may come)."""
    kind, position = body[0] & 0x0F, 1
    for _ in range(_MAX_PREFIXES):
        if kind != mod_ex:
            return kind, position
        size = body[position] + 1 if position < len(body) else 0
        position += 1
        if size == 256:
            size = int.from_bytes(body[position : position + 2], "big") + 1
            position += 2
        position += size
        if position >= len(body):
            raise FlvError("ModEx prefix ends too early")
        kind, position = body[position] & 0x0F, position + 1
    raise FlvError("too many ModEx prefixes")


def _first_track(body: bytes, position: int) -> Packet | None:
    """Track 0 of a multitrack packet (E-RTMP v2, "Multitrack")."""
    if len(body) <= position:
        raise FlvError("multitrack header ends too early")
    layout, kind = body[position] >> 4, body[position] & 0x0F
    position += 1
    shared = b""
    if layout != _MULTITRACK_MANY_CODECS:
        shared, position = body[position : position + 4], position + 4
    while position < len(body):
        fourcc = shared
        if layout == _MULTITRACK_MANY_CODECS:
            fourcc, position = body[position : position + 4], position + 4
        track_id = body[position] if position < len(body) else 0
        position, end = position + 1, len(body)
        if layout != _MULTITRACK_ONE:
            size = int.from_bytes(body[position : position + 3], "big")
            position, end = position + 3, position + 3 + size
        if end > len(body) or position > end:
            raise FlvError("multitrack packet ends too early")
        if track_id == 0:
            return Packet(kind, fourcc, body[position:end])
        position = end
    return None
