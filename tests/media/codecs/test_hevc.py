"""H.265 headers against x265, and against streams written bit by bit."""

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.codecs import encode
from tests.media.codecs.bitwriter import BitWriter, escape

from onetake.media.bits import CodecError
from onetake.media.codecs import hevc, nal

QUIET = "log-level=none:info=0"
FULL_VUI = ":scaling-list=default:sar=5:range=full:colorprim=bt709:hrd=1:vbv-maxrate=900:vbv-bufsize=900"
PROFILE_TIER_LEVEL = bytes.fromhex("016000000090000000000078")


def sps(tail: BitWriter | None = None, sub_layers: int = 1) -> bytes:
    """A Main SPS of 640×360; `tail` starts behind the bit depths."""
    bits = BitWriter().u(4, 0).u(3, sub_layers - 1).u(1, 1).u(96, int.from_bytes(PROFILE_TIER_LEVEL, "big"))
    for _ in range(sub_layers - 1):
        bits.u(2, 0b11)
    if sub_layers > 1:
        bits.u(2 * (9 - sub_layers), 0).u(96 * (sub_layers - 1), 0)
    bits.ue(0, 1, 640, 368).u(1, 1).ue(0, 0, 0, 4).ue(0, 0)
    if tail:
        bits.u(len(tail._bits), int(tail._bits, 2))
    return escape(b"\x42\x01" + bits.bytes())


@pytest.mark.parametrize(
    ("size", "rate", "pixels", "options", "profile"),
    [
        ((322, 182), Fraction(25), "yuv420p", "", "Main"),
        ((640, 360), Fraction(60_000, 1001), "yuv420p10le", "", "Main 10"),
        ((128, 130), Fraction(30), "yuv444p", "", "Range Extensions"),
        (
            (256, 144),
            Fraction(24),
            "yuv420p",
            FULL_VUI,
            "Main",
        ),
        ((256, 144), Fraction(50), "yuv420p", ":temporal-layers=2:bframes=4:strong-intra-smoothing=0", "Main"),
        ((256, 144), Fraction(50), "yuv420p", ":display-window=2,2,2,2:chromaloc=1:multi-pass-opt-rps=1", "Main"),
    ],
)
def test_x265(size: tuple[int, int], rate: Fraction, pixels: str, options: str, profile: str) -> None:
    record, packets = encode.video(
        "libx265", size, rate, pixels, preset="ultrafast", **{"x265-params": QUIET + options}
    )
    length_size, nals = hevc.parse_record(record)
    info = hevc.video_info(nals)
    assert (length_size, info.width, info.height, info.profile) == (4, *size, profile)
    assert info.fps == pytest.approx(float(rate), abs=0.01)
    rebuilt = hevc.build_record(nals)
    assert hevc.parse_record(rebuilt) == (4, nals)
    assert rebuilt[:13] == record[:13]
    assert hevc.codec_string(rebuilt).startswith("hvc1.")
    assert [hevc.is_random_access(nal.split(packet), False) for packet in packets] == [True, False, False, False]


