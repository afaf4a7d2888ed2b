"""Backups of folders that grow, of databases in use, and what keeps out of whose way; real servers and their tools."""

import shutil
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, text
from tests.api_fixtures import add_user
from tests.conftest import run_aside
from tests.engine.recorded import record

from onetake.infra.backup import BackupError, BackupRunning, back_up, backing_up, files, removing
from onetake.infra.backup.database import dump_database
from onetake.infra.backup.files import Tally, copy_folder
from onetake.infra.db import Database
from onetake.infra.db.database import server_engine
from onetake.infra.db.urls import async_url
from onetake.infra.secrets import secret_key
from onetake.infra.settings import Settings
from onetake.media.index import IndexReader
from onetake.media.recording import recover


@pytest.fixture
def installed(make_settings: Callable[..., Settings], sqlite_template: Path) -> Settings:
    """A data folder with a database and a key."""
    settings = make_settings()
    secret_key(settings.data_dir)
    shutil.copyfile(sqlite_template, settings.data_dir / "onetake.db")
    return settings


class TestLock:
    def test_nothing_is_removed_during_a_backup(self, tmp_path: Path) -> None:
        with backing_up(tmp_path), pytest.raises(BackupRunning), removing(tmp_path):
            raise AssertionError("entered")
        with removing(tmp_path), removing(tmp_path):
            pass

    def test_a_second_backup_is_refused(self, tmp_path: Path) -> None:
        with backing_up(tmp_path), pytest.raises(BackupRunning), backing_up(tmp_path, wait_s=0):
            raise AssertionError("entered")

    def test_a_backup_waits_for_a_removal(self, tmp_path: Path) -> None:
        removed, begun = threading.Event(), threading.Event()

        def remove() -> None:
            with removing(tmp_path):
                begun.set()
                removed.wait(10)

        thread = threading.Thread(target=remove)
        thread.start()
        assert begun.wait(10)
        with pytest.raises(BackupRunning), backing_up(tmp_path, wait_s=0):
            raise AssertionError("entered")
        removed.set()
        with backing_up(tmp_path):
            pass
        thread.join()


