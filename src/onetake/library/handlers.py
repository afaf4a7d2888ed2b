"""A recording becomes a video when it starts, and stays the same one when it ends."""

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.events import handles
from onetake.infra.jobs import enqueue
from onetake.kit.clock import utc_now
from onetake.library import repository
from onetake.library.models import SourceType, Video
from onetake.library.search import fold_title
from onetake.library.service.growing import follow
from onetake.library.service.videos import shelf_of, throw_away
from onetake.recordings.events import RecordingFinished, RecordingStarted
from onetake.recordings.models import RecordTask
from onetake.recordings.service.tasks import get_task
from onetake.sources.models import LiveSource, Visibility
from onetake.sources.service import BEFORE_DELETION, find_source


@handles(RecordingStarted)
async def show_recording(session: AsyncSession, event: RecordingStarted) -> None:
    """The recording can be watched from now on."""
    task = await get_task(session, event.task_id)
    if task.asset_id is not None and await repository.get_by_task(session, task.id) is None:
        await _add(session, task, is_live=True)


@handles(RecordingFinished)
async def finish_recording(session: AsyncSession, event: RecordingFinished) -> None:
    """Final figures and stills; a task that came to nothing leaves no video."""
    task = await get_task(session, event.task_id)
    video = await repository.get_by_task(session, task.id)
    if video is None and (task.asset_id is None or not task.file_size):
        return
    if video is None:
        video = await _add(session, task, is_live=False)
    follow(video, task)
    video.is_live = False
    if not task.file_size:
        await throw_away(session, video)
        return
    await enqueue(session, "library.stills", {"video_id": video.id}, queue="video", dedupe=f"stills:{video.id}:final")


async def keep_or_trash_videos(session: AsyncSession, source: LiveSource, trash_recordings: bool) -> int:
    """What the operator wants to become of the recordings of a source; how many were trashed or stay."""
    if trash_recordings:
        return await repository.trash_of_source(session, source.id, utc_now())
    return await repository.count_of_source(session, source.id)


BEFORE_DELETION.append(keep_or_trash_videos)


async def _add(session: AsyncSession, task: RecordTask, *, is_live: bool) -> Video:
    source = await find_source(session, task.source_id)
    now = utc_now()
    video = Video(
        asset_id=task.asset_id,
        task_id=task.id,
        source_id=source.id if source else None,
        source_name=task.source_name,
        title=task.title,
        title_folded=fold_title(task.title),
        description="",
        source_type=SourceType.RECORDED,
        is_live=is_live,
        duration=task.duration,
        file_size=task.file_size,
        file_path=task.file_path or "",
        thumbnail=None,
        storyboard=None,
        width=0,
        height=0,
        codecs="",
        view_count=0,
        visibility=source.visibility if source else Visibility.PRIVATE,
        is_protected=False,
        created_at=task.started_at or now,
        updated_at=now,
        deleted_at=None,
    )
    video.shelf = shelf_of(video)
    await repository.add(session, video)
    await enqueue(session, "library.stills", {"video_id": video.id}, queue="video", dedupe=f"stills:{video.id}:first")
    return video
