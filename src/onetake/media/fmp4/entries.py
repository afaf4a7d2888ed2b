"""Sample entries: how the `stsd` box names each codec and carries its decoder configuration.

ISO 14496-15 (avc1, hvc1), AV1-ISOBMFF (av01), ISO 14496-14 (mp4a with `esds`), Opus-in-ISOBMFF (Opus with `dOps`).
"""

import struct
from collections.abc import Callable

from onetake.media.fmp4.boxes import box, full_box
from onetake.media.units import Codec, Kind, Track

OBJECT_AAC = 0x40
OBJECT_MP3 = 0x6B
OBJECT_MP3_LOW_RATE = 0x69
_AUDIO_STREAM = 0x15
_MPEG1_LOWEST_RATE = 32_000
_MAX_RATE_FIELD = 0xFFFF
_MAX_SIZE_FIELD = 0xFFFF

_VIDEO_ENTRIES = {Codec.H264: (b"avc1", b"avcC"), Codec.HEVC: (b"hvc1", b"hvcC"), Codec.AV1: (b"av01", b"av1C")}


def check_track(track: Track) -> None:
    """Raises `ValueError` when an MP4 cannot describe `track`."""
    if not track.config and track.codec is not Codec.MP3:
        raise ValueError(f"{track.codec} track {track.id} has no decoder configuration")
    if max(track.width, track.height) > _MAX_SIZE_FIELD:
        raise ValueError(f"picture of {track.width}x{track.height} does not fit a sample entry")


def sample_entry(track: Track) -> bytes:
    """The sample entry box for `track`, which `check_track` accepts."""
    return _visual(track) if track.kind is Kind.VIDEO else _AUDIO_ENTRIES[track.codec](track)


def _visual(track: Track) -> bytes:
    """VisualSampleEntry (ISO 14496-12 §12.1.3): 72 dpi, one frame per sample, 24-bit colour."""
    entry, config = _VIDEO_ENTRIES[track.codec]
    fields = struct.pack(">6xH16xHHII4xH32xHh", 1, track.width, track.height, 0x00480000, 0x00480000, 1, 0x0018, -1)
    return box(entry, fields, box(config, track.config))


def _audio(kind: bytes, track: Track, config: bytes) -> bytes:
    """AudioSampleEntry (ISO 14496-12 §12.2.3); a rate beyond 16 bits is written as 0, `config` has the true one."""
    rate = track.sample_rate if track.sample_rate <= _MAX_RATE_FIELD else 0
    return box(kind, struct.pack(">6xH8xHH4xI", 1, track.channels, 16, rate << 16), config)


def _descriptor(tag: int, *payload: bytes) -> bytes:
    """A descriptor with the four-byte length that every reader knows (ISO 14496-1 §8.3.3)."""
    body = b"".join(payload)
    length = len(body)
    return bytes((tag, *(0x80 | (length >> shift) & 0x7F for shift in (21, 14, 7)), length & 0x7F)) + body


def _esds(object_type: int, config: bytes) -> bytes:
    """`esds` (ISO 14496-14 §6.7.2). Bit rates are unknown when a stream starts and stay 0, which means variable."""
    decoder_specific = _descriptor(5, config) if config else b""
    decoder = _descriptor(4, struct.pack(">BB3xII", object_type, _AUDIO_STREAM, 0, 0), decoder_specific)
    return full_box(b"esds", 0, 0, _descriptor(3, struct.pack(">HB", 0, 0), decoder, _descriptor(6, b"\x02")))


def _aac(track: Track) -> bytes:
    return _audio(b"mp4a", track, _esds(OBJECT_AAC, track.config))


def _mp3(track: Track) -> bytes:
    low_rate = track.sample_rate < _MPEG1_LOWEST_RATE
    return _audio(b"mp4a", track, _esds(OBJECT_MP3_LOW_RATE if low_rate else OBJECT_MP3, b""))


def _opus(track: Track) -> bytes:
    return _audio(b"Opus", track, box(b"dOps", track.config))


_AUDIO_ENTRIES: dict[Codec, Callable[[Track], bytes]] = {Codec.AAC: _aac, Codec.MP3: _mp3, Codec.OPUS: _opus}
