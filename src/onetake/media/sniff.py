"""What a file is by its first bytes, judged by us before any library looks at it (R1).

Playlists, SDP, DASH, ffconcat, SVG, pictures and archives have no entry here and are refused; the demuxer is then
forced to the one that belongs to the entry, so that it cannot guess otherwise.
"""

from dataclasses import dataclass
from enum import StrEnum

HEAD_BYTES = 4096
_TS_PACKET_BYTES, _M2TS_PACKET_BYTES = 188, 192
_TS_SYNC = 0x47
_MP4_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})


class Container(StrEnum):
    """The containers that are taken in, by the name of their demuxer."""

    MP4 = "mov"
    MATROSKA = "matroska"
    FLV = "flv"
    MPEG_TS = "mpegts"
    AVI = "avi"
    WAV = "wav"
    OGG = "ogg"
    MP3 = "mp3"
    AAC = "aac"
    FLAC = "flac"


@dataclass(frozen=True, slots=True)
class _Magic:
    offset: int
    value: bytes
    container: Container


_MAGIC = (
    _Magic(0, b"\x1a\x45\xdf\xa3", Container.MATROSKA),
    _Magic(0, b"FLV\x01", Container.FLV),
    _Magic(8, b"AVI ", Container.AVI),
    _Magic(8, b"WAVE", Container.WAV),
    _Magic(0, b"OggS", Container.OGG),
    _Magic(0, b"fLaC", Container.FLAC),
    _Magic(0, b"ID3", Container.MP3),
)


def sniff(head: bytes) -> Container | None:
    """The container that starts with `head` (give at least 400 bytes); None for everything that is not taken."""
    if head[4:8] in _MP4_BOXES:
        return Container.MP4
    for magic in _MAGIC:
        if head.startswith(magic.value, magic.offset):
            return magic.container if magic.offset != 8 or head.startswith(b"RIFF") else None
    if _is_transport_stream(head):
        return Container.MPEG_TS
    return _audio_frames(head)


def _is_transport_stream(head: bytes) -> bool:
    """Three packets in a row begin with the sync byte, with or without the four bytes of M2TS in front."""
    for size, start in ((_TS_PACKET_BYTES, 0), (_M2TS_PACKET_BYTES, 4)):
        places = [start + number * size for number in range(3)]
        if len(head) > places[-1] and all(head[place] == _TS_SYNC for place in places):
            return True
    return False


def _audio_frames(head: bytes) -> Container | None:
    """Bare ADTS (ISO/IEC 13818-7) or MPEG audio frames; the layer bits tell them apart."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer = head[1] >> 1 & 3
    if head[1] & 0xF0 == 0xF0 and layer == 0:
        return Container.AAC
    is_layer_3 = layer == 1 and head[1] >> 3 & 3 != 1
    return Container.MP3 if is_layer_3 and head[2] >> 4 not in (0, 15) else None
