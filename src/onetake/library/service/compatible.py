"""The compatible MP4 of a video: one progressive file, made by a job when somebody asks for it, kept for a day.

The row of `compatible_copies` says whether it is there; while it is not, the job says how far it is or why it failed.
Whoever asks, publishes or removes holds the lock of the video's row, so that no copy is made twice or lost.
"""

import asyncio
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.jobs import enqueue
from onetake.infra.jobs.errors import JobNotFound
from onetake.infra.jobs.service import get_job
from onetake.kit.clock import utc_now
from onetake.kit.errors import AppError, NotFound
from onetake.library import repository
from onetake.library.errors import CopyDamaged, CopyNoRoom, CopyNothing, VideoInTrash, VideoIsLive
from onetake.library.models import Video
from onetake.library.schemas import CopyState
from onetake.media.recording.paths import asset_folder

FOLDER, FILE = "compatible", "video-000.mp4"
"""A rendition without an index: the file process serves it as a plain file."""
KEEP = timedelta(hours=24)
LATER_THAN_STILLS = 150
ATTEMPTS = 3
_STATES = {
    "scheduled": CopyState.QUEUED,
    "queued": CopyState.QUEUED,
    "waiting": CopyState.QUEUED,
    "running": CopyState.RUNNING,
    "failed": CopyState.FAILED,
}
_KNOWN: tuple[type[AppError], ...] = (CopyNoRoom, CopyNothing, CopyDamaged)
_CODES = {kind().detail("en"): kind.code for kind in _KNOWN}
UNKNOWN_REASON = "copy_failed"


@dataclass(frozen=True, slots=True)
class Copy:
    """How a compatible MP4 stands. `progress` is 0 to 1; `error` is English, for those who manage videos."""

    state: CopyState
    progress: float = 0.0
    ready_until: datetime | None = None
    file_size: int | None = None
    error_code: str | None = None
    error: str | None = None


def copy_path(data_dir: Path, asset_id: str) -> Path:
    """Where the compatible MP4 of an asset lies."""
    return asset_folder(data_dir, uuid.UUID(asset_id)) / FOLDER / FILE


async def look(session: AsyncSession, data_dir: Path, video: Video) -> Copy:
    """How the compatible MP4 of a video stands."""
    row = await repository.get_copy(session, video.id)
    if row is None:
        return Copy(CopyState.NONE)
    if row.made_at is None:
        return await _of_job(session, row.job_id)
    until, size = row.made_at + KEEP, await asyncio.to_thread(_size, copy_path(data_dir, video.asset_id))
    if size is None or until <= utc_now():
        return Copy(CopyState.NONE)
    return Copy(CopyState.READY, 1.0, until, size)


async def ask_for(session: AsyncSession, data_dir: Path, video_id: int) -> None:
    """Have it made, unless it is there or being made already. Raises NotFound, VideoIsLive, VideoInTrash."""
    video = await repository.lock(session, video_id)
    if video is None:
        raise NotFound
    if video.is_live:
        raise VideoIsLive
    if video.deleted_at is not None:
        raise VideoInTrash
    if (await look(session, data_dir, video)).state in (CopyState.QUEUED, CopyState.RUNNING, CopyState.READY):
        return
    job_id = await enqueue(
        session,
        "library.compatible",
        {"video_id": video_id},
        queue="video",
        priority=LATER_THAN_STILLS,
        max_attempts=ATTEMPTS,
    )
    await repository.save_copy(session, video_id, job_id, utc_now())


async def _of_job(session: AsyncSession, job_id: int) -> Copy:
    try:
        job = (await get_job(session, job_id)).job
    except JobNotFound:
        return Copy(CopyState.NONE)
    state = _STATES.get(job.state, CopyState.NONE)
    if state is CopyState.FAILED:
        return Copy(state, error_code=_CODES.get(job.error or "", UNKNOWN_REASON), error=job.error)
    return Copy(state, job.progress)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
