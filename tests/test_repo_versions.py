"""Lock files: nothing below the versions that closed known holes, everything hashed, nothing forgotten."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from onetake.infra.ffmpeg import ffmpeg_version, is_too_old

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock")
FLOORS = {
    "starlette": "1.5.1",
    "python-multipart": "0.0.27",
    "aiohttp": "3.14.1",
    "pyjwt": "2.13.0",
    "pillow": "12.2.0",
    "yt-dlp": "2026.7.4",
}
WEB_FLOORS = {"vite": "7.0.0", "axios": "1.12.0"}
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)(?: ; ([^\\]+?))? ?\\?$")


def pins(name: str) -> list[tuple[str, Version]]:
    """Every pinned package of a lock file; one with markers may stand there twice."""
    found = [_PIN.match(line) for line in (ROOT / name).read_text().splitlines()]
    return [(canonicalize_name(match[1]), Version(match[2])) for match in found if match]


def web_packages() -> dict[str, Any]:
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text())
    packages: dict[str, Any] = lock["packages"]
    return packages


@pytest.mark.parametrize("lock", LOCKS)
def test_nothing_is_below_its_floor(lock: str) -> None:
    for name, version in pins(lock):
        assert version >= Version(FLOORS.get(name, "0")), f"{name} {version} in {lock} has known holes"


def test_floors_bite() -> None:
    """The parser really sees the packages that the floors are about."""
    names = {name for name, _ in pins("requirements.lock")}
    assert {"starlette", "python-multipart", "aiohttp", "pyjwt"} <= names


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock: str) -> None:
    blocks = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / lock).read_text())
    for block in blocks:
        assert "--hash=sha256:" in block, block.splitlines()[0]
    assert len(blocks) == len(pins(lock))


@pytest.mark.parametrize(
    ("lock", "group"), [("requirements.lock", None), ("requirements-dev.lock", "dev"), ("requirements-dev.lock", None)]
)
def test_lock_satisfies_pyproject(lock: str, group: str | None) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["optional-dependencies"][group] if group else project["dependencies"]
    locked: dict[str, list[Version]] = {}
    for name, version in pins(lock):
        locked.setdefault(name, []).append(version)
    for text in wanted:
        requirement = Requirement(text)
        versions = locked.get(canonicalize_name(requirement.name), [])
        assert versions, f"{requirement.name} is missing in {lock}; run: make lock"
        assert all(requirement.specifier.contains(version) for version in versions), f"{text}; run: make lock"


def test_locks_name_no_registry() -> None:
    for lock in LOCKS:
        assert "://" not in (ROOT / lock).read_text()


def test_packaged_ffmpeg_is_new_enough() -> None:
    path, version = ffmpeg_version(None)
    assert path == imageio_ffmpeg.get_ffmpeg_exe()
    assert version is not None
    assert not is_too_old(version)


class TestWeb:
    def test_floors(self) -> None:
        for path, package in web_packages().items():
            floor = WEB_FLOORS.get(path.rpartition("node_modules/")[2])
            if floor:
                assert Version(package["version"]) >= Version(floor), path

    def test_every_package_is_pinned_by_hash(self) -> None:
        loose = [
            path
            for path, package in web_packages().items()
            if path and "link" not in package and "integrity" not in package
        ]
        assert loose == []

    def test_lock_satisfies_package_json(self) -> None:
        wanted = json.loads((ROOT / "web" / "package.json").read_text())
        root = web_packages()[""]
        for kind in ("dependencies", "devDependencies"):
            assert root.get(kind, {}) == wanted.get(kind, {}), "package.json was changed without npm install"
