"""What is known of a recording besides its media: `recording.json` in its folder, and what start-up makes of it.

Sheets that are not settled (the recording runs, or was interrupted) are also listed in `open/<id>.unsettled`, so that a
start looks at those and not at every recording that ever was. Blocking: in threads only.
"""

import errno
import json
import logging
import shutil
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from onetake.engine.disk import MARKER
from onetake.engine.options import MediaOptions
from onetake.engine.state import write_atomically
from onetake.kit.clock import wall_ms
from onetake.media.index import BadIndex, IndexReader
from onetake.media.recording import GAP_MS, asset_folder, recover, video_files

log = logging.getLogger(__name__)

RENDITION = "source"
SHEET = "recording.json"
TIME_SHIFT = "time_shift"
UNSETTLED = ".unsettled"
MAX_LISTED = 1000


@dataclass(slots=True)
class Sheet:
    """What is known of a recording besides its media; `recording.json` and the JSON of `/control/recordings`.

    `state`: `recording`, `paused`, `finished`, or `interrupted` (the server ended; it may go on). Times are Unix ms.
    """

    id: str
    name: str
    session: str
    trigger: str
    started_ms: int
    state: str = "recording"
    reason: str = ""
    ended_ms: int = 0
    duration_s: float = 0.0
    size_bytes: int = 0
    files: int = 0
    gaps: list[dict[str, int]] = field(default_factory=list)
    damages: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


class SheetBook:
    """Writes sheets, one after the other in a thread of its own, so that the newest wins."""

    def __init__(self, data_dir: Path, open_dir: Path) -> None:
        self._data_dir = data_dir
        self._open_dir = open_dir
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="record-sheets")

    def save(self, sheet: Sheet) -> None:
        """Keep the sheet as it is now. It is not needed to play the files: a failure is only logged."""
        data, settled = json.dumps(sheet.as_dict()).encode(), sheet.state == "finished"
        self._submit(lambda: self._write(sheet.id, data, settled))

    def remove(self, sheet: Sheet) -> None:
        """A time-shift window is over: remove its files."""
        self._submit(lambda: _remove(self._data_dir, self._open_dir, sheet.id))

    def close(self) -> None:
        """Wait until everything is written."""
        self._thread.shutdown()

    def _write(self, recording_id: str, data: bytes, settled: bool) -> None:
        if not (self._data_dir / "media" / MARKER).exists():
            raise OSError(errno.ENOENT, "the volume of the recordings is not mounted")
        listed = self._open_dir / (recording_id + UNSETTLED)
        if not settled:
            listed.parent.mkdir(parents=True, exist_ok=True)
            listed.touch()
        write_atomically(_folder(self._data_dir, recording_id) / SHEET, data)
        if settled:
            listed.unlink(missing_ok=True)

    def _submit(self, work: Callable[[], None]) -> None:
        self._thread.submit(_logged, work)


def recover_recordings(options: MediaOptions, grace_s: Callable[[str], float]) -> tuple[list[Sheet], dict[str, float]]:
    """At start-up: repair what was open, remove left-over windows, read the sheets that matter.

    Returns the newest sheets and all unsettled ones, and the ids of those that may go on because the last write is
    younger than the grace time of their stream (`grace_s(name)`), each with that time.
    """
    # Before the repair, which writes to the files.
    written_ms = {one: _last_write_ms(_folder(options.data_dir, one) / RENDITION) for one in _unsettled(options)}
    for found in recover(options.open_dir):
        log.info("recovered recording %s: %.1f s in %d files", found.recording_id, found.duration_s, len(found.files))
    sheets = {sheet.id: sheet for sheet in islice(_newest(options.media_dir), MAX_LISTED)}
    resumable: dict[str, float] = {}
    for recording_id in written_ms:
        folder = _folder(options.data_dir, recording_id)
        sheet = (
            sheets.get(recording_id) or read_sheet(folder / SHEET) or Sheet(recording_id, "", "", "", 0, "recording")
        )
        if sheet.trigger == TIME_SHIFT:
            sheets.pop(recording_id, None)
            _remove(options.data_dir, options.open_dir, recording_id)
            continue
        sheets[recording_id] = sheet
        measure(folder / RENDITION, sheet)
        patience_s = grace_s(sheet.name)
        if wall_ms() - written_ms[recording_id] < patience_s * 1000:
            resumable[recording_id] = patience_s
    return list(reversed(sheets.values())), resumable


def _unsettled(options: MediaOptions) -> Iterator[str]:
    """Ids that are listed as not settled; a file with a strange name is none of ours."""
    for path in sorted(options.open_dir.glob(f"*{UNSETTLED}")):
        recording_id = path.name.removesuffix(UNSETTLED)
        try:
            _folder(options.data_dir, recording_id)
        except ValueError:
            log.warning("%s is not the name of a recording", path.name)
        else:
            yield recording_id


def read_sheet(path: Path) -> Sheet | None:
    """A sheet from disk; None when it is missing or broken (the recording still plays, only its name is unknown)."""
    try:
        raw = json.loads(path.read_bytes())
        return Sheet(**{key: raw[key] for key in Sheet.__dataclass_fields__ if key in raw})
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        log.warning("recording sheet %s: %s", path.parent.name, error)
        return None


def measure(folder: Path, sheet: Sheet) -> None:
    """Figures and gaps of an interrupted recording, from its indexes; `ended_ms` is where its media ends."""
    sheet.duration_s, sheet.size_bytes, sheet.files, sheet.ended_ms, sheet.gaps = 0.0, 0, 0, 0, []
    for video in video_files(folder):
        sheet.files += 1
        sheet.size_bytes += video.stat().st_size
        with suppress(BadIndex, OSError), IndexReader(video.with_suffix(".idx")) as index:
            _measure_file(index, sheet)


def _measure_file(index: IndexReader, sheet: Sheet) -> None:
    scale, end_ticks = index.header.timescale, -1
    for record in index.records():
        goes_on = record.dts_ticks == end_ticks and not record.after_gap
        if sheet.ended_ms and record.wall_ms - sheet.ended_ms > GAP_MS and not goes_on:
            sheet.gaps.append({"start_ms": sheet.ended_ms, "end_ms": record.wall_ms})
        sheet.ended_ms = round(record.wall_ms + record.duration_ticks * 1000 / scale)
        sheet.duration_s += record.duration_ticks / scale
        end_ticks = record.end_ticks


def _newest(media_dir: Path) -> Iterator[Sheet]:
    """Sheets by falling age; ids are UUIDv7, so names sort by time."""
    for month in sorted(media_dir.glob("[0-9]*/[0-9]*"), reverse=True):
        for folder in sorted(month.iterdir(), reverse=True):
            path = folder / SHEET
            sheet = read_sheet(path) if path.exists() else None
            if sheet is not None and sheet.trigger != TIME_SHIFT:
                yield sheet


def _remove(data_dir: Path, open_dir: Path, recording_id: str) -> None:
    shutil.rmtree(_folder(data_dir, recording_id), ignore_errors=True)
    (open_dir / (recording_id + UNSETTLED)).unlink(missing_ok=True)


def _folder(data_dir: Path, recording_id: str) -> Path:
    return asset_folder(data_dir, uuid.UUID(recording_id))


def _last_write_ms(folder: Path) -> float:
    files = video_files(folder)
    return files[-1].stat().st_mtime * 1000 if files else 0.0


def _logged(work: Callable[[], None]) -> None:
    try:
        work()
    except OSError as error:
        log.warning("recording sheet: %s", error)
