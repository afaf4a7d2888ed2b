"""AV1 headers against SVT-AV1, and against streams written bit by bit."""

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.codecs import encode
from tests.media.codecs.bitwriter import BitWriter

from onetake.media.bits import CodecError
from onetake.media.codecs import av1
from onetake.media.codecs.video import Av1Video


def obu(kind: int, body: bytes) -> bytes:
    return bytes((kind << 3 | 2, len(body))) + body


def sequence(profile: int = 0, *, reduced: bool = False, colour: BitWriter | None = None) -> bytes:
    """A sequence header of 640×360 with much of what may be there."""
    bits = BitWriter().u(3, profile).u(1, int(reduced)).u(1, int(reduced))
    if reduced:
        bits.u(5, 4)
    else:
        bits.u(1, 1).u(32, 1001).u(32, 60_000).u(1, 1).ue(1).u(1, 1).u(5, 9).u(32, 1).u(5, 9).u(5, 9)
        bits.u(1, 1).u(5, 1)
        bits.u(12, 1).u(5, 9).u(1, 1).u(1, 1).u(21, 0).u(1, 1).u(4, 3)
        bits.u(12, 2).u(5, 4).u(1, 0).u(1, 0)
    bits.u(4, 9).u(4, 8).u(10, 639).u(9, 359)
    if reduced:
        bits.u(3, 0)
    else:
        bits.u(1, 1).u(7, 0).u(3, 0).u(4, 0).u(1, 1).u(2, 0).u(1, 0).u(1, 1).u(1, 0).u(1, 1).u(3, 6)
    bits.u(3, 0)
    colour = colour or BitWriter().u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(2, 1)
    bits.u(len(colour._bits), int(colour._bits, 2))
    return bits.bytes()


def test_svt() -> None:
    record, packets = encode.video("libsvtav1", (322, 182), Fraction(25), preset="12")
    info = av1.video_info(record)
    assert (info.width, info.height, info.profile, info.level) == (322, 182, "Main", "2.0")
    assert av1.codec_string(record) == "av01.0.00M.08"
    header = av1.record_sequence(record)
    assert header is not None
    assert av1.build_record(header) == record
    assert av1.is_random_access(packets[0])
    assert not any(av1.is_random_access(packet) for packet in packets[1:])


class TestSequenceHeader:
    def test_everything(self) -> None:
        found = av1.parse_sequence_header(sequence())
        assert (found.width, found.height, found.level, found.tier) == (640, 360, 9, 1)
        assert found.fps == pytest.approx(29.97, abs=0.01)
        assert (found.bit_depth, found.chroma_position) == (8, 1)

    def test_reduced(self) -> None:
        found = av1.parse_sequence_header(sequence(reduced=True))
        assert (found.width, found.height, found.level, found.fps) == (640, 360, 4, 0.0)

    @pytest.mark.parametrize(
        ("profile", "colour", "depth", "subsampling", "name"),
        [
            (0, BitWriter().u(1, 1).u(1, 1).u(1, 0).u(1, 0), 10, (True, True), "av01.0.09H.10"),
            (1, BitWriter().u(1, 0).u(1, 0).u(1, 0), 8, (False, False), "av01.1.09H.08"),
            (1, BitWriter().u(1, 0).u(1, 1).u(24, 0x010D00), 8, (False, False), "av01.1.09H.08"),
            (2, BitWriter().u(1, 0).u(1, 0).u(1, 0).u(1, 0), 8, (True, False), "av01.2.09H.08"),
            (2, BitWriter().u(2, 0b11).u(1, 0).u(1, 0).u(1, 0).u(2, 0b11).u(2, 2), 12, (True, True), "av01.2.09H.12"),
            (2, BitWriter().u(2, 0b11).u(1, 0).u(1, 0).u(1, 0).u(1, 0), 12, (False, False), "av01.2.09H.12"),
        ],
    )
    def test_formats(
        self, profile: int, colour: BitWriter, depth: int, subsampling: tuple[bool, bool], name: str
    ) -> None:
        body = sequence(profile, colour=colour)
        found = av1.parse_sequence_header(body)
        assert (found.bit_depth, (found.subsampling_x, found.subsampling_y)) == (depth, subsampling)
        assert av1.codec_string(av1.build_record(av1.Obu(1, obu(1, body), body))) == name

    def test_profile_that_does_not_exist(self) -> None:
        with pytest.raises(CodecError, match="profile"):
            av1.parse_sequence_header(b"\xe0" + bytes(20))

    @given(st.binary(max_size=40))
    def test_any_bytes(self, data: bytes) -> None:
        with suppress(CodecError):
            av1.parse_sequence_header(data)


