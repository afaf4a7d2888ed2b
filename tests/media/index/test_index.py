"""The index: what is appended is found again by time and by segment, and damage ends it cleanly."""

import bisect
import errno
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.media.fmp4 import clips
from tests.media.fmp4.test_scan import fragmented_by_ffmpeg

from onetake.media.fmp4 import read_from
from onetake.media.fmp4.head import read_file_head
from onetake.media.fmp4.scan import scan_parts
from onetake.media.index import (
    HEADER_BYTES,
    RECORD_BYTES,
    BadIndex,
    IndexHeader,
    IndexReader,
    IndexRecord,
    IndexWriter,
    build_records,
    header_for,
    part_records,
)
from onetake.media.index.build import header_of
from onetake.media.index.format import unpack_records

HEADER = IndexHeader(90_000, 700, 1234, 66_236, 40, 1_700_000_000_000, "0123456789ab", 1)


def records(count: int, per_segment: int = 5) -> list[IndexRecord]:
    rows = []
    for number in range(count):
        flags = 3 if number % per_segment == 0 else 0
        place = 66_236 + number * 1000
        rows.append(
            IndexRecord(place, 1000, 36_000, number * 36_000, number * 400, number // per_segment, flags, number)
        )
    return rows


def write(path: Path, rows: list[IndexRecord]) -> Path:
    writer = IndexWriter.create(path, HEADER)
    writer.append(rows)
    writer.sync()
    writer.close()
    return path


class TestFormat:
    def test_header_and_record_have_their_sizes(self) -> None:
        assert len(HEADER.pack()) == HEADER_BYTES
        assert len(records(1)[0].pack()) == RECORD_BYTES

    @given(st.integers(1, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1),
           st.from_regex(r"[A-Za-z0-9_-]{1,16}", fullmatch=True))  # fmt: skip
    def test_headers_read_back(self, small: int, any32: int, any64: int, prefix: str) -> None:
        header = IndexHeader(small, any32, any32, any32, any64, any64, prefix, any32)
        assert IndexHeader.unpack(header.pack()) == header

    @pytest.mark.parametrize("prefix", ["", "x" * 17, "a/b", "é"])
    def test_a_prefix_must_fit_a_url(self, prefix: str) -> None:
        with pytest.raises(BadIndex):
            IndexHeader(1, 0, 0, 0, 0, 0, prefix, 0).pack()

    @given(st.binary(max_size=100))
    def test_any_bytes_are_a_header_or_refused(self, data: bytes) -> None:
        with suppress(BadIndex):
            IndexHeader.unpack(data)

    @given(st.integers(0, HEADER_BYTES - 1), st.integers(1, 255))
    def test_any_flip_in_a_header_is_seen(self, place: int, change: int) -> None:
        data = bytearray(HEADER.pack())
        data[place] ^= change
        with pytest.raises(BadIndex):
            IndexHeader.unpack(bytes(data))

    def test_a_version_from_the_future_is_refused(self) -> None:
        data = bytearray(HEADER.pack())
        data[5] = 9
        data[-4:] = struct.pack(">I", zlib.crc32(bytes(data[:-4])))
        with pytest.raises(BadIndex, match="version 9"):
            IndexHeader.unpack(bytes(data))

    def test_the_flags_speak(self) -> None:
        record = records(1)[0]._replace(flags=7)
        assert (record.keyframe, record.starts_segment, record.after_gap) == (True, True, True)

    @given(st.integers(0, 10 * RECORD_BYTES), st.integers(1, 255))
    def test_any_flip_in_the_records_ends_them_there(self, place: int, change: int) -> None:
        rows = records(10)
        data = bytearray(b"".join(row.pack() for row in rows))
        place %= len(data)
        data[place] ^= change
        assert unpack_records(bytes(data)) == rows[: place // RECORD_BYTES]


class TestReader:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
    @given(st.integers(1, 300), st.integers(1, 9), st.integers(-10, 12_000_000))
    def test_finds_what_a_full_read_finds(self, tmp_path: Path, count: int, per_segment: int, dts: int) -> None:
        rows = records(count, per_segment)
        path = tmp_path / "x.idx"
        path.unlink(missing_ok=True)
        with IndexReader(write(path, rows)) as index:
            assert list(index.records()) == rows
            assert len(index) == count
            assert index[-1] == rows[-1]
            starts = [row.dts_ticks for row in rows]
            assert index.find_time(dts) == max(0, bisect.bisect_right(starts, dts) - 1)
            keyframe = index.find_keyframe(dts)
            assert rows[keyframe].keyframe
            for msn in {39, 40, 40 + rows[-1].segment, 41 + rows[-1].segment, 40 + count // 2 // per_segment}:
                mine = [row for row in rows if row.segment == msn - 40]
                place = index.find_segment(msn)
                assert (place is None) == (not mine)
                if place:
                    assert (place.offset, place.size_bytes) == (mine[0].offset, 1000 * len(mine))
                    assert place.duration_ticks == 36_000 * len(mine)

    def test_a_look_up_reads_few_records(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real, counts = os.pread, {}
        calls: list[int] = []

        def counted(fd: int, length: int, offset: int) -> bytes:
            calls.append(offset)
            return real(fd, length, offset)

        for count in (150, 27_000):
            with IndexReader(write(tmp_path / f"{count}.idx", records(count))) as index, monkeypatch.context() as patch:
                calls.clear()
                patch.setattr(os, "pread", counted)
                assert index.find_segment(50) is not None
                counts[count] = len(calls)
        assert counts[27_000] <= 8
        assert counts[27_000] == counts[150] + 1 or counts[27_000] == counts[150]

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
    @given(st.lists(st.integers(1, 3000), min_size=200, max_size=400), st.integers(0, 400))
    def test_uneven_times_are_found_too(self, tmp_path: Path, steps: list[int], place: int) -> None:
        dts, rows = 0, []
        for number, step in enumerate(steps):
            rows.append(IndexRecord(number, 1, step, dts, 0, number * number, 1, 0))
            dts += step**3
        path = tmp_path / "x.idx"
        path.unlink(missing_ok=True)
        wanted = rows[place % len(rows)]
        with IndexReader(write(path, rows)) as index:
            assert index.find_time(wanted.dts_ticks) == wanted.offset
            found = index.find_segment(HEADER.first_msn + wanted.segment)
            assert found is not None
            assert found.offset == wanted.offset
            assert index.find_segment(HEADER.first_msn + wanted.segment + 1) is None or wanted.segment == 0

    def test_an_index_that_grows(self, tmp_path: Path) -> None:
        rows = records(20)
        path = write(tmp_path / "x.idx", rows[:5])
        with IndexReader(path) as index:
            writer = IndexWriter.reopen(path, 5)
            writer.append(rows[5:])
            writer.close()
            assert len(index) == 5
            assert index.refresh() == 20
            assert list(index.records(3, 7)) == rows[3:7]

    @pytest.mark.parametrize("tail", [b"x", b"\0" * 500, b"\xff" * 47])
    def test_a_torn_tail_does_not_count(self, tmp_path: Path, tail: bytes) -> None:
        path = write(tmp_path / "x.idx", records(7))
        path.write_bytes(path.read_bytes() + tail)
        with IndexReader(path) as index:
            assert len(index) == 7

    def test_damage_in_the_middle_is_told(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.idx", records(7))
        data = bytearray(path.read_bytes())
        data[HEADER_BYTES + 3 * RECORD_BYTES] ^= 1
        path.write_bytes(bytes(data))
        with IndexReader(path) as index:
            assert len(list(index.records())) == 3
            with pytest.raises(BadIndex):
                index[3]
            with pytest.raises(IndexError):
                index[7]

    def test_an_empty_index(self, tmp_path: Path) -> None:
        with IndexReader(write(tmp_path / "x.idx", [])) as index:
            assert index.find_time(5) == 0
            assert index.find_keyframe(5) == 0
            assert index.find_segment(40) is None

    def test_a_link_is_not_followed(self, tmp_path: Path) -> None:
        link = tmp_path / "link.idx"
        link.symlink_to(write(tmp_path / "x.idx", []))
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            IndexReader(link)

    def test_a_missing_header(self, tmp_path: Path) -> None:
        (tmp_path / "x.idx").write_bytes(b"")
        with pytest.raises(BadIndex):
            IndexReader(tmp_path / "x.idx")


class TestWriter:
    def test_an_index_is_never_overwritten(self, tmp_path: Path) -> None:
        write(tmp_path / "x.idx", [])
        with pytest.raises(FileExistsError):
            IndexWriter.create(tmp_path / "x.idx", HEADER)

    def test_a_failed_append_leaves_whole_records(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path, real = tmp_path / "x.idx", os.write
        writer = IndexWriter.create(path, HEADER)
        writer.append(records(3))

        def failing(fd: int, data: bytes) -> int:
            real(fd, bytes(data)[:60])
            raise OSError(errno.ENOSPC, "full")

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", failing)
            with pytest.raises(OSError, match="full"):
                writer.append(records(10)[3:])
        writer.append(records(10)[3:])
        writer.close()
        with IndexReader(path) as index:
            assert list(index.records()) == records(10)

    def test_a_header_that_cannot_be_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(fd: int, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr(os, "write", failing)
        with pytest.raises(OSError, match="full"):
            IndexWriter.create(tmp_path / "x.idx", HEADER)

    def test_an_index_that_cannot_be_cut_is_let_go(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(tmp_path / "x.idx", records(5))
        opened: list[int] = []

        def failing(fd: int, length: int) -> None:
            opened.append(fd)
            raise OSError(errno.EIO, "broken")

        with monkeypatch.context() as patch:
            patch.setattr(os, "ftruncate", failing)
            with pytest.raises(OSError, match="broken"):
                IndexWriter.reopen(tmp_path / "x.idx", 3)
        with pytest.raises(OSError, match="descriptor"):
            os.fstat(opened[0])


class TestBuild:
    @pytest.mark.parametrize("name", ["bframes", "short_gop", "audio_44k", "vfr"])
    def test_our_own_parts_give_the_same_records(self, name: str) -> None:
        parts = clips.parts_of(clips.clip(name), first_msn=17)
        data = clips.joined(parts)
        head = read_file_head(read_from(data), len(data), HEADER_BYTES)
        header = header_for(parts[0], head.media_start)
        scan = scan_parts(read_from(data), head.media_start, len(data), head.init)
        built = list(build_records(read_from(data), scan.parts, header, ours=True))
        assert_same(built, list(part_records(parts, head.media_start, 17)))

    def test_a_file_of_others_is_cut_at_its_keyframes(self, tmp_path: Path) -> None:
        data = fragmented_by_ffmpeg("short_gop", tmp_path, "default_base_moof").read_bytes()
        head = read_file_head(read_from(data), len(data), HEADER_BYTES)
        header, ours = header_of(head)
        assert not ours
        scan = scan_parts(read_from(data), head.media_start, len(data), head.init)
        built = list(build_records(read_from(data), scan.parts, header, ours=False))
        assert [row.segment for row in built] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
        assert [row.starts_segment for row in built] == [True, False] * 5

    def test_lost_parts_are_a_gap(self) -> None:
        parts = clips.parts_of(clips.clip("bframes"))
        data = clips.joined(parts)
        head = read_file_head(read_from(data), len(data), HEADER_BYTES)
        scan = scan_parts(read_from(data), head.media_start, len(data), head.init)
        some = [*scan.parts[:3], *scan.parts[9:]]
        built = list(build_records(read_from(data), some, header_for(parts[0], head.media_start), ours=True))
        assert [row.after_gap for row in built].index(True) == 3
        tail = list(build_records(read_from(data), some[4:], header_for(parts[0], 0), ours=True, last=built[3]))
        assert_same(tail, built[4:])


def assert_same(built: list[IndexRecord], wanted: list[IndexRecord]) -> None:
    """Equal, but the wall clock, which is rounded to milliseconds, may be one off."""
    assert [row._replace(wall_ms=0) for row in built] == [row._replace(wall_ms=0) for row in wanted]
    assert all(abs(row.wall_ms - other.wall_ms) <= 1 for row, other in zip(built, wanted, strict=True))
