"""Each warning fires when it should, not otherwise, and speaks three languages."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from onetake.kit.clock import utc_now
from onetake.kit.errors import LANGS
from onetake.monitoring.schemas import Disk, JobCounts, MediaFigures, Process, PullTrouble, Recorder
from onetake.monitoring.service import warnings as module
from onetake.monitoring.service.warnings import Facts, warnings_of

NOW = utc_now()


def disk(**fields: Any) -> Disk:
    values = {"path": "/data", "total_bytes": 100, "used_bytes": 50, "free_bytes": 50, "percent": 50.0}
    return Disk(**(values | {"fill_bytes_per_s": None, "full_in_hours": None} | fields))


def process(**fields: Any) -> Process:
    values: dict[str, Any] = {"name": "worker", "pid": 1, "state": "running", "memory_bytes": 1, "cpu_percent": 0.0}
    return Process(**(values | {"started_at": NOW - timedelta(hours=2), "restarts": 0, "loop_lag_ms": 0.1} | fields))


def jobs(**fields: Any) -> JobCounts:
    values = {"queued": 0, "running": 0, "scheduled": 0, "waiting": 0, "failed_24h": 0, "workers": 1}
    return JobCounts(**(values | {"oldest_queued_s": None} | fields))


def recorder(**fields: Any) -> Recorder:
    values = {"task_id": 1, "source_name": "大礼堂", "state": "paused", "reason": "Full.", "started_at": NOW}
    return Recorder(**(values | {"size_bytes": 1} | fields))


def trouble() -> PullTrouble:
    return PullTrouble(source_id=1, source_name="大礼堂", state="retrying", reason="Away.", since=NOW)


HEALTHY = Facts(
    now=NOW,
    disks=[disk()],
    memory_percent=50.0,
    loop_lag_worst_ms=3.0,
    processes=[process()],
    versions={"ffmpeg": "9.0.2", "web_ui": "abc"},
    jobs=jobs(),
    recorders=[recorder(state="recording", reason=None)],
)


def test_all_is_well() -> None:
    assert warnings_of(HEALTHY, "en") == []


@pytest.mark.parametrize(
    ("change", "code", "level"),
    [
        ({"disks": [disk(percent=91.0)]}, "disk_low", "warning"),
        ({"disks": [disk(percent=97.0)]}, "disk_low", "critical"),
        ({"disks": [disk(full_in_hours=23.0)]}, "disk_full_soon", "warning"),
        ({"disks": [disk(full_in_hours=1.5)]}, "disk_full_soon", "critical"),
        ({"memory_percent": 95.0}, "memory_high", "warning"),
        ({"loop_lag_worst_ms": 900.0}, "loop_lag", "warning"),
        ({"processes": [process(state="silent")]}, "process_silent", "critical"),
        ({"processes": [process(restarts=1, started_at=NOW)]}, "process_restarted", "warning"),
        ({"disks": [disk(percent=85.0)]}, "disk_low", "warning"),
        ({"media": MediaFigures(reachable=False)}, "media_away", "critical"),
        ({"recorders": [recorder()]}, "recording_paused", "critical"),
        ({"pulls": [trouble()]}, "pull_failing", "warning"),
        ({"jobs": None}, "database_down", "critical"),
        ({"jobs": jobs(workers=0)}, "no_worker", "critical"),
        ({"jobs": jobs(oldest_queued_s=700.0)}, "jobs_stuck", "warning"),
        ({"jobs": jobs(failed_24h=2)}, "jobs_failed", "info"),
        ({"versions": {"ffmpeg": "missing", "web_ui": "x"}}, "ffmpeg_missing", "critical"),
        ({"versions": {"ffmpeg": "8.0.1", "web_ui": "x"}}, "ffmpeg_old", "warning"),
        ({"versions": {"ffmpeg": "9.0", "web_ui": "missing"}}, "web_ui_missing", "warning"),
    ],
)
def test_each_fault_is_told_in_every_language(change: dict[str, Any], code: str, level: str) -> None:
    facts = replace(HEALTHY, **change)
    texts = set()
    for lang in LANGS:
        (warning,) = warnings_of(facts, lang)
        assert (warning.code, warning.level) == (code, level)
        assert "{" not in warning.text
        texts.add(warning.text)
    assert len(texts) >= 2


def test_old_restart_is_forgotten() -> None:
    assert warnings_of(replace(HEALTHY, processes=[process(restarts=4)]), "en") == []


def test_a_worker_is_waited_for_after_a_start() -> None:
    just_now = process(started_at=NOW - timedelta(seconds=50))
    starting = replace(HEALTHY, jobs=jobs(workers=0), processes=[just_now])
    assert warnings_of(starting, "en") == []
    one_restarted = replace(starting, processes=[just_now, process(name="api")])
    assert [warning.code for warning in warnings_of(one_restarted, "en")] == ["no_worker"]


def test_most_urgent_comes_first() -> None:
    facts = replace(HEALTHY, jobs=jobs(failed_24h=1, workers=0), memory_percent=99.0)
    assert [warning.level for warning in warnings_of(facts, "en")] == ["critical", "warning", "info"]


def test_every_text_is_used() -> None:
    source = module.__loader__.get_source(module.__name__)  # type: ignore[union-attr]
    for code in module._TEXTS:
        assert source.count(f'"{code}"') >= 2, code
