"""The package alone: built, installed into an empty virtual environment, started, page answered."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.running import server_env, serving

from onetake import __version__
from onetake.engine.standalone import PLAYERS

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (ROOT / "src/onetake/webui/index.html").is_file():
        pytest.fail("the web page is not built; run: make install")
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a virtual environment with nothing but the wheel and its locked dependencies."""
    venv = tmp_path_factory.mktemp("venv") / "venv"
    run(sys.executable, "-m", "venv", venv)
    pip: list[str | Path] = [venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    probe = subprocess.run(
        [*map(str, pip), "--dry-run", "--no-deps", "pip"], capture_output=True, text=True, check=False
    )
    if probe.returncode != 0 and os.environ.get("CI") != "true":
        pytest.skip("no package index can be reached")
    run(*pip, "--require-hashes", "-r", ROOT / "requirements.lock")
    run(*pip, "--no-deps", wheel)
    return venv / "bin"


def test_wheel_holds_page_migrations_and_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"onetake/webui/index.html", "onetake/migrations/env.py", "onetake/py.typed"} <= names
    assert any(name.startswith("onetake/migrations/versions/") for name in names)
    assert any(name.startswith("onetake/webui/assets/") for name in names)
    assert {f"onetake/webui/players/{name}" for name in PLAYERS} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests", "web/"))]


def test_installed_package_serves_the_page(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "onetake", "version", cwd=tmp_path) == f"onetake {__version__}\n"
    run(installed / "python", "-m", "pip", "check", cwd=tmp_path)
    env = server_env(tmp_path / "data", PYTHONPATH="", VIRTUAL_ENV="")
    with serving(env, [str(installed / "onetake"), "serve"]) as server:
        server.wait_until_ready()
        assert server.output.count("password  ") == 1
        status, page = server.get("/")
        assert (status, "<!doctype html>" in page.lower()) == (200, True)
        assert server.get("/api/config")[0] == 200
        assert server.stop() == 0
