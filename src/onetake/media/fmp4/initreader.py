"""Reads an init segment back: the tracks, with their decoder configuration, and the defaults of their fragments."""

import struct
from dataclasses import dataclass, field

from onetake.media.fmp4.boxes import BoxHead, Malformed, ReadAt, find_box, iter_boxes, read_from
from onetake.media.fmp4.entries import OBJECT_AAC, OBJECT_MP3, OBJECT_MP3_LOW_RATE
from onetake.media.units import Codec, Kind, Track

MAX_INIT_BYTES = 4 << 20
MAX_TRACKS = 16
_VIDEO_CODECS = {
    b"avc1": (Codec.H264, b"avcC"),
    b"avc3": (Codec.H264, b"avcC"),
    b"hvc1": (Codec.HEVC, b"hvcC"),
    b"hev1": (Codec.HEVC, b"hvcC"),
    b"av01": (Codec.AV1, b"av1C"),
}
_HANDLERS = {b"vide": Kind.VIDEO, b"soun": Kind.AUDIO}
_MP4A_CODECS = {OBJECT_AAC: Codec.AAC, OBJECT_MP3: Codec.MP3, OBJECT_MP3_LOW_RATE: Codec.MP3}
_VISUAL_ENTRY_BYTES, _AUDIO_ENTRY_BYTES = 78, 28


@dataclass(frozen=True, slots=True)
class FragmentDefaults:
    """What `trex` says about samples that do not say it themselves."""

    duration: int = 0
    size_bytes: int = 0
    flags: int = 0


@dataclass(frozen=True, slots=True)
class InitTrack:
    """A track as the init tells it. `track` is None when its codec is none of ours; it can still be scanned."""

    id: int
    kind: Kind | None
    timescale: int
    track: Track | None
    defaults: FragmentDefaults = FragmentDefaults()


@dataclass(frozen=True, slots=True)
class InitInfo:
    """The tracks of a fragmented MP4; `data` is `ftyp` + `moov` exactly as they stand in the file."""

    tracks: tuple[InitTrack, ...]
    data: bytes = field(repr=False)

    @property
    def leading(self) -> InitTrack:
        """The track that decides the cuts: video where there is any."""
        return next((track for track in self.tracks if track.kind is Kind.VIDEO), self.tracks[0])

    def by_id(self, track_id: int) -> InitTrack | None:
        """The track with this id."""
        return next((track for track in self.tracks if track.id == track_id), None)


def read_init(read: ReadAt, size_bytes: int) -> InitInfo:
    """The init at the start of a file of `size_bytes`. Raises `Malformed`, also when it is larger than 4 MiB."""
    limit = min(size_bytes, MAX_INIT_BYTES)
    moov = find_box(read, 0, limit, b"moov")
    return parse_init(read(0, moov.end))


def parse_init(data: bytes) -> InitInfo:
    """The init that `data` (`ftyp` + `moov`) holds. Raises `Malformed`."""
    try:
        return _parse_init(data)
    except (struct.error, IndexError) as error:
        raise Malformed(0, f"init: {error}") from error


def _parse_init(data: bytes) -> InitInfo:
    read = read_from(data)
    moov = find_box(read, 0, len(data), b"moov")
    children = list(iter_boxes(read, moov.body, moov.end))
    defaults: dict[int, FragmentDefaults] = {}
    for head in children:
        if head.kind == b"mvex":
            defaults = _defaults(data, head)
    traks = [head for head in children if head.kind == b"trak"]
    if not 0 < len(traks) <= MAX_TRACKS:
        raise Malformed(moov.offset, f"{len(traks)} tracks")
    return InitInfo(tuple(_track(data, trak, defaults) for trak in traks), data)


def _defaults(data: bytes, mvex: BoxHead) -> dict[int, FragmentDefaults]:
    found = {}
    for head in iter_boxes(read_from(data), mvex.body, mvex.end):
        if head.kind == b"trex":
            track_id, _, duration, size, flags = struct.unpack_from(">5I", data, head.body + 4)
            found[track_id] = FragmentDefaults(duration, size, flags)
    return found


