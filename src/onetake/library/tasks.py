"""Background work of the library: stills, removal, retention, the trash, MP4s that play everywhere."""

import asyncio
import contextlib
import logging
import shutil
import uuid
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from onetake.infra.backup import BackupRunning, removing
from onetake.infra.db import Database
from onetake.infra.db.errors import DATABASE_TROUBLE
from onetake.infra.jobs import ChildFailed, JobContext, JobFailed, RetryLater, enqueue_unless_active, job, periodic
from onetake.infra.mediaserver import FileServer, MediaServerRefused, MediaServerUnavailable
from onetake.infra.settings import Settings
from onetake.kit.clock import utc_now
from onetake.kit.errors import AppError
from onetake.library import repository
from onetake.library.errors import CopyDamaged, CopyNoRoom, CopyNothing, VideoInUse
from onetake.library.models import CompatibleCopy, Video
from onetake.library.service import compatible, retention, videos
from onetake.library.service.formats import Format, read_format
from onetake.media.ffmpeg.errors import NoTracks
from onetake.media.joining import Joining, plan
from onetake.media.recording.paths import asset_folder, video_files
from onetake.media.stills import make_poster, make_storyboard

RENDITION = "source"
POSTER, STORYBOARD = "poster.jpg", "storyboard.vtt"
FIRST_PICTURE_S = 4
MAX_ROUNDS = 200
COPY = "compatible.mp4"
SLOW_DISK_BYTES_S = 10_000_000
DISK_LOOK_S = 60.0
_logger = logging.getLogger(__name__)


@job("library.stills", queue="video")
async def stills(ctx: JobContext) -> dict[str, Any]:
    """Poster and storyboard of a video; for one that is being recorded an early poster only."""
    video = await _video(ctx.db, ctx)
    if video is None:
        return {"skipped": "the video is gone"}
    folder = _folder(ctx.settings, video)
    sources = video_files(folder / RENDITION)
    if video.is_live and video.duration < FIRST_PICTURE_S:
        raise RetryLater("the recording has only begun", FIRST_PICTURE_S)
    if not sources:
        return {"skipped": "nothing was recorded"}
    seen = await asyncio.to_thread(read_format, sources)
    try:
        await make_poster(sources, folder / POSTER, at_s=videos.seconds_of(video.poster_time_ms))
        ctx.progress(0.3, "storyboard")
        if not video.is_live:
            await make_storyboard(sources, folder)
    except NoTracks:
        return await _note_stills(ctx, video, seen, {"skipped": "there are no pictures"})
    return await _note_stills(ctx, video, seen, {"poster": POSTER})


@job("library.remove", queue="stats", max_attempts=500)  # a long film may be watched for hours before it can go
async def remove(ctx: JobContext) -> dict[str, Any]:
    """Remove a trashed video for good: files first, then the row. One that is being read or worked on waits."""
    files = FileServer.from_settings(ctx.settings)
    try:
        reads = await files.reads()
        async with ctx.db.write() as session:
            video = await videos.take_away(session, int(ctx.args["video_id"]), lambda it: retention.in_use(it, reads))
        if video is None:
            return {"skipped": "it is gone, restored or protected"}
        await files.forget(video.asset_id)
    except VideoInUse as error:
        raise RetryLater("it is being watched, or a job works on it", retention.IN_USE_S) from error
    except (MediaServerUnavailable, MediaServerRefused) as error:
        raise RetryLater(f"the media server does not answer: {error.code}", 10) from error
    finally:
        await files.close()
    try:
        with removing(ctx.settings.data_dir):
            await _remove_for_good(ctx, video)
    except BackupRunning as error:
        raise RetryLater(str(error), retention.IN_USE_S) from error
    return {"bytes": video.file_size}


