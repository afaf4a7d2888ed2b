"""AV1: OBUs, the sequence header and the `av1C` record (AV1 codec ISO media file format binding § 2.3)."""

from collections.abc import Iterator
from dataclasses import dataclass

from onetake.media.bits import BitReader, CodecError
from onetake.media.codecs.h264 import plausible_fps
from onetake.media.codecs.info import VideoInfo

SEQUENCE_HEADER, TEMPORAL_DELIMITER, FRAME_HEADER, FRAME = 1, 2, 3, 6
_PROFILE_NAMES = ("Main", "High", "Professional")
_KEY_FRAME = 0
MAX_OBUS = 4096
_MAX_LEVEL_INDEX = 31


@dataclass(slots=True)
class SequenceHeader:
    """The fields of a sequence header OBU that others need."""

    profile: int
    reduced: bool
    level: int = 0
    tier: int = 0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    high_bitdepth: bool = False
    twelve_bit: bool = False
    monochrome: bool = False
    subsampling_x: bool = True
    subsampling_y: bool = True
    chroma_position: int = 0

    @property
    def bit_depth(self) -> int:
        """8, 10 or 12 bits per sample."""
        return 12 if self.twelve_bit else 10 if self.high_bitdepth else 8


@dataclass(frozen=True, slots=True)
class Obu:
    """One open bitstream unit: `raw` with header and size, `body` without."""

    kind: int
    raw: bytes
    body: bytes


def iter_obus(data: bytes) -> Iterator[Obu]:
    """The OBUs of a low-overhead byte stream (AV1 § 5.3), at most `MAX_OBUS`. Raises CodecError."""
    position, size, count = 0, len(data), 0
    while position < size:
        if count == MAX_OBUS:
            raise CodecError(f"more than {MAX_OBUS} open bitstream units in one temporal unit")
        start = position
        header = data[position]
        if header & 0x80:
            raise CodecError("not an AV1 open bitstream unit")
        position += 2 if header & 0x04 else 1
        length = size - position
        if header & 0x02:
            length, position = _leb128(data, position)
        end = position + length
        if end > size or length < 0:
            raise CodecError("an AV1 open bitstream unit is longer than its data")
        yield Obu(header >> 3 & 0x0F, data[start:end], data[position:end])
        position, count = end, count + 1


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 56, 7):
        if position >= len(data):
            raise CodecError("AV1 size field ends too early")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
    raise CodecError("AV1 size field is too long")


def parse_sequence_header(body: bytes) -> SequenceHeader:
    """Parse the body of a sequence header OBU (AV1 § 5.5.1). Raises CodecError."""
    bits = BitReader(body)
    sequence = SequenceHeader(bits.read(3), False)
    bits.skip(1)
    sequence.reduced = bits.flag()
    if sequence.profile > 2:
        raise CodecError(f"AV1 profile {sequence.profile} does not exist")
    if sequence.reduced:
        sequence.level = bits.read(5)
    else:
        _parse_operating_points(bits, sequence)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    sequence.width, sequence.height = bits.read(width_bits) + 1, bits.read(height_bits) + 1
    _skip_tools(bits, sequence.reduced)
    _parse_colour(bits, sequence)
    return sequence


def _parse_operating_points(bits: BitReader, sequence: SequenceHeader) -> None:
    delay_bits = 0
    if bits.flag():
        units, scale = bits.read(32), bits.read(32)
        ticks = bits.ue() + 1 if bits.flag() else 1
        sequence.fps = plausible_fps(scale, units * ticks)
        if bits.flag():
            delay_bits = bits.read(5) + 1
            bits.skip(42)
    display_delay = bits.flag()
    for point in range(bits.read(5) + 1):
        bits.skip(12)
        level = bits.read(5)
        tier = bits.read(1) if level > 7 else 0
        if point == 0:
            sequence.level, sequence.tier = level, tier
        if delay_bits and bits.flag():
            bits.skip(2 * delay_bits + 1)
        if display_delay and bits.flag():
            bits.skip(4)