def _track(data: bytes, trak: BoxHead, defaults: dict[int, FragmentDefaults]) -> InitTrack:
    read = read_from(data)
    tkhd = find_box(read, trak.body, trak.end, b"tkhd")
    track_id = _after_times(data, tkhd)
    mdia = find_box(read, trak.body, trak.end, b"mdia")
    timescale = _after_times(data, find_box(read, mdia.body, mdia.end, b"mdhd"))
    if not timescale:
        raise Malformed(mdia.offset, "timescale 0")
    hdlr = find_box(read, mdia.body, mdia.end, b"hdlr")
    kind = _HANDLERS.get(data[hdlr.body + 8 : hdlr.body + 12])
    minf = find_box(read, mdia.body, mdia.end, b"minf")
    stbl = find_box(read, minf.body, minf.end, b"stbl")
    stsd = find_box(read, stbl.body, stbl.end, b"stsd")
    track = _described(data, stsd, track_id, timescale)
    return InitTrack(track_id, kind, timescale, track, defaults.get(track_id, FragmentDefaults()))


def _after_times(data: bytes, head: BoxHead) -> int:
    """The 32-bit field behind the creation and modification times of `tkhd` and `mdhd`."""
    times_bytes = 16 if data[head.body] == 1 else 8
    value: int = struct.unpack_from(">I", data, head.body + 4 + times_bytes)[0]
    return value


def _described(data: bytes, stsd: BoxHead, track_id: int, timescale: int) -> Track | None:
    """The track that the first sample entry describes, if it is one that we know."""
    read = read_from(data)
    entry = next(iter_boxes(read, stsd.body + 8, stsd.end), None)
    if entry is None:
        raise Malformed(stsd.offset, "no sample entry")
    if entry.kind in _VIDEO_CODECS:
        codec, box_kind = _VIDEO_CODECS[entry.kind]
        width, height = struct.unpack_from(">HH", data, entry.body + 24)
        config = find_box(read, entry.body + _VISUAL_ENTRY_BYTES, entry.end, box_kind)
        return Track(track_id, codec, timescale, data[config.body : config.end], width, height)
    if entry.kind in (b"mp4a", b"Opus"):
        return _described_audio(data, entry, track_id, timescale)
    return None


def _described_audio(data: bytes, entry: BoxHead, track_id: int, timescale: int) -> Track | None:
    channels, rate = struct.unpack_from(">H6xH", data, entry.body + 16)
    kind = b"esds" if entry.kind == b"mp4a" else b"dOps"
    head = find_box(read_from(data), entry.body + _AUDIO_ENTRY_BYTES, entry.end, kind)
    body = data[head.body : head.end]
    codec: Codec | None = Codec.OPUS
    if entry.kind == b"mp4a":
        object_type, body = _read_esds(body)
        codec = _MP4A_CODECS.get(object_type)
    if codec is None:
        return None
    return Track(track_id, codec, timescale, body, sample_rate=rate or timescale, channels=channels)


def _read_esds(body: bytes) -> tuple[int, bytes]:
    """Object type and decoder specific info of an `esds` body (ISO 14496-1 §7.2.6.5)."""
    _, es = _descriptor(body, 4, 3)
    flags = es[2]
    skip = 3 + (2 if flags & 0x80 else 0)
    if flags & 0x40:
        skip += 1 + es[skip]
    skip += 2 if flags & 0x20 else 0
    _, decoder = _descriptor(es, skip, 4)
    config = _descriptor(decoder, 13, 5)[1] if len(decoder) > 13 else b""
    return decoder[0], config


def _descriptor(data: bytes, offset: int, tag: int) -> tuple[int, bytes]:
    """End and body of the descriptor with `tag` at `offset`."""
    if data[offset] != tag:
        raise Malformed(offset, f"descriptor {data[offset]}, not {tag}")
    length, at = 0, offset + 1
    for _ in range(4):
        length = length << 7 | data[at] & 0x7F
        at += 1
        if not data[at - 1] & 0x80:
            break
    if at + length > len(data):
        raise Malformed(offset, "descriptor runs past the end")
    return at + length, data[at : at + length]
