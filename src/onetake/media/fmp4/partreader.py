"""Reads the `moof` of a part back: times, sizes and flags of its samples (ISO 14496-12 §8.8)."""

import struct
from dataclasses import dataclass
from itertools import accumulate

from onetake.media.fmp4.boxes import BoxHead, Malformed, find_box, iter_boxes, read_from
from onetake.media.fmp4.initreader import FragmentDefaults, InitInfo, InitTrack

MAX_SAMPLES = 1 << 18
NON_SYNC = 0x00010000
_BASE_OFFSET, _ENTRY_INDEX, _DURATION, _SIZE, _FLAGS = 0x1, 0x2, 0x8, 0x10, 0x20
_TRUN_DATA_OFFSET, _TRUN_FIRST_FLAGS = 0x1, 0x4
_TRUN_DURATION, _TRUN_SIZE, _TRUN_FLAGS, _TRUN_COMPOSITION = 0x100, 0x200, 0x400, 0x800


@dataclass(frozen=True, slots=True)
class TrackSamples:
    """The samples of one track in one part; `offsets` count from the first byte of the `moof`."""

    track: InitTrack
    dts: int
    durations: tuple[int, ...]
    sizes: tuple[int, ...]
    flags: tuple[int, ...]
    composition_offsets: tuple[int, ...]
    offsets: tuple[int, ...]

    @property
    def end_dts(self) -> int:
        """Decode time after the last sample."""
        return self.dts + sum(self.durations)

    @property
    def starts_with_keyframe(self) -> bool:
        """Whether the first sample is a sync sample."""
        return not self.flags[0] & NON_SYNC

    @property
    def earliest_pts(self) -> int:
        """The earliest presentation time."""
        times = accumulate(self.durations, initial=self.dts)
        return min(dts + offset for dts, offset in zip(times, self.composition_offsets, strict=False))


@dataclass(frozen=True, slots=True)
class MoofInfo:
    """What one `moof` says."""

    sequence: int
    tracks: tuple[TrackSamples, ...]

    def leading(self, init: InitInfo) -> TrackSamples:
        """The samples of the leading track; of the first one there is, when the leading track has none."""
        return next((found for found in self.tracks if found.track is init.leading), self.tracks[0])


def parse_moof(moof: bytes, init: InitInfo, offset: int = 0) -> MoofInfo:
    """What `moof` (the whole box, which lies at `offset` of its file) says. Raises `Malformed`."""
    try:
        return _parse_moof(moof, init, offset)
    except struct.error as error:
        raise Malformed(offset, f"moof: {error}") from error


def _parse_moof(moof: bytes, init: InitInfo, offset: int) -> MoofInfo:
    read = read_from(moof)
    mfhd = find_box(read, 8, len(moof), b"mfhd")
    sequence: int = struct.unpack_from(">I", moof, mfhd.body + 4)[0]
    tracks: list[TrackSamples] = []
    for head in iter_boxes(read, 8, len(moof)):
        if head.kind == b"traf":
            previous_end = tracks[-1].offsets[-1] + tracks[-1].sizes[-1] if tracks else 0
            tracks.append(_traf(moof, head, init, offset, previous_end))
    if not tracks:
        raise Malformed(offset, "moof without samples")
    return MoofInfo(sequence, tuple(tracks))


def _traf(moof: bytes, traf: BoxHead, init: InitInfo, offset: int, previous_end: int) -> TrackSamples:
    children = list(iter_boxes(read_from(moof), traf.body, traf.end))
    boxes = {head.kind: head for head in children}
    if b"tfhd" not in boxes or b"trun" not in boxes or b"tfdt" not in boxes:
        raise Malformed(offset + traf.offset, "traf without tfhd, tfdt or trun")
    track, defaults, base = _tfhd(moof, boxes[b"tfhd"], init, offset)
    columns: list[tuple[tuple[int, ...], ...]] = []
    offsets: list[int] = []
    at = previous_end if base is None else base
    for head in children:
        if head.kind == b"trun":
            first, run = _trun(moof, head, defaults)
            at = at if first is None else (base or 0) + first
            placed = list(accumulate(run[1], initial=at))
            offsets += placed[:-1]
            at = placed[-1]
            columns.append(run)
    durations, sizes, flags, composition = (tuple(x for run in columns for x in run[i]) for i in range(4))
    if not 0 < len(sizes) <= MAX_SAMPLES:
        raise Malformed(offset + traf.offset, f"{len(sizes)} samples")
    return TrackSamples(track, _tfdt(moof, boxes[b"tfdt"]), durations, sizes, flags, composition, tuple(offsets))


