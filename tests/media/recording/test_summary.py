"""What the writer tells of its work: to other threads while it runs, over a restart, and after the unforeseen."""

import struct
import threading
from pathlib import Path

import pytest
from tests.media.fmp4 import clips

from onetake.kit.ids import uuid7
from onetake.media.fmp4 import Part
from onetake.media.recording import (
    RecordingError,
    RecordingPlace,
    RecordingWriter,
    WriterOptions,
    recording_place,
    video_files,
)


@pytest.fixture
def place(tmp_path: Path) -> RecordingPlace:
    return recording_place(tmp_path, uuid7())


@pytest.fixture
def parts() -> list[Part]:
    return clips.parts_of(clips.clip("short_gop"))


def test_another_thread_always_gets_a_whole_summary(place: RecordingPlace, parts: list[Part]) -> None:
    writer = RecordingWriter(place, WriterOptions(None, rotate_after_s=0.1))
    seen, over = [], threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.append(writer.summary())

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for part in parts:
            writer.append(part)
    finally:
        over.set()
        reader.join()
    summary = writer.close()
    seen.append(summary)
    names = [file.name for file in summary.files]
    assert len(names) > 2
    for one in seen:
        assert [file.name for file in one.files] == names[: len(one.files)]
    assert [one.duration_s for one in seen] == sorted(one.duration_s for one in seen)


def test_files_know_their_first_segment(place: RecordingPlace, parts: list[Part]) -> None:
    writer = RecordingWriter(place, WriterOptions(None, rotate_after_s=1))
    for part in parts:
        writer.append(part)
    found = [file.first_msn for file in writer.close().files]
    assert found == sorted(set(found))
    assert found[0] == parts[0].msn
    assert set(found) <= {part.msn for part in parts if part.starts_segment}


@pytest.mark.parametrize(("before_ms", "gaps"), [(0, 0), (500, 0), (5000, 1)])
def test_the_time_since_an_earlier_part_of_the_recording_is_a_gap(
    place: RecordingPlace, parts: list[Part], before_ms: int, gaps: int
) -> None:
    after_ms = parts[0].wall_ms - before_ms if before_ms else 0
    writer = RecordingWriter(place, WriterOptions(after_ms=after_ms))
    for part in parts:
        writer.append(part)
    found = writer.close().gaps
    assert [(gap.start_ms, gap.end_ms) for gap in found] == [(after_ms, parts[0].wall_ms)] * gaps


@pytest.mark.parametrize("error", [ValueError, struct.error])
def test_a_file_without_sidx_is_complete(
    place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def broken(*arguments: object) -> bool:
        raise error

    monkeypatch.setattr("onetake.media.recording.pair.write_sidx", broken)
    writer = RecordingWriter(place)
    for part in parts:
        writer.append(part)
    summary = writer.close()
    assert ([file.problem for file in summary.files], summary.damages) == ([None], ())
    assert place.marker is not None
    assert not place.marker.exists()
    assert clips.decode_errors(clips.ffmpeg9(), place.video(0)) == ""


def test_the_unforeseen_costs_one_file_and_is_named(
    place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RecordingWriter(place, WriterOptions(0))
    middle = len(parts) // 2

    def broken(*arguments: object) -> object:
        raise ZeroDivisionError

    for part in parts[:middle]:
        writer.append(part)
    with monkeypatch.context() as patch:
        patch.setattr("onetake.media.recording.pair.record_for", broken)
        with pytest.raises(RecordingError, match=r"recording_failed: video-000\.mp4"):
            writer.append(parts[middle])
    for part in parts[middle + 1 :]:
        writer.append(part)
    summary = writer.close()
    assert [file.problem for file in summary.files] == [None, None], "the first file was repaired at the end"
    assert [damage.code for damage in summary.damages] == ["recording_failed"]
    assert len(video_files(place.folder)) == 2
    assert place.marker is not None
    assert not list(place.marker.parent.iterdir())
