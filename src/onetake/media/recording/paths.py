"""Where a recording lies. The folder is computed from the UUIDv7, so that nobody has to look it up."""

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from onetake.kit.ids import uuid7_unix_ms

_RENDITION = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_VIDEO_FILE = re.compile(r"video-(\d{3,6})\.mp4")


@dataclass(frozen=True, slots=True)
class RecordingPlace:
    """The folder that the files of one rendition go to, and the marker that lists them while they are open.

    `marker` None: not listed, nothing to recover (a time-shift spool).
    """

    folder: Path
    marker: Path | None = None
    recording_id: str = ""
    rendition: str = ""

    def video(self, number: int) -> Path:
        """The MP4 with this number."""
        return self.folder / f"video-{number:03d}.mp4"


def index_path(video: Path) -> Path:
    """The index that belongs to an MP4."""
    return video.with_suffix(".idx")


def asset_folder(data_dir: Path, asset_id: uuid.UUID) -> Path:
    """`<data>/media/<yyyy>/<mm>/<asset id>`, dated (UTC) by the id. Raises `ValueError` unless it is a UUIDv7."""
    if asset_id.version != 7:
        raise ValueError(f"{asset_id} is no UUIDv7")
    created = datetime.fromtimestamp(uuid7_unix_ms(asset_id) / 1000, UTC)
    return data_dir / "media" / f"{created:%Y}" / f"{created:%m}" / str(asset_id)


def open_marker(data_dir: Path, recording_id: uuid.UUID) -> Path:
    """The file that says that this recording is in progress."""
    return data_dir / "open" / f"{recording_id}.json"


def recording_place(data_dir: Path, recording_id: uuid.UUID, rendition: str = "source") -> RecordingPlace:
    """Where a recording goes. Raises `ValueError` for an id that is no UUIDv7 or a strange rendition name."""
    if not _RENDITION.fullmatch(rendition):
        raise ValueError(f"rendition {rendition!r}")
    folder = asset_folder(data_dir, recording_id) / rendition
    return RecordingPlace(folder, open_marker(data_dir, recording_id), str(recording_id), rendition)


def video_files(folder: Path) -> list[Path]:
    """The MP4s of a rendition in order; empty when there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _VIDEO_FILE.fullmatch(path.name)), key=_number)


def next_number(folder: Path) -> int:
    """The number of the next file: one more than the highest there is."""
    files = video_files(folder)
    return _number(files[-1]) + 1 if files else 0


def _number(path: Path) -> int:
    match = _VIDEO_FILE.fullmatch(path.name)
    return int(match[1]) if match else -1
