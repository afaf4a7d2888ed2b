"""H.265 (ISO 23008-2): parameter sets, the `hvcC` record (ISO 14496-15 § 8.3.3.1) and random access points."""

from collections.abc import Sequence
from dataclasses import dataclass

from onetake.media.bits import BitReader, CodecError, unescape
from onetake.media.codecs.h264 import MAX_SIDE, plausible_fps
from onetake.media.codecs.info import VideoInfo
from onetake.media.codecs.nal import read_sized, write_sized
from onetake.media.units import Codec

CODEC = Codec.HEVC
VPS, SPS, PPS = 32, 33, 34
PARAMETER_SETS = frozenset({VPS, SPS, PPS})
TYPE_SHIFT, TYPE_MASK = 1, 0x3F

_FIRST_IRAP, _LAST_IRAP = 16, 21  # BLA, IDR, CRA (table 7-1)
_RECORD_HEAD_BYTES = 23
_PROFILE_NAMES = {1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Range Extensions"}
_EXTENDED_SAR = 255


@dataclass(slots=True)
class Sps:
    """The fields of a sequence parameter set that others need; `profile_tier_level` are its 12 general bytes."""

    profile_tier_level: bytes
    sub_layers: int
    nested: bool
    id: int = 0
    width: int = 0
    height: int = 0
    chroma_format: int = 1
    bit_depth_luma: int = 8
    bit_depth_chroma: int = 8
    fps: float = 0.0
    reorder: int | None = None


def nal_type(nal: bytes) -> int:
    """nal_unit_type of a NAL unit (§ 7.3.1.2)."""
    return nal[0] >> TYPE_SHIFT & TYPE_MASK


def parse_sps(nal: bytes) -> Sps:
    """Parse a sequence parameter set (§ 7.3.2.2). Raises CodecError.

    Trouble behind the picture size is forgiven: then fps stays unknown.
    """
    if len(nal) < 15 or nal_type(nal) != SPS:
        raise CodecError("not an H.265 sequence parameter set")
    data = unescape(nal[2:])
    bits = BitReader(data)
    bits.skip(4)
    sub_layers = bits.read(3) + 1
    sps = Sps(data[1:13], sub_layers, bits.flag())
    _skip_profile_tier_level(bits, sub_layers - 1)
    sps.id = bits.bounded_ue(15, "SPS id")
    _parse_size(bits, sps)
    sps.bit_depth_luma = 8 + bits.bounded_ue(8, "bit depth")
    sps.bit_depth_chroma = 8 + bits.bounded_ue(8, "bit depth")
    try:
        _parse_tail(bits, sps)
    except CodecError:
        sps.fps = 0.0
    return sps


def _skip_profile_tier_level(bits: BitReader, sub_layers_minus1: int) -> None:
    bits.skip(96)
    present = [(bits.flag(), bits.flag()) for _ in range(sub_layers_minus1)]
    if sub_layers_minus1:
        bits.skip(2 * (8 - sub_layers_minus1))
    for profile, level in present:
        bits.skip(88 * profile + 8 * level)


def _parse_size(bits: BitReader, sps: Sps) -> None:
    sps.chroma_format = bits.bounded_ue(3, "chroma_format_idc")
    separate_planes = sps.chroma_format == 3 and bits.flag()
    width = bits.bounded_ue(MAX_SIDE, "width")
    height = bits.bounded_ue(MAX_SIDE, "height")
    if bits.flag():
        unit_x = 2 if sps.chroma_format in (1, 2) and not separate_planes else 1
        unit_y = 2 if sps.chroma_format == 1 else 1
        width -= unit_x * (bits.ue() + bits.ue())
        height -= unit_y * (bits.ue() + bits.ue())
    if width <= 0 or height <= 0:
        raise CodecError("cropping leaves no picture")
    sps.width, sps.height = width, height


def _parse_tail(bits: BitReader, sps: Sps) -> None:
    log2_poc = bits.bounded_ue(12, "log2_max_pic_order_cnt_lsb_minus4") + 4
    first = 0 if bits.flag() else sps.sub_layers - 1
    for _ in range(first, sps.sub_layers):
        bits.ue()
        sps.reorder = bits.bounded_ue(15, "sps_max_num_reorder_pics")
        bits.ue()
    for _ in range(6):
        bits.ue()
    if bits.flag() and bits.flag():
        _skip_scaling_lists(bits)
    bits.skip(2)
    if bits.flag():
        bits.skip(8)
        bits.ue()
        bits.ue()
        bits.skip(1)
    _skip_reference_sets(bits)
    if bits.flag():
        bits.skip((log2_poc + 1) * bits.bounded_ue(32, "num_long_term_ref_pics_sps"))
    bits.skip(2)
    if bits.flag():
        _parse_vui(bits, sps)


def _skip_scaling_lists(bits: BitReader) -> None:
    for size_id in range(4):
        for _ in range(0, 6, 3 if size_id == 3 else 1):
            if not bits.flag():
                bits.ue()
                continue
            if size_id > 1:
                bits.se()
            for _ in range(min(64, 1 << (4 + 2 * size_id))):
                bits.se()


def _skip_reference_sets(bits: BitReader) -> None:
    sizes: list[int] = []
    for index in range(bits.bounded_ue(64, "num_short_term_ref_pic_sets")):
        if index and bits.flag():
            bits.skip(1)
            bits.ue()
            kept = sum(bits.flag() or bits.flag() for _ in range(sizes[-1] + 1))
            sizes.append(kept)
            continue
        count = bits.bounded_ue(16, "num_negative_pics") + bits.bounded_ue(16, "num_positive_pics")
        for _ in range(count):
            bits.ue()
            bits.skip(1)
        sizes.append(count)


def _parse_vui(bits: BitReader, sps: Sps) -> None:
    if bits.flag() and bits.read(8) == _EXTENDED_SAR:
        bits.skip(32)
    if bits.flag():
        bits.skip(1)
    if bits.flag():
        bits.skip(4)
        if bits.flag():
            bits.skip(24)
    if bits.flag():
        bits.ue()
        bits.ue()
    bits.skip(3)
    if bits.flag():
        for _ in range(4):
            bits.ue()
    if bits.flag():
        units, scale = bits.read(32), bits.read(32)
        sps.fps = plausible_fps(scale, units)


def set_key(nal: bytes) -> tuple[int, int]:
    """Type and id of a parameter set: a later one with the same key replaces the earlier. Raises CodecError."""
    kind = nal_type(nal)
    if kind == SPS:
        return kind, parse_sps(nal).id
    bits = BitReader(unescape(nal[2:]))
    return kind, bits.read(4) if kind == VPS else bits.bounded_ue(63, "PPS id")


def parse_record(record: bytes) -> tuple[int, list[bytes]]:
    """Length size and parameter sets of an `hvcC` body. Raises CodecError."""
    if len(record) < _RECORD_HEAD_BYTES or record[0] > 1:  # ffmpeg before 2014 wrote version 0
        raise CodecError("not an HEVC decoder configuration record")
    nals: list[bytes] = []
    position = _RECORD_HEAD_BYTES
    for _ in range(record[22]):
        count = int.from_bytes(record[position + 1 : position + 3], "big")
        array, position = read_sized(record, position + 3, count)
        nals += [nal for nal in array if nal_type(nal) in PARAMETER_SETS]
    return (record[21] & 3) + 1, nals


def build_record(nals: Sequence[bytes]) -> bytes:
    """The `hvcC` body (4-byte lengths, complete arrays) that holds these parameter sets. Raises CodecError."""
    arrays = {kind: [nal for nal in nals if nal_type(nal) == kind] for kind in (VPS, SPS, PPS)}
    if not all(arrays.values()):
        raise CodecError("H.265 needs a video, a sequence and a picture parameter set")
    sps = parse_sps(arrays[SPS][0])
    pixels = (0xFC | sps.chroma_format, 0xF8 | sps.bit_depth_luma - 8, 0xF8 | sps.bit_depth_chroma - 8)
    layers = sps.sub_layers << 3 | sps.nested << 2 | 3
    head = b"\x01" + sps.profile_tier_level + bytes((0xF0, 0, 0xFC, *pixels, 0, 0, layers, len(arrays)))
    return head + b"".join(_pack_array(kind, array) for kind, array in arrays.items())


def _pack_array(kind: int, nals: Sequence[bytes]) -> bytes:
    if len(nals) > 0xFFFF:
        raise CodecError("too many parameter sets")
    return bytes((0x80 | kind,)) + len(nals).to_bytes(2, "big") + write_sized(nals)


def video_info(nals: Sequence[bytes]) -> VideoInfo:
    """Size, rate and profile from the first sequence parameter set. Raises CodecError when there is none."""
    sps = next((parse_sps(nal) for nal in nals if nal_type(nal) == SPS), None)
    if sps is None:
        raise CodecError("no H.265 sequence parameter set")
    profile = sps.profile_tier_level[0] & 0x1F
    level = f"{sps.profile_tier_level[11] / 30:g}"
    return VideoInfo(_PROFILE_NAMES.get(profile, str(profile)), level, sps.width, sps.height, sps.fps, sps.reorder)


def codec_string(record: bytes) -> str:
    """ISO 14496-15 annex E: profile space and idc, reversed compatibility flags, tier and level, constraint bytes."""
    space = ("", "A", "B", "C")[record[1] >> 6]
    compatibility = int(f"{int.from_bytes(record[2:6], 'big'):032b}"[::-1], 2)
    tier = "H" if record[1] & 0x20 else "L"
    constraints = "".join(f".{byte:X}" for byte in record[6:12].rstrip(b"\0"))
    return f"hvc1.{space}{record[1] & 0x1F}.{compatibility:X}.{tier}{record[12]}{constraints}"


def is_random_access(nals: Sequence[bytes], flagged: bool) -> bool:
    """Whether decoding can start at this picture: any IRAP picture (§ 3.69), whatever the container says."""
    del flagged
    return any(_FIRST_IRAP <= nal_type(nal) <= _LAST_IRAP for nal in nals)
