"""Joining recordings into one progressive MP4, by the real ffmpeg: nothing is lost, nothing is changed without need."""

import itertools
import subprocess
from pathlib import Path

import pytest
from tests.engine.recorded import Recorded, record
from tests.media.fmp4 import clips

from onetake.kit.ids import uuid7
from onetake.media.index import HEADER_BYTES
from onetake.media.joining import Joining, plan
from onetake.media.recording import RecordingWriter, WriterOptions, recording_place, video_files
from onetake.media.units import Kind


def join(folder: Path, files: list[Path]) -> tuple[Joining, Path]:
    """The plan, and the file that ffmpeg makes by it."""
    made = plan(files, "joined.mp4")
    assert made is not None
    for name, content in made.lists.items():
        (folder / name).write_text(content, "utf-8")
    command = [clips.ffmpeg9(), "-v", "warning", "-nostdin", "-y", *made.arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return made, folder / "joined.mp4"


def payloads(path: Path, kind: str) -> list[bytes]:
    return [data for _, _, data in clips.read_packets(path).get(kind, [])]


def sent(clip: str, kind: Kind) -> list[bytes]:
    return [unit.payload for unit in clips.clip(clip).of(kind)]


def steps_of(path: Path) -> set[float]:
    """The different times between one picture and the next, in whole milliseconds."""
    times = [dts for dts, _, _ in clips.read_packets(path)["video"]]
    return {round(float(after - before), 3) for before, after in itertools.pairwise(times)}


def several(data_dir: Path, *names: str) -> list[Path]:
    """One recording whose files were made from different clips."""
    files: list[Path] = []
    for number, name in enumerate(names):
        part: Recorded = record(data_dir / str(number), name, asset_id=uuid7())
        files.append(part.video)
    return files


@pytest.mark.parametrize("clip", ["h264_aac", "bframes", "vfr", "hevc", "video_only", "audio_only"])
def test_one_file_is_copied_packet_by_packet(tmp_path: Path, clip: str) -> None:
    recorded = record(tmp_path, clip)
    made, joined = join(tmp_path, [recorded.video])
    assert made.copies
    for kind in Kind:
        assert payloads(joined, kind) == sent(clip, kind)
    data = joined.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"moof" not in data


@pytest.mark.parametrize("clip", ["short_gop", "bframes"])
def test_several_files_become_one_without_a_lost_packet_or_a_jump(tmp_path: Path, clip: str) -> None:
    recorded = record(tmp_path, clip, rotate_s=1)
    files = video_files(recorded.folder / "source")
    assert len(files) > 2
    made, joined = join(tmp_path, files)
    assert made.copies
    for kind in (Kind.VIDEO, Kind.AUDIO):
        assert payloads(joined, kind) == sent(clip, kind)
    assert steps_of(joined) <= ({0.033, 0.034} if clip == "short_gop" else {0.04})
    assert clips.decode_errors(clips.ffmpeg5(), joined) == ""


def test_sound_that_old_players_do_not_know_becomes_aac_and_the_picture_is_copied(tmp_path: Path) -> None:
    recorded = record(tmp_path, "av1_opus")
    _, joined = join(tmp_path, [recorded.video])
    assert payloads(joined, Kind.VIDEO) == sent("av1_opus", Kind.VIDEO)
    assert b"mp4a" in joined.read_bytes()
    assert b"Opus" not in joined.read_bytes()


def test_hevc_has_the_name_that_apple_wants(tmp_path: Path) -> None:
    _, joined = join(tmp_path, [record(tmp_path, "hevc").video])
    assert b"hvc1" in joined.read_bytes()


def test_files_that_differ_are_encoded_into_one_timeline(tmp_path: Path) -> None:
    """H.264 with sound, then only a picture, then HEVC, then only sound."""
    files = several(tmp_path, "short_gop", "video_only", "hevc", "audio_only")
    made, joined = join(tmp_path, files)
    assert not made.copies
    assert made.length_s == pytest.approx(5 + 4 + 4 + 7, abs=0.3)
    packets = clips.read_packets(joined)
    for kind in ("video", "audio"):
        last = max(pts for _, pts, _ in packets[kind])
        assert float(last) == pytest.approx(made.length_s, abs=0.3), kind
    assert clips.decode_errors(clips.ffmpeg5(), joined) == ""


def test_sound_alone_in_two_rates(tmp_path: Path) -> None:
    made, joined = join(tmp_path, several(tmp_path, "audio_only", "audio_44k"))
    packets = clips.read_packets(joined)
    assert set(packets) == {"audio"}
    assert float(packets["audio"][-1][1]) == pytest.approx(made.length_s, abs=0.3)


def test_names_with_quotes_are_only_names(tmp_path: Path) -> None:
    folder = tmp_path / "it's \\ a 'folder'"
    folder.mkdir()
    _, joined = join(tmp_path, [record(folder, "short_gop").video])
    assert payloads(joined, Kind.VIDEO) == sent("short_gop", Kind.VIDEO)


def test_a_session_with_a_clock_of_its_own_goes_on_behind_the_one_before(tmp_path: Path) -> None:
    made, joined = join(tmp_path, several(tmp_path, "short_gop", "short_gop"))
    assert made.copies
    assert payloads(joined, Kind.VIDEO) == 2 * sent("short_gop", Kind.VIDEO)
    assert steps_of(joined) <= {0.033, 0.034}


def test_a_long_pause_is_left_out(tmp_path: Path) -> None:
    parts = clips.parts_of(clips.clip("bframes"))
    files = []
    for number, some in enumerate((parts[:5], parts[-5:])):
        place = recording_place(tmp_path / str(number), uuid7())
        writer = RecordingWriter(place, WriterOptions(0))
        for part in some:
            writer.append(part)
        writer.close()
        files.append(place.video(0))
    made, joined = join(tmp_path, files)
    assert made.length_s == pytest.approx(4)
    assert steps_of(joined) == {0.04}
    assert clips.decode_errors(clips.ffmpeg5(), joined) == ""


def test_a_file_that_was_begun_and_got_nothing_is_left_out(tmp_path: Path) -> None:
    files = several(tmp_path, "short_gop", "short_gop")
    index = files[0].with_suffix(".idx")
    index.write_bytes(index.read_bytes()[:HEADER_BYTES])
    _, joined = join(tmp_path, files)
    assert payloads(joined, Kind.VIDEO) == sent("short_gop", Kind.VIDEO)


def test_nothing_to_join(tmp_path: Path) -> None:
    assert plan([], "joined.mp4") is None


@pytest.mark.parametrize("suffix", [".mp4", ".idx"])
def test_a_damaged_file_is_not_left_out_in_silence(tmp_path: Path, suffix: str) -> None:
    recorded = record(tmp_path, "short_gop")
    recorded.video.with_suffix(suffix).write_bytes(b"garbage" * 100)
    with pytest.raises(ValueError, match=r"."):
        plan([recorded.video], "joined.mp4")
