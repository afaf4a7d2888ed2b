"""What start-up makes of the sheets on disk: settled, interrupted, broken, left-over windows."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engine.recorded import record
from tests.media.fmp4 import clips

from onetake.engine.disk import MARKER
from onetake.engine.options import MediaOptions
from onetake.engine.sheets import SHEET, TIME_SHIFT, Sheet, SheetBook, measure, read_sheet, recover_recordings
from onetake.kit.ids import uuid7
from onetake.media.recording import RecordingWriter, WriterOptions, recording_place


@pytest.fixture
def options(tmp_path: Path) -> MediaOptions:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / MARKER).write_bytes(b"here")
    return MediaOptions(tmp_path)


def save(options: MediaOptions, *sheets: Sheet) -> None:
    """Write sheets as the server does."""
    book = SheetBook(options.data_dir, options.open_dir)
    for sheet in sheets:
        book.save(sheet)
    book.close()


def recover(options: MediaOptions) -> tuple[list[Sheet], dict[str, float]]:
    """What a start finds, with half a minute of grace for every stream."""
    return recover_recordings(options, lambda name: 30.0)


def sheet(state: str = "finished", trigger: str = "auto", name: str = "cam") -> Sheet:
    """A recording that began now."""
    return Sheet(str(uuid7()), name, "session", trigger, int(time.time() * 1000), state)


def test_finished_ones_are_listed_oldest_first_and_not_looked_at(options: MediaOptions) -> None:
    made = sorted((sheet() for _ in range(3)), key=lambda one: one.id)
    save(options, *made)
    assert recover(options) == (made, {})
    assert not list(options.open_dir.glob("*"))


def test_an_interrupted_one_is_found_and_measured(options: MediaOptions) -> None:
    running = replace(sheet("recording"), duration_s=99.0)
    save(options, running)
    [found], resumable = recover(options)
    assert (found.id, found.duration_s) == (running.id, 0.0)
    assert resumable == {}


def test_one_that_was_left_long_ago_does_not_go_on_although_its_repair_writes_to_it(options: MediaOptions) -> None:
    recorded = record(options.data_dir, upto=6, finish=False)
    save(options, replace(sheet("recording"), id=str(recorded.id)))
    os.utime(recorded.video, (1e9, 1e9))
    [found], resumable = recover(options)
    assert recorded.video.stat().st_mtime > 1e9
    assert found.duration_s > 0
    assert not resumable
    recorded.finish()


def test_a_left_over_window_is_removed(options: MediaOptions) -> None:
    window = sheet("recording", TIME_SHIFT)
    save(options, window)
    assert recover(options) == ([], {})
    assert not list(options.media_dir.glob(f"*/*/{window.id}"))


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"id": 1}', b"[" * 100_000])
def test_a_broken_sheet_hides_only_itself(options: MediaOptions, content: bytes) -> None:
    good, bad = sheet(), sheet()
    save(options, good, bad)
    path = next(options.media_dir.glob(f"*/*/{bad.id}/{SHEET}"))
    path.write_bytes(content)
    assert read_sheet(path) is None
    assert recover(options) == ([good], {})


def test_nothing_is_written_below_an_empty_mount_point(options: MediaOptions) -> None:
    (options.media_dir / MARKER).unlink()
    save(options, sheet("recording"))
    assert list(options.media_dir.iterdir()) == []


def test_the_json_is_what_people_were_promised() -> None:
    made = sheet()
    assert {"id", "name", "state", "duration_s", "size_bytes", "files", "gaps"} <= set(
        json.loads(json.dumps(made.as_dict()))
    )


def test_a_clock_that_was_set_is_no_gap_of_an_interrupted_recording(tmp_path: Path) -> None:
    parts = clips.parts_of(clips.clip("short_gop"))
    middle, hour_ms = len(parts) // 2, 3_600_000
    writer = RecordingWriter(recording_place(tmp_path, uuid7()), WriterOptions(0))
    for part in parts[:middle]:
        writer.append(part)
    for part in parts[middle:]:
        writer.append(replace(part, wall_ms=part.wall_ms + hour_ms))
    found = sheet("interrupted")
    measure(writer.place.folder, found)
    assert (found.gaps, round(found.duration_s)) == ([], 5)
    assert found.ended_ms == pytest.approx(parts[-1].wall_ms + hour_ms + parts[-1].duration_s * 1000, abs=1)
    writer.close()
