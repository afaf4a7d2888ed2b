"""The recording thread against a disk that is full, slow, gone, or comes back."""

import os
import struct
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from onetake.engine.disk import MARKER, Disk
from onetake.engine.options import RecordingOptions
from onetake.engine.recorder import RecordingThread, RecordState
from onetake.engine.ring import Ring
from onetake.kit.ids import uuid7
from onetake.media.fmp4 import Packager, Part
from onetake.media.recording import WriterOptions, recording_place, video_files
from onetake.media.recording.marker import read_marker
from onetake.media.units import Codec, Track, Unit

AVC_CONFIG = bytes.fromhex("0142c01effe1001b6742c01ed900a0476fe016a02020280000030008000003018478b17501000468cb8cb2")
VIDEO = Track(1, Codec.H264, 90_000, AVC_CONFIG, 1280, 720)
MB = 1 << 20
OPTIONS = RecordingOptions(fsync_interval_s=0.01, floor_bytes=MB, floor_ratio=0, stop_bytes=MB // 2, resume_check_s=0.0)


def make_parts(seconds: int) -> list[Part]:
    """Parts of a stream with 25 pictures and one keyframe per second."""
    packager = Packager()
    packager.set_track(VIDEO)
    parts: list[Part] = []
    for number in range(seconds * 25):
        payload = b"\0\0\0\x05\x65" + bytes(4) if number % 25 == 0 else b"\0\0\0\x05\x41" + bytes(4)
        unit = Unit(1, number * 3600, number * 3600, number % 25 == 0, payload, 1_700_000_000_000 + number * 40)
        parts += packager.push(unit)
    return parts + packager.flush()


class Station:
    """A recording thread with a disk whose free space the test decides."""

    def __init__(
        self,
        data_dir: Path,
        options: RecordingOptions = OPTIONS,
        *,
        window_s: float | None = None,
        writer_options: WriterOptions | None = None,
    ) -> None:
        self.free_bytes = 100 * MB
        self.on_stat: Callable[[], object] = lambda: None
        self.said: list[str] = []
        disk = Disk(data_dir / "media", data_dir, options, statvfs=lambda _: self._stat())
        disk.prepare()
        self.place = recording_place(data_dir, uuid.UUID(str(uuid7())))
        writing = writer_options or WriterOptions()
        self.thread = RecordingThread(self.place, disk, options, writing, self.said.append, window_s)

    def _stat(self) -> os.statvfs_result:
        self.on_stat()
        return os.statvfs_result((1, 1, 1000 * MB, self.free_bytes, self.free_bytes, 0, 0, 0, 0, 255))

    def record(self, parts: list[Part]) -> None:
        """Write all of `parts` and end."""
        for part in parts:
            self.thread.put(part)
        self.end()

    def end(self) -> None:
        """Finish and wait."""
        self.thread.finish()
        if not self.thread.is_alive() and not self.thread.ident:
            self.thread.start()
        self.thread.join(10)
        assert not self.thread.is_alive()

    @property
    def files(self) -> list[Path]:
        return video_files(self.place.folder)


def pad(part: Part, size_bytes: int) -> Part:
    """The part with a `free` box behind it."""
    return replace(part, data=part.data + struct.pack(">I4s", size_bytes, b"free") + bytes(size_bytes - 8))


@pytest.fixture
def parts() -> list[Part]:
    return make_parts(10)


def test_everything_is_written_and_reported(tmp_path: Path, parts: list[Part]) -> None:
    station = Station(tmp_path)
    station.record(parts)
    progress = station.thread.progress
    assert station.said == ["opened", "finished"]
    assert (progress.state, progress.lost_parts) == (RecordState.FINISHED, 0)
    assert progress.duration_s == pytest.approx(10, abs=0.1)
    assert len(station.files) == 1
    assert all(progress.holds(msn) for msn in range(9))
    assert station.place.marker is not None
    assert not station.place.marker.exists()


def test_too_little_room_at_the_start_pauses_and_room_resumes(tmp_path: Path, parts: list[Part]) -> None:
    station = Station(tmp_path)
    station.free_bytes = MB // 4
    station.thread.start()
    wait_for(station, "paused")
    for part in parts[:6]:
        station.thread.put(part)
    wait_for_empty(station)
    station.free_bytes = 100 * MB
    station.record(parts[6:])
    assert station.said == ["opened", "paused", "resumed", "finished"]
    assert station.thread.progress.lost_parts >= 6
    assert not station.thread.progress.holds(0)
    assert station.thread.progress.holds(8)


def test_running_low_closes_the_file_and_room_starts_another(tmp_path: Path, parts: list[Part]) -> None:
    station = Station(tmp_path)
    station.thread.start()
    for part in parts[:10]:
        station.thread.put(part)
    wait_for_empty(station)
    station.free_bytes = MB // 4
    wait_for(station, "paused")
    assert station.thread.progress.reason == "disk_full"
    station.free_bytes = 100 * MB
    station.record(parts[10:])
    assert station.said == ["opened", "paused", "resumed", "finished"]
    assert len(station.files) == 2


def test_a_slow_disk_costs_media_but_never_memory(tmp_path: Path, parts: list[Part]) -> None:
    limit = sum(part.size_bytes for part in parts[:8])
    station = Station(tmp_path, replace(OPTIONS, queue_bytes=limit))
    for part in parts[:16]:
        station.thread.put(part)
    assert station.thread.queued_bytes <= limit
    station.thread.start()
    for part in parts[16:]:
        wait_for_empty(station)
        station.thread.put(part)
    station.end()
    assert station.said == ["opened", "paused", "resumed", "finished"]
    assert station.thread.progress.lost_parts >= 8
    assert len(station.files) == 2


def test_a_pre_roll_larger_than_the_queue_is_written_whole(tmp_path: Path, parts: list[Part]) -> None:
    before, after = parts[:16], parts[16:]
    limit = sum(part.size_bytes for part in after)
    padded = [pad(part, limit // 4) for part in before]
    assert sum(part.size_bytes for part in padded) > 2 * limit
    station = Station(tmp_path, replace(OPTIONS, queue_bytes=limit))
    station.thread.begin(padded)
    station.record(after)
    assert station.said == ["opened", "finished"]
    assert station.thread.progress.lost_parts == 0
    assert station.thread.progress.duration_s == pytest.approx(10, abs=0.1)


def test_a_ring_does_not_keep_what_a_slow_disk_cannot_take(tmp_path: Path) -> None:
    parts = make_parts(200)
    size = parts[0].size_bytes
    station = Station(tmp_path, replace(OPTIONS, queue_bytes=50 * size))
    thread = station.thread  # not started: a disk that hangs
    ring = Ring(5, lambda: 1000, lambda msn: "one", on_its_way=thread.on_its_way)
    most = 0
    for part in parts:
        thread.put(part)
        ring.add(part)
        most = max(most, sum(segment.size_bytes for segment in ring.segments))
    assert most < 80 * size
    assert sum(segment.size_bytes for segment in ring.segments) < 30 * size


def test_a_thread_that_cannot_even_close_its_file_says_that_it_has_finished(
    tmp_path: Path, parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    station = Station(tmp_path)
    monkeypatch.setattr(station.thread._writer, "close", lambda: 1 / 0)
    station.thread.begin(parts)
    station.thread.finish()
    station.thread.join(10)
    assert station.said[-1] == "finished"
    assert (station.thread.progress.state, station.thread.progress.reason) == (
        RecordState.FINISHED,
        "recording_failed",
    )


def test_only_whole_segments_are_held(tmp_path: Path, parts: list[Part]) -> None:
    station = Station(tmp_path)
    cut = next(number for number, part in enumerate(parts) if part.msn == 5 and part.index_in_segment == 1) + 1
    station.record(parts[:cut])
    assert [msn for msn in range(10) if station.thread.progress.holds(msn)] == [0, 1, 2, 3, 4]


def test_a_window_holds_what_it_has_not_dropped(tmp_path: Path, parts: list[Part]) -> None:
    station = Station(tmp_path, window_s=3, writer_options=WriterOptions(None, rotate_after_s=1))
    shift_ms = int(time.time() * 1000) - parts[-1].wall_ms
    station.thread.start()
    for part in parts:
        station.thread.put(replace(part, wall_ms=part.wall_ms + shift_ms))
    spin(lambda: (station.thread.progress.oldest_msn or 0) > 2)
    held = [msn for msn in range(9) if station.thread.progress.holds(msn)]
    station.end()
    assert held == list(range(held[0], 9))
    assert 2 < held[0] < 9


def test_the_age_of_the_oldest_unwritten_part_is_known(tmp_path: Path, parts: list[Part]) -> None:
    station = Station(tmp_path)
    assert station.thread.write_lag_ms == 0
    held = threading.Event()
    station.on_stat = lambda: held.wait(10)
    station.thread.start()
    for part in parts[:3]:
        station.thread.put(part)
    spin(lambda: station.thread.write_lag_ms > 20)
    held.set()
    spin(lambda: station.thread.write_lag_ms == 0)
    station.end()


def test_the_unforeseen_pauses_and_another_file_goes_on(
    tmp_path: Path, parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    station = Station(tmp_path, writer_options=WriterOptions(0))
    station.thread.start()
    with monkeypatch.context() as patch:
        patch.setattr("onetake.media.recording.pair.record_for", lambda *arguments: 1 / 0)
        for part in parts[:8]:
            station.thread.put(part)
        wait_for(station, "damaged")
        wait_for_empty(station)
    assert station.thread.progress.reason == "recording_failed"
    station.record(parts[8:])
    assert [word for word in station.said if word != "damaged"][:3] == ["opened", "paused", "resumed"]
    assert station.said[-1] == "finished"
    assert station.thread.progress.state is RecordState.FINISHED
    assert station.thread.summary().files[-1].problem is None
    assert station.thread.summary().files[-1].duration_s > 5


def test_a_thread_that_cannot_go_on_says_that_it_is_finished(
    tmp_path: Path, parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    station = Station(tmp_path)
    monkeypatch.setattr(station.thread, "_next_item", lambda: 1 / 0)
    station.thread.start()
    station.thread.join(10)
    assert station.said[-1] == "finished"
    assert (station.thread.progress.state, station.thread.progress.reason) == ("finished", "recording_failed")


def test_the_marker_is_relative_from_the_first_moment_on(tmp_path: Path, parts: list[Part]) -> None:
    station = Station(tmp_path)
    station.thread.start()
    wait_for(station, "opened")
    assert station.place.marker is not None
    assert read_marker(station.place.marker).folder == str(station.place.folder.relative_to(tmp_path))
    station.end()


def test_a_volume_that_disappears_is_not_written_to(tmp_path: Path, parts: list[Part]) -> None:
    station = Station(tmp_path)
    (tmp_path / "media" / MARKER).rename(tmp_path / "away")
    station.thread.start()
    wait_for(station, "paused")
    for part in parts[:10]:
        station.thread.put(part)
    wait_for_empty(station)
    assert station.thread.progress.reason == "storage_missing"
    assert station.files == []
    (tmp_path / "away").rename(tmp_path / "media" / MARKER)
    station.record(parts[10:])
    assert len(station.files) == 1


def wait_for(station: Station, event: str) -> None:
    """Wait until the thread has said something."""
    spin(lambda: event in station.said)


def wait_for_empty(station: Station) -> None:
    """Wait until everything that was put has been taken."""
    spin(lambda: station.thread.queued_bytes == 0)


def spin(condition: Callable[[], bool]) -> None:
    """Give the thread time until `condition()` holds."""
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    raise TimeoutError
