"""H.264 headers against x264, and against streams written bit by bit."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.codecs import encode
from tests.media.codecs.bitwriter import BitWriter, escape

from onetake.media.bits import CodecError
from onetake.media.codecs import h264, nal


def sps(profile: int = 66, *, body: BitWriter | None = None, level: int = 30) -> bytes:
    """A baseline SPS of 320×240 unless `body` says otherwise (it starts behind the level)."""
    body = body or BitWriter().ue(0, 0, 0, 0, 1).u(1, 0).ue(19, 14).u(1, 1).u(1, 1).u(1, 0).u(1, 0)
    return escape(bytes((0x67, profile, 0xC0, level)) + body.bytes())


PPS = b"\x68\xce\x3c\x80"
RECORD_HEAD = b"\x01\x42\xc0\x1e\xff"
INTERLACED = {"x264-params": "tff=1:nal-hrd=vbr:vbv-maxrate=900:vbv-bufsize=900"}
MATRICES = {"x264-params": "cqm=jvt:sar=64/45:bframes=3:b-pyramid=normal"}


@pytest.mark.parametrize(
    ("size", "rate", "pixels", "options", "expected"),
    [
        ((322, 182), Fraction(25), "yuv420p", {}, ("High", 25.0)),
        ((1920, 1080), Fraction(30_000, 1001), "yuv420p", {"profile": "main"}, ("Main", 29.97)),
        ((176, 144), Fraction(15), "yuv420p", {"profile": "baseline"}, ("Constrained Baseline", 15.0)),
        ((130, 66), Fraction(60), "yuv422p", {}, ("High 4:2:2", 60.0)),
        ((131, 67), Fraction(50), "yuv444p", {}, ("High 4:4:4", 50.0)),
        ((128, 72), Fraction(25), "yuv420p10le", {}, ("High 10", 25.0)),
        (
            (720, 576),
            Fraction(25),
            "yuv420p",
            INTERLACED,
            ("High", 25.0),
        ),
        (
            (128, 72),
            Fraction(25),
            "yuv420p",
            MATRICES,
            ("High", 25.0),
        ),
    ],
)
def test_x264(
    size: tuple[int, int], rate: Fraction, pixels: str, options: dict[str, str], expected: tuple[str, float]
) -> None:
    record, packets = encode.video("libx264", size, rate, pixels, **options)
    length_size, nals = h264.parse_record(record)
    info = h264.video_info(nals)
    assert (info.width, info.height) == size
    assert info.profile == expected[0]
    assert info.fps == pytest.approx(expected[1], abs=0.01)
    assert length_size == 4
    assert h264.build_record(nals) == record
    assert [h264.is_random_access(nal.split(packet), False) for packet in packets] == [True, False, False, False]


class TestSps:
    def test_plain(self) -> None:
        found = h264.parse_sps(sps())
        assert (found.width, found.height, found.fps, found.reorder) == (320, 240, 0.0, None)

    def test_picture_order_type_1(self) -> None:
        body = BitWriter().ue(0, 0, 1).u(1, 0).se(-2, 3).ue(2).se(1, -1).ue(1).u(1, 0).ue(19, 14).u(3, 0b110).u(1, 0)
        assert h264.parse_sps(sps(body=body)).width == 320

    def test_interlaced_with_cropping(self) -> None:
        body = BitWriter().ue(0, 0, 2, 1).u(1, 0).ue(119, 33).u(2, 0b01).u(1, 1).u(1, 1).ue(0, 0, 0, 2).u(1, 0)
        found = h264.parse_sps(sps(body=body))
        assert (found.width, found.height) == (1920, 1080)

    def test_broken_vui_is_forgiven(self) -> None:
        body = BitWriter().ue(0, 0, 2, 1).u(1, 0).ue(19, 14).u(3, 0b110).u(1, 1).u(4, 0b0000).u(1, 1).u(32, 1).u(32, 50)
        found = h264.parse_sps(sps(body=body))
        assert (found.width, found.fps) == (320, 25.0)

    def test_absurd_rate_is_no_rate(self) -> None:
        body = BitWriter().ue(0, 0, 2, 1).u(1, 0).ue(19, 14).u(3, 0b110).u(1, 1).u(4, 0).u(1, 1).u(32, 1).u(32, 1 << 31)
        assert h264.parse_sps(sps(body=body)).fps == 0.0

    def test_full_vui(self) -> None:
        body = BitWriter().ue(0, 0, 2, 1).u(1, 0).ue(19, 14).u(3, 0b110).u(1, 1)
        body.u(1, 1).u(8, 255).u(32, 0x00010001).u(2, 0b11).u(1, 1).u(4, 5).u(1, 1).u(24, 0x010101).u(1, 1).ue(0, 0)
        body.u(1, 1).u(32, 1001).u(32, 60_000).u(1, 1).u(1, 1).ue(0).u(8, 0).ue(5, 5).u(1, 0).u(20, 0).u(1, 0)
        body.u(1, 0).u(1, 1).u(1, 1).u(1, 1).ue(0, 0, 10, 10, 2, 4)
        found = h264.parse_sps(sps(body=body))
        assert found.fps == pytest.approx(29.97, abs=0.001)
        assert found.reorder == 2

    def test_a_scaling_list_that_ends_early(self) -> None:
        body = BitWriter().ue(0, 1, 0, 0).u(1, 0).u(1, 1)
        body.u(1, 1).se(-8).u(7, 0)  # the first list says "as by default" in its first step, the others are not there
        assert h264.parse_sps(sps(100, body=body.ue(0, 2, 1).u(1, 0).ue(19, 14).u(3, 0b110).u(1, 0))).width == 320

    def test_a_rate_behind_a_signal_type_without_colours(self) -> None:
        body = BitWriter().ue(0, 0, 2, 1).u(1, 0).ue(19, 14).u(3, 0b110).u(1, 1)
        body.u(2, 0b00).u(1, 1).u(4, 5).u(1, 0).u(1, 0).u(1, 1).u(32, 1).u(32, 50)
        assert h264.parse_sps(sps(body=body)).fps == 25.0

    @pytest.mark.parametrize(
        "nal_unit",
        [
            b"",
            b"\x67",
            b"\x68\x64\x00\x0d\x80",
            b"\x67\x42\xc0\x1e",
            b"\x67\x42\xc0\x1e" + bytes(20),
            sps(body=BitWriter().ue(32)),
            sps(body=BitWriter().ue(0, 13)),
            sps(body=BitWriter().ue(0, 0, 3)),
            sps(body=BitWriter().ue(0, 0, 2, 1).u(1, 0).ue(5000)),
            sps(body=BitWriter().ue(0, 0, 2, 1).u(1, 0).ue(0, 0).u(3, 0b111).ue(9, 9, 9, 9).u(1, 0)),
            sps(100, body=BitWriter().ue(0, 4)),
        ],
    )
    def test_refused(self, nal_unit: bytes) -> None:
        with pytest.raises(CodecError):
            h264.parse_sps(nal_unit)

    @given(st.binary(max_size=60), st.sampled_from([66, 100, 244]))
    def test_any_bytes(self, data: bytes, profile: int) -> None:
        try:
            found = h264.parse_sps(bytes((0x67, profile)) + data)
        except CodecError:
            return
        assert 0 < found.width <= h264.MAX_SIDE
        assert 0 < found.height <= 2 * h264.MAX_SIDE


class TestRecord:
    @pytest.mark.parametrize(
        "record",
        [
            b"",
            b"\x02" + bytes(8),
            RECORD_HEAD + b"\xe1\0\x10ab",
            RECORD_HEAD + b"\xe1\0\x02ab",
            RECORD_HEAD + b"\xe0\x01\0",
        ],
    )
    def test_refused(self, record: bytes) -> None:
        with pytest.raises(CodecError):
            h264.parse_record(record)

    def test_empty_sets_are_left_out(self) -> None:
        assert h264.parse_record(b"\x01\x42\xc0\x1e\xfc\xe1\0\0\x01\0\x01\x68") == (1, [b"\x68"])

    @pytest.mark.parametrize("nals", [[], [PPS], [sps()], [sps()] * 32 + [PPS], [sps(), PPS + bytes(70_000)]])
    def test_cannot_be_built(self, nals: list[bytes]) -> None:
        with pytest.raises(CodecError):
            h264.build_record(nals)

    def test_no_sequence_parameter_set(self) -> None:
        with pytest.raises(CodecError):
            h264.video_info([PPS])

    def test_unknown_profile_and_whole_level(self) -> None:
        info = h264.video_info([sps(67, level=40)])
        assert (info.profile, info.level) == ("67", "4")

    @given(st.binary(max_size=80))
    def test_any_bytes(self, data: bytes) -> None:
        try:
            h264.parse_record(b"\x01" + data)
        except CodecError as error:
            assert str(error)  # noqa: PT017  either way is right


class TestRandomAccess:
    INTRA = bytes((0x61,)) + BitWriter().ue(0, 7).bytes()
    INTER = bytes((0x61,)) + BitWriter().ue(0, 5).bytes()
    RECOVERY = b"\x06\x06\x01\xc4\x80"

    @pytest.mark.parametrize(
        ("nals", "flagged", "expected"),
        [
            ([b"\x65\x88"], False, True),
            ([INTRA], True, False),
            ([RECOVERY, INTRA], True, True),
            ([RECOVERY, INTRA], False, False),
            ([RECOVERY, INTRA, INTER], True, False),
            ([RECOVERY, INTER], True, False),
            ([b"\x06\x06\x01\x24\x80", INTRA], True, False),
            ([b"\x06\x05\x02ab" + RECOVERY[1:], INTRA], True, True),
            ([b"\x06\x05\xff\x01" + bytes(256), INTRA], True, False),
            ([b"\x06\xff\xff", INTRA], True, False),
            ([RECOVERY, b"\x61"], True, False),
        ],
    )
    def test_idr_or_a_confirmed_recovery_point(self, nals: list[bytes], flagged: bool, expected: bool) -> None:
        assert h264.is_random_access(nals, flagged) is expected

    def test_open_gop_of_x264(self) -> None:
        options = {"x264-params": "keyint=2:open-gop=1:bframes=1:min-keyint=1"}
        _, packets = encode.video("libx264", (64, 64), Fraction(25), **options)
        found = [h264.is_random_access(nal.split(packet), True) for packet in packets]
        assert sum(found) >= 2


class TestNal:
    def test_both_wrappings(self) -> None:
        units = [b"\x09\xf0", b"\x65\x88\x01"]
        prefixed = nal.join(units)
        assert nal.split(prefixed) == units
        assert nal.split(b"\0\0\0\x01\x09\xf0\0\0\x01\x65\x88\x01\0\0") == units
        assert nal.split_length_prefixed(b"\x02\x09\xf0\x00\x01\x65", 1) == [b"\x09\xf0", b"\x65"]

    @pytest.mark.parametrize("payload", [bytes(4 * 5000), b"\0\0\0\x01\x41" * 5000, b"\0\0\x01A" * 5000])
    def test_too_many(self, payload: bytes) -> None:
        with pytest.raises(CodecError, match="more than"):
            nal.split_annexb(payload) if payload.startswith(b"\0\0\x01") else nal.split_length_prefixed(payload)

    def test_neither(self) -> None:
        with pytest.raises(CodecError):
            nal.split(b"\x00\x00\x10\x00abc")

    @given(st.lists(st.binary(min_size=1, max_size=30), max_size=6))
    def test_round_trip(self, units: list[bytes]) -> None:
        assert nal.split_length_prefixed(nal.join(units)) == units

    def test_just_enough(self) -> None:
        units = [b"A"] * nal.MAX_NALS
        assert nal.split(nal.join(units)) == units

    @given(st.binary(max_size=60))
    def test_any_bytes(self, data: bytes) -> None:
        assert all(unit and not unit.endswith(b"\0") for unit in nal.split_annexb(data))
