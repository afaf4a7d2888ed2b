"""The spool: order, torn lines, compaction, full disk, and kill -9 between any two events."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.engine import spool as spool_module
from onetake.engine.spool import Spool, Spooled


def opened(path: Path) -> tuple[Spool, list[Spooled]]:
    spool = Spool(path)
    return spool, spool.open()


def put(spool: Spool, *names: str) -> list[Spooled]:
    added = spool.add([("live/a", {"name": name}) for name in names])
    spool.keep(added)
    return added


def test_pending_events_come_back_in_order_and_delivered_ones_do_not(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "events.log"
    spool, left = opened(path)
    assert left == []
    added = put(spool, "one", "two", "three")
    spool.acknowledge([added[1].seq])
    spool.close()
    again, left = opened(path)
    assert [item.event["name"] for item in left] == ["one", "three"]
    assert put(again, "four")[0].seq > added[2].seq
    again.close()


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_torn_last_line_costs_only_itself(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "events.log"
    spool, _ = opened(path)
    put(spool, "one", "two")
    spool.close()
    path.write_bytes(path.read_bytes()[:-cut])
    again, left = opened(path)
    assert [item.event["name"] for item in left][:1] == ["one"]
    put(again, "three")
    again.close()
    last, left = opened(path)
    assert left[-1].event["name"] == "three"
    last.close()


@given(st.binary(max_size=400))
def test_any_bytes_in_the_file_are_survived(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.log"
        path.write_bytes(data)
        spool, left = opened(path)
        put(spool, "new")
        spool.close()
        again, after = opened(path)
        assert len(after) == len(left) + 1
        again.close()


def test_history_is_compacted_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "COMPACT_BYTES", 4096)
    path = tmp_path / "events.log"
    spool, _ = opened(path)
    for _ in range(200):
        spool.acknowledge([item.seq for item in put(spool, "x" * 50)])
    kept = put(spool, "last")
    assert path.stat().st_size < 8192
    spool.close()
    again, left = opened(path)
    assert [item.seq for item in left] == [kept[0].seq]
    again.close()


def test_more_than_the_bound_drops_the_oldest_and_counts(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "events.log", max_pending=3)
    spool.open()
    added = put(spool, *"abcde")
    assert spool.dropped == 2
    assert [spool.is_pending(item.seq) for item in added] == [False, False, True, True, True]
    spool.close()


def event(action: str) -> tuple[str, dict[str, str]]:
    return "live/a", {"action": action}


def test_what_matters_least_is_dropped_first_and_a_recording_never(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "events.log", max_pending=4)
    spool.open()
    wanted = ("on_record", "on_publish", "on_play", "on_session", "on_stop", "on_record", "on_record", "on_play")
    added = [item for action in wanted for item in spool.add([event(action)])]
    spool.keep(added)
    assert [item.event["action"] for item in added if spool.is_pending(item.seq)] == [
        "on_record", "on_session", "on_record", "on_record",
    ]  # fmt: skip
    more = [item for _ in range(5) for item in spool.add([event("on_record")])]
    assert all(spool.is_pending(item.seq) for item in more)
    assert not spool.is_pending(added[3].seq)
    assert spool.dropped == 5
    spool.acknowledge([item.seq for item in more])
    spool.close()
    again = Spool(tmp_path / "events.log", max_pending=2)
    assert [item.event["action"] for item in again.open()] == ["on_record"] * 3
    again.close()


def test_the_log_stays_small_while_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "COMPACT_BYTES", 4096)
    spool = Spool(tmp_path / "events.log", max_pending=3)
    spool.open()
    for _ in range(500):
        put(spool, "x" * 50)
    assert spool.path.stat().st_size < 16_384
    spool.close()


def refuse(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_during_compaction_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "COMPACT_BYTES", 100)
    path = tmp_path / "events.log"
    spool, _ = opened(path)
    early = put(spool, *("x" * 50 for _ in range(40)))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        spool.acknowledge([item.seq for item in early[:-1]])
    assert not path.with_suffix(".tmp").exists()
    late = put(spool, "late")
    spool.close()
    again, left = opened(path)
    assert [item.seq for item in left] == [early[-1].seq, late[0].seq]
    again.close()


def test_a_full_disk_at_the_start_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.log"
    spool, _ = opened(path)
    kept = put(spool, "one")
    spool.close()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        again, left = opened(path)
    assert [item.seq for item in left] == [kept[0].seq]
    more = put(again, "two")
    again.close()
    last, left = opened(path)
    assert [item.seq for item in left] == [kept[0].seq, more[0].seq]
    last.close()


def test_a_full_disk_is_reported_and_the_event_stays_pending(tmp_path: Path) -> None:
    spool, _ = opened(tmp_path / "events.log")
    spool.close()
    added = spool.add([("live/a", {"name": "one"})])
    with pytest.raises(OSError, match="closed"):
        spool.keep(added)
    assert spool.is_pending(added[0].seq)


WRITER = """
import sys
from pathlib import Path
from onetake.engine.spool import Spool
spool = Spool(Path(sys.argv[1]))
spool.open()
for number in range(100_000):
    spool.keep(spool.add([("live/a", {"number": number})]))
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [1, 7, 23])
def test_every_event_that_was_kept_survives_kill_9(tmp_path: Path, after: int) -> None:
    path = tmp_path / "events.log"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        guard = threading.Timer(60, child.kill)
        guard.start()
        seen = [int(child.stdout.readline()) for _ in range(after)]
        child.kill()
        seen += [int(line) for line in child.stdout.read().splitlines() if line]
        guard.cancel()
    spool, left = opened(path)
    assert [item.event["number"] for item in left][: len(seen)] == seen
    spool.close()