def _skip_tools(bits: BitReader, reduced: bool) -> None:
    if not reduced and bits.flag():
        bits.skip(7)
    bits.skip(3)
    if not reduced:
        bits.skip(4)
        order_hint = bits.flag()
        bits.skip(2 * order_hint)
        screen_content = 2 if bits.flag() else bits.read(1)
        if screen_content and not bits.flag():
            bits.skip(1)
        bits.skip(3 * order_hint)
    bits.skip(3)


def _parse_colour(bits: BitReader, sequence: SequenceHeader) -> None:
    sequence.high_bitdepth = bits.flag()
    sequence.twelve_bit = sequence.profile == 2 and sequence.high_bitdepth and bits.flag()
    sequence.monochrome = sequence.profile != 1 and bits.flag()
    description = bits.read(24) if bits.flag() else 0x020202
    if sequence.monochrome:
        bits.skip(1)
        return
    if description == 0x010D00:  # sRGB: BT.709 primaries, sRGB transfer, identity matrix
        sequence.subsampling_x = sequence.subsampling_y = False
        return
    bits.skip(1)
    _parse_subsampling(bits, sequence)


def _parse_subsampling(bits: BitReader, sequence: SequenceHeader) -> None:
    if sequence.profile == 1:
        sequence.subsampling_x = sequence.subsampling_y = False
    elif sequence.profile == 2:
        sequence.subsampling_x = not sequence.twelve_bit or bits.flag()
        sequence.subsampling_y = sequence.twelve_bit and sequence.subsampling_x and bits.flag()
    if sequence.subsampling_x and sequence.subsampling_y:
        sequence.chroma_position = bits.read(2)


def find_sequence_header(data: bytes) -> Obu | None:
    """The first sequence header OBU in a temporal unit or a list of configuration OBUs. Raises CodecError."""
    return next((obu for obu in iter_obus(data) if obu.kind == SEQUENCE_HEADER), None)


def record_sequence(record: bytes) -> Obu | None:
    """The sequence header inside an `av1C` body, None when it has none. Raises CodecError."""
    if len(record) < 4 or record[0] != 0x81:
        raise CodecError("not an AV1 codec configuration record")
    return find_sequence_header(record[4:])


def build_record(header: Obu) -> bytes:
    """The `av1C` body that holds one sequence header OBU. Raises CodecError."""
    sequence = parse_sequence_header(header.body)
    flags = (sequence.tier, sequence.high_bitdepth, sequence.twelve_bit, sequence.monochrome)
    packed = sequence.chroma_position
    for shift, flag in zip((7, 6, 5, 4, 3, 2), (*flags, sequence.subsampling_x, sequence.subsampling_y), strict=True):
        packed |= flag << shift
    return bytes((0x81, sequence.profile << 5 | sequence.level, packed, 0)) + header.raw


def video_info(record: bytes) -> VideoInfo:
    """Size, rate and profile from the sequence header in an `av1C` body. Raises CodecError when there is none."""
    header = record_sequence(record)
    if header is None:
        raise CodecError("no AV1 sequence header")
    sequence = parse_sequence_header(header.body)
    level = f"{2 + sequence.level // 4}.{sequence.level % 4}" if sequence.level < _MAX_LEVEL_INDEX else "max"
    return VideoInfo(_PROFILE_NAMES[sequence.profile], level, sequence.width, sequence.height, sequence.fps, 0)


def codec_string(record: bytes) -> str:
    """AV1 ISO media file format binding § 5: `av01.<profile>.<level><tier>.<bit depth>`."""
    tier = "H" if record[2] & 0x80 else "M"
    depth = (8, 8, 10, 12)[record[2] >> 5 & 3]
    return f"av01.{record[1] >> 5}.{record[1] & 0x1F:02d}{tier}.{depth:02d}"


def is_random_access(data: bytes, reduced: bool = False) -> bool:
    """Whether a temporal unit starts with a shown key frame (§ 5.9.2). Raises CodecError."""
    for obu in iter_obus(data):
        if obu.kind in (FRAME, FRAME_HEADER) and obu.body:
            if reduced:
                return True
            first = obu.body[0]
            shown_existing, kind, shown = first >> 7, first >> 5 & 3, first >> 4 & 1
            return not shown_existing and kind == _KEY_FRAME and shown == 1
    return False
