"""The whole program: one command starts it, Ctrl-C stops it, and a killed process comes back."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.running import LIMIT_S, Server, server_env, serving

from onetake.infra.instance import DataDirLock

LINUX = sys.platform == "linux"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return server_env(tmp_path / "data")


@pytest.fixture
def server(env: dict[str, str]) -> Iterator[Server]:
    with serving(env) as running:
        running.wait_until_ready()
        yield running


def run(env: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-P", "-m", "onetake", *(arguments or ("serve",))]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def gone(processes: list[psutil.Process]) -> bool:
    """Whether all of them end; a zombie that nobody has collected yet counts as ended."""
    _, alive = psutil.wait_procs(processes, timeout=20)
    return not [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


class TestFirstStart:
    def test_page_password_and_clean_stop(self, env: dict[str, str]) -> None:
        with serving(env) as server:
            server.wait_until_ready()
            assert f"http://127.0.0.1:{server.port}/" in server.lines[-1]
            assert server.output.count("password  ") == 1
            status, page = server.get("/")
            assert (status, "<!doctype html>" in page.lower()) == (200, True)
            assert server.get("/readyz")[0] == 200
            children = server.children()
            words = {child.cmdline()[-1] for child in children}
            assert words == {"api", "worker", "--part=live", "--part=files"}
            assert server.stop() == 0
            assert gone(children)
        with serving(env) as second:
            second.wait_until_ready()
            assert "password  " not in second.output
            assert second.stop(signal.SIGTERM) == 0

    def test_given_password_is_not_printed_and_not_handed_on(self, env: dict[str, str]) -> None:
        with serving({**env, "ONETAKE_ADMIN_PASSWORD": "correct horse battery"}) as server:
            server.wait_until_ready()
            assert "correct horse" not in server.output
            assert "password  " not in server.output
            if LINUX:
                assert all("ONETAKE_ADMIN_PASSWORD" not in child.environ() for child in server.children())

    def test_json_logs_are_json(self, env: dict[str, str]) -> None:
        with serving({**env, "ONETAKE_LOG_FORMAT": "json", "ONETAKE_LOG_LEVEL": "debug"}) as server:
            server.wait_until_ready()
            server.get("/api/config")
            server.stop()
            lines = [json.loads(line) for line in server.lines if line.startswith("{")]
        assert {"api", "worker"} <= {line["process"] for line in lines}
        assert any(line.get("path") == "/api/config" for line in lines)

    def test_both_processes_of_a_lone_media_server_log_the_same_way(self, env: dict[str, str]) -> None:
        media = [sys.executable, "-P", "-m", "onetake", "media"]
        with serving({**env, "ONETAKE_LOG_FORMAT": "json"}, media) as server:
            line = json.loads(server.wait_for_line("files on "))
            assert server.stop() == 0
        assert (line["process"], line["level"]) == ("files", "info")
        assert all(line.startswith("{") for line in server.lines), server.output


class TestRefusals:
    def test_second_server_on_the_same_folder(self, env: dict[str, str], tmp_path: Path) -> None:
        with DataDirLock.acquire(tmp_path / "data"):
            done = run(env)
        assert done.returncode == 3
        assert str(os.getpid()) in done.stderr
        assert socket.gethostname() in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_api_beside_a_server(self, env: dict[str, str], tmp_path: Path) -> None:
        with DataDirLock.acquire(tmp_path / "data"):
            assert run(env, "api").returncode == 3

    def test_busy_port_names_variable_and_holder_before_anything_starts(
        self, env: dict[str, str], tmp_path: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", int(env["ONETAKE_HTTP_PORT"]))):
            done = run(env)
        assert done.returncode == 2
        assert f"ONETAKE_HTTP_PORT={env['ONETAKE_HTTP_PORT']}" in done.stderr
        assert str(os.getpid()) in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not (tmp_path / "data" / "onetake.db").exists()

    @pytest.mark.parametrize(
        ("name", "value"),
        [("ONETAKE_HTTP_PORT", "x"), ("ONETAKE_BIND", "203.0.113.9"), ("ONETAKE_DATABASE_URL", "oracle://x")],
    )
    def test_bad_setting(self, env: dict[str, str], name: str, value: str) -> None:
        done = run({**env, name: value})
        assert done.returncode == 2
        assert name in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_weak_admin_password(self, env: dict[str, str]) -> None:
        done = run({**env, "ONETAKE_ADMIN_PASSWORD": "short"})
        assert done.returncode == 2
        assert "ONETAKE_ADMIN_PASSWORD" in done.stderr
        assert "Traceback" not in done.stderr
        assert "short" not in done.stderr.replace("at least", "")

    def test_database_of_a_newer_version(self, env: dict[str, str], tmp_path: Path) -> None:
        assert run(env, "migrate").returncode == 0
        with sqlite3.connect(tmp_path / "data" / "onetake.db") as database:
            database.execute("UPDATE alembic_version SET version_num='29991231_future'")
        done = run(env)
        assert done.returncode == 1
        assert "newer OneTake" in done.stderr
        assert "Traceback" not in done.stderr

    def test_lost_database_is_no_first_start(self, env: dict[str, str], tmp_path: Path) -> None:
        asset = tmp_path / "data" / "media" / "2026" / "11" / "asset"
        asset.mkdir(parents=True)
        (asset / "video-000.mp4").write_bytes(b"x")
        done = run(env)
        assert done.returncode == 1
        assert "restore the database from a backup" in done.stderr
        assert run(env, "migrate").returncode == 0
        assert run(env, "prepare").returncode == 0

    def test_damaged_database(self, env: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "onetake.db").write_bytes(b"not a database at all " * 400)
        done = run(env)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "not a database" in done.stderr


class TestKilledMidMigration:
    @pytest.mark.skipif(not LINUX, reason="the crash point is set with strace, which is Linux's")
    def test_next_start_finishes(self, env: dict[str, str], tmp_path: Path, strace: str) -> None:
        database = tmp_path / "data" / "onetake.db"
        kill_at_write = [strace, "-f", "-qq", "-o", "/dev/null", "-P", f"{database}-wal", "-e", "trace=pwrite64"]
        inject = ["-e", "inject=pwrite64:signal=KILL:when=9"]
        command = [*kill_at_write, *inject, sys.executable, "-P", "-m", "onetake", "migrate"]
        killed = subprocess.run(command, env=env, capture_output=True, timeout=LIMIT_S, check=False)
        assert killed.returncode != 0, "strace killed nothing"
        with serving(env) as server:
            server.wait_until_ready()
            assert server.get("/readyz")[0] == 200


class TestDemo:
    @pytest.mark.slow
    def test_live_pattern_can_be_watched(self, env: dict[str, str]) -> None:
        command = [sys.executable, "-P", "-m", "onetake", "demo"]
        with serving(env, command) as server:
            stream = server.wait_for_line("Demo stream").rpartition("/live/")[2].partition("/")[0]
            server.wait_until_ready()
            media_port = int(env["ONETAKE_MEDIA_PORT"])
            deadline = time.monotonic() + LIMIT_S
            while "#EXTINF" not in (playlist := server.get(f"/live/{stream}/live.m3u8", port=media_port)[1]):
                assert time.monotonic() < deadline, playlist + server.output
                time.sleep(0.2)
            assert server.stop() == 0


class TestSupervision:
    def test_killed_processes_come_back(self, server: Server) -> None:
        olds = {role: server.child(role) for role in ("api", "worker", "--part=live", "--part=files")}
        for old in olds.values():
            old.send_signal(signal.SIGKILL)
        for role, old in olds.items():
            server.wait_for_replacement(role, old)
        assert server.get("/healthz")[0] == 200, "requests wait for the new one instead of being refused"

    @pytest.mark.skipif(not LINUX, reason="PR_SET_PDEATHSIG is Linux's")
    def test_killed_supervisor_leaves_no_orphans(self, server: Server) -> None:
        children = server.children()
        server.process.kill()
        assert gone(children)

    @pytest.mark.slow
    def test_frozen_api_is_replaced(self, server: Server) -> None:
        old = server.child("api")
        old.send_signal(signal.SIGSTOP)
        server.wait_for_replacement("api", old)
        assert server.get("/healthz")[0] == 200

    def test_stop_reaches_a_frozen_child(self, server: Server) -> None:
        children = server.children()
        server.child("worker").send_signal(signal.SIGSTOP)
        assert server.stop(signal.SIGTERM) == 0
        assert gone(children)

    def test_run_files_tell_the_processes(self, server: Server) -> None:
        roles = {json.loads(path.read_text())["role"] for path in (server.data_dir / "run").glob("*.json")}
        assert roles == {"supervisor", "api", "worker", "media", "files"}
        server.stop()
        assert not list((server.data_dir / "run").glob("*.json"))


@pytest.fixture
def strace() -> str:
    import shutil

    found = shutil.which("strace")
    if found is None:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail("strace is not installed")
        pytest.skip("strace is not installed")
    probe = subprocess.run([found, "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("this system does not let strace attach")
    return found
