"""The init segment: `ftyp` + `moov` of a fragmented MP4 with no samples of its own (ISO 14496-12 §8.8, CMAF §7.3.1)."""

import struct
from collections.abc import Sequence

from onetake.media.fmp4.boxes import box, full_box
from onetake.media.fmp4.entries import check_track, sample_entry
from onetake.media.units import Kind, Track

MOVIE_TIMESCALE = 1000
_IDENTITY_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_LANGUAGE_UND = 0x55C4
_TRACK_ENABLED_IN_MOVIE = 0x3
_HANDLERS = {Kind.VIDEO: (b"vide", b"OneTake video\0"), Kind.AUDIO: (b"soun", b"OneTake audio\0")}


def init_segment(tracks: Sequence[Track]) -> bytes:
    """`ftyp moov` for `tracks`, the same bytes for the same tracks. Raises `ValueError` without a configuration.

    There is no edit list: parts carry true composition offsets, negative where needed (`trun` version 1).
    """
    if not tracks:
        raise ValueError("an init segment needs a track")
    for track in tracks:
        check_track(track)
    traks = (_trak(track) for track in tracks)
    moov = box(b"moov", _mvhd(max(track.id for track in tracks) + 1), *traks, _mvex(tracks))
    return _ftyp(tracks) + moov


def _ftyp(tracks: Sequence[Track]) -> bytes:
    """Brand `iso6` (it has `tfdt` v1 and signed offsets); `cmfc` only where its one-track rule holds."""
    brands = b"isommp42iso6" + (b"cmfc" if len(tracks) == 1 else b"")
    return box(b"ftyp", b"iso6", bytes(4), brands)


def _mvhd(next_track_id: int) -> bytes:
    times = struct.pack(">IIII", 0, 0, MOVIE_TIMESCALE, 0)
    return full_box(
        b"mvhd", 0, 0, times, struct.pack(">IH10x", 0x00010000, 0x0100), _IDENTITY_MATRIX, bytes(24),
        struct.pack(">I", next_track_id),
    )  # fmt: skip


def _trak(track: Track) -> bytes:
    return box(b"trak", _tkhd(track), box(b"mdia", _mdhd(track), _hdlr(track), _minf(track)))


def _tkhd(track: Track) -> bytes:
    volume = 0x0100 if track.kind is Kind.AUDIO else 0
    head = struct.pack(">III4xI8xhhH2x", 0, 0, track.id, 0, 0, 0, volume)
    size = struct.pack(">II", track.width << 16, track.height << 16)
    return full_box(b"tkhd", 0, _TRACK_ENABLED_IN_MOVIE, head, _IDENTITY_MATRIX, size)


def _mdhd(track: Track) -> bytes:
    return full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, track.timescale, 0, _LANGUAGE_UND, 0))


def _hdlr(track: Track) -> bytes:
    handler, name = _HANDLERS[track.kind]
    return full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(12), name)


def _minf(track: Track) -> bytes:
    media = full_box(b"vmhd", 0, 1, bytes(8)) if track.kind is Kind.VIDEO else full_box(b"smhd", 0, 0, bytes(4))
    dref = full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))
    return box(b"minf", media, box(b"dinf", dref), _stbl(track))


def _stbl(track: Track) -> bytes:
    """The sample table: one entry that names the codec, and the tables that must exist but are empty."""
    stsd = full_box(b"stsd", 0, 0, struct.pack(">I", 1), sample_entry(track))
    empty = (full_box(kind, 0, 0, bytes(4)) for kind in (b"stts", b"stsc"))
    return box(b"stbl", stsd, *empty, full_box(b"stsz", 0, 0, bytes(8)), full_box(b"stco", 0, 0, bytes(4)))


def _mvex(tracks: Sequence[Track]) -> bytes:
    trex = (full_box(b"trex", 0, 0, struct.pack(">IIIII", track.id, 1, 0, 0, 0)) for track in tracks)
    return box(b"mvex", *trex)
