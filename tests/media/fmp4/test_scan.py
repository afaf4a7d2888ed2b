"""Reading back: our own files, files of ffmpeg, and hostile bytes, which give a typed result and nothing else."""

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.media.fmp4 import clips

from onetake.media.fmp4 import Malformed, init_segment, iter_boxes, read_from
from onetake.media.fmp4.boxes import box, find_box, read_head
from onetake.media.fmp4.head import RESERVED_BYTES, file_head, read_file_head
from onetake.media.fmp4.initreader import InitInfo, parse_init, read_init
from onetake.media.fmp4.partreader import parse_moof
from onetake.media.fmp4.scan import MAX_MOOF_BYTES, find_part, scan_parts
from onetake.media.units import Kind


def small_file() -> tuple[bytes, InitInfo, int]:
    """A short file of ours: its bytes, its init and where the media starts."""
    parts = clips.parts_of(clips.clip("audio_44k"))[:6]
    init = parts[0].run.init
    head = file_head(init, b"note").ljust(len(init) + RESERVED_BYTES, b"\0")
    return head + b"".join(part.data for part in parts), parse_init(parts[0].run.init), len(head)


class TestBoxes:
    def test_a_64_bit_size(self) -> None:
        data = b"\0\0\0\x01mdat" + (20).to_bytes(8, "big") + b"body" + box(b"free")
        assert [(head.kind, head.size_bytes, head.body, head.end) for head in iter_boxes(read_from(data), 0, 28)] == [
            (b"mdat", 20, 16, 20),
            (b"free", 8, 28, 28),
        ]

    @pytest.mark.parametrize(
        "data",
        [
            b"\0\0\0\0moof",
            b"\0\0\0\x07moof",
            b"\0\0\0\x10moof",
            b"\0\0\0",
            b"\0\0\0\x01mdat\0\0",
            b"\0\0\0\x01mdat" + bytes(8),
            b"\0\0\0\x01mdat" + b"\xff" * 8,
        ],
    )
    def test_sizes_that_lie(self, data: bytes) -> None:
        with pytest.raises(Malformed) as caught:
            read_head(read_from(data), 0, len(data))
        assert caught.value.offset == 0

    def test_a_box_that_is_not_there(self) -> None:
        with pytest.raises(Malformed, match="moov"):
            find_box(read_from(box(b"free")), 0, 8, b"moov")


class TestInit:
    @pytest.mark.parametrize("name", clips.RECIPES)
    def test_our_tracks_come_back(self, name: str) -> None:
        tracks = clips.clip(name).tracks
        info = parse_init(init_segment(tracks))
        assert tuple(found.track for found in info.tracks) == tracks
        assert info.by_id(99) is None

    @pytest.mark.parametrize("name", ["h264_aac", "hevc", "av1_opus", "surround", "mp3"])
    def test_inits_of_ffmpeg(self, name: str, tmp_path: Path) -> None:
        data = fragmented_by_ffmpeg(name, tmp_path).read_bytes()
        info = read_init(read_from(data), len(data))
        wanted = clips.clip(name).tracks
        assert [found.kind for found in info.tracks] == [track.kind for track in wanted]
        for found, track in zip(info.tracks, wanted, strict=True):
            assert found.track is not None
            assert (found.track.codec, found.track.width, found.track.channels) == (
                track.codec,
                track.width,
                track.channels,
            )
            if track.kind is Kind.VIDEO:
                assert found.track.config == track.config

    def test_a_codec_that_is_not_ours_can_still_be_scanned(self, tmp_path: Path) -> None:
        target = tmp_path / "flac.mp4"
        fragmented = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"]
        command = [clips.ffmpeg9(), "-v", "error", *clips.TONE, "-t", "1", "-c:a", "flac", *fragmented, str(target)]
        subprocess.run(command, check=True, timeout=60)
        data = target.read_bytes()
        info = read_init(read_from(data), len(data))
        assert info.leading.track is None
        assert info.leading.kind is Kind.AUDIO
        assert scan_parts(read_from(data), len(info.data), len(data), info).parts

    @given(st.binary(max_size=200))
    def test_any_bytes_are_malformed_or_an_init(self, data: bytes) -> None:
        with suppress(Malformed):
            parse_init(data)

    @settings(max_examples=300)
    @given(st.integers(0, 2000), st.integers(0, 255))
    def test_any_flip_in_an_init(self, place: int, value: int) -> None:
        data = bytearray(init_segment(clips.clip("av1_opus").tracks))
        data[place % len(data)] = value
        with suppress(Malformed):
            parse_init(bytes(data))

    @given(st.integers(0, 2000))
    def test_any_truncation_of_an_init(self, length: int) -> None:
        data = init_segment(clips.clip("h264_aac").tracks)
        with suppress(Malformed):
            parse_init(data[: length % len(data)])


def fragmented_by_ffmpeg(name: str, folder: Path, *flags: str) -> Path:
    target = folder / "theirs.mp4"
    movflags = "+".join(("frag_keyframe", "empty_moov", *flags))
    command = [clips.ffmpeg9(), "-v", "error", "-i", str(clips.clip_file(name)), "-c", "copy", "-movflags", movflags]
    subprocess.run([*command, str(target)], check=True, timeout=60)
    return target