class TestSps:
    def test_size_without_the_rest(self) -> None:
        found = hevc.parse_sps(sps())
        assert (found.width, found.height, found.fps) == (640, 360, 0.0)

    def test_sub_layers(self) -> None:
        found = hevc.parse_sps(sps(sub_layers=3))
        assert (found.width, found.sub_layers) == (640, 3)

    def test_everything_before_the_rate(self) -> None:
        tail = BitWriter().ue(4).u(1, 1).ue(4, 2, 0).ue(0, 3, 0, 3, 0, 0).u(2, 0b11)
        for size_id in range(4):  # scaling lists: one predicted, others explicit
            for matrix in range(0, 6, 3 if size_id == 3 else 1):
                if matrix == 0:
                    tail.u(1, 0).ue(0)
                    continue
                tail.u(1, 1)
                if size_id > 1:
                    tail.se(8)
                tail.se(*[0] * min(64, 1 << (4 + 2 * size_id)))
        tail.u(2, 0b11).u(1, 1).u(8, 0x77).ue(0, 2).u(1, 0)
        tail.ue(2).ue(1, 1).ue(0).u(1, 1).ue(0).u(1, 1)  # first reference set: one each way
        tail.u(1, 1).u(1, 0).ue(0).u(1, 1).u(2, 0b01).u(1, 1)  # second, predicted from it
        tail.u(1, 1).ue(1).u(8, 3).u(1, 1).u(2, 0b11)
        tail.u(1, 1).u(1, 1).u(8, 255).u(32, 0x00010001).u(2, 0b11).u(1, 1).u(4, 5).u(1, 1).u(24, 1).u(1, 1).ue(0, 0)
        tail.u(3, 0).u(1, 1).ue(0, 0, 0, 0).u(1, 1).u(32, 1).u(32, 50)
        found = hevc.parse_sps(sps(tail))
        assert (found.fps, found.reorder) == (50.0, 2)

    def test_a_description_that_tells_no_rate(self) -> None:
        tail = BitWriter().ue(4).u(1, 1).ue(4, 2, 0).ue(0, 3, 0, 3, 0, 0).u(1, 0).u(2, 0b11).u(1, 0)
        tail.ue(0).u(1, 0).u(2, 0b11).u(1, 1).u(4, 0).u(3, 0).u(2, 0b00)
        found = hevc.parse_sps(sps(tail))
        assert (found.width, found.fps, found.reorder) == (640, 0.0, 2)

    @pytest.mark.parametrize(
        "nal_unit",
        [b"", b"\x42\x01", b"\x40\x01" + bytes(20), b"\x42\x01" + bytes(20), b"\x42\x01\x01" + PROFILE_TIER_LEVEL],
    )
    def test_refused(self, nal_unit: bytes) -> None:
        with pytest.raises(CodecError):
            hevc.parse_sps(nal_unit)

    def test_cropped_away(self) -> None:
        bits = BitWriter().u(8, 1).u(96, 0).ue(0, 1, 64, 64).u(1, 1).ue(30, 30, 0, 0).ue(0, 0)
        with pytest.raises(CodecError, match="cropping"):
            hevc.parse_sps(escape(b"\x42\x01" + bits.bytes()))

    @given(st.binary(max_size=80))
    def test_any_bytes(self, data: bytes) -> None:
        with suppress(CodecError):
            hevc.parse_sps(b"\x42\x01" + data)
        with suppress(CodecError):
            hevc.parse_sps(sps()[:-4] + data)


class TestRecord:
    HEAD = b"\x01" + bytes(20) + b"\x03"

    @pytest.mark.parametrize("record", [b"", b"\x02" + bytes(30), HEAD + b"\x01\x20\0\x01\0\xff", HEAD + b"\x05"])
    def test_refused(self, record: bytes) -> None:
        if record.endswith(b"\x05"):
            assert hevc.parse_record(record) == (4, [])
            return
        with pytest.raises(CodecError):
            hevc.parse_record(record)

    @pytest.mark.parametrize(
        "nals",
        [
            [],
            [sps()],
            [b"\x40\x01x", sps(), b"\x44\x01" + bytes(70_000)],
            [b"\x40\x01x", sps()] + [b"\x44\x01"] * 65_536,
        ],
    )
    def test_cannot_be_built(self, nals: list[bytes]) -> None:
        with pytest.raises(CodecError):
            hevc.build_record(nals)

    def test_no_sequence_parameter_set(self) -> None:
        with pytest.raises(CodecError):
            hevc.video_info([])

    @given(st.binary(max_size=80))
    def test_any_bytes(self, data: bytes) -> None:
        with suppress(CodecError):
            hevc.parse_record(self.HEAD + data)

    def test_names(self) -> None:
        """The examples of ISO 14496-15 annex E."""
        head = b"\x01\x01\x60\x00\x00\x00\xb0\x00\x00\x00\x00\x00\x5d"
        assert hevc.codec_string(head + bytes(10)) == "hvc1.1.6.L93.B0"
        assert hevc.codec_string(b"\x01\xa4\x10\x00\x00\x00\xb0\x23\x00\x00\x00\x00\x5d") == "hvc1.B4.8.H93.B0.23"
