"""Run files: written, refreshed, removed, and never trusted blindly."""

import os
from pathlib import Path

import pytest

from onetake.infra import runfiles
from onetake.infra.runfiles import RunFile, read_run_files


def test_life_of_a_run_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runfiles, "BEAT_WRITE_EVERY_S", 0.0)
    with RunFile(tmp_path / "run", "api", os.getpid(), restarts=2) as file:
        (info,) = read_run_files(tmp_path / "run")
        assert (info.role, info.pid, info.restarts, info.lag_ms) == ("api", os.getpid(), 2, 0.0)
        file.beat(12.5)
        (later,) = read_run_files(tmp_path / "run")
        assert later.lag_ms == 12.5
        assert later.beat_at >= info.beat_at
    assert list(read_run_files(tmp_path / "run")) == []


def test_beats_are_not_written_each_time(tmp_path: Path) -> None:
    with RunFile(tmp_path, "api", 1) as file:
        file.beat(99.0)
        (info,) = read_run_files(tmp_path)
    assert info.lag_ms == 0.0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"role": "api"}', '{"nonsense": 1}'])
def test_damaged_files_are_skipped(tmp_path: Path, content: str) -> None:
    (tmp_path / "api.json").write_text(content)
    assert list(read_run_files(tmp_path)) == []


def test_full_disk_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_args: object, **_kwargs: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", no_space)
    with RunFile(tmp_path, "api", 1):
        pass


def test_missing_folder_is_empty(tmp_path: Path) -> None:
    assert list(read_run_files(tmp_path / "none")) == []