class TestScan:
    @pytest.mark.parametrize("name", clips.RECIPES)
    def test_our_parts_come_back(self, name: str) -> None:
        parts = clips.parts_of(clips.clip(name))
        data = clips.joined(parts)
        info = parse_init(parts[0].run.init)
        scan = scan_parts(read_from(data), len(info.data), len(data), info, refuse_holes=True)
        assert scan.torn is None
        assert scan.good_end == len(data)
        assert [(p.size_bytes, p.dts_ticks, p.duration_ticks, p.keyframe) for p in scan.parts] == [
            (p.size_bytes, p.dts_ticks, p.duration_ticks, p.independent) for p in parts
        ]

    @pytest.mark.parametrize("flags", [(), ("default_base_moof",), ("default_base_moof", "global_sidx"), ("dash",)])
    def test_fragments_of_ffmpeg(self, flags: tuple[str, ...], tmp_path: Path) -> None:
        data = fragmented_by_ffmpeg("bframes", tmp_path, *flags).read_bytes()
        info = read_init(read_from(data), len(data))
        scan = scan_parts(read_from(data), len(info.data), len(data), info)
        assert scan.torn is None
        assert len(scan.parts) == 3
        assert all(part.keyframe for part in scan.parts)
        leading = info.leading.timescale
        assert sum(part.duration_ticks for part in scan.parts) / leading == pytest.approx(6, abs=0.1)

    def test_a_part_without_the_leading_track(self) -> None:
        source = clips.clip("h264_aac")
        audio = clips.parts_of(clips.Clip((source.tracks[1],), tuple(source.of(Kind.AUDIO))))
        info = parse_init(init_segment(source.tracks))
        data = audio[0].data
        (part,) = scan_parts(read_from(data), 0, len(data), info).parts
        assert not part.keyframe
        assert part.duration_ticks / 90_000 == pytest.approx(audio[0].duration_s, abs=0.001)

    @pytest.mark.parametrize(
        ("tail", "reason"),
        [
            (b"\0" * 100, "size 0"),
            (b"\0\0\0\x08what", "unknown"),
            (box(b"mdat", b"x"), "unknown"),
            (b"\0\0\1\0moof", "past"),
            (box(b"moof", bytes(MAX_MOOF_BYTES)), "moof of"),
            (box(b"moof") + box(b"free"), "no mdat"),
        ],
    )
    def test_tails_that_are_no_part(self, tail: bytes, reason: str) -> None:
        data, info, start = small_file()
        scan = scan_parts(read_from(data + tail), start, len(data + tail), info)
        assert len(scan.parts) == 6
        assert scan.good_end == len(data)
        assert scan.torn is not None
        assert reason in scan.torn.reason

    def test_a_hole_of_zeros_is_no_media(self) -> None:
        parts = clips.parts_of(clips.clip("h264_aac"))
        info = parse_init(parts[0].run.init)
        data = bytearray(parts[0].data)
        data[-6000:-500] = bytes(5500)
        read = read_from(bytes(data))
        assert scan_parts(read, 0, len(data), info).torn is None
        assert scan_parts(read, 0, len(data), info, refuse_holes=True).parts == ()

    @settings(max_examples=300)
    @given(st.integers(0, 1 << 20))
    def test_any_truncation_keeps_the_whole_parts(self, length: int) -> None:
        data, info, start = small_file()
        cut = start + length % (len(data) - start)
        scan = scan_parts(read_from(data[:cut]), start, cut, info)
        assert scan.good_end <= cut
        assert all(part.offset + part.size_bytes <= cut for part in scan.parts)
        whole = scan_parts(read_from(data), start, len(data), info)
        assert list(scan.parts) == [part for part in whole.parts if part.offset + part.size_bytes <= cut]

    @settings(max_examples=400)
    @given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=6))
    def test_any_flips_give_a_result(self, flips: list[tuple[int, int]]) -> None:
        data, info, start = small_file()
        broken = bytearray(data)
        for place, value in flips:
            broken[start + place % (len(data) - start)] = value
        scan = scan_parts(read_from(bytes(broken)), start, len(broken), info)
        assert start <= scan.good_end <= len(broken)
        assert (scan.torn is None) == (scan.good_end == len(broken))

    @given(st.binary(max_size=300))
    def test_any_bytes_as_moof(self, data: bytes) -> None:
        _, info, _ = small_file()
        with suppress(Malformed):
            parse_moof(box(b"moof", data), info)

    def test_the_next_part_is_found_behind_damage(self) -> None:
        data, info, start = small_file()
        scan = scan_parts(read_from(data), start, len(data), info)
        second = scan.parts[1].offset
        assert find_part(read_from(data), start + 1, len(data), info) == second
        assert find_part(read_from(data), scan.parts[-1].offset + 1, len(data), info) is None
        assert find_part(read_from(b"moof" * 50), 0, 200, info) is None
        far = b"\xff" * (1 << 20) + data[start:]
        assert find_part(read_from(far), 0, len(far), info) == 1 << 20


class TestHead:
    def test_our_head(self) -> None:
        data, _, start = small_file()
        head = read_file_head(read_from(data), len(data), 4)
        assert head.note == b"note"
        assert head.media_start == start
        assert head.reserved is not None
        assert head.reserved.size_bytes == RESERVED_BYTES

    def test_a_head_without_reserve(self) -> None:
        init = init_segment(clips.clip("h264_aac").tracks)
        for data in (init, init + box(b"moof")):
            head = read_file_head(read_from(data), len(data), 64)
            assert head.reserved is None
            assert head.media_start == len(init)

    @settings(max_examples=200)
    @given(st.integers(0, 2000) | st.integers(RESERVED_BYTES, RESERVED_BYTES + 2000), st.integers(0, 255))
    def test_any_damage_in_a_head(self, place: int, value: int) -> None:
        data, _, _ = small_file()
        for broken in (data[:place], data[:place] + bytes([value]) + data[place + 1 :]):
            with suppress(Malformed):
                read_file_head(read_from(broken), len(broken), 64)
