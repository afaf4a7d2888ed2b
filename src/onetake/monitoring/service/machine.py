"""Measurements of this machine and of OneTake's processes on it, by psutil. Blocking, but only for milliseconds."""

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from onetake.infra.runfiles import RunInfo, read_run_files
from onetake.monitoring.schemas import Process

SILENT_AFTER_S = 15.0
_START_TOLERANCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Usage:
    """The machine between two measurements. `cpu_percent` is of all cores together, rates are bytes per second."""

    cpu_percent: float
    disk_read_bytes_per_s: float
    disk_write_bytes_per_s: float
    network_rx_bytes_per_s: float
    network_tx_bytes_per_s: float


@dataclass(frozen=True, slots=True)
class _Counters:
    at_s: float
    cpu_busy_s: float
    cpu_total_s: float
    transferred: tuple[int, int, int, int]


class UsageMeter:
    """Turns the system's counters into rates over the time since the last call."""

    def __init__(self) -> None:
        self._last = _read_counters()

    def measure(self) -> Usage:
        """Usage since the last call, or since this meter was made."""
        last, now = self._last, _read_counters()
        self._last = now
        seconds = max(1e-3, now.at_s - last.at_s)
        total = now.cpu_total_s - last.cpu_total_s
        busy = (now.cpu_busy_s - last.cpu_busy_s) / total if total > 0 else 0.0
        rates = [round(max(0.0, (b - a) / seconds), 1) for a, b in zip(last.transferred, now.transferred, strict=True)]
        return Usage(round(100 * min(1.0, max(0.0, busy)), 1), *rates)


def _read_counters() -> _Counters:
    cpu = psutil.cpu_times()
    idle = cpu.idle + getattr(cpu, "iowait", 0.0)
    guests = getattr(cpu, "guest", 0.0) + getattr(cpu, "guest_nice", 0.0)  # counted in user and nice already
    total = sum(cpu) - guests
    disk = psutil.disk_io_counters()
    network = [count for name, count in psutil.net_io_counters(pernic=True).items() if not name.startswith("lo")]
    transferred = (
        disk.read_bytes if disk else 0,
        disk.write_bytes if disk else 0,
        sum(count.bytes_recv for count in network),
        sum(count.bytes_sent for count in network),
    )
    return _Counters(time.monotonic(), total - idle, total, transferred)


@dataclass(frozen=True, slots=True)
class Space:
    """One file system, in bytes; `free` is what a program without special rights may still write."""

    path: str
    total: int
    used: int
    free: int


def file_systems(data_dir: Path) -> list[Space]:
    """The file system of the data folder, and the system's own when it is another one."""
    found: dict[int, Space] = {}
    for folder in (_existing(data_dir.absolute()), Path("/")):
        try:
            device = folder.stat().st_dev
            if device not in found:
                usage = psutil.disk_usage(str(folder))
                found[device] = Space(_mount_point(folder), usage.total, usage.used, usage.free)
        except OSError:
            continue  # unmounted under our feet: the doctor and the recorder say so
    return list(found.values())


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _mount_point(folder: Path) -> str:
    while not os.path.ismount(folder) and folder != folder.parent:
        folder = folder.parent
    return str(folder)


class ProcessMeter:
    """OneTake's processes on this machine, found by their run files; keeps handles so that CPU use can be told."""

    def __init__(self, run_dir: Path, own_role: str) -> None:
        self._run_dir = run_dir
        self._own_role = own_role
        self._handles: dict[int, psutil.Process] = {}

    def measure(self) -> list[Process]:
        """Every living process of this server, and this one itself when no supervisor has listed it."""
        infos = list(read_run_files(self._run_dir))
        if all(info.pid != os.getpid() for info in infos):
            infos.append(_own_info(self._own_role))
        found = [process for info in infos if (process := self._measure(info))]
        self._handles = {pid: handle for pid, handle in self._handles.items() if any(p.pid == pid for p in found)}
        return found

    def _measure(self, info: RunInfo) -> Process | None:
        try:
            handle = self._handles.setdefault(info.pid, psutil.Process(info.pid))
            if abs(handle.create_time() - info.started_at) > _START_TOLERANCE_S and info.role != "supervisor":
                del self._handles[info.pid]
                return None  # the number belongs to another program by now
            cpu = handle.cpu_percent(interval=None)
            memory = handle.memory_info().rss
        except psutil.Error:
            self._handles.pop(info.pid, None)
            return None
        silent = info.role not in ("supervisor", self._own_role) and time.time() - info.beat_at > SILENT_AFTER_S
        return Process(
            name=info.role,
            pid=info.pid,
            state="silent" if silent else "running",
            memory_bytes=memory,
            cpu_percent=round(cpu, 1),
            started_at=datetime.fromtimestamp(info.started_at, UTC),
            restarts=info.restarts,
            loop_lag_ms=None if info.role == "supervisor" else info.lag_ms,
        )


def _own_info(role: str) -> RunInfo:
    started = psutil.Process().create_time()
    return RunInfo(role, os.getpid(), started, restarts=0, beat_at=time.time(), lag_ms=0.0)


def load_average() -> list[float]:
    """Over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in psutil.getloadavg()]
