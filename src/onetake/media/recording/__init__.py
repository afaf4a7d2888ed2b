"""Recordings on disk: the crash-safe writer, where files lie, and recovery after a crash."""

from onetake.media.recording.check import DamagedPart, FileCheck, check_file
from onetake.media.recording.disk import (
    DiskBroken,
    DiskFull,
    FileLimitReached,
    FolderGone,
    RecordingError,
    SyncFailed,
)
from onetake.media.recording.paths import (
    RecordingPlace,
    asset_folder,
    open_marker,
    recording_place,
    video_files,
)
from onetake.media.recording.recovery import FileRecovery, Recovery, recover, recover_file
from onetake.media.recording.summary import Damage, FileSummary, Gap, RecordingSummary
from onetake.media.recording.writer import GAP_MS, RecordingWriter, WriterOptions

__all__ = [
    "GAP_MS",
    "Damage",
    "DamagedPart",
    "DiskBroken",
    "DiskFull",
    "FileCheck",
    "FileLimitReached",
    "FileRecovery",
    "FileSummary",
    "FolderGone",
    "Gap",
    "RecordingError",
    "RecordingPlace",
    "RecordingSummary",
    "RecordingWriter",
    "Recovery",
    "SyncFailed",
    "WriterOptions",
    "asset_folder",
    "check_file",
    "open_marker",
    "recording_place",
    "recover",
    "recover_file",
    "video_files",
]
