"""Work folders and publishing."""

from pathlib import Path

import pytest

from onetake.infra.jobs.workdir import WorkDir, attempts_on_disk


@pytest.fixture
def folder(tmp_path: Path) -> WorkDir:
    work = WorkDir(tmp_path / "work", 7, "a" * 32)
    work.make()
    return work


async def test_sealed_files_are_renamed_to_their_targets(folder: WorkDir, tmp_path: Path) -> None:
    (folder.path / "out.mp4").write_bytes(b"video")
    files = {"out.mp4": tmp_path / "media" / "1" / "video.mp4"}
    await folder.seal(files)
    folder.publish(files)
    assert files["out.mp4"].read_bytes() == b"video"
    await folder.remove()
    assert not (tmp_path / "work" / "7").exists()


async def test_take_back_undoes_a_publish(folder: WorkDir, tmp_path: Path) -> None:
    (folder.path / "a").write_bytes(b"a")
    files = {"a": tmp_path / "out-a"}
    folder.publish(files)
    folder.take_back(files)
    assert (folder.path / "a").exists()
    assert not files["a"].exists()


async def test_when_one_file_cannot_be_renamed_none_is(folder: WorkDir, tmp_path: Path) -> None:
    (folder.path / "a").write_bytes(b"a")
    (folder.path / "b").write_bytes(b"b")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    files = {"a": tmp_path / "out-a", "b": tmp_path / "taken"}
    with pytest.raises(OSError, match="taken"):
        folder.publish(files)
    assert not (tmp_path / "out-a").exists()
    assert (folder.path / "a").exists()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "", ".", "..", "a/b"])
async def test_only_plain_names_are_published(folder: WorkDir, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        await folder.seal({name: tmp_path / "out"})


async def test_links_and_missing_files_are_refused(folder: WorkDir, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (folder.path / "link").symlink_to(tmp_path / "secret")
    for name in ("link", "missing"):
        with pytest.raises(FileNotFoundError, match="did not write"):
            await folder.seal({name: tmp_path / "out"})


def test_attempts_on_disk_are_found_and_strangers_ignored(folder: WorkDir, tmp_path: Path) -> None:
    (tmp_path / "work" / "notes").mkdir()
    (tmp_path / "work" / "8").touch()
    assert attempts_on_disk(tmp_path / "work") == [(7, "a" * 32, folder.path)]
    assert attempts_on_disk(tmp_path / "nowhere") == []
