"""The index of a recording: a fixed record per part, append-only, so that time and segment are found in O(log n)."""

from onetake.media.index.build import build_records, header_for, part_records
from onetake.media.index.format import (
    HEADER_BYTES,
    RECORD_BYTES,
    BadIndex,
    Flag,
    IndexHeader,
    IndexRecord,
)
from onetake.media.index.reader import IndexReader, SegmentPlace
from onetake.media.index.writer import IndexWriter

__all__ = [
    "HEADER_BYTES",
    "RECORD_BYTES",
    "BadIndex",
    "Flag",
    "IndexHeader",
    "IndexReader",
    "IndexRecord",
    "IndexWriter",
    "SegmentPlace",
    "build_records",
    "header_for",
    "part_records",
]