class TestObus:
    def test_without_size_to_the_end(self) -> None:
        (found,) = av1.iter_obus(b"\x30body")
        assert (found.kind, found.body, found.raw) == (6, b"body", b"\x30body")

    def test_extension_byte(self) -> None:
        (found,) = av1.iter_obus(b"\x36\x08\x02ab")
        assert (found.kind, found.body) == (6, b"ab")

    @pytest.mark.parametrize("data", [b"\x80", b"\x0a", b"\x0a\x05ab", b"\x0a" + b"\x80" * 9, b"\x36"])
    def test_refused(self, data: bytes) -> None:
        with pytest.raises(CodecError):
            list(av1.iter_obus(data))

    def test_too_many(self) -> None:
        with pytest.raises(CodecError, match="more than"):
            list(av1.iter_obus(b"\x12\x00" * 5000))

    @given(st.binary(max_size=60))
    def test_any_bytes_are_taken_apart_wholly(self, data: bytes) -> None:
        with suppress(CodecError):
            assert b"".join(each.raw for each in av1.iter_obus(data)) == data

    def test_random_access(self) -> None:
        assert not av1.is_random_access(obu(2, b""))
        assert av1.is_random_access(obu(6, b"\x10"))
        assert not av1.is_random_access(obu(6, b"\x00"))  # key frame that is not shown
        assert not av1.is_random_access(obu(6, b"\x30"))
        assert not av1.is_random_access(obu(3, b"\x90"))  # shows an earlier frame
        assert av1.is_random_access(obu(3, b"\x90"), reduced=True)


class TestRecord:
    @pytest.mark.parametrize("record", [b"", b"\x80\0\0\0", b"\x81\0\0"])
    def test_refused(self, record: bytes) -> None:
        with pytest.raises(CodecError):
            av1.record_sequence(record)

    def test_without_a_sequence_header(self) -> None:
        with pytest.raises(CodecError, match="no AV1 sequence header"):
            av1.video_info(b"\x81\0\0\0")


class TestStream:
    def test_sequence_header_may_come_in_band(self) -> None:
        stream = Av1Video(1)
        assert stream.configure(b"\x81\0\0\0") is None
        with pytest.raises(CodecError, match="before its sequence header"):
            stream.parse(obu(6, b"\x10"), True)
        picture = stream.parse(obu(2, b"") + obu(1, sequence()) + obu(6, b"\x10"), True)
        assert picture is not None
        assert picture.track is stream.track
        assert picture.keyframe
        assert picture.payload == obu(1, sequence()) + obu(6, b"\x10")

    def test_same_header_again_is_no_new_track(self) -> None:
        stream = Av1Video(1)
        record = av1.build_record(av1.Obu(1, obu(1, sequence()), sequence()))
        assert stream.configure(record) is not None
        assert stream.configure(record) is None
        picture = stream.parse(obu(1, sequence()) + obu(6, b"\x10"), False)
        assert picture is not None
        assert picture.track is None

    def test_key_frame_without_a_sequence_header_is_no_random_access(self) -> None:
        stream = Av1Video(1)
        stream.configure(av1.build_record(av1.Obu(1, obu(1, sequence()), sequence())))
        picture = stream.parse(obu(6, b"\x10"), True)
        assert picture is not None
        assert not picture.keyframe

    def test_nothing_to_decode(self) -> None:
        assert Av1Video(1).parse(obu(2, b""), True) is None