class TestFiles:
    def copy(self, source: Path, target: Path) -> tuple[int, int]:
        tally = Tally()
        copy_folder(source, target, tally)
        return tally.copied, tally.same

    def test_only_what_is_new_or_has_changed_is_copied(self, tmp_path: Path) -> None:
        source, target = tmp_path / "a", tmp_path / "b"
        recorded = record(source, upto=6, finish=False)
        assert self.copy(source, target) == (3, 0)
        assert self.copy(source, target) == (0, 3)
        recorded.writer.append(recorded.parts[6])
        assert self.copy(source, target) == (2, 1)
        recorded.finish()
        self.copy(source, target)
        copied = target / recorded.video.relative_to(source)
        assert copied.read_bytes() == recorded.video.read_bytes()
        assert copied.stat().st_mtime_ns == recorded.video.stat().st_mtime_ns

    def test_the_index_is_never_ahead_of_the_media(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source, target = tmp_path / "a", tmp_path / "b"
        recorded = record(source, upto=6, finish=False)
        grow_after_index(monkeypatch, lambda: recorded.writer.append(recorded.parts[6]))
        self.copy(source, target)
        video = target / recorded.video.relative_to(source)
        with IndexReader(video.with_suffix(".idx")) as index:
            assert index[-1].end < video.stat().st_size

    def test_what_vanishes_is_passed_over_and_what_cannot_be_read_is_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = tmp_path / "a"
        source.mkdir()
        for name in ("one", "two", "three"):
            (source / name).write_text(name)
        (source / "later.tmp").write_text("x")
        copy_file = files.copy_file

        def lose_two(path: Path, target: Path, tally: Tally, **more: Any) -> None:
            (source / "two").unlink(missing_ok=True)
            copy_file(path, target, tally, **more)

        monkeypatch.setattr(files, "copy_file", lose_two)
        assert self.copy(source, tmp_path / "b") == (2, 0)
        assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["one", "three"]
        (source / "one").unlink()
        (source / "one").mkdir()
        (source / "one" / "x").write_text("a folder where a file was")
        with pytest.raises(OSError, match=r"Not a directory|File exists"):
            self.copy(source, tmp_path / "b")


def grow_after_index(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something between the copies of an index and of its MP4."""
    copy_file = files.copy_file

    def copy_then_act(source: Path, target: Path, tally: Tally, **more: Any) -> None:
        copy_file(source, target, tally, **more)
        if source.suffix == ".idx":
            act()

    monkeypatch.setattr(files, "copy_file", copy_then_act)


class TestWhole:
    def test_a_recording_that_ends_while_it_is_copied_is_whole_after_the_start(
        self, installed: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recorded = record(installed.data_dir, upto=6, finish=False)
        ended: list[bool] = []

        def end() -> None:
            if not ended:
                for part in recorded.parts[6:]:
                    recorded.writer.append(part)
                recorded.finish()
                ended.append(True)

        grow_after_index(monkeypatch, end)
        target = tmp_path / "copy"
        back_up(installed, target)
        assert ended
        assert not any((installed.data_dir / "open").iterdir())
        found = recover(target / "open")
        assert [len(recorded.parts), None] == [found[0].files[0].parts, found[0].files[0].problem]
        assert found[0].files[0].indexed_parts > 0

    def test_what_can_be_made_again_is_left_out_and_the_note_comes_last(
        self, installed: Settings, tmp_path: Path
    ) -> None:
        recorded = record(installed.data_dir)
        (recorded.folder / "compatible").mkdir()
        (recorded.folder / "compatible" / "video-000.mp4").write_bytes(b"x")
        target = tmp_path / "copy"
        stages: list[bool] = []
        report = back_up(
            installed,
            target,
            leave_out=lambda folder: folder.name == "compatible",
            tell=lambda _stage: stages.append((target / "backup.json").exists()),
        )
        assert report.database == "onetake.db"
        assert stages == [False, False]
        assert (target / "backup.json").exists()
        assert {path.name for path in (target / recorded.folder.relative_to(installed.data_dir)).iterdir()} == {
            "source"
        }
        modes = {stat.S_IMODE((target / name).stat().st_mode) for name in ("onetake.db", "secret.key")}
        assert modes == {0o600}
        assert stat.S_IMODE(target.stat().st_mode) == 0o700

    def test_pruning_removes_what_is_gone_and_nothing_else_does(self, installed: Settings, tmp_path: Path) -> None:
        kept, gone, target = record(installed.data_dir), record(installed.data_dir), tmp_path / "copy"
        back_up(installed, target)
        shutil.rmtree(gone.folder)
        back_up(installed, target)
        copies = [target / one.folder.relative_to(installed.data_dir) for one in (kept, gone)]
        assert [copy.exists() for copy in copies] == [True, True]
        assert back_up(installed, target, pruning=True).tally.pruned == 2
        assert [copy.exists() for copy in copies] == [True, False]

    def test_markers_of_an_earlier_backup_do_not_stay(self, installed: Settings, tmp_path: Path) -> None:
        recorded, target = record(installed.data_dir, upto=6, finish=False), tmp_path / "copy"
        back_up(installed, target)
        assert len(list((target / "open").iterdir())) == 1
        recorded.finish()
        back_up(installed, target)
        assert list((target / "open").iterdir()) == []

    def test_the_database_can_be_left_to_others(self, installed: Settings, tmp_path: Path) -> None:
        target = tmp_path / "copy"
        assert back_up(installed, target, with_database=False).database is None
        assert sorted(path.name for path in target.iterdir()) == ["backup.json", "open", "secret.key"]

    def test_into_the_data_folder_itself_is_refused(self, installed: Settings) -> None:
        with pytest.raises(BackupError, match="lies in the data folder"):
            back_up(installed, installed.data_dir / "media" / "copy")

    def test_a_missing_volume_is_not_taken_for_an_empty_one(self, installed: Settings, tmp_path: Path) -> None:
        (installed.data_dir / "media-volume").write_text("mark")
        with pytest.raises(BackupError, match="not mounted"):
            back_up(installed, tmp_path / "copy", pruning=True)


class TestDatabase:
    async def test_a_copy_of_each_kind_can_be_put_back(
        self, database: Database, database_url: str, tmp_path: Path, blank_of: Callable[[URL], URL]
    ) -> None:
        folder = tmp_path / "copy"
        folder.mkdir()
        await add_user(database, "小明")
        dump = folder / dump_database(database_url, folder)
        await add_user(database, "later")
        restored = put_back(dump, async_url(database_url), blank_of)
        copy = Database(restored.render_as_string(hide_password=False))
        async with copy.read() as session:
            names = list(await session.scalars(text("SELECT username FROM users")))
        await copy.dispose()
        assert names == ["小明"]
        assert stat.S_IMODE(dump.stat().st_mode) == 0o600
        assert list(folder.iterdir()) == [dump]

    async def test_while_somebody_writes(self, sqlite_database: Database, sqlite_url: str, tmp_path: Path) -> None:
        folder = tmp_path / "copy"
        folder.mkdir()
        await add_user(sqlite_database, "before")
        async with sqlite_database.write() as session:
            await session.execute(text("DELETE FROM users"))
            dump_database(sqlite_url, folder)
        with sqlite3.connect(folder / "onetake.db") as copy:
            assert copy.execute("SELECT username FROM users").fetchall() == [("before",)]
        assert [path.name for path in folder.iterdir()] == ["onetake.db"]

    def test_why_it_failed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(BackupError, match="no database at"):
            dump_database(f"sqlite:///{tmp_path}/none.db", tmp_path)
        with pytest.raises(BackupError, match=r"pg_dump ended with code 1: .*refused") as refused:
            dump_database("postgresql://me:pa55w0rd@127.0.0.1:1/x", tmp_path)
        assert "pa55w0rd" not in str(refused.value)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(BackupError, match="mariadb-dump or mysqldump is not installed"):
            dump_database("mariadb://me@127.0.0.1:1/x", tmp_path)


@pytest.fixture
def blank_of(request: pytest.FixtureRequest) -> Callable[[URL], URL]:
    """Makes an empty database beside that of a URL; dropped at the end."""

    def make(url: URL) -> URL:
        blank = url.set(database=f"{url.database}_blank")
        run_aside(execute(url, f"DROP DATABASE IF EXISTS {blank.database}", f"CREATE DATABASE {blank.database}"))
        request.addfinalizer(lambda: run_aside(execute(url, f"DROP DATABASE IF EXISTS {blank.database}")))
        return blank

    return make


async def execute(url: URL, *statements: str) -> None:
    engine = server_engine(url, 1, 10).execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


def put_back(dump: Path, url: URL, blank_of: Callable[[URL], URL]) -> URL:
    """Restore a dump as the documentation says; where it is now."""
    if dump.suffix == ".db":
        return url.set(database=str(dump))
    blank = blank_of(url)
    if dump.suffix == ".pgdump":
        target = blank.set(drivername="postgresql").render_as_string(hide_password=False)
        subprocess.run(["pg_restore", "--no-owner", f"--dbname={target}", str(dump)], check=True)
    else:
        command = ["mariadb", f"--host={blank.host}", f"--user={blank.username}", str(blank.database)]
        with dump.open() as statements:
            subprocess.run(command, check=True, stdin=statements)
    return blank
