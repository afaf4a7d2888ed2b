"""Caddy, systemd and Prometheus examples, each judged by its own program where that is installed."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_caddy_accepts_it(tmp_path: Path) -> None:
    command = [program("caddy"), "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "caddy" / "Caddyfile")]
    env = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_caddy_routes_what_nginx_routes() -> None:
    text = (DEPLOY / "caddy" / "Caddyfile").read_text()
    for port, words in ((8080, "live/"), (8081, "vod/"), (8000, "")):
        assert re.search(rf"{re.escape(words)}[^\0]*reverse_proxy 127\.0\.0\.1:{port}", text)


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    text = (DEPLOY / "systemd" / "onetake.service").read_text()
    unit = tmp_path / "onetake.service"
    unit.write_text(text.replace("/opt/onetake/bin/onetake", "/bin/true").replace("=onetake\n", "=root\n", 2))
    done = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    about_us = [line for line in done.stderr.splitlines() if "onetake.service" in line]
    assert about_us == [], about_us


def test_unit_stops_the_way_the_supervisor_does() -> None:
    text = (DEPLOY / "systemd" / "onetake.service").read_text()
    assert "KillMode=mixed" in text
    assert int(re.findall(r"TimeoutStopSec=(\d+)", text)[0]) > 10


class TestPrometheus:
    @pytest.fixture
    def rules(self) -> list[dict[str, Any]]:
        groups = yaml.safe_load((DEPLOY / "prometheus" / "onetake.rules.yml").read_text())["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def test_rules_are_whole(self, rules: list[dict[str, Any]]) -> None:
        for rule in rules:
            assert {"alert", "expr", "labels", "annotations"} <= set(rule)

    def test_rules_ask_for_metrics_that_exist(self, rules: list[dict[str, Any]]) -> None:
        sources = [ROOT / "src/onetake/infra/metrics.py", ROOT / "src/onetake/monitoring/service/metrics.py"]
        code = "".join(path.read_text() for path in sources)
        for rule in rules:
            for name in re.findall(r"onetake_(\w+)", rule["expr"]):
                assert f'"{name.removesuffix("_total")}"' in code, name

    def test_promtool_accepts_them(self) -> None:
        done = subprocess.run(
            [program("promtool"), "check", "rules", str(DEPLOY / "prometheus" / "onetake.rules.yml")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
