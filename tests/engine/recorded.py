"""Recordings on disk for the tests of the file process: written by the real writer from real clips."""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.media.fmp4 import clips

from onetake.kit.ids import uuid7
from onetake.media.fmp4 import Part
from onetake.media.recording import RecordingWriter, WriterOptions, asset_folder, recording_place


@dataclass
class Recorded:
    """A recording, finished or still open."""

    id: uuid.UUID
    folder: Path
    parts: list[Part]
    writer: RecordingWriter

    @property
    def video(self) -> Path:
        return self.folder / "source" / "video-000.mp4"

    def finish(self) -> None:
        self.writer.close()


def record(
    data_dir: Path,
    clip: str = "short_gop",
    *,
    upto: int | None = None,
    finish: bool = True,
    rotate_s: float | None = None,
    rendition: str = "source",
    asset_id: uuid.UUID | None = None,
) -> Recorded:
    """Write a clip as a recording; `upto` parts of it, left open unless `finish`."""
    asset = asset_id or uuid7()
    parts = clips.parts_of(clips.clip(clip))
    writer = RecordingWriter(recording_place(data_dir, asset, rendition), WriterOptions(0, rotate_after_s=rotate_s))
    made = Recorded(asset, asset_folder(data_dir, asset), parts, writer)
    for part in parts[:upto]:
        writer.append(part)
    if finish:
        made.finish()
    return made


def mark_window(recorded: Recorded) -> None:
    """Turn an open recording into a rolling time-shift window, as the live process names one."""
    (recorded.folder / "recording.json").write_text(json.dumps({"trigger": "time_shift", "state": "recording"}))
