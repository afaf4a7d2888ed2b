"""The check of a finished recording: silent on a sound file, exact about a damaged one."""

import os
from pathlib import Path

import pytest
from tests.media.fmp4 import clips

from onetake.kit.ids import uuid7
from onetake.media.index import HEADER_BYTES, RECORD_BYTES
from onetake.media.recording import RecordingWriter, check_file, recording_place


@pytest.fixture
def video(tmp_path: Path) -> Path:
    writer = RecordingWriter(recording_place(tmp_path, uuid7()))
    for part in clips.parts_of(clips.clip("bframes")):
        writer.append(part)
    writer.close()
    return writer.place.video(0)


def change(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(bytes(data))


def test_a_sound_file(video: Path) -> None:
    found = check_file(video)
    assert found.is_sound
    assert found.parts == 15


def test_a_flipped_bit_is_found_where_it_is(video: Path) -> None:
    sizes = [part.size_bytes for part in clips.parts_of(clips.clip("bframes"))]
    start = video.stat().st_size - sum(sizes)
    change(video, start + sum(sizes[:7]) + 200)
    (damaged,) = check_file(video).damaged
    assert (damaged.offset, damaged.size_bytes, damaged.missing) == (start + sum(sizes[:7]), sizes[7], False)
    assert damaged.start_s == pytest.approx(2.8)
    assert damaged.duration_s == pytest.approx(0.4)


def test_a_cut_file(video: Path) -> None:
    os.truncate(video, video.stat().st_size - 1)
    found = check_file(video)
    assert [part.missing for part in found.damaged] == [True]
    assert not found.is_sound


def test_more_media_than_the_index_knows(video: Path) -> None:
    with video.open("ab") as file:
        file.write(b"x" * 99)
    assert check_file(video).unindexed_bytes == 99


def test_a_damaged_index(video: Path) -> None:
    change(video.with_suffix(".idx"), HEADER_BYTES + 4 * RECORD_BYTES)
    assert check_file(video).problem == "record 4 of the index is damaged"
    change(video.with_suffix(".idx"), 0)
    assert check_file(video).problem


def test_no_file(tmp_path: Path) -> None:
    assert check_file(tmp_path / "video-000.mp4").problem
