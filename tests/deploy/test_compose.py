"""compose.yml and Dockerfile, as far as they can be judged without Docker."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from onetake.cli import app
from onetake.infra.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SERVICE_KEYS = {
    "build", "command", "depends_on", "environment", "healthcheck", "image", "init", "network_mode", "ports",
    "restart", "security_opt", "stop_grace_period", "volumes",
}  # fmt: skip
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
PORT = re.compile(r"(?:\$\{(?P<variable>\w+):-)?(?P<outside>\d+)\}?:(?P<inside>\d+)\Z")
VARIABLE = re.compile(r"\$\{(\w+)(?::-[^}]*)?\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found = yaml.safe_load((ROOT / "compose.yml").read_text())
    assert isinstance(found, dict)
    return found


def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def test_top_level(compose: dict[str, Any]) -> None:
    assert {key for key in compose if not key.startswith("x-")} == {"services", "volumes"}
    assert {"api", "worker", "media", "nginx", "database"} <= set(services(compose))


def test_services_use_known_keys_of_the_right_kind(compose: dict[str, Any]) -> None:
    for name, service in services(compose).items():
        assert set(service) <= SERVICE_KEYS, name
        assert isinstance(service["image"], str)
        assert service.get("restart", "no") in ("no", "always", "unless-stopped", "on-failure")
        assert isinstance(service.get("ports", []), list)
        assert isinstance(service.get("environment", {}), dict)
        assert not ({"ports"} <= set(service) and "network_mode" in service), "a shared name space has no own ports"


def test_dependencies_exist_and_do_not_go_round(compose: dict[str, Any]) -> None:
    left = {name: dict(service.get("depends_on", {})) for name, service in services(compose).items()}
    for name, needed in left.items():
        for other, how in needed.items():
            assert other in left, f"{name} depends on {other}"
            assert how["condition"] in CONDITIONS
            if how["condition"] == "service_healthy":
                assert not services(compose)[other].get("healthcheck", {}).get("disable"), (
                    f"{other} has no health check"
                )
    while left:
        free = [name for name, needed in left.items() if not set(needed) & set(left)]
        assert free, f"dependencies go round: {sorted(left)}"
        for name in free:
            del left[name]


def test_volumes_and_mounted_files_exist(compose: dict[str, Any]) -> None:
    for name, service in services(compose).items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).is_file(), f"{name} mounts {source}"
            else:
                assert source in compose["volumes"], f"{name} mounts {source}"


def test_commands_and_variables_are_ours(compose: dict[str, Any]) -> None:
    known = {f"ONETAKE_{field.upper()}" for field in Settings.model_fields}
    names = {info.name or getattr(info.callback, "__name__", "") for info in app.registered_commands} | {"media"}
    for name, service in services(compose).items():
        command = service.get("command")
        if command and command[0] == "onetake":
            assert command[1] in names, name
        for variable in service.get("environment", {}):
            assert not variable.startswith("ONETAKE_") or variable in known, f"{name}: {variable}"
    inside = set(VARIABLE.findall((ROOT / "compose.yml").read_text()))
    assert {variable for variable in inside if variable.startswith("ONETAKE_")} <= known


def test_ports(compose: dict[str, Any]) -> None:
    defaults = {str(Settings.model_fields[f"{name}_port"].default) for name in ("http", "media", "files", "rtmp")}
    for service in services(compose).values():
        for port in service.get("ports", []):
            found = PORT.match(port)
            assert found, port
            assert found["inside"] in {"80", *defaults}


def test_shared_network_outlives_each_process(compose: dict[str, Any]) -> None:
    assert {services(compose)[name]["network_mode"] for name in ("api", "worker", "media")} == {"service:network"}
    assert services(compose)["network"]["command"] == ["sleep", "infinity"]
    conf = (ROOT / "deploy" / "nginx" / "compose.conf").read_text()
    assert "set $onetake_host network;" in conf


def test_dockerfile_copies_what_exists_and_runs_as_nobody_special() -> None:
    text = (ROOT / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        *sources, _target = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
    assert re.search(r"^USER onetake$", text, re.MULTILINE)
    assert "--require-hashes" in text
    assert text.count("FROM ") == 3
