"""The guard of the recordings' disk: free space, and a volume that is not mounted."""

import errno
import os
import types
from pathlib import Path

import pytest

from onetake.engine.disk import MARKER, Disk, StorageMissing, disk_reason
from onetake.engine.options import RecordingOptions

MB = 1 << 20
OPTIONS = RecordingOptions(floor_bytes=100 * MB, floor_ratio=0.05, floor_cap_bytes=1000 * MB, stop_bytes=50 * MB)


def disk_with(tmp_path: Path, free_bytes: int, total_bytes: int) -> Disk:
    """A disk that reports these sizes."""
    stat = types.SimpleNamespace(f_bavail=free_bytes, f_frsize=1, f_blocks=total_bytes)
    return Disk(tmp_path / "media", tmp_path, OPTIONS, statvfs=lambda _: stat)  # type: ignore[arg-type,return-value]


class TestRoom:
    @pytest.mark.parametrize(
        ("free", "total", "may_start", "must_stop"),
        [
            (101 * MB, 1000 * MB, True, False),
            (99 * MB, 1000 * MB, False, False),
            (49 * MB, 1000 * MB, False, True),
            (150 * MB, 4000 * MB, False, False),
            (201 * MB, 4000 * MB, True, False),
            (1001 * MB, 1000_000 * MB, True, False),
        ],
    )
    def test_floors(self, tmp_path: Path, free: int, total: int, may_start: bool, must_stop: bool) -> None:
        disk = disk_with(tmp_path, free, total)
        assert disk.may_start() is may_start
        assert disk.must_stop() is must_stop

    def test_the_real_file_system_answers(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path, tmp_path, OPTIONS)
        assert 0 < disk.room().free_bytes <= disk.room().total_bytes


class TestMarker:
    def test_first_start_marks_and_later_starts_find_it(self, tmp_path: Path) -> None:
        Disk(tmp_path / "media", tmp_path, OPTIONS).prepare()
        Disk(tmp_path / "media", tmp_path, OPTIONS).prepare()

    def test_a_volume_that_is_gone_is_not_written_to(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path / "media", tmp_path, OPTIONS)
        disk.prepare()
        (tmp_path / "media" / MARKER).unlink()
        with pytest.raises(StorageMissing):
            disk.prepare()
        assert not (tmp_path / "media" / MARKER).exists()

    def test_another_volume_is_not_taken_for_ours(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path / "media", tmp_path, OPTIONS)
        disk.prepare()
        (tmp_path / "media" / MARKER).write_bytes(b"other")
        with pytest.raises(StorageMissing):
            disk.check_present()

    def test_a_marked_volume_is_adopted_by_a_new_data_folder(self, tmp_path: Path) -> None:
        Disk(tmp_path / "media", tmp_path, OPTIONS).prepare()
        (tmp_path / "media-volume").unlink()
        Disk(tmp_path / "media", tmp_path, OPTIONS).prepare()


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EFBIG, "disk_full"),
        (errno.EROFS, "storage_missing"),
        (errno.ENOENT, "storage_missing"),
        (errno.EIO, "disk_error"),
    ],
)
def test_errors_have_a_stable_word(number: int, word: str) -> None:
    assert disk_reason(OSError(number, os.strerror(number))) == word
