"""The recording thread against a disk that is full, slow, gone, or comes back."""

import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from onetake.engine.disk import MARKER, Disk
from onetake.engine.options import RecordingOptions
from onetake.engine.recorder import RecordingThread, RecordState
from onetake.kit.ids import uuid7
from onetake.media.fmp4 import Packager, Part
from onetake.media.recording import WriterOptions, recording_place, video_files
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

    def __init__(self, data_dir: Path, options: RecordingOptions = OPTIONS) -> None:
        self.free_bytes = 100 * MB
        self.said: list[str] = []
        disk = Disk(data_dir / "media", data_dir, options, statvfs=lambda _: self._stat())
        disk.prepare()
        self.place = recording_place(data_dir, uuid.UUID(str(uuid7())))
        self.thread = RecordingThread(self.place, disk, options, WriterOptions(), self.said.append)

    def _stat(self) -> os.statvfs_result:
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
