"""Structure of what we write, box by box, with a walker of its own that knows the standard and not our code."""

import struct
from collections.abc import Iterator

import pytest
from tests.media.fmp4 import clips

from onetake.media.fmp4 import Fragment, Part, Sample, init_segment, write_part
from onetake.media.fmp4.boxes import BoxHead
from onetake.media.fmp4.head import (
    RESERVED_BYTES,
    Reference,
    file_head,
    free_head,
    max_references,
    sidx_box,
    sidx_writes,
)
from onetake.media.units import Codec, Track

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl", b"mvex", b"moof", b"traf"}


def walk(data: bytes, start: int = 0, end: int | None = None, path: str = "") -> Iterator[tuple[str, int, int]]:
    """(path, body start, end) of every box; fails when boxes do not fill their parent exactly."""
    end = len(data) if end is None else end
    while start < end:
        size, kind = struct.unpack_from(">I4s", data, start)
        assert size >= 8
        assert start + size <= end
        name = f"{path}/{kind.decode('latin-1')}"
        yield name, start + 8, start + size
        if kind in CONTAINERS:
            yield from walk(data, start + 8, start + size, name)
        start += size
    assert start == end


def tree(data: bytes) -> list[str]:
    return [path for path, _, _ in walk(data)]


def body(data: bytes, path: str) -> bytes:
    return next(data[start:end] for name, start, end in walk(data) if name == path)


class TestInit:
    @pytest.mark.parametrize("name", clips.RECIPES)
    def test_it_has_the_boxes_that_the_standard_demands(self, name: str) -> None:
        tracks = clips.clip(name).tracks
        paths = tree(init_segment(tracks))
        assert paths[:3] == ["/ftyp", "/moov", "/moov/mvhd"]
        for box in ("tkhd", "mdia", "mdia/mdhd", "mdia/hdlr", "mdia/minf", "mdia/minf/dinf/dref"):
            assert paths.count(f"/moov/trak/{box}") == len(tracks)
        for box in ("stsd", "stts", "stsc", "stsz", "stco"):
            assert paths.count(f"/moov/trak/mdia/minf/stbl/{box}") == len(tracks)
        assert paths.count("/moov/mvex/trex") == len(tracks)
        assert not any("edts" in path for path in paths)

    def test_the_same_tracks_give_the_same_bytes(self) -> None:
        tracks = clips.clip("h264_aac").tracks
        assert init_segment(tracks) == init_segment(list(tracks))

    def test_only_one_track_is_cmaf(self) -> None:
        video, audio = clips.clip("h264_aac").tracks
        assert b"cmfc" in body(init_segment([video]), "/ftyp")
        assert b"cmfc" not in body(init_segment([video, audio]), "/ftyp")

    def test_no_track_no_init(self) -> None:
        with pytest.raises(ValueError, match="track"):
            init_segment([])

    def test_a_track_without_configuration_is_refused(self) -> None:
        with pytest.raises(ValueError, match="configuration"):
            init_segment([Track(1, Codec.H264, 90_000, b"", 320, 180)])

    def test_a_picture_too_large_for_the_field_is_refused(self) -> None:
        with pytest.raises(ValueError, match="picture"):
            init_segment([Track(1, Codec.H264, 90_000, b"x", 70_000, 180)])

    def test_a_rate_beyond_16_bits_is_left_to_the_configuration(self) -> None:
        init = init_segment([Track(1, Codec.AAC, 96_000, b"\x10\x10", sample_rate=96_000, channels=2)])
        assert struct.unpack_from(">I", body(init, "/moov/trak/mdia/minf/stbl/stsd"), 8 + 8 + 24)[0] == 0

    @pytest.mark.parametrize(("rate", "object_type"), [(48_000, 0x6B), (24_000, 0x69)])
    def test_mp3_is_named_by_its_rate(self, rate: int, object_type: int) -> None:
        init = init_segment([Track(1, Codec.MP3, rate, b"", sample_rate=rate, channels=2)])
        esds = init[init.index(b"esds") :]
        assert object_type in esds[:30]


