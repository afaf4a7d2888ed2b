"""Each of the doctor's checks, healthy and ill."""

import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.engine.disk import Disk
from onetake.engine.options import RecordingOptions
from onetake.infra import doctor, stored_files
from onetake.infra.db import Database
from onetake.infra.doctor import (
    Finding,
    check_clock,
    check_database,
    check_disk,
    check_ffmpeg,
    check_key,
    check_name,
    check_ports,
    check_redis,
    examine,
    exit_code,
)
from onetake.infra.ffmpeg import is_too_old
from onetake.infra.instance import DataDirLock
from onetake.infra.settings import Settings

MakeSettings = Callable[..., Settings]


def states(findings: list[Finding]) -> list[str]:
    return [finding.state for finding in findings]


def free_ports() -> dict[str, int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return dict(zip(("http_port", "media_port", "files_port", "rtmp_port"), ports, strict=True))


class TestFfmpeg:
    async def test_packaged_one_is_good(self, settings: Settings) -> None:
        (finding,) = await check_ffmpeg(settings)
        assert finding.state == "ok", finding

    async def test_missing(self, make_settings: MakeSettings) -> None:
        (finding,) = await check_ffmpeg(make_settings(ffmpeg_path="/nowhere/ffmpeg"))
        assert finding.state == "fault"
        assert "ONETAKE_FFMPEG_PATH" in finding.remedy

    async def test_too_old(self, make_settings: MakeSettings, tmp_path: Path) -> None:
        fake = tmp_path / "ffmpeg"
        fake.write_text("#!/bin/sh\necho 'ffmpeg version 5.1.9-0+deb12u1 Copyright'\n")
        fake.chmod(0o755)
        (finding,) = await check_ffmpeg(make_settings(ffmpeg_path=fake))
        assert finding.state == "warning"
        assert "5.1.9" in finding.text

    @pytest.mark.parametrize(
        ("version", "old"),
        [("5.1.9", True), ("7.1.4", True), ("7.1.5", False), ("8.0.2", True), ("8.0.3", False), ("8.1", True),
         ("8.1.1", True), ("8.1.2", False), ("9.0.2-17-g2a", False), ("N-123-gabc", False), ("unknown", False)],
    )  # fmt: skip
    def test_floors(self, version: str, old: bool) -> None:
        assert is_too_old(version) is old


class TestDisk:
    async def test_leaves_nothing_behind(self, settings: Settings) -> None:
        settings.data_dir.mkdir()
        assert states(await check_disk(settings)) in (["ok"], ["warning"])
        assert list(settings.data_dir.iterdir()) == []

    async def test_folder_that_is_not_made_yet(self, settings: Settings) -> None:
        assert "fault" not in states(await check_disk(settings))
        assert not settings.data_dir.exists()

    async def test_folder_that_is_a_file(self, make_settings: MakeSettings, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        assert states(await check_disk(make_settings(data_dir=tmp_path / "file"))) == ["fault"]

    async def test_failing_fsync(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(_fd: int) -> None:
            raise OSError(5, "Input/output error")

        settings.data_dir.mkdir()
        monkeypatch.setattr(os, "fsync", broken)
        (finding,) = await check_disk(settings)
        assert (finding.state, "Input/output error" in finding.text) == ("fault", True)
        assert list(settings.data_dir.iterdir()) == []

    async def test_little_space(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.data_dir.mkdir()
        monkeypatch.setattr(doctor, "LOW_SPACE_BYTES", 1 << 62)
        assert states(await check_disk(settings)) == ["warning"]


class TestPorts:
    async def test_free(self, make_settings: MakeSettings) -> None:
        assert states(await check_ports(make_settings(**free_ports()))) == ["ok"]

    async def test_busy_names_the_variable(self, make_settings: MakeSettings) -> None:
        ports = free_ports()
        with socket.create_server(("127.0.0.1", ports["rtmp_port"])):
            (finding,) = await check_ports(make_settings(**ports))
        assert finding.state == "fault"
        assert "ONETAKE_RTMP_PORT" in finding.text

    async def test_own_server_may_hold_them(self, make_settings: MakeSettings) -> None:
        ports = free_ports()
        settings = make_settings(**ports)
        with DataDirLock.acquire(settings.data_dir), socket.create_server(("127.0.0.1", ports["http_port"])):
            assert states(await check_ports(settings)) == ["ok"]


class TestDatabase:
    async def test_not_made_yet(self, settings: Settings) -> None:
        assert states(await check_database(settings)) == ["ok"]
        assert not settings.data_dir.exists()

    async def test_at_head(self, make_settings: MakeSettings, database_url: str) -> None:
        assert states(await check_database(make_settings(database_url=database_url))) == ["ok", "ok"]

    async def test_empty_one_needs_migrate(self, make_settings: MakeSettings, tmp_path: Path) -> None:
        (finding,) = await check_database(make_settings(database_url=f"sqlite:///{tmp_path}/empty.db"))
        assert finding.remedy == "run: onetake migrate"

    @pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
    async def test_unreachable_and_its_password_is_hidden(self, make_settings: MakeSettings, scheme: str) -> None:
        (finding,) = await check_database(make_settings(database_url=f"{scheme}://me:pa55w0rd@127.0.0.1:1/x"))
        assert finding.state == "fault"
        assert "pa55w0rd" not in str(finding)

    async def test_not_a_database(self, make_settings: MakeSettings, tmp_path: Path) -> None:
        (tmp_path / "x.db").write_bytes(b"this is no database, but it is long enough to be looked at" * 10)
        assert states(await check_database(make_settings(database_url=f"sqlite:///{tmp_path}/x.db"))) == ["fault"]


class TestFiles:
    @pytest.fixture
    def rows(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """What the rows of a domain name; the test fills it."""
        names: list[str] = []

        async def source(_session: AsyncSession) -> AsyncIterator[str]:
            for name in names:
                yield name

        monkeypatch.setattr(stored_files, "_sources", {})
        stored_files.names_files("test")(source)
        return names

    async def test_rows_without_files_and_files_without_rows(
        self, rows: list[str], make_settings: MakeSettings, sqlite_url: str
    ) -> None:
        settings = make_settings(database_url=sqlite_url)
        folder = settings.data_dir / "media" / "2026" / "01"
        (folder / "asset" / "720p").mkdir(parents=True)
        (folder / "asset" / "720p" / "video-000.mp4").write_bytes(b"x")
        (folder / "asset2").mkdir()
        (folder / "asset2" / "original.mp4").write_bytes(b"x")
        (folder / "stray.mp4").write_bytes(b"x")
        rows += ["media/2026/01/asset/", "media/2026/01/asset2/original.mp4", "media/2026/01/lost.mp4"]
        database, missing, stray = await check_database(settings)
        assert (database.state, missing.state, stray.state) == ("ok", "fault", "warning")
        assert missing.text == "1 rows name a file that is not there: media/2026/01/lost.mp4"
        assert stray.text == "1 files belong to no row: media/2026/01/stray.mp4"
        assert (folder / "stray.mp4").exists(), "the doctor changes nothing"

    async def test_what_may_be_missing_still_covers_what_is_there(
        self, rows: list[str], settings: Settings, sqlite_database: Database
    ) -> None:
        async def running(_session: AsyncSession) -> AsyncIterator[str]:
            yield "media/a/"
            yield "media/gone/"

        stored_files.names_files("running", required=False)(running)
        (settings.data_dir / "media" / "a").mkdir(parents=True)
        (settings.data_dir / "media" / "a" / "video-000.mp4").write_bytes(b"x")
        found = await stored_files.compare(sqlite_database, settings.data_dir)
        assert (found.rows, found.missing_count, found.stray_count) == (2, 0, 0)

    async def test_mark_of_the_media_volume_belongs_to_us(
        self, rows: list[str], settings: Settings, sqlite_database: Database
    ) -> None:
        Disk(settings.data_dir / "media", settings.data_dir, RecordingOptions()).prepare()
        found = await stored_files.compare(sqlite_database, settings.data_dir)
        assert (found.strays, found.stray_count) == ([], 0)

    async def test_long_lists_are_cut_but_counted(
        self, rows: list[str], settings: Settings, sqlite_database: Database
    ) -> None:
        rows += [f"media/{number}.mp4" for number in range(500)]
        found = await stored_files.compare(sqlite_database, settings.data_dir)
        assert found.missing_count == 500
        assert len(found.missing) == 20


class TestTheRest:
    async def test_key(self, settings: Settings) -> None:
        assert states(await check_key(settings)) == ["ok"]
        settings.data_dir.mkdir()
        key = settings.data_dir / "secret.key"
        key.write_text("00" * 32)
        key.chmod(0o600)
        assert states(await check_key(settings)) == ["ok"]
        key.chmod(0o640)
        assert states(await check_key(settings)) == ["fault"]

    async def test_clock(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        (found,) = await check_clock(settings.model_copy(update={"time_zone": "Asia/Shanghai"}))
        assert (found.state, found.text[-13:]) == ("ok", "Asia/Shanghai")
        monkeypatch.setattr("time.time", lambda: 1_000_000.0)
        assert states(await check_clock(settings)) == ["fault"]

    async def test_redis(self, make_settings: MakeSettings, redis_url: str) -> None:
        assert await check_redis(make_settings()) == []
        assert states(await check_redis(make_settings(redis_url=redis_url))) == ["ok"]
        assert states(await check_redis(make_settings(redis_url="redis://127.0.0.1:1/0"))) == ["fault"]

    async def test_public_name(self, make_settings: MakeSettings) -> None:
        assert await check_name(make_settings()) == []
        assert states(await check_name(make_settings(public_url="https://localhost"))) == ["ok"]
        assert states(await check_name(make_settings(public_url="https://no-such-host.invalid"))) == ["warning"]

    async def test_broken_check_is_a_fault_not_a_crash(self, settings: Settings) -> None:
        async def check_odd(_settings: Settings) -> list[Finding]:
            raise RuntimeError("token=abcdef")

        (finding,) = await examine(settings, [check_odd])
        assert (finding.check, finding.state) == ("odd", "fault")
        assert "abcdef" not in finding.text

    def test_exit_codes(self) -> None:
        ok, warning, fault = (Finding("x", state, "") for state in ("ok", "warning", "fault"))
        assert [exit_code([]), exit_code([ok]), exit_code([ok, warning]), exit_code([warning, fault])] == [0, 0, 1, 2]
