"""The writer on a sound disk and on a failing one; every file it leaves is read by PyAV or ffmpeg."""

import dataclasses
import errno
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from tests.media.fmp4 import clips

from onetake.kit.ids import uuid7
from onetake.media.fmp4 import Part, read_from
from onetake.media.fmp4.boxes import iter_boxes
from onetake.media.index import IndexReader
from onetake.media.recording import (
    DiskFull,
    FolderGone,
    RecordingPlace,
    RecordingWriter,
    SyncFailed,
    WriterOptions,
    check_file,
    disk,
    recording_place,
    recover,
    video_files,
)
from onetake.media.units import Kind


@pytest.fixture
def place(tmp_path: Path) -> RecordingPlace:
    return recording_place(tmp_path, uuid7())


@pytest.fixture
def parts() -> list[Part]:
    return clips.parts_of(clips.clip("bframes"))


def write(place: RecordingPlace, parts: list[Part], options: WriterOptions | None = None) -> RecordingWriter:
    writer = RecordingWriter(place, options)
    for part in parts:
        writer.append(part)
    return writer


def payloads(folder: Path, kind: str = "video") -> list[bytes]:
    """What an independent reader finds in the files of a recording, in order."""
    files = [path for path in video_files(folder) if path.stat().st_size]
    return [payload for path in files for _, _, payload in clips.read_packets(path).get(kind, [])]


def sent(name: str, kind: str = "video") -> list[bytes]:
    return [unit.payload for unit in clips.clip(name).of(Kind(kind))]


def name_of(fd: int) -> str:
    return Path(f"/proc/self/fd/{fd}").readlink().name


class FailingCall:
    """A disk call that fails from the n-th time on, for `times` times."""

    def __init__(self, real: Callable[..., object], number: int, at: int, times: int = 1) -> None:
        self.real, self.number, self.at, self.times, self.count = real, number, at, times, 0

    def __call__(self, *arguments: object) -> object:
        self.count += 1
        if self.at <= self.count < self.at + self.times:
            raise OSError(self.number, os.strerror(self.number))
        return self.real(*arguments)


