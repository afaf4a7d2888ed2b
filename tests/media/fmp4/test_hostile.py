"""Single lies in otherwise good boxes: each is refused with its own reason."""

import struct
from collections.abc import Callable

import pytest

from onetake.media.fmp4 import Fragment, Malformed, Sample, init_segment, read_from, write_part
from onetake.media.fmp4.boxes import box, full_box
from onetake.media.fmp4.initreader import MAX_TRACKS, _read_esds, parse_init
from onetake.media.fmp4.partreader import parse_moof
from onetake.media.fmp4.scan import scan_parts
from onetake.media.units import Codec, Track

VIDEO = Track(1, Codec.H264, 90_000, b"\x01\x42\xc0\x1e\xff\xe1", 320, 180)
AUDIO = Track(2, Codec.AAC, 48_000, b"\x11\x90", sample_rate=48_000, channels=2)
INIT = init_segment([VIDEO, AUDIO])
SAMPLES = [Sample(0, 3000, 0, True, b"key"), Sample(3000, 3100, 90, False, b"more")]
PART = write_part(1, [Fragment(1, SAMPLES)])
TFHD = struct.pack(">II", 0x020000, 1)


def moof(*children: bytes) -> bytes:
    return box(b"moof", full_box(b"mfhd", 0, 0, bytes(4)), box(b"traf", *children))


def trun(flags: int, count: int, *fields: int) -> bytes:
    return full_box(b"trun", 1, flags, struct.pack(f">{1 + len(fields)}I", count, *fields))


class TestInit:
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda data: data.replace(struct.pack(">IIII", 0, 0, 90_000, 0), bytes(16)), "timescale 0"),
            (lambda data: data.replace(b"\x03\x80\x80\x80", b"\x09\x80\x80\x80"), "descriptor 9"),
            (lambda data: data.replace(b"\x03\x80\x80\x80", b"\x03\xff\xff\xff"), "past the end"),
            (lambda data: data.replace(b"stsd", b"xxxx"), "no box"),
            (lambda data: data.replace(b"trak", b"free"), "0 tracks"),
            (lambda data: data.replace(b"avcC", b"free"), "no box"),
        ],
    )
    def test_a_lie_is_named(self, change: Callable[[bytes], bytes], reason: str) -> None:
        data = change(INIT)
        assert data != INIT
        with pytest.raises(Malformed, match=reason):
            parse_init(data)

    def test_too_many_tracks(self) -> None:
        trak = next(INIT[i - 4 :] for i in range(len(INIT)) if INIT[i : i + 4] == b"trak")
        one = trak[: int.from_bytes(trak[:4], "big")]
        with pytest.raises(Malformed, match=f"{MAX_TRACKS + 1} tracks"):
            parse_init(box(b"moov", *([one] * (MAX_TRACKS + 1))))

    def test_no_sample_entry(self) -> None:
        start = INIT.index(b"stsd") - 4
        size = int.from_bytes(INIT[start : start + 4], "big")
        with pytest.raises(Malformed, match="no sample entry"):
            parse_init(
                INIT[:start] + full_box(b"stsd", 0, 0, bytes(4)) + box(b"free", bytes(size - 24)) + INIT[start + size :]
            )

    def test_mp4a_of_an_unknown_kind_has_no_track(self) -> None:
        strange = INIT.replace(b"\x40\x15\0\0\0", b"\xdd\x15\0\0\0")
        assert strange != INIT
        assert parse_init(strange).tracks[1].track is None

    def test_a_long_es_descriptor(self) -> None:
        start = INIT.index(b"esds") + 4
        es = INIT[start + 4 + 5 :]
        extra = b"\0\0\xe0" + b"\0\1" + b"\x03url" + b"\0\2"
        body = extra + es[3:]
        data = bytes(4) + b"\x03\x80\x80\x80" + bytes([len(body)]) + body
        assert _read_esds(data) == (0x40, b"\x11\x90")


class TestMoof:
    def test_a_good_one(self) -> None:
        info = parse_moof(PART[: int.from_bytes(PART[:4], "big")], parse_init(INIT))
        (track,) = info.tracks
        assert track.durations == (3000, 3100)
        assert track.composition_offsets == (0, 90)
        assert track.earliest_pts == 0
        assert track.end_dts == 6100

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (box(b"moof"), "mfhd"),
            (box(b"moof", full_box(b"mfhd", 0, 0, bytes(4))), "without samples"),
            (moof(full_box(b"tfhd", 0, 0x20000, struct.pack(">I", 1))), "without tfhd"),
            (moof(box(b"tfhd", struct.pack(">II", 0, 9)), full_box(b"tfdt", 0, 0, bytes(4)), trun(0, 0)), "no track 9"),
            (moof(box(b"tfhd", TFHD), full_box(b"tfdt", 0, 0, bytes(4)), trun(0, 0)), "0 samples"),
            (moof(box(b"tfhd", TFHD), full_box(b"tfdt", 0, 0, bytes(4)), trun(0, 1 << 30)), "samples"),
            (moof(box(b"tfhd", TFHD), full_box(b"tfdt", 0, 0, bytes(4)), trun(0x200, 100, 1)), "past its end"),
            (moof(box(b"tfhd", TFHD), trun(0x200, 1, 1), full_box(b"tfdt", 1, 0)), "moof"),
        ],
    )
    def test_a_lie_is_named(self, data: bytes, reason: str) -> None:
        with pytest.raises(Malformed, match=reason):
            parse_moof(data, parse_init(INIT))

    def test_first_sample_flags_and_old_offsets(self) -> None:
        tfhd = struct.pack(">IIIIII", 0x02003A, 1, 1, 512, 7, 0x10000)
        run = full_box(b"trun", 0, 0x1 | 0x4, struct.pack(">III", 2, 100, 0))
        data = moof(box(b"tfhd", tfhd), full_box(b"tfdt", 0, 0, struct.pack(">I", 77)), run)
        (track,) = parse_moof(data, parse_init(INIT)).tracks
        assert (track.dts, track.durations, track.sizes, track.flags) == (77, (512, 512), (7, 7), (0, 0x10000))
        assert track.offsets == (100, 107)

    def test_two_runs_and_an_explicit_base(self) -> None:
        tfhd = struct.pack(">IIQ", 0x1, 1, 5000)
        runs = (trun(0x201, 1, 90, 10), trun(0x200, 1, 20))
        data = moof(box(b"tfhd", tfhd), full_box(b"tfdt", 0, 0, bytes(4)), *runs)
        (track,) = parse_moof(data, parse_init(INIT), 4900).tracks
        assert track.offsets == (190, 200)

    @pytest.mark.parametrize("offset", [0, 5000])
    def test_samples_outside_of_the_mdat(self, offset: int) -> None:
        run = trun(0x201, 1, offset, 10)
        data = moof(box(b"tfhd", TFHD), full_box(b"tfdt", 0, 0, bytes(4)), run) + box(b"mdat", bytes(10))
        scan = scan_parts(read_from(data), 0, len(data), parse_init(INIT))
        assert scan.torn is not None
        assert "outside" in scan.torn.reason