@job("library.retention", queue="stats")
async def expire(ctx: JobContext) -> dict[str, int]:
    """Move what is too old to the trash, and empty the trash of what has lain there for a week."""
    expired = 0
    for _ in range(MAX_ROUNDS):
        moved = await _expire_some(ctx, await _reads(ctx.settings))
        expired += moved
        ctx.check()
        if not moved:
            break
    reads = await _reads(ctx.settings)
    async with ctx.db.write() as session:
        before = utc_now() - timedelta(days=retention.TRASH_DAYS)
        removed = await retention.empty_trash(session, before, reads)
    return {"expired": expired, "removed": removed}


@job("library.low_disk", queue="stats", max_attempts=1)
async def make_room(ctx: JobContext) -> dict[str, int]:
    """When the disk is nearly full: empty the trash first, then (by setting) trash the oldest unprotected videos."""
    usage = await asyncio.to_thread(shutil.disk_usage, ctx.settings.data_dir)
    if usage.used / retention.usable_bytes(usage) < ctx.settings.disk_high_ratio:
        return {"expired": 0, "removed": 0}
    reads = await _reads(ctx.settings)
    async with ctx.db.write() as session:
        removed = await retention.empty_trash(session, utc_now(), reads)
        expired = 0
        if not removed and ctx.settings.disk_expire_oldest and not await retention.trash_moves(session):
            wanted = retention.bytes_wanted(usage, ctx.settings.disk_high_ratio)
            expired = await retention.move_to_trash(
                session, await retention.expired_by_disk(session, wanted, reads=reads)
            )
    return {"expired": expired, "removed": removed}


@job("library.compatible", queue="video", priority=compatible.LATER_THAN_STILLS, max_attempts=compatible.ATTEMPTS)
async def make_compatible(ctx: JobContext) -> dict[str, Any]:
    """One progressive MP4 (`+faststart`, AAC) of a finished recording, kept for a day."""
    video = await _video(ctx.db, ctx)
    if video is None or video.is_live or video.deleted_at is not None:
        return {"skipped": "it is gone, or still being recorded"}
    if not await asyncio.to_thread(_has_room, ctx.settings, video.file_size):
        raise JobFailed(CopyNoRoom().detail("en"))
    joining = await asyncio.to_thread(_plan, ctx, video)
    await _run_ffmpeg(ctx, joining, video.file_size)
    result = {"copied": joining.copies}
    async with ctx.finish(result, files={COPY: compatible.copy_path(ctx.settings.data_dir, video.asset_id)}) as session:
        row = await repository.lock(session, video.id)
        if row is None or row.deleted_at is not None:
            raise JobFailed("the video was thrown away meanwhile")
        await repository.save_copy(session, video.id, ctx.id, utc_now(), made_at=utc_now())
    return result


@job("library.tidy_downloads", queue="stats")
async def tidy_downloads(ctx: JobContext) -> dict[str, int]:
    """Remove compatible MP4s that are older than a day and not being read; they can be made again."""
    aside = await asyncio.to_thread(ctx.workdir.make)
    reads = await _reads(ctx.settings)
    async with ctx.db.read() as session:
        old = await repository.copies_before(session, utc_now() - compatible.KEEP, retention.BATCH)
    removed = 0
    for copy, asset_id in old:
        ctx.check()
        if not retention.read_lately(asset_id, reads):
            removed += await _set_aside(ctx, copy, asset_id, aside)
    return {"removed": removed}


periodic("library.retention", "41 3 * * *", "library.retention")
periodic("library.tidy_downloads", "11 * * * *", "library.tidy_downloads")


async def watch_disk(db: Database, settings: Settings) -> None:
    """Look at the disk every minute until cancelled; only when it is nearly full is there a job."""
    while True:
        try:
            if await asyncio.to_thread(_used_ratio, settings.data_dir) >= settings.disk_high_ratio:
                async with db.write() as session:
                    await enqueue_unless_active(session, "library.low_disk")
        except (*DATABASE_TROUBLE, AppError) as error:
            _logger.warning("the disk cannot be looked after: %s", error)
        await asyncio.sleep(DISK_LOOK_S)


def _used_ratio(folder: Path) -> float:
    usage = shutil.disk_usage(folder)
    return usage.used / retention.usable_bytes(usage)


