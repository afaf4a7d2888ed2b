"""The set-up scripts behind `make`: what runs when, and what a newcomer is told."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ONCE = ROOT / "scripts" / "once.py"
NEED = ROOT / "scripts" / "need.sh"


class Once:
    """Runs scripts/once.py in a folder of its own; the command appends a line to `ran`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, command: str = "echo x >> ran", *inputs: str, out: str | None = None) -> int:
        options = ["--out", out] if out else []
        words = [sys.executable, str(ONCE), "step", *options, *(inputs or ("in",)), "--", "sh", "-c", command]
        return subprocess.run(words, cwd=self.folder, capture_output=True, check=False).returncode

    @property
    def runs(self) -> int:
        path = self.folder / "ran"
        return path.read_text().count("x") if path.exists() else 0


@pytest.fixture
def once(tmp_path: Path) -> Once:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_text("one")
    return Once(tmp_path)


class TestOnce:
    def test_second_time_does_nothing(self, once: Once) -> None:
        assert once() == once() == 0
        assert once.runs == 1

    def test_content_counts_not_time(self, once: Once) -> None:
        once()
        os.utime(once.folder / "in" / "file", (1, 1))
        once()
        assert once.runs == 1
        (once.folder / "in" / "file").write_text("two")
        once()
        assert once.runs == 2

    def test_new_and_renamed_files_count(self, once: Once) -> None:
        once()
        (once.folder / "in" / "more").write_text("")
        once()
        (once.folder / "in" / "more").rename(once.folder / "in" / "other")
        once()
        assert once.runs == 3

    def test_what_builds_leave_behind_does_not_count(self, once: Once) -> None:
        once()
        (once.folder / "in" / "node_modules").mkdir()
        (once.folder / "in" / "node_modules" / "x").write_text("")
        once()
        assert once.runs == 1

    def test_missing_result_counts(self, once: Once) -> None:
        once("echo x >> ran; touch made", out="made")
        once("echo x >> ran; touch made", out="made")
        assert once.runs == 1
        (once.folder / "made").unlink()
        once("echo x >> ran; touch made", out="made")
        assert once.runs == 2

    def test_other_command_counts(self, once: Once) -> None:
        once()
        once("echo x >> ran; true")
        assert once.runs == 2

    def test_failure_is_passed_on_and_tried_again(self, once: Once) -> None:
        assert once("echo x >> ran; exit 7") == 7
        assert once("echo x >> ran; exit 7") == 7
        assert once.runs == 2

    def test_failure_forgets_the_former_success(self, once: Once) -> None:
        once()
        (once.folder / "in" / "file").write_text("two")
        once("exit 1")
        (once.folder / "in" / "file").write_text("one")
        once()
        assert once.runs == 2


def need(what: str, path: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """scripts/need.sh with nothing but `path` and the shell's own tools in PATH."""
    words = [shutil.which("sh") or "/bin/sh", str(NEED), what]
    return subprocess.run(words, env={"PATH": str(path), **env}, capture_output=True, text=True, check=False)


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


class TestNeed:
    def test_finds_this_python(self, tmp_path: Path) -> None:
        (tmp_path / "python3").symlink_to(sys.executable)
        done = need("python", tmp_path)
        assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "python3"))

    def test_old_python_is_passed_over(self, tmp_path: Path) -> None:
        program(tmp_path, "python3", "exit 1")
        (tmp_path / "python3.12").symlink_to(sys.executable)
        assert need("python", tmp_path).stdout.strip().endswith("python3.12")

    def test_no_python(self, tmp_path: Path) -> None:
        done = need("python", tmp_path)
        assert done.returncode == 1
        assert "Python 3.11 or newer" in done.stderr
        assert "apt install" in done.stderr

    def test_debian_without_venv(self, tmp_path: Path) -> None:
        """`import venv, ensurepip` fails there; everything else works."""
        program(tmp_path, "python3", 'case "$2" in *ensurepip*) exit 1 ;; *print*) echo 3.11 ;; *) exit 0 ;; esac')
        done = need("python", tmp_path)
        assert done.returncode == 1
        assert done.stderr.strip().endswith("sudo apt install python3-venv")

    def test_no_node_and_old_node(self, tmp_path: Path) -> None:
        assert "Node.js 20 or newer" in need("npm", tmp_path).stderr
        program(tmp_path, "node", "exit 1")
        program(tmp_path, "npm", "exit 0")
        assert need("npm", tmp_path).returncode == 1
        program(tmp_path, "node", "exit 0")
        assert need("npm", tmp_path).stdout.strip() == str(tmp_path / "npm")


def test_plain_make_helps() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for target in ("install", "run", "test", "check"):
        assert f"make {target}" in done.stdout


def test_shell_scripts_parse() -> None:
    for script, shell in ((ROOT / ".ci" / "run", "bash"), (NEED, "sh")):
        done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert os.access(script, os.X_OK)
