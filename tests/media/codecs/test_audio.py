"""AAC, Opus and MP3 headers."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.codecs.bitwriter import BitWriter

from onetake.media.bits import CodecError
from onetake.media.codecs import AudioParser, aac, audio_info, frame_ticks, mp3, opus
from onetake.media.units import Codec, Track


class TestAac:
    @pytest.mark.parametrize(
        ("config", "profile", "rate", "channels", "samples", "name"),
        [
            ("1190", "LC", 48_000, 2, 1024, "mp4a.40.2"),
            ("1210", "LC", 44_100, 2, 1024, "mp4a.40.2"),
            ("11b056e500", "LC", 48_000, 6, 1024, "mp4a.40.2"),  # ffmpeg 5.1 channels, SBR said to be absent
            ("11b8", "LC", 48_000, 8, 1024, "mp4a.40.2"),
            ("1194", "LC", 48_000, 2, 960, "mp4a.40.2"),
            ("2b118800", "HE-AAC", 48_000, 2, 2048, "mp4a.40.5"),  # explicit SBR
            ("eb098800", "HE-AACv2", 48_000, 2, 2048, "mp4a.40.29"),  # explicit PS: one channel coded
            ("131056e598", "HE-AAC", 48_000, 2, 2048, "mp4a.40.5"),  # backward compatible SBR
            ("130856e59d4880", "HE-AACv2", 48_000, 2, 2048, "mp4a.40.29"),
            ("0a10", "Main", 44_100, 2, 1024, "mp4a.40.1"),
        ],
    )
    def test_configurations(self, config: str, profile: str, rate: int, channels: int, samples: int, name: str) -> None:
        info = aac.audio_info(bytes.fromhex(config))
        assert (info.profile, info.sample_rate, info.channels, info.frame_samples) == (profile, rate, channels, samples)
        assert aac.codec_string(bytes.fromhex(config)) == name

    def test_rate_in_plain_numbers(self) -> None:
        config = BitWriter().u(5, 2).u(4, 15).u(24, 44_100).u(4, 2).u(3, 0).bytes()
        assert aac.audio_info(config).sample_rate == 44_100

    def test_channels_in_a_program_element(self) -> None:
        bits = BitWriter().u(5, 2).u(4, 3).u(4, 0).u(1, 0).u(1, 1).u(14, 0).u(1, 0)
        bits.u(10, 0).u(4, 2).u(4, 0).u(4, 1).u(2, 1).u(3, 0).u(4, 0).u(1, 1).u(4, 0).u(1, 1).u(4, 0).u(1, 1).u(3, 0)
        bits.u(5, 0b10000).u(5, 0).u(5, 0b10000).u(4, 0)
        assert aac.audio_info(bits.bytes()).channels == 2 + 1 + 2 + 1

    @pytest.mark.parametrize(
        "bits",
        [
            BitWriter(),
            BitWriter().u(5, 31).u(6, 10).u(4, 3).u(4, 2).u(8, 0),  # USAC
            BitWriter().u(5, 23).u(4, 3).u(4, 2).u(8, 0),  # low delay
            BitWriter().u(5, 2).u(4, 14).u(4, 2).u(8, 0),
            BitWriter().u(5, 2).u(4, 15).u(24, 5).u(4, 2).u(8, 0),
            BitWriter().u(5, 2).u(4, 3).u(4, 9).u(8, 0),
            BitWriter().u(5, 2).u(4, 3).u(4, 0).u(3, 0).u(40, 0),
        ],
    )
    def test_refused(self, bits: BitWriter) -> None:
        with pytest.raises(CodecError):
            aac.audio_info(bits.bytes())

    @given(st.binary(max_size=20))
    def test_any_bytes(self, data: bytes) -> None:
        with suppress(CodecError):
            info = aac.audio_info(data)
            assert 1000 <= info.sample_rate <= 192_000
            assert info.channels > 0
        with suppress(CodecError):
            aac.split_adts(b"\xff\xf1" + data)

    def test_too_many_frames(self) -> None:
        with pytest.raises(CodecError, match="more than"):
            aac.split_adts((bytes.fromhex("fff14c80011ffc") + b"a") * 300)

    def test_adts_with_checksum(self) -> None:
        found = aac.split_adts(bytes.fromhex("fff04c8001bffc") + b"\xab\xcd" + b"abcd")
        assert found == (bytes.fromhex("1190"), [b"abcd"])


class TestOpus:
    DOPS = bytes.fromhex("0002013800 00bb80 0000 00".replace(" ", ""))

    def test_round_trip(self) -> None:
        head = opus.head_from_dops(self.DOPS)
        assert head == b"OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
        assert opus.dops_from_head(head) == self.DOPS
        assert opus.audio_info(self.DOPS).channels == 2

    def test_channel_mapping(self) -> None:
        dops = self.DOPS[:1] + b"\x06" + self.DOPS[2:10] + b"\x01\x04\x02\x00\x04\x01\x02\x03\x05"
        assert opus.dops_from_head(opus.head_from_dops(dops) + b"more") == dops

    @pytest.mark.parametrize("data", [b"", b"OpusTags" + bytes(20), b"OpusHead\x01", b"OpusHead" + bytes(11)])
    def test_heads_refused(self, data: bytes) -> None:
        with pytest.raises(CodecError):
            opus.dops_from_head(data)

    @pytest.mark.parametrize("data", [b"", b"\x01" + DOPS[1:], b"\0\0" + DOPS[2:], DOPS[:10] + b"\x01\x01"])
    def test_boxes_refused(self, data: bytes) -> None:
        with pytest.raises(CodecError):
            opus.head_from_dops(data)

    @pytest.mark.parametrize(
        ("packet", "samples"),
        [
            (b"", 0),
            (bytes((1 << 3,)), 960),
            (bytes((3 << 3,)), 2880),
            (bytes((13 << 3 | 1,)), 1920),
            (bytes((31 << 3 | 2,)), 1920),
            (bytes((16 << 3 | 3, 5)), 600),
            (bytes((16 << 3 | 3,)), 0),
            (bytes((3 << 3 | 3, 3)), 0),  # 180 ms is too long
        ],
    )
    def test_durations(self, packet: bytes, samples: int) -> None:
        assert opus.packet_samples(packet) == samples

    @given(st.binary(max_size=40))
    def test_any_bytes(self, data: bytes) -> None:
        assert 0 <= opus.packet_samples(data) <= 5760
        with suppress(CodecError):
            opus.head_from_dops(opus.dops_from_head(b"OpusHead" + data))


class TestMp3:
    @pytest.mark.parametrize(
        ("header", "rate", "channels", "size", "samples"),
        [
            ("fffb9064", 44_100, 2, 417, 1152),
            ("fffb92c4", 44_100, 1, 418, 1152),
            ("fffa1464", 48_000, 2, 96, 1152),
            ("fff344c4", 24_000, 1, 96, 576),
            ("ffe318c4", 8000, 1, 72, 576),
        ],
    )
    def test_headers(self, header: str, rate: int, channels: int, size: int, samples: int) -> None:
        found = mp3.parse_header(bytes.fromhex(header))
        assert (found.sample_rate, found.channels, found.size_bytes, found.samples) == (rate, channels, size, samples)

    @pytest.mark.parametrize(
        "header", ["", "fffb90", "fff19064", "fffd9064", "ffeb9064", "fffb9c64", "fffb0064", "fffbf064"]
    )
    def test_refused(self, header: str) -> None:
        with pytest.raises(CodecError):
            mp3.parse_header(bytes.fromhex(header))

    def test_too_many_frames(self) -> None:
        with pytest.raises(CodecError, match="more than"):
            mp3.split_frames((bytes.fromhex("fffb1464") + bytes(92)) * 300)

    def test_cut_last_frame_is_kept(self) -> None:
        frame = bytes.fromhex("fffb1464") + bytes(92)
        assert mp3.split_frames(frame + frame[:50]) == [frame, frame[:50]]

    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        with suppress(CodecError):
            assert b"".join(mp3.split_frames(b"\xff\xfb\x14\x64" + data)) == b"\xff\xfb\x14\x64" + data


class TestParser:
    def test_opus_in_both_forms(self) -> None:
        parser = AudioParser(Codec.OPUS, 2)
        track = parser.configure(opus.head_from_dops(TestOpus.DOPS))
        assert track == Track(2, Codec.OPUS, 48_000, TestOpus.DOPS, sample_rate=48_000, channels=2)
        assert parser.configure(TestOpus.DOPS) is None

    def test_mp3_has_no_configuration(self) -> None:
        with pytest.raises(CodecError, match="no configuration"):
            AudioParser(Codec.MP3, 2).configure(b"x")
        with pytest.raises(CodecError, match="no configuration"):
            audio_info(Codec.MP3, b"")

    def test_empty_payload_has_no_units(self) -> None:
        parser = AudioParser(Codec.AAC, 2)
        parser.configure(bytes.fromhex("1190"))
        assert parser.parse(b"") == (None, [])


@pytest.mark.parametrize(
    ("codec", "config", "payload", "ticks"),
    [
        (Codec.AAC, "1190", b"", 1024),
        (Codec.AAC, "", b"", 0),
        (Codec.OPUS, "", b"\x08", 960),
        (Codec.MP3, "", bytes.fromhex("fffb1464"), 1152),
        (Codec.MP3, "", b"", 0),
    ],
)
def test_frame_durations(codec: Codec, config: str, payload: bytes, ticks: int) -> None:
    assert frame_ticks(Track(2, codec, 48_000, bytes.fromhex(config)), payload) == ticks