class TestSoundDisk:
    def test_a_closed_recording_has_everything(self, place: RecordingPlace, parts: list[Part]) -> None:
        summary = write(place, parts).close()
        assert [file.name for file in summary.files] == ["video-000.mp4"]
        assert summary.duration_s == pytest.approx(6.0)
        assert summary.size_bytes == place.video(0).stat().st_size
        assert payloads(place.folder) == sent("bframes")
        assert payloads(place.folder, "audio") == sent("bframes", "audio")
        assert place.marker is not None
        assert not place.marker.exists()

    def test_the_sidx_ends_exactly_at_the_first_moof(self, place: RecordingPlace, parts: list[Part]) -> None:
        writer = write(place, parts)
        before = place.video(0).read_bytes()
        writer.close()
        after = place.video(0).read_bytes()
        assert len(before) == len(after)
        first = [head.kind for head in iter_boxes(read_from(after), 0, len(after))][:5]
        assert first == [b"ftyp", b"moov", b"free", b"sidx", b"moof"]
        moof = after.index(b"moof")
        assert after[moof:] == before[moof:]
        free = next(h for h in iter_boxes(read_from(before), 0, len(before)) if h.kind == b"free")
        assert free.size_bytes == 512 << 10

    def test_both_ffmpegs_decode_and_know_the_duration(self, place: RecordingPlace, parts: list[Part]) -> None:
        write(place, parts).close()
        for executable in (clips.ffmpeg9(), clips.ffmpeg5()):
            assert clips.decode_errors(executable, place.video(0)) == ""
            told = subprocess.run([executable, "-i", str(place.video(0))], capture_output=True, text=True, check=False)
            assert "Duration: 00:00:06" in told.stderr

    def test_seeking_lands_on_keyframes(self, place: RecordingPlace, parts: list[Part]) -> None:
        write(place, parts).close()
        with av.open(str(place.video(0))) as container:
            container.seek(3_000_000)
            frame = next(container.decode(video=0))
        assert frame.time == pytest.approx(2.08)

    def test_the_index_follows_the_sync(self, place: RecordingPlace, parts: list[Part]) -> None:
        now = [0.0]
        writer = RecordingWriter(place, WriterOptions(sync_interval_s=5.0), clock=lambda: now[0])
        seen = []
        for part in parts:
            now[0] += 1
            writer.append(part)
            with IndexReader(place.video(0).with_suffix(".idx")) as index:
                seen.append(len(index))
        assert seen[:11] == [0] * 5 + [6] * 5 + [11]
        now[0] += 5
        writer.tick()
        with IndexReader(place.video(0).with_suffix(".idx")) as index:
            assert len(index) == len(parts)

    @pytest.mark.parametrize("interval_s", [0.0, None])
    def test_other_sync_policies(self, place: RecordingPlace, parts: list[Part], interval_s: float | None) -> None:
        writer = write(place, parts[:4], WriterOptions(sync_interval_s=interval_s))
        with IndexReader(place.video(0).with_suffix(".idx")) as index:
            assert len(index) == 4
        writer.tick()
        writer.close()

    def test_short_writes_are_continued(
        self, place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:1009]))
        write(place, parts).close()
        assert payloads(place.folder) == sent("bframes")

    def test_a_new_run_starts_a_new_file(self, place: RecordingPlace, parts: list[Part]) -> None:
        other = clips.parts_of(clips.clip("h264_aac"))
        summary = write(place, [*parts, *other]).close()
        assert [file.name for file in summary.files] == ["video-000.mp4", "video-001.mp4"]
        assert payloads(place.folder) == sent("bframes") + sent("h264_aac")

    def test_the_end_of_low_latency_stays_in_the_file(self, place: RecordingPlace, parts: list[Part]) -> None:
        slow = dataclasses.replace(parts[0].run, low_latency=False)
        later = [dataclasses.replace(part, run=slow) for part in parts[5:]]
        assert len(write(place, [*parts[:5], *later]).close().files) == 1
        assert payloads(place.folder) == sent("bframes")

    def test_rotation_by_time_happens_at_keyframe_segments(self, place: RecordingPlace, parts: list[Part]) -> None:
        summary = write(place, parts, WriterOptions(rotate_after_s=1.5)).close()
        assert [round(file.duration_s, 1) for file in summary.files] == [2.0, 2.0, 2.0]
        assert payloads(place.folder) == sent("bframes")
        for file in summary.files:
            assert clips.decode_errors(clips.ffmpeg9(), place.folder / file.name) == ""

    def test_rotation_by_size(self, place: RecordingPlace, parts: list[Part]) -> None:
        assert len(write(place, parts, WriterOptions(rotate_after_bytes=1000)).close().files) == 3

    def test_rotation_by_size_counts_media_not_the_reserve(self, place: RecordingPlace, parts: list[Part]) -> None:
        weight = sum(part.size_bytes for part in parts)
        assert weight < 512 << 10
        assert len(write(place, parts, WriterOptions(rotate_after_bytes=weight)).close().files) == 1

    def test_it_waits_for_a_segment_that_starts_with_a_keyframe(self, place: RecordingPlace, parts: list[Part]) -> None:
        writer = RecordingWriter(place)
        assert [writer.append(part) for part in parts[2:7]] == [False, False, False, True, True]
        assert [file.parts for file in writer.close().files] == [2]

    def test_without_keyframes_it_does_not_wait_for_ever(self, place: RecordingPlace) -> None:
        late = [part for part in clips.parts_of(clips.clip("long_gop")) if part.msn]
        looped = [*late, *late, *late]
        writer = RecordingWriter(place)
        assert any(writer.append(part) for part in looped)
        writer.close()

    def test_the_marker_names_what_is_open(self, place: RecordingPlace, parts: list[Part]) -> None:
        writer = write(place, parts[:6], WriterOptions(rotate_after_s=1.0))
        assert place.marker is not None
        text = place.marker.read_text()
        assert place.recording_id in text
        assert "video-001.mp4" in text
        assert writer.summary().files[-1].name == "video-001.mp4"
        writer.rotate()
        writer.rotate()
        writer.close()

    def test_a_second_writer_goes_on_with_the_next_number(self, place: RecordingPlace, parts: list[Part]) -> None:
        write(place, parts[:5]).close()
        write(place, parts[5:]).close()
        assert [path.name for path in video_files(place.folder)] == ["video-000.mp4", "video-001.mp4"]
        assert payloads(place.folder) == sent("bframes")

    def test_gaps_are_told(self, place: RecordingPlace, parts: list[Part]) -> None:
        summary = write(place, [*parts[:5], *parts[10:]]).close()
        start = clips.START_WALL_MS
        assert [(gap.start_ms - start, gap.end_ms - start) for gap in summary.gaps] == [(2000, 4000)]

    def test_a_clock_that_is_set_makes_no_gap(self, place: RecordingPlace, parts: list[Part]) -> None:
        hour_ms = 3_600_000
        ahead = [dataclasses.replace(part, wall_ms=part.wall_ms + hour_ms) for part in parts[5:10]]
        summary = write(place, [*parts[:5], *ahead, *parts[10:]]).close()
        assert summary.gaps == ()
        marked = dataclasses.replace(ahead[0], after_gap=True)
        lost = write(recording_place(place.folder.parents[4], uuid7()), [*parts[:5], marked]).close()
        assert [gap.end_ms - gap.start_ms for gap in lost.gaps] == [hour_ms]

    def test_a_rolling_window_drops_whole_files(self, tmp_path: Path, parts: list[Part]) -> None:
        spool = RecordingPlace(tmp_path / "window")
        writer = write(spool, parts, WriterOptions(rotate_after_s=1.5))
        assert writer.keep_last(5.0) == []
        assert writer.keep_last(3.5) == [spool.video(0)]
        assert [path.name for path in video_files(spool.folder)] == ["video-001.mp4", "video-002.mp4"]
        assert writer.close().duration_s == pytest.approx(4.0)

    def test_nothing_written_nothing_left(self, place: RecordingPlace) -> None:
        writer = RecordingWriter(place)
        writer.tick()
        assert writer.close().files == ()
        assert not place.folder.exists()

    @pytest.mark.parametrize("rendition", ["", "../x", "A", "a/b", "x" * 40])
    def test_strange_renditions_are_refused(self, tmp_path: Path, rendition: str) -> None:
        with pytest.raises(ValueError, match="rendition"):
            recording_place(tmp_path, uuid7(), rendition)

    def test_only_uuid7_makes_a_path(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="UUIDv7"):
            recording_place(tmp_path, uuid.uuid4())


