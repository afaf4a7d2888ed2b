"""FLV: limits, odd streams and the enhanced forms, byte by byte where no recorded vector has them."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.codecs.bitwriter import BitWriter

from onetake.media import amf
from onetake.media.codecs import opus
from onetake.media.flv import FlvDemuxer, FlvError, FlvMuxer, FlvReader, FlvTag, Metadata, TagKind, Unsupported
from onetake.media.flv.tags import encode_tag
from onetake.media.units import Codec, Kind, Track, Unit

SPS = bytes.fromhex("6764000dacd941519e226c0440000003004000000c83c50a6580")
PPS = bytes.fromhex("68ef8fcb")
AVCC = b"\x01\x64\x00\x0d\xff\xe1" + struct.pack(">H", len(SPS)) + SPS + b"\x01" + struct.pack(">H", len(PPS)) + PPS
H264 = Track(1, Codec.H264, 90_000, AVCC, width=322, height=182)
AAC = Track(2, Codec.AAC, 48_000, bytes.fromhex("1190"), sample_rate=48_000, channels=2)
DOPS = b"\0\x02\x01\x38\0\0\xbb\x80\0\0\0"
OPUS = Track(2, Codec.OPUS, 48_000, DOPS, sample_rate=48_000, channels=2)
IDR, SLICE = b"\x65\x88\x84\x01", b"\x41\x9a\x24\x6c"
HEADER = b"FLV\x01\x05\0\0\0\x09\0\0\0\0"


def nals(*units: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in units)


def video(body: bytes, at_ms: int = 0) -> FlvTag:
    return FlvTag(TagKind.VIDEO, at_ms, body)


def audio(body: bytes, at_ms: int = 0) -> FlvTag:
    return FlvTag(TagKind.AUDIO, at_ms, body)


def avc(payload: bytes, kind: int = 1, key: bool = False, offset: int = 0) -> bytes:
    return bytes((0x17 if key else 0x27, kind)) + struct.pack(">i", offset)[1:] + payload


def configured() -> FlvDemuxer:
    demuxer = FlvDemuxer(lambda: 5)
    assert demuxer.push(video(avc(AVCC, 0, True))) == [H264]
    assert demuxer.push(audio(b"\xaf\x00" + AAC.config)) == [AAC]
    return demuxer


class TestReader:
    def test_whole_stream_in_one_byte_feeds(self) -> None:
        data = HEADER + encode_tag(8, 0x01020304, b"abc") + encode_tag(9, 7, b"") + encode_tag(18, 0, b"x" * 300)
        reader = FlvReader()
        found = [tag for byte in data for tag in reader.feed(bytes([byte]))]
        assert found == [
            FlvTag(TagKind.AUDIO, 0x01020304, b"abc"),
            FlvTag(TagKind.VIDEO, 7, b""),
            FlvTag(TagKind.SCRIPT, 0, b"x" * 300),
        ]

    def test_longer_file_header(self) -> None:
        reader = FlvReader()
        data = b"FLV\x01\x05\0\0\0\x0dmore\0\0\0\0" + encode_tag(8, 0, b"a")
        assert reader.feed(data) == [FlvTag(TagKind.AUDIO, 0, b"a")]

    @pytest.mark.parametrize(
        "data",
        [
            b"GIF89a",
            b"FLV\x02",
            b"FLV\x01\x05\0\0\0\x08\0\0\0\0",
            b"FLV\x01\x05\0\0\xff\xff\0\0\0\0",
            HEADER + b"\x07" + bytes(10),
            HEADER + b"\x29" + bytes(10),  # encrypted
        ],
    )
    def test_not_flv(self, data: bytes) -> None:
        with pytest.raises(FlvError):
            FlvReader().feed(data)

    def test_tag_over_the_limit(self) -> None:
        reader = FlvReader(max_body_bytes=100)
        reader.feed(HEADER + encode_tag(9, 0, bytes(100)))
        with pytest.raises(FlvError, match="limit"):
            reader.feed(encode_tag(9, 0, bytes(101))[:11])

    def test_tag_too_long_to_write(self) -> None:
        with pytest.raises(FlvError, match="fit"):
            encode_tag(9, 0, bytes(1 << 24))

    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        with suppress(FlvError):
            FlvReader().feed(HEADER + data)
        with suppress(FlvError):
            FlvReader().feed(data)

    @given(
        st.lists(st.tuples(st.sampled_from([8, 9, 18]), st.integers(0, 2**32 - 1), st.binary(max_size=50)), max_size=8),
        st.lists(st.integers(1, 40), min_size=1, max_size=10),
    )
    def test_any_split(self, tags: list[tuple[int, int, bytes]], sizes: list[int]) -> None:
        data = HEADER + b"".join(encode_tag(*tag) for tag in tags)
        reader, found, position, turn = FlvReader(), list[FlvTag](), 0, 0
        while position < len(data):
            size = sizes[turn % len(sizes)]
            found += reader.feed(data[position : position + size])
            position, turn = position + size, turn + 1
        assert found == [FlvTag(TagKind(kind), stamp, body) for kind, stamp, body in tags]


class TestLegacyVideo:
    def test_composition_time_is_signed(self) -> None:
        (found,) = configured().push(video(avc(nals(IDR), key=True, offset=-40), 1000))
        assert found == Unit(1, 90_000, 90_000 - 40 * 90, True, nals(IDR), 5)

    def test_container_flag_is_not_trusted(self) -> None:
        demuxer = configured()
        for flag, payload, expected in ((True, nals(SLICE), False), (False, nals(IDR), True)):
            (found,) = demuxer.push(video(avc(payload, key=flag)))
            assert isinstance(found, Unit)
            assert found.keyframe is expected

    def test_parameter_sets_in_band_are_stripped(self) -> None:
        (found,) = configured().push(video(avc(nals(SPS, PPS, b"\x06\x05\x01\x00\x80", IDR), key=True)))
        assert isinstance(found, Unit)
        assert found.payload == nals(b"\x06\x05\x01\x00\x80", IDR)

    def test_changed_parameter_sets_in_band_are_a_new_track(self) -> None:
        other = b"\x68\xee\x3c\x80"
        track, unit = configured().push(video(avc(nals(SPS, other, IDR), key=True)))
        assert isinstance(track, Track)
        assert track != H264
        assert other in track.config
        assert PPS not in track.config
        assert isinstance(unit, Unit)

    def test_flood_of_parameter_sets_changes_nothing(self) -> None:
        sets = [b"\x68" + bytes((0x80, number)) for number in range(1, 200)]
        (found,) = configured().push(video(avc(nals(*sets, IDR), key=True)))
        assert isinstance(found, Unit)

    def test_parameter_sets_do_not_pile_up(self) -> None:
        demuxer = configured()
        sets = [b"\x68" + BitWriter().ue(number).bytes() for number in range(80)]
        first, second = sets[:40], sets[40:]
        assert [type(each) for each in demuxer.push(video(avc(nals(*first, IDR), key=True)))] == [Track, Unit]
        assert [type(each) for each in demuxer.push(video(avc(nals(*second, IDR), key=True)))] == [Unit]

    def test_hostile_pictures_are_counted(self) -> None:
        demuxer = configured()
        assert demuxer.push(video(avc(bytes(4 * 100_000)))) == []
        assert demuxer.push(video(avc(nals(SLICE) * 10_000))) == []
        assert demuxer.discarded_units == 2

    def test_broken_parameter_sets_in_band_change_nothing(self) -> None:
        (found,) = configured().push(video(avc(nals(b"\x67\x64", IDR), key=True)))
        assert isinstance(found, Unit)

    def test_equal_sequence_header_is_not_repeated(self) -> None:
        assert configured().push(video(avc(AVCC, 0, True))) == []

    def test_start_codes_instead_of_lengths(self) -> None:
        demuxer = FlvDemuxer(lambda: 5)
        start = b"\0\0\0\x01"
        (track,) = demuxer.push(video(avc(start + SPS + b"\0\0\x01" + PPS, 0, True)))
        assert isinstance(track, Track)
        assert track.config.startswith(AVCC)
        (found,) = demuxer.push(video(avc(start + SPS + start + PPS + start + IDR, key=True)))
        assert isinstance(found, Unit)
        assert (found.payload, found.keyframe) == (nals(IDR), True)

    def test_two_byte_lengths_become_four(self) -> None:
        demuxer = FlvDemuxer(lambda: 5)
        (track,) = demuxer.push(video(avc(AVCC[:4] + b"\xfd" + AVCC[5:], 0, True)))
        assert isinstance(track, Track)
        assert track.config.startswith(AVCC)
        (found,) = demuxer.push(video(avc(struct.pack(">H", len(IDR)) + IDR, key=True)))
        assert isinstance(found, Unit)
        assert found.payload == nals(IDR)

    def test_legacy_hevc_codec_number(self) -> None:
        assert FlvDemuxer().push(video(b"\x1c\x01\0\0\0" + nals(b"\x26\x01x"))) == []

    def test_broken_pictures_are_counted(self) -> None:
        demuxer = configured()
        assert demuxer.push(video(avc(b"\0\0\x10\0abc"))) == []
        assert demuxer.push(video(avc(b""))) == []
        assert demuxer.discarded_units == 1

    def test_picture_before_its_header_is_counted(self) -> None:
        demuxer = FlvDemuxer()
        assert demuxer.push(video(avc(nals(IDR), key=True))) == []
        assert demuxer.discarded_units == 1

    def test_broken_sequence_header_is_an_error(self) -> None:
        with pytest.raises(FlvError, match="sequence header"):
            FlvDemuxer().push(video(avc(b"\x01\x64", 0, True)))

    @pytest.mark.parametrize(
        "body", [b"", b"\x17\x00\0\0\0", b"\x90avc1", b"\x57\x00", b"\x17", b"\x17\x02\0\0\0", b"\x17\x09\0\0\0x"]
    )
    def test_bodies_without_pictures(self, body: bytes) -> None:
        assert configured().push(video(body)) == []

    def test_unknown_codec_is_told_once(self) -> None:
        demuxer = FlvDemuxer()
        assert demuxer.push(video(b"\x12abc")) == [Unsupported(Kind.VIDEO, "FLV video codec 2")]
        assert demuxer.push(video(b"\x12abc")) == []


class TestEnhancedVideo:
    def test_avc1_coded_frames(self) -> None:
        demuxer = FlvDemuxer(lambda: 5)
        assert demuxer.push(video(b"\x90avc1" + AVCC)) == [H264]
        (found,) = demuxer.push(video(b"\x91avc1\xff\xff\xd8" + nals(IDR)))
        assert found == Unit(1, 0, -40 * 90, True, nals(IDR), 5)
        (found,) = demuxer.push(video(b"\xa3avc1" + nals(SLICE), 40))
        assert found == Unit(1, 3600, 3600, False, nals(SLICE), 5)

    @pytest.mark.parametrize(
        "body", [b"\x94avc1" + amf.encode("colorInfo", {}), b"\x92avc1", b"\xd1\x00", b"\x95avc1x"]
    )
    def test_packets_without_pictures(self, body: bytes) -> None:
        assert configured().push(video(body)) == []

    def test_mod_ex_prefix_is_skipped(self) -> None:
        demuxer = FlvDemuxer(lambda: 5)
        assert demuxer.push(video(b"\x97" + b"\x02abc" + b"\x00" + b"avc1" + AVCC)) == [H264]
        long = b"\x97\xff" + struct.pack(">H", 299) + bytes(300) + b"\x03avc1" + nals(IDR)
        assert len(demuxer.push(video(long))) == 1

    def test_first_track_of_many(self) -> None:
        demuxer = FlvDemuxer(lambda: 5)
        assert demuxer.push(video(b"\x96\x00avc1\x00" + AVCC)) == [H264]
        size = len(nals(IDR)).to_bytes(3, "big")
        other = b"\x01" + (4).to_bytes(3, "big") + b"junk"
        assert len(demuxer.push(video(b"\x96\x13avc1" + other + b"\x00" + size + nals(IDR)))) == 1
        many = b"\x96\x23hvc1" + other + b"avc1\x00" + size + nals(IDR)
        assert len(demuxer.push(video(many))) == 1
        assert demuxer.push(video(b"\x96\x03avc1\x05" + nals(IDR))) == []

    @pytest.mark.parametrize(
        "body",
        [
            b"\x90avc",
            b"\x91avc1\0\0",
            b"\x97\x05ab",
            b"\x97\xff\xff\xff",
            b"\x97",
            b"\x97" + b"\x00a\x07" * 20,
            b"\x96",
            b"\x96\x13avc1\x00\xff\xff\xffx",
        ],
    )
    def test_broken_headers(self, body: bytes) -> None:
        with pytest.raises(FlvError):
            configured().push(video(body))

    def test_unknown_codec(self) -> None:
        assert FlvDemuxer().push(video(b"\x90vp09x")) == [Unsupported(Kind.VIDEO, "vp09")]
        assert FlvDemuxer().push(video(b"\x90\0\xff.mx")) == [Unsupported(Kind.VIDEO, "??.m")]
        assert FlvDemuxer().push(video(b"\x90mp4ax")) == [Unsupported(Kind.VIDEO, "mp4a")]

    def test_refusals_are_bounded(self) -> None:
        demuxer = FlvDemuxer()
        told = [demuxer.push(video(b"\x90" + struct.pack(">I", number) + b"x")) for number in range(100)]
        assert len([each for each in told if each]) == 8


class TestAudio:
    def test_configuration_may_be_empty_when_frames_are_adts(self) -> None:
        demuxer = FlvDemuxer(lambda: 5)
        assert demuxer.push(audio(b"\xaf\x00")) == []
        adts = bytes.fromhex("fff14c80017ffc") + b"abcd"
        two = bytes.fromhex("fff14c80017ffc") + b"efgh" + bytes.fromhex("fff14c80013ffc") + b"ij"
        assert demuxer.push(audio(b"\xaf\x01" + adts, 10)) == [AAC, Unit(2, 480, 480, True, b"abcd", 5)]
        units = demuxer.push(audio(b"\xaf\x01" + two, 20))
        assert [(unit.dts, unit.payload) for unit in units if isinstance(unit, Unit)] == [(960, b"efgh"), (1984, b"ij")]
        assert demuxer.push(audio(b"\xaf\x01" + bytes.fromhex("fff14c8000fffc"))) == []
        assert demuxer.discarded_units == 0
        assert demuxer.push(audio(b"\xaf\x01" + adts[:9])) == []
        assert demuxer.push(audio(b"\xaf\x01" + adts + b"tail")) == []
        assert demuxer.discarded_units == 2

    def test_adts_does_not_overrule_the_configuration(self) -> None:
        demuxer = configured()
        assert len(demuxer.push(audio(b"\xaf\x01" + bytes.fromhex("fff15080017ffc") + b"abcd"))) == 1

    def test_configuration_that_cannot_be_taken_is_told(self) -> None:
        demuxer = FlvDemuxer()
        low_delay = BitWriter().u(5, 23).u(4, 3).u(4, 2).u(8, 0).bytes()
        (found,) = demuxer.push(audio(b"\xaf\x00" + low_delay))
        assert found == Unsupported(Kind.AUDIO, "aac: AAC object type 23 is not supported")
        assert demuxer.push(audio(b"\xaf\x01raw")) == []
        assert demuxer.discarded_units == 1

    def test_new_configuration(self) -> None:
        (found,) = configured().push(audio(b"\xaf\x00\x12\x10"))
        assert isinstance(found, Track)
        assert found.sample_rate == 44_100

    def test_frames_before_the_configuration_are_counted(self) -> None:
        demuxer = FlvDemuxer()
        assert demuxer.push(audio(b"\xaf\x01raw")) == []
        assert demuxer.discarded_units == 1

    @pytest.mark.parametrize(
        "body", [b"\xaf", b"\xaf\x01", b"\xaf\x02x", b"\x94Opus", b"\x92Opus", b"\x95\x01Opus\x03x"]
    )
    def test_bodies_without_frames(self, body: bytes) -> None:
        assert configured().push(audio(body)) == []

    def test_several_mp3_frames_in_one_tag(self) -> None:
        frame = bytes.fromhex("fffb1464") + bytes(92)  # 32 kbit/s at 48 kHz: 96 bytes
        demuxer = FlvDemuxer(lambda: 5)
        track, first, second = demuxer.push(audio(b"\x2e" + frame + frame, 100))
        assert isinstance(track, Track)
        assert (track.codec, track.sample_rate) == (Codec.MP3, 48_000)
        assert (first, second) == (Unit(2, 4800, 4800, True, frame, 5), Unit(2, 5952, 5952, True, frame, 5))

    def test_opus(self) -> None:
        demuxer = FlvDemuxer(lambda: 5)
        assert demuxer.push(audio(b"\x90Opus" + opus.head_from_dops(DOPS))) == [OPUS]
        assert demuxer.push(audio(b"\x91Opus\xfcabc", 20)) == [Unit(2, 960, 960, True, b"\xfcabc", 5)]

    def test_enhanced_aac(self) -> None:
        demuxer = FlvDemuxer(lambda: 5)
        assert demuxer.push(audio(b"\x90mp4a" + AAC.config)) == [AAC]
        assert demuxer.push(audio(b"\x95\x01mp4a\x00raw")) == [Unit(2, 0, 0, True, b"raw", 5)]

    @pytest.mark.parametrize(("body", "name"), [(b"\x90fLaCx", "fLaC"), (b"\x7fx", "FLV sound format 7")])
    def test_unknown_codec(self, body: bytes, name: str) -> None:
        assert FlvDemuxer().push(audio(body)) == [Unsupported(Kind.AUDIO, name)]


class TestScript:
    def test_set_data_frame_is_unwrapped(self) -> None:
        body = amf.encode("@setDataFrame", "onMetaData", amf.EcmaArray({"width": 640.0}))
        assert FlvDemuxer().push(FlvTag(TagKind.SCRIPT, 0, body)) == [Metadata("onMetaData", {"width": 640.0})]

    @pytest.mark.parametrize("body", [b"", b"\xff", amf.encode(1.0), amf.encode("@setDataFrame")])
    def test_nonsense_is_nothing(self, body: bytes) -> None:
        assert FlvDemuxer().push(FlvTag(TagKind.SCRIPT, 0, body)) == []

    def test_name_alone(self) -> None:
        assert FlvDemuxer().push(FlvTag(TagKind.SCRIPT, 0, amf.encode("onCue", 3))) == [Metadata("onCue", {})]


class TestTime:
    def test_32_bit_wrap_goes_on(self) -> None:
        demuxer = configured()
        found = [demuxer.push(audio(b"\xaf\x01raw", stamp))[0] for stamp in ((1 << 31) - 1, (1 << 32) - 20, 20)]
        times = [each.dts // 48 for each in found if isinstance(each, Unit)]
        assert times == [(1 << 31) - 1, (1 << 32) - 20, (1 << 32) + 20]


class TestMuxer:
    def test_header_says_what_is_inside(self) -> None:
        assert FlvMuxer([H264, AAC]).header() == HEADER
        assert FlvMuxer([AAC]).header()[4] == 4
        assert FlvMuxer([H264]).header()[4] == 1
        assert FlvMuxer([H264, AAC]).tracks == (H264, AAC)

    @pytest.mark.parametrize("tracks", [[], [AAC, Track(3, Codec.AAC, 48_000, AAC.config)]])
    def test_one_track_of_each_kind(self, tracks: list[Track]) -> None:
        with pytest.raises(FlvError):
            FlvMuxer(tracks)

    def test_legacy_bodies(self) -> None:
        muxer = FlvMuxer([H264, AAC])
        unit = Unit(1, 90_000, 90_000 - 3600, True, nals(IDR))
        assert muxer.message(unit) == FlvTag(TagKind.VIDEO, 1000, b"\x17\x01\xff\xff\xd8" + nals(IDR))
        assert muxer.message(Unit(2, 24_000, 24_000, True, b"raw")) == FlvTag(TagKind.AUDIO, 500, b"\xaf\x01raw")
        assert FlvReader().feed(HEADER + muxer.tag(unit)) == [muxer.message(unit)]

    @pytest.mark.parametrize(
        ("codec", "pts", "head"),
        [
            (Codec.HEVC, 0, b"\x93hvc1"),
            (Codec.HEVC, 3600, b"\x91hvc1\0\0\x28"),
            (Codec.AV1, 0, b"\x91av01"),
        ],
    )
    def test_enhanced_bodies(self, codec: Codec, pts: int, head: bytes) -> None:
        muxer = FlvMuxer([Track(1, codec, 90_000, b"config")])
        assert muxer.message(Unit(1, 0, pts, True, b"payload")).body == head + b"payload"
        assert muxer.sequence_messages()[0].body == b"\x90" + head[1:5] + b"config"

    @pytest.mark.parametrize(
        ("rate", "channels", "head"),
        [
            (44_100, 2, b"\x2f"),
            (48_000, 1, b"\x2e"),
            (22_050, 2, b"\x2b"),
            (8000, 1, b"\xe2"),
            (32_000, 2, b"\x91.mp3"),
        ],
    )
    def test_mp3_rates(self, rate: int, channels: int, head: bytes) -> None:
        muxer = FlvMuxer([Track(2, Codec.MP3, rate, b"", sample_rate=rate, channels=channels)])
        assert muxer.message(Unit(2, 0, 0, True, b"frame")).body == head + b"frame"
        assert muxer.sequence_messages() == []

    def test_metadata(self) -> None:
        (found,) = FlvDemuxer().push(FlvMuxer([H264, AAC]).metadata())
        assert isinstance(found, Metadata)
        assert found.values == {
            "encoder": "OneTake",
            "width": 322.0,
            "height": 182.0,
            "framerate": 25.0,
            "videocodecid": 7.0,
            "audiocodecid": 10.0,
            "audiosamplerate": 48_000.0,
            "audiosamplesize": 16.0,
            "audiochannels": 2.0,
            "stereo": True,
        }

    def test_metadata_of_an_unreadable_track_has_no_rate(self) -> None:
        (found,) = FlvDemuxer().push(FlvMuxer([Track(1, Codec.HEVC, 90_000, b"")]).metadata())
        assert isinstance(found, Metadata)
        assert "framerate" not in found.values
        assert found.values["videocodecid"] == float(int.from_bytes(b"hvc1", "big"))

    def test_time_wraps_and_offsets_are_clamped(self) -> None:
        muxer = FlvMuxer([H264])
        late = muxer.message(Unit(1, (1 << 32) * 90, ((1 << 32) + (1 << 24)) * 90, True, b""))
        assert late.timestamp_ms == 0
        assert late.body[2:5] == b"\x7f\xff\xff"


@given(st.sampled_from(list(TagKind)), st.integers(0, 2**32 - 1), st.binary(max_size=60), st.booleans())
def test_any_body_gives_outputs_or_an_error(kind: TagKind, stamp: int, body: bytes, ready: bool) -> None:
    demuxer = configured() if ready else FlvDemuxer()
    with suppress(FlvError):
        demuxer.push(FlvTag(kind, stamp, body))


@given(
    st.sampled_from(
        [b"\x17", b"\x1c", b"\x90avc1", b"\x91hvc1\0\0\0", b"\x90hvc1", b"\x93hvc1", b"\x90av01", b"\x91av01"]
    ),
    st.binary(max_size=80),
)
def test_any_video_payload(head: bytes, payload: bytes) -> None:
    demuxer = configured()
    for body in (head + payload, head + b"\0\0\0\0" + payload, head + b"\x01\0\0\0" + payload):
        with suppress(FlvError):
            demuxer.push(video(body))


@given(
    st.sampled_from([b"\xaf\x00", b"\xaf\x01", b"\x2f", b"\x90Opus", b"\x91Opus", b"\x90mp4a", b"\x91.mp3"]),
    st.binary(max_size=80),
)
def test_any_audio_payload(head: bytes, payload: bytes) -> None:
    demuxer = FlvDemuxer()
    with suppress(FlvError):
        demuxer.push(audio(head + payload))
        demuxer.push(audio(head + payload))
