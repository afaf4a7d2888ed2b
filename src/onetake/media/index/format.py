"""The bytes of an index file: one header of 64 bytes, then records of 48 bytes, each with its own CRC-32.

All numbers are big-endian. The same header stands in the reserved box of the MP4, so that a lost index can be rebuilt.
"""

import re
import struct
import zlib
from dataclasses import dataclass
from enum import IntFlag
from typing import NamedTuple, Self

MAGIC = b"OTIX"
VERSION = 1
HEADER_BYTES = 64
RECORD_BYTES = 48
_HEADER = struct.Struct(">4sHHIIIIQQ16sI")
_RECORD = struct.Struct(">QIIQQIII")
_CRC = struct.Struct(">I")
_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,16}")


class BadIndex(ValueError):
    """The bytes are no index of ours, or of a version that we do not know; it can be rebuilt from the MP4."""


class Flag(IntFlag):
    """What is true of a part."""

    KEYFRAME = 1
    SEGMENT_START = 2
    AFTER_GAP = 4


@dataclass(frozen=True, slots=True)
class IndexHeader:
    """What all parts of one file share.

    `timescale`: of the leading track; all times of the index count in it. `init_bytes` and `init_crc`: length and
    CRC-32 of `ftyp` + `moov`. `media_start`: where the first part lies. `prefix` and `first_msn`: run and media
    sequence number of the first segment, which make its URI. `first_sequence`: number of that segment inside the run,
    as the `mfhd` sequence numbers count. `start_wall_ms`: Unix time of the first part.
    """

    timescale: int
    init_bytes: int
    init_crc: int
    media_start: int
    first_msn: int
    start_wall_ms: int
    prefix: str
    first_sequence: int

    def pack(self) -> bytes:
        """The 64 bytes."""
        if not _PREFIX.fullmatch(self.prefix):
            raise BadIndex(f"prefix {self.prefix!r}")
        body = _HEADER.pack(
            MAGIC, VERSION, RECORD_BYTES, self.timescale, self.init_bytes, self.init_crc, self.media_start,
            self.first_msn, self.start_wall_ms, self.prefix.encode("ascii"), self.first_sequence,
        )  # fmt: skip
        return body + _CRC.pack(zlib.crc32(body))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read it back. Raises `BadIndex`."""
        if len(data) < HEADER_BYTES or not data.startswith(MAGIC):
            raise BadIndex("no index header")
        body, crc = data[: HEADER_BYTES - 4], _CRC.unpack_from(data, HEADER_BYTES - 4)[0]
        if zlib.crc32(body) != crc:
            raise BadIndex("header CRC")
        row = _HEADER.unpack(body)
        name = row[9].rstrip(b"\0").decode("ascii", "replace")
        if row[1:3] != (VERSION, RECORD_BYTES) or not row[3] or not _PREFIX.fullmatch(name):
            raise BadIndex(f"version {row[1]}")
        timescale, init_bytes, init_crc, media_start, first_msn, start_wall_ms = row[3:9]
        return cls(timescale, init_bytes, init_crc, media_start, first_msn, start_wall_ms, name, row[10])


class IndexRecord(NamedTuple):
    """One part: where it lies, when it plays, and the CRC-32 of its bytes.

    `segment` counts from the file's first segment: its media sequence number is `header.first_msn + segment`.
    """

    offset: int
    size_bytes: int
    duration_ticks: int
    dts_ticks: int
    wall_ms: int
    segment: int
    flags: int
    part_crc: int

    @property
    def end(self) -> int:
        """First byte after the part."""
        return self.offset + self.size_bytes

    @property
    def end_ticks(self) -> int:
        """Decode time after the part."""
        return self.dts_ticks + self.duration_ticks

    @property
    def starts_segment(self) -> bool:
        """Whether a segment starts with it."""
        return bool(self.flags & Flag.SEGMENT_START)

    @property
    def keyframe(self) -> bool:
        """Whether it starts with a keyframe."""
        return bool(self.flags & Flag.KEYFRAME)

    @property
    def after_gap(self) -> bool:
        """Whether media is missing before it."""
        return bool(self.flags & Flag.AFTER_GAP)

    def pack(self) -> bytes:
        """The 48 bytes."""
        body = _RECORD.pack(*self)
        return body + _CRC.pack(zlib.crc32(body))


def unpack_records(data: bytes) -> list[IndexRecord]:
    """The records at the start of `data` up to the first one that is torn or damaged."""
    records: list[IndexRecord] = []
    view = memoryview(data)
    whole = len(data) - len(data) % RECORD_BYTES
    for at, row in zip(range(0, whole, RECORD_BYTES), struct.iter_unpack(">QIIQQIIII", view[:whole]), strict=True):
        if zlib.crc32(view[at : at + RECORD_BYTES - 4]) != row[8]:
            break
        records.append(IndexRecord._make(row[:8]))
    return records
