"""Undelivered events on disk: one append-only log with a CRC per line, fsynced before an event counts as kept.

A line is `<crc32 of the rest as 8 hex digits> <JSON>\n`; the JSON is either an event with its number or the number of
an event that has been delivered. A torn or damaged line is skipped. The log is rewritten when most of it is history;
while the disk has no room for that, it only grows. All methods block: call them from one worker thread.
"""

import json
import logging
import os
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

COMPACT_BYTES = 1 << 20
MAX_PENDING = 100_000
APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
FIRST_TO_GO = frozenset({"on_play", "on_stop"})
NEVER_TO_GO = frozenset({"on_record"})


@dataclass(frozen=True, slots=True)
class Spooled:
    """One event that still has to arrive. `lane` is the stream whose events keep their order."""

    seq: int
    lane: str
    event: dict[str, Any]


class Spool:
    """The log at `path`. `dropped` counts events given up because more than `max_pending` were waiting.

    Who watches is given up first, then the rest, always the oldest; what became of a recording is never given up.
    """

    def __init__(self, path: Path, max_pending: int = MAX_PENDING) -> None:
        self.path = path
        self.dropped = 0
        self._max_pending = max_pending
        self._pending: dict[int, Spooled] = {}
        self._expendable: tuple[OrderedDict[int, None], ...] = (OrderedDict(), OrderedDict())
        self._compact_at_bytes = COMPACT_BYTES
        self._next_seq = 1
        self._size_bytes = 0
        self._fd: int | None = None

    def open(self) -> list[Spooled]:
        """Read what an earlier run left behind, oldest first, and be ready to append."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for record in _read_records(self.path):
            self._replay(record)
        self._shed()
        self._swap(os.open(self.path, APPEND, 0o600))
        self._try_to_compact()
        return list(self._pending.values())

    def add(self, items: Iterable[tuple[str, dict[str, Any]]]) -> list[Spooled]:
        """Number events (lane, event); from now on they are pending, in memory only until `keep`."""
        added = []
        for lane, event in items:
            added.append(Spooled(self._next_seq, lane, event))
            self._next_seq += 1
        for item in added:
            self._await(item)
        self._shed()
        return added

    def keep(self, added: Iterable[Spooled]) -> None:
        """Write events that `add` has numbered; they survive a crash once this returns.

        Raises:
            OSError: the disk refused.
        """
        self._write([_event_record(item) for item in added])
        self._compact_if_due()

    def acknowledge(self, seqs: Iterable[int]) -> None:
        """Forget delivered events. Not fsynced: after a crash they may be delivered once more."""
        known = [seq for seq in seqs if self._forget(seq)]
        if not known:
            return
        self._write([{"ack": seq} for seq in known], sync=False)
        self._compact_if_due()

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
            self._forget(record["ack"])
            return
        item = Spooled(record["seq"], record["lane"], record["event"])
        self._await(item)
        self._next_seq = max(self._next_seq, item.seq + 1)

    def _await(self, item: Spooled) -> None:
        self._pending[item.seq] = item
        action = item.event.get("action")
        if action not in NEVER_TO_GO:
            self._expendable[action not in FIRST_TO_GO][item.seq] = None

    def _forget(self, seq: int) -> bool:
        for kind in self._expendable:
            kind.pop(seq, None)
        return self._pending.pop(seq, None) is not None

    def _shed(self) -> None:
        for kind in self._expendable:
            while kind and len(self._pending) > self._max_pending:
                self._forget(next(iter(kind)))
                self.dropped += 1

    def _write(self, records: list[dict[str, Any]], sync: bool = True) -> None:
        data = b"".join(_encode(record) for record in records)
        if self._fd is None:
            raise OSError("the spool is closed")
        _write_all(self._fd, data)
        self._size_bytes += len(data)
        if sync:
            os.fdatasync(self._fd)

    def _compact_if_due(self) -> None:
        if self._size_bytes > self._compact_at_bytes and self._size_bytes > 1024 * len(self._pending):
            self._try_to_compact()

    def _try_to_compact(self) -> None:
        """Rewrite the log; without success the old one goes on, and a later try comes after more growth."""
        try:
            self._compact()
        except OSError as error:
            log.warning("the event spool cannot be made smaller: %s", error)
            with suppress(OSError):
                self.path.with_suffix(".tmp").unlink(missing_ok=True)
        self._compact_at_bytes = self._size_bytes + COMPACT_BYTES

    def _compact(self) -> None:
        """A log with only what is pending: new file, fsync, rename, fsync of the folder; then it takes over."""
        fresh = self.path.with_suffix(".tmp")
        fd = os.open(fresh, APPEND | os.O_TRUNC, 0o600)
        try:
            _write_all(fd, b"".join(_encode(_event_record(item)) for item in self._pending.values()))
            os.fsync(fd)
            fresh.replace(self.path)
        except OSError:
            os.close(fd)
            raise
        self._swap(fd)
        _sync_folder(self.path.parent)

    def _swap(self, fd: int) -> None:
        self.close()
        self._fd, self._size_bytes = fd, os.fstat(fd).st_size


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


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
