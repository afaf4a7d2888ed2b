"""Measurements of the real machine that the tests run on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from onetake.infra.runfiles import RunFile
from onetake.monitoring.service import machine
from onetake.monitoring.service.machine import ProcessMeter, UsageMeter, file_systems, load_average


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_usage_is_plausible() -> None:
    meter = UsageMeter()
    sum(range(1_000_000))
    found = meter.measure()
    assert 0 <= found.cpu_percent <= 100
    assert min(found.disk_read_bytes_per_s, found.disk_write_bytes_per_s) >= 0
    assert min(found.network_rx_bytes_per_s, found.network_tx_bytes_per_s) >= 0


def test_counters_that_start_over_give_no_negative_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = UsageMeter()
    before = meter._last
    later = machine._Counters(before.at_s + 10, before.cpu_busy_s, before.cpu_total_s, (0, 0, 0, 0))
    monkeypatch.setattr(machine, "_read_counters", lambda: later)
    found = meter.measure()
    assert found.cpu_percent == 0
    assert found.disk_write_bytes_per_s == 0


def test_systems_without_disk_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "disk_io_counters", lambda: None)
    assert UsageMeter().measure().disk_write_bytes_per_s == 0


def test_file_systems_of_a_folder_that_is_not_made_yet(tmp_path: Path) -> None:
    found = file_systems(tmp_path / "not" / "yet")
    assert found
    for space in found:
        assert space.total >= space.free > 0
        assert os.path.ismount(space.path)
    assert len({space.path for space in found}) == len(found)


def test_load_has_three_numbers() -> None:
    assert len(load_average()) == 3


class TestProcesses:
    def test_lists_itself_without_a_supervisor(self, tmp_path: Path) -> None:
        (found,) = ProcessMeter(tmp_path, "api").measure()
        assert (found.name, found.pid, found.state) == ("api", os.getpid(), "running")
        assert found.memory_bytes > 1_000_000

    def test_finds_what_run_files_name(self, tmp_path: Path, child: "subprocess.Popen[bytes]") -> None:
        with RunFile(tmp_path, "worker", child.pid, restarts=3):
            found = {process.name: process for process in ProcessMeter(tmp_path, "api").measure()}
        assert set(found) == {"api", "worker"}
        assert (found["worker"].pid, found["worker"].restarts) == (child.pid, 3)

    def test_dead_process_is_left_out(self, tmp_path: Path, child: "subprocess.Popen[bytes]") -> None:
        meter = ProcessMeter(tmp_path, "api")
        with RunFile(tmp_path, "worker", child.pid):
            assert len(meter.measure()) == 2
            child.kill()
            child.communicate()
            assert [process.name for process in meter.measure()] == ["api"]

    def test_number_of_another_program_is_left_out(self, tmp_path: Path) -> None:
        with RunFile(tmp_path, "worker", 1):  # init was not started just now
            assert [process.name for process in ProcessMeter(tmp_path, "api").measure()] == ["api"]

    def test_silence_is_told(
        self, tmp_path: Path, child: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(machine, "SILENT_AFTER_S", -1.0)
        with RunFile(tmp_path, "worker", child.pid):
            states = {process.name: process.state for process in ProcessMeter(tmp_path, "api").measure()}
        assert states == {"api": "running", "worker": "silent"}