async def _expire_some(ctx: JobContext, reads: Mapping[str, float]) -> int:
    """Move one batch of what is too old, and not being watched, to the trash; how many."""
    async with ctx.db.write() as session:
        found = await retention.expired_by_age(session, utc_now())
        unused = [item for item in found if not retention.in_use(item.video, reads)]
        return await retention.move_to_trash(session, unused)


async def _video(db: Database, ctx: JobContext) -> Video | None:
    async with db.read() as session:
        return await repository.get(session, int(ctx.args["video_id"]))


async def _reads(settings: Settings) -> dict[str, float]:
    """What is being watched; nothing when the media server is away, because then nothing is."""
    files = FileServer.from_settings(settings)
    try:
        return await files.reads()
    except (MediaServerUnavailable, MediaServerRefused):
        return {}
    finally:
        await files.close()


async def _note_stills(ctx: JobContext, video: Video, seen: Format, result: dict[str, Any]) -> dict[str, Any]:
    """Finish with what was seen in the files, and the pictures that were made of it."""
    async with ctx.finish(result) as session:
        row = await repository.get(session, video.id)
        if row is not None:
            row.updated_at = utc_now()
            if seen.codecs:  # else nothing could be read now: what is known stays
                row.width, row.height, row.codecs = seen.width, seen.height, seen.codecs
            if "poster" in result:
                row.thumbnail, row.storyboard = POSTER, None if video.is_live else STORYBOARD
    return result


def _folder(settings: Settings, video: Video) -> Path:
    return asset_folder(settings.data_dir, uuid.UUID(video.asset_id))


async def _remove_for_good(ctx: JobContext, video: Video) -> None:
    await asyncio.to_thread(_remove_folder, _folder(ctx.settings, video))
    async with ctx.finish({"bytes": video.file_size}) as session:
        row = await repository.get(session, video.id)
        if row is not None:
            await repository.remove(session, row)


def _remove_folder(folder: Path) -> None:
    """Gone already is as good."""
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)


def _has_room(settings: Settings, wanted_bytes: int) -> bool:
    """Whether the disk stays below the mark from which on the trash is emptied."""
    usage = shutil.disk_usage(settings.data_dir)
    return usage.used + wanted_bytes <= settings.disk_high_ratio * retention.usable_bytes(usage)


def _plan(ctx: JobContext, video: Video) -> Joining:
    """What ffmpeg has to do, with its lists in the work folder. Raises JobFailed."""
    folder = ctx.workdir.make()
    try:
        joining = plan(video_files(_folder(ctx.settings, video) / RENDITION), COPY)
    except (ValueError, OSError) as error:
        ctx.log(str(error))
        raise JobFailed(CopyDamaged().detail("en")) from error
    if joining is None:
        raise JobFailed(CopyNothing().detail("en"))
    for name, text in joining.lists.items():
        (folder / name).write_text(text, "utf-8")
    return joining


async def _run_ffmpeg(ctx: JobContext, joining: Joining, size_bytes: int) -> None:
    """Moving the `moov` box to the front rewrites the whole file, in silence. Raises JobFailed."""
    silence_s = ctx.settings.job_silence_s + size_bytes / SLOW_DISK_BYTES_S
    ctx.stage("copy" if joining.copies else "encode")
    try:
        await ctx.ffmpeg(joining.arguments, duration_s=joining.length_s, silence_s=silence_s)
    except ChildFailed as error:  # the same files fail in the same way the next time
        raise JobFailed(str(error)) from error


async def _set_aside(ctx: JobContext, copy: CompatibleCopy, asset_id: str, aside: Path) -> bool:
    """Move an old copy into the work folder, which is removed with the job; not when it was asked for again."""
    folder = compatible.copy_path(ctx.settings.data_dir, asset_id).parent
    async with ctx.db.write() as session:
        await repository.lock(session, copy.video_id)
        if not await repository.forget_copy(session, copy):
            return False
        with contextlib.suppress(FileNotFoundError):
            await asyncio.to_thread(folder.rename, aside / asset_id)
    return True
