"""From what an encoder sends to the payload form of `media.units`: one parser per video elementary stream.

Parameter sets live in the track's configuration only. Whether a picture is a random access point is read from the
bitstream; the container's flag is only a hint.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from onetake.media.bits import CodecError
from onetake.media.codecs import av1, h264, hevc, nal
from onetake.media.codecs.info import VideoInfo
from onetake.media.units import VIDEO_TIMESCALE, Codec, Track

_LENGTH = struct.Struct(">I")
MAX_PARAMETER_SETS = 64


@dataclass(frozen=True, slots=True)
class Picture:
    """One access unit in unit form; `track` is set when this picture changed the configuration."""

    payload: bytes
    keyframe: bool
    track: Track | None = None


class VideoParser(Protocol):
    """One video elementary stream: its present track, and how to read the next picture."""

    track: Track | None

    def configure(self, record: bytes) -> Track | None:
        """Take a configuration record; the new track if it differs from the present one. Raises CodecError."""

    def parse(self, payload: bytes, flagged: bool) -> Picture | None:
        """One access unit; None when it holds nothing to decode. Raises CodecError."""


class _NalCodec(Protocol):
    """What `h264` and `hevc` have in common."""

    CODEC: Codec
    PARAMETER_SETS: frozenset[int]
    TYPE_SHIFT: int
    TYPE_MASK: int

    def set_key(self, nal: bytes) -> tuple[int, int]: ...
    def parse_record(self, record: bytes) -> tuple[int, list[bytes]]: ...
    def build_record(self, nals: Sequence[bytes]) -> bytes: ...
    def video_info(self, nals: Sequence[bytes]) -> VideoInfo: ...
    def is_random_access(self, nals: Sequence[bytes], flagged: bool) -> bool: ...


class NalVideo:
    """H.264 or H.265: strips parameter sets from pictures, and follows them when they change in-band."""

    def __init__(self, codec: Codec, track_id: int) -> None:
        self._codec: _NalCodec = h264 if codec is Codec.H264 else hevc
        self._track_id = track_id
        self._length_size = 4
        self._sets: dict[tuple[int, int], bytes] = {}
        self.track: Track | None = None

    def configure(self, record: bytes) -> Track | None:
        """Take an `avcC`/`hvcC` body, or parameter sets with start codes as some encoders send. Raises CodecError."""
        if nal.looks_like_annexb(record):
            length_size, nals = 4, nal.split_annexb(record)
        else:
            length_size, nals = self._codec.parse_record(record)
        sets = {self._codec.set_key(each): each for each in nals if self._type(each) in self._codec.PARAMETER_SETS}
        if length_size != 4 or len(sets) != len(nals) or nal.looks_like_annexb(record):
            record = self._codec.build_record(list(sets.values()))
        self._length_size, self._sets = length_size, sets
        return self._set_track(record)

    def parse(self, payload: bytes, flagged: bool) -> Picture | None:
        """One access unit in either wrapping; None when it holds nothing to decode. Raises CodecError."""
        if self._length_size == 4 and self.track and self._is_plain(payload, flagged):
            return Picture(payload, False)
        return self.assemble(nal.split(payload, self._length_size), flagged)

    def _is_plain(self, payload: bytes, flagged: bool) -> bool:
        """Whether a picture surely is no random access point and needs no copy, as most are."""
        plain, shift, mask = _PLAIN_TYPES[self._codec.CODEC, flagged], self._codec.TYPE_SHIFT, self._codec.TYPE_MASK
        position, size = 0, len(payload)
        for _ in range(nal.MAX_NALS):
            if position + 4 >= size:
                break
            if payload[position + 4] >> shift & mask not in plain:
                return False
            position += 4 + _LENGTH.unpack_from(payload, position)[0]
        return position == size > 0

    def assemble(self, nals: Sequence[bytes], flagged: bool = False) -> Picture | None:
        """One access unit from its NAL units (also the way in for RTP). Raises CodecError when no track is known."""
        kept = [each for each in nals if self._type(each) not in self._codec.PARAMETER_SETS]
        changed = self._take_sets(nals) if len(kept) != len(nals) else None
        if not kept:
            return Picture(b"", False, changed) if changed else None
        if self.track is None:
            raise CodecError("a picture before its parameter sets")
        return Picture(nal.join(kept), self._codec.is_random_access(kept, flagged), changed)

    def _type(self, unit: bytes) -> int:
        return unit[0] >> self._codec.TYPE_SHIFT & self._codec.TYPE_MASK

    def _take_sets(self, nals: Sequence[bytes]) -> Track | None:
        """Merge in-band parameter sets; the new track when one differs. Broken sets change nothing."""
        known = frozenset(self._sets.values())
        new = [each for each in nals if self._type(each) in self._codec.PARAMETER_SETS and each not in known]
        if not new or len(new) > MAX_PARAMETER_SETS:
            return None
        try:
            merged = self._sets | {self._codec.set_key(each): each for each in new}
            if len(merged) > MAX_PARAMETER_SETS:
                return None
            track = self._set_track(self._codec.build_record(list(merged.values())))
        except CodecError:
            return None
        self._sets = merged
        return track

    def _set_track(self, record: bytes) -> Track | None:
        _, nals = self._codec.parse_record(record)
        track = _video_track(self._track_id, self._codec.CODEC, record, self._codec.video_info(nals))
        if track == self.track:
            return None
        self.track = track
        return track


# Slices of other pictures, delimiters and SEI. A flagged H.264 picture with SEI may be a recovery point.
_PLAIN_HEVC = frozenset({*range(10), 35, 39, 40})
_PLAIN_TYPES = {
    (Codec.H264, False): frozenset({h264.SLICE, h264.SEI, h264.DELIMITER}),
    (Codec.H264, True): frozenset({h264.SLICE, h264.DELIMITER}),
    (Codec.HEVC, False): _PLAIN_HEVC,
    (Codec.HEVC, True): _PLAIN_HEVC,
}


class Av1Video:
    """AV1: drops temporal delimiters, follows the sequence header when it changes in-band.

    Every key frame brings its own sequence header, so only a change of profile, size or sample format makes a new
    track: encoders announce coding tools in the record that they then do not use.
    """

    def __init__(self, track_id: int) -> None:
        self._track_id = track_id
        self._header: av1.SequenceHeader | None = None
        self._raw_header = b""
        self.track: Track | None = None

    def configure(self, record: bytes) -> Track | None:
        """Take an `av1C` body; None when it holds no sequence header, which then comes in-band. Raises CodecError."""
        header = av1.record_sequence(record)
        return self._take(header, record) if header else None

    def parse(self, payload: bytes, flagged: bool) -> Picture | None:
        """One temporal unit; None when it holds nothing to decode. Raises CodecError."""
        del flagged
        obus = list(av1.iter_obus(payload))
        header = next((obu for obu in obus if obu.kind == av1.SEQUENCE_HEADER), None)
        changed = None
        if header and header.body != self._raw_header:
            changed = self._take(header, av1.build_record(header))
        kept = b"".join(obu.raw for obu in obus if obu.kind != av1.TEMPORAL_DELIMITER)
        if not kept:
            return None
        if self.track is None:
            raise CodecError("a picture before its sequence header")
        reduced = self._header is not None and self._header.reduced
        return Picture(kept, header is not None and av1.is_random_access(kept, reduced), changed)

    def _take(self, header: av1.Obu, record: bytes) -> Track | None:
        parsed = av1.parse_sequence_header(header.body)
        self._raw_header = header.body
        if parsed == self._header:
            return None
        self._header = parsed
        self.track = _video_track(self._track_id, Codec.AV1, record, av1.video_info(record))
        return self.track


def _video_track(track_id: int, codec: Codec, record: bytes, info: VideoInfo) -> Track:
    return Track(track_id, codec, VIDEO_TIMESCALE, record, width=info.width, height=info.height)


def video_parser(codec: Codec, track_id: int) -> NalVideo | Av1Video:
    """A parser for one elementary stream of a video codec."""
    return Av1Video(track_id) if codec is Codec.AV1 else NalVideo(codec, track_id)
