"""The `onetake` command as a person and as a script use it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from onetake import __version__
from onetake.accounts.roles import Role
from onetake.cli import app
from onetake.cli.processes import Part, media_options
from onetake.cli.users import RoleName
from onetake.engine.main import Role as EngineRole
from onetake.engine.options import RecordingOptions
from onetake.infra.settings import Settings


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_template: Path) -> Path:
    """A data folder with a migrated database."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "onetake.db").write_bytes(sqlite_template.read_bytes())
    monkeypatch.setenv("ONETAKE_DATA_DIR", str(folder))
    return folder


def call(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=stdin, catch_exceptions=False)


def run(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """The real program, with its error handling and exit codes."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ONETAKE_")}
    command = [sys.executable, "-P", "-m", "onetake", *arguments]
    return subprocess.run(command, env={**clean, **env}, capture_output=True, text=True, timeout=60, check=False)


class TestVersion:
    def test_prints_it(self) -> None:
        assert call("version").stdout == f"onetake {__version__}\n"

    def test_loads_nothing_heavy(self) -> None:
        program = (
            "import sys\nfrom onetake.cli import app\napp(['version'], standalone_mode=False)\nprint(*sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        heavy = {"fastapi", "sqlalchemy", "structlog", "uvicorn", "alembic", "av", "rich"}
        assert heavy.isdisjoint(done.stdout.split())


class TestHelp:
    def test_without_arguments_helps(self) -> None:
        assert "Start the whole platform" in call().output

    @pytest.mark.parametrize(
        "command",
        ["serve", "api", "worker", "migrate", "backup", "doctor", "user create", "user passwd", "config show"],
    )
    def test_every_command_has_help(self, command: str) -> None:
        result = call(*command.split(), "--help")
        assert result.exit_code == 0
        assert "Usage:" in result.output


class TestConfigShow:
    def test_masks_secrets_and_tells_sources(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "onetake.toml"
        file.write_text('http_port = 9001\ndatabase_url = "postgresql://me:pa55w0rd@db/x"\n')
        monkeypatch.setenv("ONETAKE_CONFIG", str(file))
        monkeypatch.setenv("ONETAKE_ADMIN_PASSWORD", "correct horse battery")
        monkeypatch.setenv("ONETAKE_TRUSTED_PROXIES", "10.0.0.1,10.0.0.2")
        monkeypatch.setenv("ONETAKE_RTMP_PORT", "")
        result = call("config", "show", "--json")
        rows = {row["variable"]: (row["value"], row["source"]) for row in json.loads(result.stdout)}
        assert rows["ONETAKE_HTTP_PORT"] == (9001, str(file))
        assert rows["ONETAKE_ADMIN_PASSWORD"] == ("***", "environment")
        assert rows["ONETAKE_TRUSTED_PROXIES"] == ("10.0.0.1,10.0.0.2", "environment")
        assert rows["ONETAKE_RTMP_PORT"] == (1935, "default")
        assert rows["ONETAKE_DATABASE_URL"] == ("postgresql://***@db/x", str(file))
        assert "pa55w0rd" not in result.stdout + call("config", "show").stdout

    def test_bad_value_is_one_sentence_and_exit_2(self) -> None:
        done = run("config", "show", ONETAKE_HTTP_PORT="eighty")
        assert done.returncode == 2
        assert done.stderr.splitlines() == ["onetake: ONETAKE_HTTP_PORT must be a whole number, not 'eighty'."]


class TestMigrate:
    def test_from_nothing_and_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ONETAKE_DATA_DIR", str(tmp_path / "data"))
        first, second = call("migrate"), call("migrate")
        assert first.exit_code == second.exit_code == 0
        assert first.stdout == second.stdout
        assert "at schema" in first.stdout

    def test_unreachable_server_is_one_sentence(self) -> None:
        done = run("migrate", ONETAKE_DATABASE_URL="postgresql://me:pa55w0rd@127.0.0.1:1/x")
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert "pa55w0rd" not in done.stderr

    def test_unusable_url_is_exit_2(self) -> None:
        done = run("migrate", ONETAKE_DATABASE_URL="sqlite://")
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1


class TestMedia:
    def test_parts_are_those_of_the_media_server(self) -> None:
        assert [part.value for part in Part] == [role.value for role in EngineRole]

    def test_private_sources_that_the_operator_allows_are_told(self, make_settings: Callable[..., Settings]) -> None:
        settings = make_settings(pull_allow="192.168.1.0/24, camera.lan")
        assert media_options(settings, standalone=False).allow_private == ("192.168.1.0/24", "camera.lan")
        assert media_options(make_settings(), standalone=False).allow_private == ()

    def test_recording_is_told_of_syncs_and_free_space(self, make_settings: Callable[..., Settings]) -> None:
        assert media_options(make_settings(), standalone=True).recording == RecordingOptions()
        settings = make_settings(
            media_fsync_interval_s="0.5", media_min_free_bytes=str(8 << 20), media_min_free_ratio="0"
        )
        found = media_options(settings, standalone=False).recording
        assert (found.fsync_interval_s, found.floor_bytes, found.floor_ratio) == (0.5, 8 << 20, 0)
        assert found.stop_bytes == 2 << 20


class TestApi:
    def test_old_database_is_refused_with_the_command(self, tmp_path: Path) -> None:
        done = run("api", ONETAKE_DATA_DIR=str(tmp_path / "data"), ONETAKE_HTTP_PORT="1")
        assert done.returncode == 1
        assert "run: onetake migrate" in done.stderr


class TestUser:
    def test_roles_are_those_of_the_accounts(self) -> None:
        assert [role.value for role in RoleName] == [role.value for role in Role]

    def test_create_list_role_passwd(self, data: Path) -> None:
        created = call("user", "create", "alice", "--role", "operator", "--email", "alice@example.org")
        assert re.search(r"Created operator alice .*\nPassword, shown this once: \S{20,}\n", created.stdout)
        assert call("user", "role", "alice", "instructor").stdout == "alice is now instructor.\n"
        listed = call("user", "list").stdout
        assert re.search(r"alice\s+instructor\s+yes\s+never", listed)
        assert re.search(r"shown this once: \S{20,}", call("user", "passwd", "alice").stdout)

    def test_given_password_is_not_printed(self, data: Path) -> None:
        result = call("user", "create", "bob", "--password-stdin", stdin="correct horse battery\n")
        assert result.exit_code == 0
        assert "correct horse" not in result.stdout
        assert "Password" not in result.stdout

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["user", "passwd", "nobody"], "nobody"),
            (["user", "create", "a b"], "username"),
            (["user", "create", "carol", "--email", "nonsense"], "email"),
        ],
    )
    def test_mistakes_are_one_sentence(self, data: Path, arguments: list[str], words: str) -> None:
        done = run(*arguments, ONETAKE_DATA_DIR=str(data))
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert words in done.stderr

    def test_last_admin_stays(self, data: Path) -> None:
        call("user", "create", "root", "--role", "admin")
        done = run("user", "role", "root", "member", ONETAKE_DATA_DIR=str(data))
        assert done.returncode == 1
        assert "last active administrator" in done.stderr

    def test_old_database_is_refused_with_the_command(self, tmp_path: Path) -> None:
        done = run("user", "list", ONETAKE_DATABASE_URL=f"sqlite:///{tmp_path}/empty.db")
        assert done.returncode == 1
        assert "run: onetake migrate" in done.stderr


class TestBackup:
    def test_tells_what_it_did_and_does_only_what_is_new(self, data: Path, tmp_path: Path) -> None:
        (data / "secret.key").write_text("00" * 32)
        target = tmp_path / "copy"
        first = call("backup", str(target)).stdout
        assert re.fullmatch(
            r"Backed up to \S+ in \d\.\d s: onetake.db, 1 files copied .*, 0 were there already.\n", first
        )
        assert "1 were there already, 0 removed." in call("backup", str(target), "--prune").stdout

    def test_mistakes_are_one_sentence(self, data: Path) -> None:
        for target, words in ((data / "copy", "lies in the data folder"), (Path("/proc/copy"), "No such file")):
            done = run("backup", str(target), ONETAKE_DATA_DIR=str(data))
            assert done.returncode == 1
            assert len(done.stderr.splitlines()) == 1, done.stderr
            assert words in done.stderr


class TestDoctor:
    def test_healthy(self, data: Path) -> None:
        result = call("doctor", "--json")
        findings = {finding["check"]: finding for finding in json.loads(result.stdout)}
        assert {"ffmpeg", "disk", "secret.key", "ports", "database", "files", "clock"} <= set(findings)
        assert findings["database"]["state"] == "ok"

    def test_people_see_the_remedy_and_the_exit_code_tells(self, data: Path) -> None:
        (data / "secret.key").write_text("00" * 32)
        (data / "secret.key").chmod(0o644)
        result = call("doctor")
        assert result.exit_code == 2
        assert "FAIL  secret.key" in result.stdout
        assert "chmod 600" in result.stdout
