"""The part writer: one `moof` + `mdat` from finished samples (ISO 14496-12 §8.8.4–8.8.8)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from onetake.media.fmp4.boxes import HEADER_BYTES

SYNC_FLAGS = 0x02000000
"""sample_depends_on = 2 (on nothing else), a sync sample."""
NON_SYNC_FLAGS = 0x01010000
"""sample_depends_on = 1, sample_is_non_sync_sample."""

_DEFAULT_DURATION, _DEFAULT_FLAGS, _BASE_IS_MOOF = 0x8, 0x20, 0x020000
_DATA_OFFSET, _DURATION, _SIZE, _FLAGS, _COMPOSITION = 0x1, 0x100, 0x200, 0x400, 0x800
_MFHD_BYTES, _TFDT_BYTES, _TRUN_HEAD_BYTES = 16, 20, 20
_TRUN_V1 = 1 << 24
_U32 = 0xFFFFFFFF


class Sample(NamedTuple):
    """One access unit with its true duration; times in ticks of its track."""

    dts: int
    duration: int
    composition_offset: int
    sync: bool
    payload: bytes


@dataclass(frozen=True, slots=True)
class Fragment:
    """The samples of one track in one part, in decode order without holes; at least one."""

    track_id: int
    samples: Sequence[Sample]


class _Traf(NamedTuple):
    """A traf that knows everything but where its data lies: `data_offset` goes between `head` and `table`."""

    head: bytes
    table: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.head) + 4 + len(self.table)


def write_part(sequence: int, fragments: Sequence[Fragment]) -> bytes:
    """`moof` + `mdat` of `fragments`, data of each track in one run.

    `sequence` is kept modulo 2³². Raises `struct.error` when a duration, size or offset does not fit 32 bits or a
    decode time is negative.
    """
    trafs = [_traf(fragment) for fragment in fragments]
    moof_bytes = HEADER_BYTES + _MFHD_BYTES + sum(traf.size_bytes for traf in trafs)
    pieces = [struct.pack(">I4sI4sII", moof_bytes, b"moof", _MFHD_BYTES, b"mfhd", 0, sequence & _U32)]
    payloads: list[bytes] = []
    data_offset = moof_bytes + HEADER_BYTES
    for fragment, traf in zip(fragments, trafs, strict=True):
        pieces += (traf.head, data_offset.to_bytes(4, "big"), traf.table)
        data = [sample.payload for sample in fragment.samples]
        data_offset += sum(map(len, data))
        payloads += data
    pieces.append(struct.pack(">I4s", data_offset - moof_bytes, b"mdat"))
    return b"".join(pieces + payloads)


def _traf(fragment: Fragment) -> _Traf:
    """What all samples share goes once into `tfhd`; the rest stands per sample in `trun`."""
    samples = fragment.samples
    first = samples[0]
    columns: list[Sequence[int]] = []
    tfhd_flags, trun_flags, defaults = _BASE_IS_MOOF, _DATA_OFFSET | _SIZE, b""
    if all(sample.duration == first.duration for sample in samples):
        tfhd_flags, defaults = tfhd_flags | _DEFAULT_DURATION, first.duration.to_bytes(4, "big")
    else:
        trun_flags |= _DURATION
        columns.append([sample.duration for sample in samples])
    columns.append([len(sample.payload) for sample in samples])
    if all(sample.sync == first.sync for sample in samples):
        tfhd_flags |= _DEFAULT_FLAGS
        defaults += (SYNC_FLAGS if first.sync else NON_SYNC_FLAGS).to_bytes(4, "big")
    else:
        trun_flags |= _FLAGS
        columns.append([SYNC_FLAGS if sample.sync else NON_SYNC_FLAGS for sample in samples])
    if any(sample.composition_offset for sample in samples):
        trun_flags |= _COMPOSITION
        columns.append([_signed(sample.composition_offset) for sample in samples])
    return _assemble(fragment.track_id, first.dts, tfhd_flags, defaults, trun_flags, columns)


def _assemble(
    track_id: int, dts: int, tfhd_flags: int, defaults: bytes, trun_flags: int, columns: list[Sequence[int]]
) -> _Traf:
    """tfhd, tfdt (version 1, 64 bit) and trun (version 1, signed offsets) from their fields."""
    count, width = len(columns[0]), len(columns)
    table = [0] * (count * width)
    for index, column in enumerate(columns):
        table[index::width] = column
    tfhd_bytes = 16 + len(defaults)
    trun_bytes = _TRUN_HEAD_BYTES + 4 * len(table)
    traf_bytes = HEADER_BYTES + tfhd_bytes + _TFDT_BYTES + trun_bytes
    head = struct.pack(
        f">I4sI4sII{len(defaults)}sI4sIQI4sII",
        traf_bytes, b"traf", tfhd_bytes, b"tfhd", tfhd_flags, track_id, defaults,
        _TFDT_BYTES, b"tfdt", _TRUN_V1, dts, trun_bytes, b"trun", _TRUN_V1 | trun_flags, count,
    )  # fmt: skip
    return _Traf(head, struct.pack(f">{len(table)}I", *table))


def _signed(offset: int) -> int:
    """A signed 32-bit offset as the unsigned number with the same bits."""
    if not -0x80000000 <= offset <= 0x7FFFFFFF:
        raise struct.error(f"composition offset {offset} does not fit 32 bits")
    return offset & _U32
