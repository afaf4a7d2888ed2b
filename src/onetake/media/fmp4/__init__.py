"""Fragmented MP4: box writer and reader, the packager that makes parts, and the head that becomes a `sidx`."""

from onetake.media.fmp4.boxes import BoxHead, Malformed, ReadAt, iter_boxes, read_from
from onetake.media.fmp4.cutter import CutRules
from onetake.media.fmp4.fragment import Fragment, Sample, write_part
from onetake.media.fmp4.init import init_segment
from onetake.media.fmp4.packager import Packager, new_prefix
from onetake.media.fmp4.parts import PART_TARGET_S, TARGET_DURATION_S, Part, Run

__all__ = [
    "PART_TARGET_S",
    "TARGET_DURATION_S",
    "BoxHead",
    "CutRules",
    "Fragment",
    "Malformed",
    "Packager",
    "Part",
    "ReadAt",
    "Run",
    "Sample",
    "init_segment",
    "iter_boxes",
    "new_prefix",
    "read_from",
    "write_part",
]
