"""Recovery: cut, flip or lose anything, and what is left plays; the result says what was done."""

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.media.fmp4 import clips
from tests.media.recording.test_writer import sent

from onetake.kit.ids import uuid7
from onetake.media.fmp4 import Part
from onetake.media.hls import VodTitle
from onetake.media.recording import (
    RecordingPlace,
    RecordingWriter,
    WriterOptions,
    recording_place,
    recover,
    recover_file,
)

NAME = "bframes"
HEAD_BYTES = 526_000
"""More than the head of these recordings; a flip in there can be a name that PyAV does not read."""
ANY_FIXTURE = [HealthCheck.function_scoped_fixture]


def interrupted(folder: Path, *, synced: int = 10, name: str = NAME) -> Path:
    """A recording whose process was killed after the last part; the index knows the first `synced`."""
    writer = RecordingWriter(recording_place(folder, uuid7()), WriterOptions(sync_interval_s=1e9))
    for number, part in enumerate(clips.parts_of(clips.clip(name)), 1):
        writer.append(part)
        if number == synced:
            assert writer._pair
            writer._pair.sync()
    return writer.place.video(0)


def parts() -> list[Part]:
    return clips.parts_of(clips.clip(NAME))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return interrupted(tmp_path_factory.mktemp("original"))


def copy(original: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in (original, original.with_suffix(".idx")):
        shutil.copy(path, folder / path.name)
    return folder / original.name


def plays(video: Path) -> list[bytes]:
    """The video packets that PyAV reads."""
    return [payload for _, _, payload in clips.read_packets(video).get("video", [])]


class TestTail:
    def test_what_the_index_lacks_is_added(self, original: Path, tmp_path: Path) -> None:
        video = copy(original, tmp_path / "x")
        found = recover_file(video)
        assert (found.parts, found.indexed_parts, found.cut_bytes, found.problem) == (15, 5, 0, None)
        assert found.duration_s == pytest.approx(6.0)
        assert plays(video) == sent(NAME)
        assert b"sidx" in video.read_bytes()[:HEAD_BYTES]

    def test_a_repaired_index_is_the_one_that_would_have_been(self, original: Path, tmp_path: Path) -> None:
        video = copy(original, tmp_path / "x")
        recover_file(video)
        whole = recording_place(tmp_path, uuid7())
        writer = RecordingWriter(whole)
        for part in clips.parts_of(clips.clip(NAME)):
            writer.append(part)
        writer.close()
        skip_header = 64
        assert (
            video.with_suffix(".idx").read_bytes()[skip_header:]
            == (whole.video(0).with_suffix(".idx").read_bytes()[skip_header:])
        )

    @pytest.mark.parametrize("damage", ["missing", "empty", "nonsense", "zeros", "other"])
    def test_an_index_of_no_use_is_rebuilt(self, original: Path, tmp_path: Path, damage: str) -> None:
        video = copy(original, tmp_path / "x")
        index = video.with_suffix(".idx")
        if damage == "missing":
            index.unlink()
        elif damage == "other":
            shutil.copy(interrupted(tmp_path, name="audio_only").with_suffix(".idx"), index)
        else:
            index.write_bytes({"empty": b"", "nonsense": os.urandom(999), "zeros": bytes(5000)}[damage])
        found = recover_file(video)
        assert (found.parts, found.index_rebuilt) == (15, True)
        assert found.start_wall_ms == parts()[0].wall_ms
        with VodTitle([video]) as title:
            assert title.playlist().plain.count(b"#EXTINF") == 3

    def test_it_can_be_done_twice(self, original: Path, tmp_path: Path) -> None:
        video = copy(original, tmp_path / "x")
        first = recover_file(video)
        before = video.read_bytes(), video.with_suffix(".idx").read_bytes()
        second = recover_file(video)
        assert (second.parts, second.indexed_parts, second.cut_bytes) == (first.parts, 0, 0)
        assert (video.read_bytes(), video.with_suffix(".idx").read_bytes()) == before

    def test_a_crash_between_the_writes_of_the_sidx(self, original: Path, tmp_path: Path) -> None:
        video = copy(original, tmp_path / "x")
        recover_file(video, finish=False)
        data = bytearray(video.read_bytes())
        start = data.index(b"moof") - 4
        data[start - 500 : start] = os.urandom(500)
        video.write_bytes(bytes(data))
        assert recover_file(video).problem is None
        assert plays(video) == sent(NAME)
        assert clips.decode_errors(clips.ffmpeg9(), video) == ""

    def test_damage_in_a_finished_file_is_healed_with_a_new_sidx(self, original: Path, tmp_path: Path) -> None:
        video = copy(original, tmp_path / "x")
        recover_file(video)
        os.truncate(video, video.stat().st_size - 777)
        found = recover_file(video)
        assert found.parts == 14
        assert plays(video) == sent(NAME)[:140]
        assert clips.decode_errors(clips.ffmpeg9(), video) == ""
        assert clips.decode_errors(clips.ffmpeg5(), video) == ""

    def test_damage_with_parts_behind_it_is_skipped(self, original: Path, tmp_path: Path) -> None:
        video = copy(original, tmp_path / "x")
        video.with_suffix(".idx").unlink()
        offset = video.read_bytes().index(b"moof") - 4 + sum(part.size_bytes for part in parts()[:6])
        with video.open("r+b") as file:
            file.seek(offset)
            file.write(os.urandom(64))
        found = recover_file(video)
        assert (found.parts, found.cut_bytes) == (14, 0)
        assert found.skipped_bytes == parts()[6].size_bytes
        assert found.torn_reason
        assert plays(video) == sent(NAME)[:60] + sent(NAME)[70:]

    def test_zeros_of_a_power_loss_are_cut(self, original: Path, tmp_path: Path) -> None:
        video = copy(original, tmp_path / "x")
        size = video.stat().st_size
        os.truncate(video, size - parts()[-1].size_bytes // 2)
        os.truncate(video, size + (1 << 20))
        found = recover_file(video)
        assert found.parts == 14
        assert found.cut_bytes > 1 << 20
        assert plays(video) == sent(NAME)[:140]

    def test_a_file_without_a_head_is_left_alone(self, tmp_path: Path) -> None:
        video = tmp_path / "video-000.mp4"
        for data in (b"", b"x" * 100, clips.clip_file("h264_aac").read_bytes()[:20_000]):
            video.write_bytes(data)
            assert "head" in (recover_file(video).problem or "")
            assert video.read_bytes() == data

    def test_a_head_without_parts_is_an_empty_recording(self, original: Path, tmp_path: Path) -> None:
        video = copy(original, tmp_path / "x")
        os.truncate(video, video.read_bytes().index(b"moof") + 10)
        found = recover_file(video)
        assert (found.parts, found.duration_s, found.problem) == (0, 0.0, None)

    def test_a_file_that_is_not_there_or_not_ours_to_open(self, tmp_path: Path) -> None:
        assert recover_file(tmp_path / "video-000.mp4").problem
        link = tmp_path / "video-001.mp4"
        link.symlink_to(tmp_path / "elsewhere")
        assert recover_file(link).problem


class TestAnything:
    @settings(max_examples=60, deadline=None, suppress_health_check=ANY_FIXTURE)
    @given(cut=st.integers(0, 1 << 22), index_cut=st.integers(0, 2000))
    def test_any_truncation(self, original: Path, tmp_path: Path, cut: int, index_cut: int) -> None:
        video = copy(original, tmp_path / "x")
        size, index = video.stat().st_size, video.with_suffix(".idx")
        keep = cut % size
        os.truncate(video, keep)
        os.truncate(index, min(index_cut, index.stat().st_size))
        found = recover_file(video)
        if found.problem:
            assert keep < HEAD_BYTES
            return
        ends = [video.stat().st_size]
        assert ends[0] <= keep
        assert found.cut_bytes == keep - ends[0]
        whole = sum(1 for end in part_ends(original) if end <= keep)
        assert found.parts == whole
        if whole:
            assert plays(video) == sent(NAME)[: whole * 10]

    @settings(max_examples=120, deadline=None, suppress_health_check=ANY_FIXTURE)
    @given(
        flips=st.lists(st.tuples(st.booleans(), st.integers(0, 1 << 22), st.integers(0, 255)), min_size=1, max_size=5)
    )
    def test_any_flips(self, original: Path, tmp_path: Path, flips: list[tuple[bool, int, int]]) -> None:
        video = copy(original, tmp_path / "x")
        for in_index, place, value in flips:
            path = video.with_suffix(".idx") if in_index else video
            with path.open("r+b") as file:
                file.seek(place % path.stat().st_size)
                file.write(bytes([value]))
        found = recover_file(video)
        if not found.problem and found.parts:
            if all(in_index or place % original.stat().st_size > HEAD_BYTES for in_index, place, _ in flips):
                assert plays(video)
            with VodTitle([video]) as title:
                assert title.playlist().plain.startswith(b"#EXTM3U")

    @settings(max_examples=30, deadline=None, suppress_health_check=ANY_FIXTURE)
    @given(st.binary(max_size=3000), st.binary(max_size=300))
    def test_any_bytes(self, tmp_path: Path, data: bytes, index: bytes) -> None:
        video = tmp_path / "video-000.mp4"
        video.write_bytes(data)
        video.with_suffix(".idx").write_bytes(index)
        recover_file(video)


STRANGE_MARKERS: list[dict[str, object]] = [
    {"version": 2},
    {"version": None},
    {"files": ["../../x"]},
    {"files": [1]},
    {"folder": 5},
    {"updated_ms": "x"},
]


def part_ends(video: Path) -> list[int]:
    ends = [video.read_bytes().index(b"moof") - 4]
    for part in parts():
        ends.append(ends[-1] + part.size_bytes)
    return ends[1:]


class TestMarkers:
    def test_a_listed_recording_is_repaired_and_taken_off(self, tmp_path: Path) -> None:
        video = interrupted(tmp_path)
        (found,) = recover(tmp_path / "open")
        assert found.problem is None
        assert found.folder == str(video.parent)
        assert found.duration_s == pytest.approx(6.0)
        assert recover(tmp_path / "open") == []

    def test_nothing_open_nothing_done(self, tmp_path: Path) -> None:
        assert recover(tmp_path / "open") == []

    def test_the_markers_can_stay(self, tmp_path: Path) -> None:
        interrupted(tmp_path)
        assert recover(tmp_path / "open", finish=False)[0].files[0].parts == 15
        assert len(recover(tmp_path / "open")) == 1

    def test_a_file_that_was_named_but_never_begun(self, tmp_path: Path) -> None:
        video = interrupted(tmp_path)
        video.unlink()
        (found,) = recover(tmp_path / "open")
        assert [(file.parts, file.problem) for file in found.files] == [(0, None)]
        assert not list((tmp_path / "open").iterdir())

    def test_a_data_folder_that_was_moved(self, tmp_path: Path) -> None:
        video = interrupted(tmp_path / "before")
        (tmp_path / "before").rename(tmp_path / "after")
        (found,) = recover(tmp_path / "after/open")
        assert found.duration_s == pytest.approx(6.0)
        assert plays(tmp_path / "after" / video.relative_to(tmp_path / "before")) == sent(NAME)

    def test_a_folder_that_is_not_there_keeps_its_marker(self, tmp_path: Path) -> None:
        video = interrupted(tmp_path)
        shutil.rmtree(video.parent)
        assert recover(tmp_path / "open")[0].problem
        assert len(list((tmp_path / "open").iterdir())) == 1

    def test_a_folder_outside_of_the_data_folder(self, tmp_path: Path) -> None:
        place = RecordingPlace(tmp_path / "elsewhere", tmp_path / "data/open/x.json", "x")
        writer = RecordingWriter(place)
        for part in parts():
            writer.append(part)
        (found,) = recover(tmp_path / "data/open")
        assert found.files[0].parts == 15

    def test_a_recording_that_cannot_be_repaired_stays_listed(self, tmp_path: Path) -> None:
        video = interrupted(tmp_path)
        os.truncate(video, 50)
        (found,) = recover(tmp_path / "open")
        assert found.files[0].problem
        assert len(recover(tmp_path / "open")) == 1

    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", "null", "{}", '{"recording_id": 1}', "[" * 5000, "\0", "x" * (2 << 20)],
    )
    def test_a_marker_of_nonsense_is_told_and_kept(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "open").mkdir()
        marker = tmp_path / "open/x.json"
        marker.write_text(text)
        (found,) = recover(tmp_path / "open")
        assert found.problem
        assert found.duration_s == 0
        assert marker.exists()

    @pytest.mark.parametrize("change", STRANGE_MARKERS)
    def test_a_marker_with_strange_content_is_not_followed(self, tmp_path: Path, change: dict[str, object]) -> None:
        interrupted(tmp_path)
        (marker,) = (tmp_path / "open").glob("*.json")
        marker.write_text(json.dumps({**json.loads(marker.read_text()), **change}))
        (found,) = recover(tmp_path / "open")
        assert found.problem