class TestPart:
    def parts(self, name: str) -> list[Part]:
        return clips.parts_of(clips.clip(name))

    @pytest.mark.parametrize("name", clips.RECIPES)
    def test_every_part_is_moof_and_mdat(self, name: str) -> None:
        for part in self.parts(name):
            assert [path for path in tree(part.data) if path.count("/") == 1] == ["/moof", "/mdat"]

    @pytest.mark.parametrize("name", ["bframes", "vfr", "audio_only"])
    def test_times_and_flags_are_what_players_need(self, name: str) -> None:
        for part in self.parts(name):
            tfhd = [part.data[s:e] for path, s, e in walk(part.data) if path == "/moof/traf/tfhd"]
            tfdt = [part.data[s:e] for path, s, e in walk(part.data) if path == "/moof/traf/tfdt"]
            trun = [part.data[s:e] for path, s, e in walk(part.data) if path == "/moof/traf/trun"]
            assert all(int.from_bytes(data[:4], "big") & 0x020000 for data in tfhd)
            assert all(data[0] == 1 and len(data) == 12 for data in tfdt)
            assert all(data[0] == 1 for data in trun)
            assert int.from_bytes(tfdt[0][4:], "big") == part.dts_ticks

    def test_sequence_numbers_rise_and_tell_the_segment(self) -> None:
        parts = self.parts("h264_aac")
        numbers = [int.from_bytes(body(part.data, "/moof/mfhd")[4:8], "big") for part in parts]
        assert numbers == sorted(set(numbers))
        assert [number >> 8 for number in numbers] == [part.msn + 1 for part in parts]

    def test_data_offsets_point_at_the_first_sample_of_each_track(self) -> None:
        video = [Sample(0, 3000, 0, True, b"VIDEO"), Sample(3000, 3000, 0, False, b"MORE")]
        data = write_part(1, [Fragment(1, video), Fragment(2, [Sample(0, 1024, 0, True, b"AUDIO")])])
        offsets = [
            int.from_bytes(data[s + 8 : s + 12], "big") for path, s, _ in walk(data) if path == "/moof/traf/trun"
        ]
        assert [data[offset : offset + 5] for offset in offsets] == [b"VIDEO", b"AUDIO"]

    def test_negative_composition_offsets_are_kept(self) -> None:
        data = write_part(1, [Fragment(1, [Sample(9000, 3000, -3000, True, b"x")])])
        assert struct.unpack(">i", body(data, "/moof/traf/trun")[-4:])[0] == -3000

    @pytest.mark.parametrize(
        "sample",
        [Sample(-1, 1, 0, True, b"x"), Sample(0, 1, 1 << 31, True, b"x"), Sample(0, 1, -(1 << 31) - 1, True, b"x")],
    )
    def test_what_does_not_fit_is_refused(self, sample: Sample) -> None:
        with pytest.raises(struct.error):
            write_part(1, [Fragment(1, [sample])])

    def test_the_sequence_number_wraps(self) -> None:
        data = write_part((5 << 32) + 7, [Fragment(1, [Sample(0, 1, 0, True, b"x")])])
        assert int.from_bytes(body(data, "/moof/mfhd")[4:8], "big") == 7


class TestHead:
    def test_the_reserved_box_is_exactly_512_kib(self) -> None:
        init = init_segment(clips.clip("h264_aac").tracks)
        head = file_head(init, b"note")
        assert head == init + struct.pack(">I4s", 512 << 10, b"free") + b"note"
        free = [(start, end) for path, start, end in walk(head.ljust(len(init) + RESERVED_BYTES)) if path == "/free"]
        assert free == [(len(init) + 8, len(init) + (512 << 10))]

    @pytest.mark.parametrize("reserved", [64 << 10, RESERVED_BYTES])
    def test_as_many_references_as_leave_room_for_the_note(self, reserved: int) -> None:
        most = max_references(reserved, 64)
        assert len(sidx_box(1, 1, 0, [Reference(1, 1, True)] * most)) <= reserved - 8 - 64
        assert len(sidx_box(1, 1, 0, [Reference(1, 1, True)] * (most + 1))) > reserved - 8 - 64

    def test_never_more_references_than_a_sidx_can_count(self) -> None:
        assert max_references(1 << 30, 64) == 65_535
        assert max_references(8, 64) == 0

    def test_the_writes_keep_every_offset(self) -> None:
        reserved = BoxHead(b"free", 100, RESERVED_BYTES, 8)
        sidx = sidx_box(1, 90_000, 0, [Reference(1000, 2, True)] * 40_000)
        hide, fill, show = sidx_writes(reserved, sidx)
        assert hide == (100, free_head(RESERVED_BYTES))
        assert fill[0] + len(sidx) == reserved.end
        assert int.from_bytes(show[1][:4], "big") + len(sidx) == RESERVED_BYTES

    def test_a_sidx_that_does_not_fit_is_refused(self) -> None:
        with pytest.raises(ValueError, match="fit"):
            sidx_writes(BoxHead(b"free", 0, 20, 8), b"x" * 20)

    def test_free_boxes_of_any_size(self) -> None:
        assert free_head(8) == b"\0\0\0\x08free"
        assert struct.unpack(">I4sQ", free_head(5 << 32)) == (1, b"free", 5 << 32)
        with pytest.raises(ValueError, match="box"):
            free_head(7)
