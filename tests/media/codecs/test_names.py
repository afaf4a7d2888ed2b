"""RFC 6381 names and descriptions of tracks."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.media.bits import BitReader, CodecError
from onetake.media.codecs import describe, rfc6381
from onetake.media.units import Codec, Track

SPS = bytes.fromhex("6764000dacd941519e226c0440000003004000000c83c50a6580")
AVCC = b"\x01\x64\x00\x0d\xff\xe1" + len(SPS).to_bytes(2, "big") + SPS + bytes.fromhex("01000468ef8fcb")
H264 = Track(1, Codec.H264, 90_000, AVCC, width=322, height=182)
AAC = Track(2, Codec.AAC, 48_000, bytes.fromhex("1190"), sample_rate=48_000, channels=2)


@pytest.mark.parametrize(
    ("track", "name"),
    [
        (H264, "avc1.64000d"),
        (AAC, "mp4a.40.2"),
        (Track(2, Codec.OPUS, 48_000, b""), "opus"),
        (Track(2, Codec.MP3, 44_100, b"", sample_rate=44_100), "mp4a.6B"),
        (Track(2, Codec.MP3, 22_050, b"", sample_rate=22_050), "mp4a.69"),
        (Track(1, Codec.AV1, 90_000, b"\x81\x4d\xc0\x00"), "av01.2.13H.10"),
    ],
)
def test_names(track: Track, name: str) -> None:
    assert rfc6381(track) == name


def test_descriptions() -> None:
    found = describe(H264)
    assert (found.profile, found.level, found.width, found.height, found.fps) == ("High", "1.3", 322, 182, 25.0)
    sound = describe(AAC)
    assert (sound.profile, sound.sample_rate, sound.channels, sound.fps) == ("LC", 48_000, 2, 0.0)
    assert describe(Track(2, Codec.MP3, 44_100, b"", sample_rate=44_100, channels=2)).profile == "Layer III"


@given(st.sampled_from(list(Codec)), st.binary(max_size=60))
def test_any_configuration_has_a_name_or_an_error(codec: Codec, config: bytes) -> None:
    for ask in (rfc6381, describe):
        try:
            ask(replace(H264, codec=codec, config=config))
        except CodecError as error:
            assert str(error)  # noqa: PT017  either way is right


class TestBitReader:
    def test_reads(self) -> None:
        bits = BitReader(b"\xa5\x0f")
        assert [bits.read(1), bits.read(3), bits.read(6), bits.left] == [1, 2, 0b010100, 6]
        bits.skip(2)
        assert bits.read(4) == 15

    def test_exp_golomb(self) -> None:
        bits = BitReader(bytes([0b1_010_011_0, 0b0100_0010, 0b1_1000000]))
        assert [bits.ue(), bits.ue(), bits.ue(), bits.ue(), bits.se()] == [0, 1, 2, 3, -2]

    @pytest.mark.parametrize("data", [b"", b"\0\0\0\0\0", b"\0"])
    def test_end(self, data: bytes) -> None:
        with pytest.raises(CodecError):
            BitReader(data).ue()
        with pytest.raises(CodecError):
            BitReader(data).skip(41)