def _tfdt(moof: bytes, head: BoxHead) -> int:
    value: int = struct.unpack_from(">Q" if moof[head.body] == 1 else ">I", moof, head.body + 4)[0]
    return value


def _tfhd(moof: bytes, head: BoxHead, init: InitInfo, offset: int) -> tuple[InitTrack, FragmentDefaults, int | None]:
    """The track, its defaults here, and where its data counts from: relative to the `moof`, None = after the last."""
    flags, track_id = struct.unpack_from(">II", moof, head.body)
    track = init.by_id(track_id)
    if track is None:
        raise Malformed(offset + head.offset, f"no track {track_id} in the init")
    at = head.body + 8
    base = 0 if flags & 0x020000 else None
    if flags & _BASE_OFFSET:
        base = struct.unpack_from(">Q", moof, at)[0] - offset
        at += 8
    at += 4 if flags & _ENTRY_INDEX else 0
    values = [track.defaults.duration, track.defaults.size_bytes, track.defaults.flags]
    for index, flag in enumerate((_DURATION, _SIZE, _FLAGS)):
        if flags & flag:
            values[index] = struct.unpack_from(">I", moof, at)[0]
            at += 4
    return track, FragmentDefaults(*values), base


def _trun(moof: bytes, head: BoxHead, defaults: FragmentDefaults) -> tuple[int | None, tuple[tuple[int, ...], ...]]:
    """Data offset if given, and the columns duration, size, flags, composition offset."""
    word, count = struct.unpack_from(">II", moof, head.body)
    version, flags = word >> 24, word & 0xFFFFFF
    if count > MAX_SAMPLES:
        raise Malformed(head.offset, f"{count} samples")
    at = head.body + 8
    data_offset = None
    if flags & _TRUN_DATA_OFFSET:
        data_offset = struct.unpack_from(">i", moof, at)[0]
        at += 4
    first_flags = defaults.flags
    if flags & _TRUN_FIRST_FLAGS:
        first_flags = struct.unpack_from(">I", moof, at)[0]
        at += 4
    width = sum(bool(flags & flag) for flag in (_TRUN_DURATION, _TRUN_SIZE, _TRUN_FLAGS, _TRUN_COMPOSITION))
    if at + 4 * width * count > head.end:
        raise Malformed(head.offset, "trun runs past its end")
    table = struct.unpack_from(f">{width * count}I", moof, at)
    columns = _columns(table, width, count, flags, defaults)
    if count and not flags & _TRUN_FLAGS:
        columns[2] = (first_flags, *columns[2][1:])
    if version:
        columns[3] = tuple(x - (1 << 32) if x >> 31 else x for x in columns[3])
    return data_offset, tuple(columns)


def _columns(
    table: tuple[int, ...], width: int, count: int, flags: int, defaults: FragmentDefaults
) -> list[tuple[int, ...]]:
    """Each column from the table where it is there, from the defaults where it is not."""
    columns, place = [], 0
    fallbacks = (defaults.duration, defaults.size_bytes, defaults.flags, 0)
    for flag, fallback in zip((_TRUN_DURATION, _TRUN_SIZE, _TRUN_FLAGS, _TRUN_COMPOSITION), fallbacks, strict=True):
        if flags & flag:
            columns.append(table[place::width])
            place += 1
        else:
            columns.append((fallback,) * count)
    return columns
