"""docs/4-develop/feature-recipe.md, followed word for word in a copy of this repository."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from onetake.infra.db.migrate import head_revision

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "docs" / "4-develop" / "feature-recipe.md"
COPIED = ("src/onetake", "migrations", "tests/conftest.py", "tests/api_fixtures.py", "pyproject.toml", ".importlinter")
_BLOCK = re.compile(r"^```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"`([\w./]+\.py|\.importlinter)`")


def blocks() -> Iterator[tuple[str, str, str]]:
    """(language, file, text) of every block; its file is the last one named before it."""
    text = RECIPE.read_text()
    for block in _BLOCK.finditer(text):
        yield block[1], _NAMED.findall(text[: block.start()])[-1], block[2]


def apply(folder: Path, language: str, name: str, text: str) -> None:
    """Write a new file, or put the + lines of a diff behind its first line."""
    path = folder / name
    if language == "python":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace('"HEAD"', f'"{head_revision()}"'))
        return
    anchor, *added = text.splitlines()
    assert anchor.startswith(" ")
    assert all(line.startswith("+") for line in added)
    old = path.read_text()
    place = anchor[1:] + "\n"
    assert old.count(place) >= 1, f"{name} has no line {anchor[1:]!r} any more"
    path.write_text(old.replace(place, place + "".join(line[1:] + "\n" for line in added), 1))


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    for language, name, text in blocks():
        apply(folder, language, name, text)
    return folder


def run(folder: Path, *command: str) -> None:
    """Run with the copy's `onetake` instead of ours."""
    env = {**os.environ, "PYTHONPATH": str(folder / "src"), "MYPY_CACHE_DIR": str(folder / ".mypy")}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_tests_pass(followed: Path) -> None:
    run(followed, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/announcements")


def test_its_migration_leads_to_its_models(followed: Path) -> None:
    run(followed, sys.executable, str(ROOT / "scripts" / "check_migrations.py"))


def test_it_keeps_the_direction_of_imports(followed: Path) -> None:
    run(followed, str(Path(sys.executable).with_name("lint-imports")), "--no-cache")


def test_it_is_written_as_we_write(followed: Path) -> None:
    run(
        followed,
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "src/onetake/announcements",
        "tests/announcements",
    )
    run(followed, sys.executable, "-m", "ruff", "format", "--no-cache", "--check", "src/onetake/announcements")