class TestFailingDisk:
    @pytest.mark.parametrize("number", [errno.EIO, errno.EFBIG])
    def test_a_write_error_costs_nothing(
        self, place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        monkeypatch.setattr("onetake.media.recording.pair.write_all", FailingCall(disk.write_all, number, 8))
        summary = write(place, parts, WriterOptions(sync_interval_s=0)).close()
        assert len(summary.files) == 2
        assert [damage.saved for damage in summary.damages] == [True]
        assert payloads(place.folder) == sent("bframes")
        assert sum(file.parts for file in summary.files) == len(parts)

    @pytest.mark.parametrize("at", range(2, 8))
    def test_a_failed_sync_writes_again_what_was_not_safe(
        self, place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch, at: int
    ) -> None:
        monkeypatch.setattr("onetake.media.recording.pair.sync_data", FailingCall(disk.sync_data, errno.EIO, at))
        summary = write(place, parts, WriterOptions(sync_interval_s=0)).close()
        assert [damage.code for damage in summary.damages] == ["sync_failed"]
        assert [file.problem for file in summary.files] == [None] * len(summary.files)
        assert sum(file.parts for file in summary.files) == len(parts)
        assert payloads(place.folder) == sent("bframes")
        assert all(check_file(video).is_sound for video in video_files(place.folder))
        assert place.marker is not None
        assert not list(place.marker.parent.iterdir())

    def test_a_file_that_holds_nothing_safe_is_taken_away(
        self, place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failing = FailingCall(disk.write_all, errno.EIO, 4)
        monkeypatch.setattr("onetake.media.recording.pair.write_all", failing)
        summary = write(place, parts, WriterOptions(sync_interval_s=3600)).close()
        assert [damage.file for damage in summary.damages] == ["video-000.mp4"]
        assert [file.name for file in summary.files] == ["video-001.mp4"]
        assert [path.name for path in video_files(place.folder)] == ["video-001.mp4"]
        assert payloads(place.folder) == sent("bframes")

    def test_what_cannot_be_repaired_is_set_aside_for_the_next_start(
        self, place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            once = FailingCall(disk.sync_data, errno.EIO, 4)
            always = FailingCall(disk.sync_data, errno.EIO, 1, 99)
            patch.setattr("onetake.media.recording.pair.sync_data", once)
            patch.setattr("onetake.media.recording.recovery.sync_data", always)
            summary = write(place, parts, WriterOptions(sync_interval_s=0)).close()
        assert [file.problem for file in summary.files] == ["sync_failed", None]
        assert place.marker is not None
        assert not place.marker.exists(), "it is not in progress any more"
        assert [found.problem for found in recover(place.marker.parent)] == [None]
        assert not list(place.marker.parent.iterdir())
        assert payloads(place.folder) == sent("bframes")

    def test_a_disk_that_stays_broken_raises_the_second_time(
        self, place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("onetake.media.recording.pair.sync_data", FailingCall(disk.sync_data, errno.EIO, 4, 999))
        writer = RecordingWriter(place, WriterOptions(sync_interval_s=0))
        with pytest.raises((SyncFailed, disk.DiskBroken)):
            [writer.append(part) for part in parts]

    def test_a_full_disk_raises_and_a_later_call_goes_on(
        self, place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("onetake.media.recording.pair.write_all", FailingCall(disk.write_all, errno.ENOSPC, 5))
        writer = RecordingWriter(place)
        with pytest.raises(DiskFull) as caught:
            [writer.append(part) for part in parts]
        assert caught.value.code == "disk_full"
        assert [writer.append(part) for part in parts[4:]] == [False] + [True] * 10
        summary = writer.close()
        assert [file.problem for file in summary.files] == [None, None]
        assert [(damage.code, damage.saved) for damage in summary.damages] == [("disk_full", False)]
        video = sent("bframes")
        assert payloads(place.folder) == video[:30] + video[50:]

    def test_no_room_for_the_sidx_leaves_a_complete_file(
        self, place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer = write(place, parts)
        before = place.video(0).read_bytes()
        full = FailingCall(disk.pwrite_all, errno.ENOSPC, 2, 99)
        monkeypatch.setattr("onetake.media.recording.pair.pwrite_all", full)
        summary = writer.close()
        assert full.count == 2
        assert [(file.problem, file.parts) for file in summary.files] == [(None, len(parts))]
        assert summary.damages == ()
        assert place.video(0).read_bytes() == before
        assert place.marker is not None
        assert not place.marker.exists()
        assert payloads(place.folder) == sent("bframes")

    def test_the_reserved_box_is_a_hole(self, place: RecordingPlace, parts: list[Part]) -> None:
        write(place, parts).close()
        found = place.video(0).stat()
        if found.st_blocks * 512 >= found.st_size:
            pytest.skip("this file system keeps no holes")
        assert found.st_size - found.st_blocks * 512 > 400_000

    def test_no_room_even_for_a_head_leaves_no_file(
        self, place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("onetake.media.recording.pair.write_all", FailingCall(disk.write_all, errno.ENOSPC, 1))
        writer = RecordingWriter(place)
        with pytest.raises(DiskFull):
            writer.append(parts[0])
        assert video_files(place.folder) == []
        assert writer.append(parts[0])
        writer.close()

    def test_an_index_that_cannot_grow_is_rebuilt(
        self, place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.write
        index_writes = [0]

        def failing(fd: int, data: bytes) -> int:
            if name_of(fd).endswith(".idx"):
                index_writes[0] += 1
                if index_writes[0] > 4:
                    real(fd, bytes(data)[:13])
                    raise OSError(errno.ENOSPC, "full")
            return real(fd, data)

        writer = RecordingWriter(place, WriterOptions(sync_interval_s=0))
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", failing)
            with pytest.raises(DiskFull):
                [writer.append(part) for part in parts]
            writer.close()
        assert place.marker is not None
        (found,) = recover(place.marker.parent)
        assert [(file.parts, file.problem) for file in found.files] == [(4, None)]
        assert payloads(place.folder) == sent("bframes")[:40]

    def test_a_disk_that_lies_about_the_length_is_caught(
        self, place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, calls = os.write, [0]

        def lying(fd: int, data: bytes) -> int:
            calls[0] += name_of(fd).endswith(".mp4")
            return len(data) if calls[0] == 5 else real(fd, data)

        monkeypatch.setattr(os, "write", lying)
        summary = write(place, parts, WriterOptions(sync_interval_s=0)).close()
        assert [damage.code for damage in summary.damages] == ["disk_error"]
        assert payloads(place.folder) == sent("bframes")

    def test_a_folder_that_goes_away_is_its_own_case(self, tmp_path: Path, parts: list[Part]) -> None:
        (tmp_path / "media").write_text("in the way")
        writer = RecordingWriter(recording_place(tmp_path, uuid7()))
        with pytest.raises(FolderGone):
            writer.append(parts[0])

    def test_a_failure_at_the_end_is_told_and_left_to_recovery(
        self, place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer = write(place, parts)
        with monkeypatch.context() as patch:
            for module in ("pair", "recovery"):
                broken = FailingCall(disk.sync_data, errno.EIO, 1, 99)
                patch.setattr(f"onetake.media.recording.{module}.sync_data", broken)
            summary = writer.close()
        assert [file.problem for file in summary.files] == ["sync_failed"]
        assert place.marker is not None
        (found,) = recover(place.marker.parent)
        assert found.duration_s == pytest.approx(6.0)
        assert payloads(place.folder) == sent("bframes")

    def test_a_failing_tick_saves_what_is_pending(
        self, place: RecordingPlace, parts: list[Part], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [0.0]
        writer = RecordingWriter(place, clock=lambda: now[0])
        [writer.append(part) for part in parts]
        now[0] = 10.0
        monkeypatch.setattr("onetake.media.recording.pair.sync_data", FailingCall(disk.sync_data, errno.EIO, 1))
        writer.tick()
        writer.close()
        assert payloads(place.folder) == sent("bframes")


WRITER_CHILD = """
    import pickle, sys
    from pathlib import Path
    from onetake.media.recording import RecordingPlace, RecordingWriter, WriterOptions
    from onetake.media.fmp4 import Part, Run
    run, rows = pickle.loads(Path(sys.argv[1]).read_bytes())
    run = Run(*run)
    writer = RecordingWriter(RecordingPlace(Path(sys.argv[2]) / "r", Path(sys.argv[2]) / "open/x.json", "x", "r"),
                             WriterOptions(sync_interval_s=float(sys.argv[3])))
    for number, row in enumerate(rows):
        writer.append(Part(run, *row))
        print(number, flush=True)
    print("done", flush=True)
    sys.stdin.read()
"""


def save(parts: list[Part], path: Path) -> None:
    """Parts for a child process to write."""
    run = parts[0].run
    fields = (run.prefix, run.init, run.tracks, run.leading_id, run.timescale, run.first_msn)
    names = list(Part.__dataclass_fields__)[1:]
    path.write_bytes(pickle.dumps((fields, [tuple(getattr(part, name) for name in names) for part in parts])))


class TestKilled:
    @pytest.mark.parametrize("survivors", [0, 3, 11])
    @pytest.mark.parametrize("interval_s", [0.0, 3600.0])
    def test_kill_9_loses_at_most_the_part_being_written(
        self, tmp_path: Path, parts: list[Part], survivors: int, interval_s: float
    ) -> None:
        save(parts, tmp_path / "parts")
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER_CHILD), tmp_path / "parts", tmp_path, str(interval_s)],
            stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert child.stdout is not None
        assert child.stdin is not None
        for line in child.stdout:
            if line.strip() == str(survivors):
                break
        child.send_signal(signal.SIGKILL)
        child.wait(timeout=30)
        child.stdout.close()
        child.stdin.close()
        (found,) = recover(tmp_path / "open")
        assert found.files[0].parts >= survivors + 1
        assert payloads(tmp_path / "r") == sent("bframes")[: found.files[0].parts * 10]
        assert clips.decode_errors(clips.ffmpeg9(), tmp_path / "r/video-000.mp4") == ""

    def test_a_file_size_limit_of_the_system(self, tmp_path: Path, parts: list[Part]) -> None:
        save(parts, tmp_path / "parts")
        limited = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (750_000, 750_000))\n"
        script = limited + textwrap.dedent(WRITER_CHILD).replace("sys.stdin.read()", "writer.close()")
        (tmp_path / "r").mkdir()
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "parts"), str(tmp_path), "0"],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        assert len(video_files(tmp_path / "r")) >= 2
        assert payloads(tmp_path / "r") == sent("bframes")


FULL_DISK_CHILD = """
    import pickle, subprocess, sys
    from pathlib import Path
    from onetake.media.recording import DiskFull, RecordingPlace, RecordingWriter, check_file, video_files
    from onetake.media.fmp4 import Part, Run
    disk = Path(sys.argv[2])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "none", str(disk)], check=True)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(410_000))
    run, rows = pickle.loads(Path(sys.argv[1]).read_bytes())
    run = Run(*run)
    writer = RecordingWriter(RecordingPlace(disk / "r", disk / "open/x.json", "x", "r"))
    outcomes = []
    for row in rows:
        try:
            outcomes.append(writer.append(Part(run, *row)))
        except DiskFull:
            outcomes.append(None)
            ballast.unlink(missing_ok=True)
    summary = writer.close()
    assert outcomes.count(None) == 1, outcomes
    assert [file.problem for file in summary.files] == [None, None], summary
    assert all(check_file(video).is_sound for video in video_files(disk / "r"))
    assert not (disk / "open/x.json").exists()
    print(sum(outcome is True for outcome in outcomes))
"""


def test_a_disk_that_is_really_full(tmp_path: Path, parts: list[Part]) -> None:
    """A small tmpfs of its own: the short write, then ENOSPC, then room again."""
    (tmp_path / "disk").mkdir()
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(tmp_path / "disk")]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this system gives no mount namespaces")
    save(parts, tmp_path / "parts")
    arguments = ["unshare", "-rm", sys.executable, "-c", textwrap.dedent(FULL_DISK_CHILD)]
    done = subprocess.run(
        [*arguments, tmp_path / "parts", tmp_path / "disk"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 8
