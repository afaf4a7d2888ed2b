"""H.264 (ISO 14496-10): parameter sets, the `avcC` record (ISO 14496-15 § 5.3.3.1) and random access points."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from onetake.media.bits import BitReader, CodecError, unescape
from onetake.media.codecs.info import VideoInfo
from onetake.media.codecs.nal import read_sized, write_sized
from onetake.media.units import Codec

CODEC = Codec.H264
SLICE, IDR, SEI, SPS, PPS, DELIMITER, SPS_EXT = 1, 5, 6, 7, 8, 9, 13
PARAMETER_SETS = frozenset({SPS, PPS, SPS_EXT})
TYPE_SHIFT, TYPE_MASK = 0, 0x1F

_CHROMA_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_PROFILE_NAMES = {
    66: "Baseline",
    77: "Main",
    88: "Extended",
    100: "High",
    110: "High 10",
    122: "High 4:2:2",
    244: "High 4:4:4",
}
_RECOVERY_POINT = 6
_MAX_SEI, _MAX_SEI_BYTES = 16, 4096
_EXTENDED_SAR = 255
MAX_SIDE = 16_384


@dataclass(slots=True)
class Sps:
    """The fields of a sequence parameter set that others need."""

    profile: int
    constraints: int
    level: int
    id: int
    width: int = 0
    height: int = 0
    chroma_format: int = 1
    bit_depth_luma: int = 8
    bit_depth_chroma: int = 8
    fps: float = 0.0
    reorder: int | None = None


def nal_type(nal: bytes) -> int:
    """nal_unit_type of a NAL unit (§ 7.3.1)."""
    return nal[0] & TYPE_MASK


def parse_sps(nal: bytes) -> Sps:
    """Parse a sequence parameter set (§ 7.3.2.1.1). Raises CodecError.

    A broken VUI is forgiven, as cameras send them: then fps and reorder stay unknown.
    """
    if len(nal) < 4 or nal_type(nal) != SPS:
        raise CodecError("not an H.264 sequence parameter set")
    bits = BitReader(unescape(nal[1:]))
    sps = Sps(bits.read(8), bits.read(8), bits.read(8), bits.bounded_ue(31, "SPS id"))
    if sps.profile in _CHROMA_PROFILES:
        _parse_chroma(bits, sps)
    bits.bounded_ue(12, "log2_max_frame_num_minus4")
    _skip_picture_order(bits)
    bits.bounded_ue(16, "max_num_ref_frames")
    bits.skip(1)
    _parse_size(bits, sps)
    if bits.flag():
        with suppress(CodecError):
            _parse_vui(bits, sps)
    return sps


def _parse_chroma(bits: BitReader, sps: Sps) -> None:
    sps.chroma_format = bits.bounded_ue(3, "chroma_format_idc")
    if sps.chroma_format == 3:
        bits.skip(1)
    sps.bit_depth_luma = 8 + bits.bounded_ue(6, "bit depth")
    sps.bit_depth_chroma = 8 + bits.bounded_ue(6, "bit depth")
    bits.skip(1)
    if bits.flag():
        for index in range(12 if sps.chroma_format == 3 else 8):
            if bits.flag():
                _skip_scaling_list(bits, 16 if index < 6 else 64)


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last = scale = 8
    for _ in range(size):
        if scale:
            scale = (last + bits.se()) % 256
        last = scale or last


def _skip_picture_order(bits: BitReader) -> None:
    kind = bits.bounded_ue(2, "pic_order_cnt_type")
    if kind == 0:
        bits.bounded_ue(12, "log2_max_pic_order_cnt_lsb_minus4")
    elif kind == 1:
        bits.skip(1)
        bits.se()
        bits.se()
        for _ in range(bits.bounded_ue(255, "num_ref_frames_in_pic_order_cnt_cycle")):
            bits.se()


def _parse_size(bits: BitReader, sps: Sps) -> None:
    width = 16 * (bits.bounded_ue(MAX_SIDE // 16 - 1, "width in macroblocks") + 1)
    height_units = bits.bounded_ue(MAX_SIDE // 16 - 1, "height in macroblocks") + 1
    frame_mbs_only = bits.read(1)
    height = 16 * height_units * (2 - frame_mbs_only)
    if not frame_mbs_only:
        bits.skip(1)
    bits.skip(1)
    left = right = top = bottom = 0
    if bits.flag():
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
    unit_x = 2 if sps.chroma_format in (1, 2) else 1
    unit_y = (2 if sps.chroma_format == 1 else 1) * (2 - frame_mbs_only)
    sps.width, sps.height = width - unit_x * (left + right), height - unit_y * (top + bottom)
    if sps.width <= 0 or sps.height <= 0:
        raise CodecError("cropping leaves no picture")


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
    if bits.flag():
        units, scale = bits.read(32), bits.read(32)
        bits.skip(1)
        sps.fps = plausible_fps(scale, 2 * units)
    _parse_vui_limits(bits, sps)


def _parse_vui_limits(bits: BitReader, sps: Sps) -> None:
    nal_hrd = bits.flag()
    if nal_hrd:
        _skip_hrd(bits)
    vcl_hrd = bits.flag()
    if vcl_hrd:
        _skip_hrd(bits)
    if nal_hrd or vcl_hrd:
        bits.skip(1)
    bits.skip(1)
    if bits.flag():
        bits.skip(1)
        for _ in range(4):
            bits.ue()
        sps.reorder = bits.bounded_ue(16, "max_num_reorder_frames")


def _skip_hrd(bits: BitReader) -> None:
    count = bits.bounded_ue(31, "cpb_cnt_minus1") + 1
    bits.skip(8)
    for _ in range(count):
        bits.ue()
        bits.ue()
        bits.skip(1)
    bits.skip(20)


def plausible_fps(scale: int, units: int) -> float:
    """scale ÷ units when it is a frame rate that can be (≤ 1000 per second), else 0.0."""
    fps = scale / units if units else 0.0
    return fps if 0 < fps <= 1000 else 0.0


def set_key(nal: bytes) -> tuple[int, int]:
    """Type and id of a parameter set: a later one with the same key replaces the earlier. Raises CodecError."""
    kind = nal_type(nal)
    if kind == SPS:
        return kind, parse_sps(nal).id
    return kind, BitReader(unescape(nal[1:])).bounded_ue(255, "parameter set id")


def parse_record(record: bytes) -> tuple[int, list[bytes]]:
    """Length size and parameter sets of an `avcC` body. Raises CodecError."""
    if len(record) < 7 or record[0] != 1:
        raise CodecError("not an AVC decoder configuration record")
    sps, position = read_sized(record, 6, record[5] & 0x1F)
    if position >= len(record):
        raise CodecError("AVC decoder configuration record ends too early")
    pps, _ = read_sized(record, position + 1, record[position])
    return (record[4] & 3) + 1, sps + pps


def build_record(nals: Sequence[bytes]) -> bytes:
    """The `avcC` body (4-byte lengths) that holds these parameter sets. Raises CodecError."""
    sets = {kind: [nal for nal in nals if nal_type(nal) == kind] for kind in (SPS, PPS, SPS_EXT)}
    if not sets[SPS] or not sets[PPS] or len(sets[SPS]) > 31:
        raise CodecError("H.264 needs 1 to 31 sequence and at least one picture parameter set")
    sps = parse_sps(sets[SPS][0])
    head = bytes((1, sps.profile, sps.constraints, sps.level, 0xFF, 0xE0 | len(sets[SPS])))
    body = head + write_sized(sets[SPS]) + bytes((len(sets[PPS]) & 0xFF,)) + write_sized(sets[PPS])
    if sps.profile in (66, 77, 88):
        return body
    depth = (0xFC | sps.chroma_format, 0xF8 | sps.bit_depth_luma - 8, 0xF8 | sps.bit_depth_chroma - 8)
    return body + bytes((*depth, len(sets[SPS_EXT]) & 0xFF)) + write_sized(sets[SPS_EXT])


def video_info(nals: Sequence[bytes]) -> VideoInfo:
    """Size, rate and profile from the first sequence parameter set. Raises CodecError when there is none."""
    sps = next((parse_sps(nal) for nal in nals if nal_type(nal) == SPS), None)
    if sps is None:
        raise CodecError("no H.264 sequence parameter set")
    name = _PROFILE_NAMES.get(sps.profile, str(sps.profile))
    if sps.profile == 66 and sps.constraints & 0x40:
        name = "Constrained Baseline"
    level = f"{sps.level // 10}.{sps.level % 10}" if sps.level % 10 else str(sps.level // 10)
    return VideoInfo(name, level, sps.width, sps.height, sps.fps, sps.reorder)


def codec_string(record: bytes) -> str:
    """RFC 6381 § 3.3: `avc1.` and the profile, constraint and level bytes of the record in hex."""
    return f"avc1.{record[1:4].hex()}"


def is_random_access(nals: Sequence[bytes], flagged: bool) -> bool:
    """Whether decoding can start at this picture.

    An IDR picture always; a recovery point with no frames to wait for (SEI payload 6, § D.1.8), made of intra slices
    only, when the container says so too: broadcast encoders send no IDR after the first.
    """
    kinds = {nal_type(nal) for nal in nals}
    if IDR in kinds:
        return True
    if not flagged or SEI not in kinds or SLICE not in kinds:
        return False
    slices_are_intra = all(_is_intra_slice(nal) for nal in nals if nal_type(nal) == SLICE)
    messages = islice((nal for nal in nals if nal_type(nal) == SEI), _MAX_SEI)
    return slices_are_intra and any(map(_recovers_at_once, messages))


def _is_intra_slice(nal: bytes) -> bool:
    try:
        bits = BitReader(unescape(nal[1:17]))
        bits.ue()
        return bits.ue() % 5 in (2, 4)
    except CodecError:
        return False


def _recovers_at_once(nal: bytes) -> bool:
    data = unescape(nal[1:_MAX_SEI_BYTES])
    position = 0
    while position + 2 < len(data):
        kind, position = _read_ff_coded(data, position)
        size, position = _read_ff_coded(data, position)
        if kind == _RECOVERY_POINT:
            return position < len(data) and data[position] & 0x80 != 0
        position += size
    return False


def _read_ff_coded(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    while position < len(data) and data[position] == 0xFF:
        value, position = value + 255, position + 1
    return value + (data[position] if position < len(data) else 0), position + 1
