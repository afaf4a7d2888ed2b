"""The open marker of a recording: a small JSON file that exists while its files may need recovery.

`<id>.json` says that it is in progress. It becomes `<id>.damaged.json` when a file could not be repaired at the end.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from onetake.media.recording.disk import sync_folder, write_atomically

VERSION = 1
MAX_MARKER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Marker:
    """What is being recorded: `folder`, relative to the data folder, holds `files`; the last is being written.

    Relative, so that a data folder that was moved after a crash is still repaired.
    """

    recording_id: str
    folder: str
    files: list[str]
    updated_ms: int


class BadMarker(ValueError):
    """The marker cannot be read; its recording has to be found by `onetake doctor`."""


def write_marker(path: Path, marker: Marker) -> None:
    """Write or replace a marker, durable. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"version": VERSION, **asdict(marker)}).encode())


def read_marker(path: Path) -> Marker:
    """Read a marker. Raises `BadMarker` for anything that we did not write, `OSError`."""
    if path.stat().st_size > MAX_MARKER_BYTES:
        raise BadMarker(f"{path.name} is too large")
    try:
        data = json.loads(path.read_bytes())
        version = data["version"]
        marker = Marker(data["recording_id"], data["folder"], list(data["files"]), int(data["updated_ms"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadMarker(f"{path.name}: {error}") from error
    names_are_text = all(isinstance(name, str) for name in (marker.recording_id, marker.folder, *marker.files))
    if version != VERSION or not names_are_text or any(os.sep in name for name in marker.files):
        raise BadMarker(f"{path.name}: strange content")
    return marker


def folder_of(path: Path, marker: Marker) -> Path:
    """The folder that the marker at `path` (`<data>/open/<id>.json`) speaks of."""
    return path.parent.parent / marker.folder


def relative_folder(path: Path, folder: Path) -> str:
    """`folder` as the marker at `path` names it; absolute when it lies outside of the data folder."""
    data_dir = path.parent.parent
    return folder.relative_to(data_dir).as_posix() if folder.is_relative_to(data_dir) else str(folder)


def set_aside(path: Path) -> None:
    """The recording has ended, but its files still need recovery: the next start looks at them. Raises `OSError`."""
    path.replace(path.with_suffix(".damaged.json"))
    sync_folder(path.parent)


def remove_marker(path: Path) -> None:
    """The recording is complete. Raises `OSError`."""
    path.unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        sync_folder(path.parent)
