"""The last hour: bounded, kept over a restart, and harmless on a bad disk."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from onetake.kit.clock import utc_now
from onetake.monitoring.schemas import Sample, SpaceSample
from onetake.monitoring.service import history as module
from onetake.monitoring.service.history import KEPT, SPACE_STEP_S, STEP_S, HistoryStore, free_space


def sample(seconds_ago: float = 0.0, **fields: Any) -> Sample:
    values: dict[str, Any] = {
        "at": utc_now() - timedelta(seconds=seconds_ago),
        "cpu_percent": 1.0,
        "load_1m": 0.1,
        "memory_percent": 2.0,
        "disk_read_bytes_per_s": 0.0,
        "disk_write_bytes_per_s": 0.0,
        "network_rx_bytes_per_s": 0.0,
        "network_tx_bytes_per_s": 0.0,
        "loop_lag_ms": 0.5,
    }
    return Sample(**(values | fields))


def hour(tmp_path: Path) -> HistoryStore[Sample]:
    opened = HistoryStore(tmp_path / "run", "history", Sample, STEP_S)
    opened.open()
    return opened


@pytest.fixture
def store(tmp_path: Path) -> HistoryStore[Sample]:
    return hour(tmp_path)


def test_survives_a_restart(store: HistoryStore[Sample], tmp_path: Path) -> None:
    for index in range(5):
        store.add(sample(50 - index * 10, jobs_running=index))
    store.close()
    again = hour(tmp_path)
    assert [found.jobs_running for found in again.recent()] == [0, 1, 2, 3, 4]


def test_free_space_is_kept_for_longer_in_a_file_of_its_own(tmp_path: Path) -> None:
    hour(tmp_path).add(sample(5))
    space = HistoryStore(tmp_path / "run", "space", SpaceSample, SPACE_STEP_S)
    space.open()
    for hours_ago in (8, 6, 0):
        space.add(SpaceSample(at=utc_now() - timedelta(hours=hours_ago), free_bytes={"/": hours_ago}))
    assert [free for _, free in free_space(space.recent(), "/")] == [6, 0]
    assert free_space(space.recent(), "/elsewhere") == []


def test_older_than_an_hour_is_left_out(store: HistoryStore[Sample]) -> None:
    store.add(sample(3700))
    store.add(sample(10))
    assert len(store.recent()) == 1


def test_memory_and_file_stay_bounded(store: HistoryStore[Sample], tmp_path: Path) -> None:
    for _ in range(5 * KEPT):
        store.add(sample())
    assert len(store.recent()) == KEPT
    lines = (tmp_path / "run" / "history.jsonl").read_text().count("\n")
    assert lines <= 2 * KEPT


def test_second_process_reads_what_the_first_writes(store: HistoryStore[Sample], tmp_path: Path) -> None:
    store.add(sample(jobs_running=1))
    other = hour(tmp_path)
    other.add(sample(jobs_running=99))
    assert [found.jobs_running for found in other.recent()] == [1]
    store.close()
    other.add(sample(jobs_running=2))
    assert [found.jobs_running for found in other.recent()][-1] == 2, "the second one goes on after the first"


@pytest.mark.parametrize("rest", [b"{", b"\xff\xfe\x00", b'{"at": "x"}\n', b"null\n[]\n", b'{"at'])
def test_torn_lines_are_skipped(store: HistoryStore[Sample], tmp_path: Path, rest: bytes) -> None:
    store.add(sample(jobs_running=7))
    store.close()
    with (tmp_path / "run" / "history.jsonl").open("ab") as file:
        file.write(rest)
    again = hour(tmp_path)
    assert [found.jobs_running for found in again.recent()] == [7]


def test_huge_file_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_BYTES", 10_000)
    (tmp_path / "run").mkdir()
    line = sample(1).model_dump_json() + "\n"
    (tmp_path / "run" / "history.jsonl").write_text(line * 1000)
    store = hour(tmp_path)
    assert 1 <= len(store.recent()) <= 10_000 // len(line) + 1


def test_full_disk_costs_the_file_only(store: HistoryStore[Sample], monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    store.add(sample())
    monkeypatch.setattr(Path, "open", no_space)
    store.add(sample())
    assert len(store.recent()) == 2
