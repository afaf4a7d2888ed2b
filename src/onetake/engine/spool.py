"""Undelivered events on disk: one append-only log with a CRC per line, fsynced before an event counts as kept.

A line is `<crc32 of the rest as 8 hex digits> <JSON>\n`; the JSON is either an event with its number or the number of
an event that has been delivered. A torn or damaged line is skipped. The log is rewritten when most of it is history.
All methods block: call them from one worker thread.
"""

import json
import logging
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

COMPACT_BYTES = 1 << 20
MAX_PENDING = 100_000


@dataclass(frozen=True, slots=True)
class Spooled:
    """One event that still has to arrive. `lane` is the stream whose events keep their order."""

    seq: int
    lane: str
    event: dict[str, Any]


class Spool:
    """The log at `path`. `dropped` counts events given up because more than `MAX_PENDING` were waiting."""

    def __init__(self, path: Path, max_pending: int = MAX_PENDING) -> None:
        self.path = path
        self.dropped = 0
        self._max_pending = max_pending
        self._pending: dict[int, Spooled] = {}
        self._next_seq = 1
        self._size_bytes = 0
        self._fd: int | None = None

    def open(self) -> list[Spooled]:
        """Read what an earlier run left behind, oldest first, and be ready to append."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for record in _read_records(self.path):
            self._replay(record)
        self._compact()
        return list(self._pending.values())

    def add(self, items: Iterable[tuple[str, dict[str, Any]]]) -> list[Spooled]:
        """Number events (lane, event); from now on they are pending, in memory only until `keep`."""
        added = []
        for lane, event in items:
            added.append(Spooled(self._next_seq, lane, event))
            self._next_seq += 1
        self._pending.update((item.seq, item) for item in added)
        self._shed()
        return added

    def keep(self, added: Iterable[Spooled]) -> None:
        """Write events that `add` has numbered; they survive a crash once this returns.

        Raises:
            OSError: the disk refused.
        """
        self._write([_event_record(item) for item in added])

    def acknowledge(self, seqs: Iterable[int]) -> None:
        """Forget delivered events. Not fsynced: after a crash they may be delivered once more."""
        known = [seq for seq in seqs if self._pending.pop(seq, None)]
        if not known:
            return
        self._write([{"ack": seq} for seq in known], sync=False)
        if self._size_bytes > COMPACT_BYTES and self._size_bytes > 1024 * len(self._pending):
            self._compact()

    def close(self) -> None:
        """Release the file; what is pending stays on disk."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def is_pending(self, seq: int) -> bool:
        """Whether this event is still wanted (it may have been shed)."""
        return seq in self._pending

    def _replay(self, record: dict[str, Any]) -> None:
        if "ack" in record:
            self._pending.pop(record["ack"], None)
            return
        item = Spooled(record["seq"], record["lane"], record["event"])
        self._pending[item.seq] = item
        self._next_seq = max(self._next_seq, item.seq + 1)

    def _shed(self) -> None:
        while len(self._pending) > self._max_pending:
            del self._pending[next(iter(self._pending))]
            self.dropped += 1

    def _write(self, records: list[dict[str, Any]], sync: bool = True) -> None:
        data = b"".join(_encode(record) for record in records)
        if self._fd is None:
            raise OSError("the spool is closed")
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        self._size_bytes += len(data)
        if sync:
            os.fdatasync(self._fd)

    def _compact(self) -> None:
        """Rewrite the log with only what is pending: new file, fsync, rename, fsync of the folder."""
        fresh = self.path.with_suffix(".tmp")
        self.close()
        data = b"".join(_encode(_event_record(item)) for item in self._pending.values())
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        _sync_folder(self.path.parent)
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._size_bytes = len(data)


def _event_record(item: Spooled) -> dict[str, Any]:
    return {"seq": item.seq, "lane": item.lane, "event": item.event}


def _encode(record: dict[str, Any]) -> bytes:
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
    # A torn line may lack its newline: starting with one keeps the damage to that line.
    return b"\n%08x %s\n" % (zlib.crc32(text), text)


def _read_records(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if record := _decode(line.rstrip(b"\n")):
                yield record


def _decode(line: bytes) -> dict[str, Any] | None:
    if not line:
        return None
    try:
        if int(line[:8], 16) != zlib.crc32(line[9:]):
            raise ValueError("CRC")
        record: dict[str, Any] = json.loads(line[9:])
    except ValueError:
        log.warning("a damaged line in the event spool is skipped")
        return None
    return record


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
