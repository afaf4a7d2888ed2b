"""Videos: lists, one video, changes, trash and undo. Who may see what is decided here (C2, R12)."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.accounts.auth import Permission, Principal
from onetake.infra.audit import audit
from onetake.infra.jobs import any_active, enqueue_unless_active
from onetake.kit.clock import utc_now
from onetake.kit.errors import AppError, NotFound, Unauthorized
from onetake.kit.paging import PageRequest, SortKey
from onetake.library import repository
from onetake.library.errors import NotInTrash, VideoInUse, VideoIsLive, VideoProtected
from onetake.library.models import Shelf, Video
from onetake.library.repository import VideoFilter
from onetake.library.schemas import BatchAction, VideoUpdate
from onetake.library.search import fold_title
from onetake.sources.models import Visibility

_SHELVES = {Visibility.PUBLIC: Shelf.PUBLIC, Visibility.MEMBERS: Shelf.MEMBERS}
_SHOWN = {
    BatchAction.PUBLISH: Visibility.PUBLIC,
    BatchAction.UNLIST: Visibility.UNLISTED,
    BatchAction.MEMBERS: Visibility.MEMBERS,
    BatchAction.HIDE: Visibility.PRIVATE,
}
_FIELDS = ("title", "description", "visibility", "is_protected", "deleted_at")


def manages(viewer: Principal | None) -> bool:
    """Whether somebody may see and change every video."""
    return viewer is not None and viewer.may(Permission.VIDEOS_MANAGE)


def shelves_of(viewer: Principal | None, *, trash: bool = False) -> tuple[Shelf, ...]:
    """The shelves whose videos stand in somebody's lists."""
    if manages(viewer):
        return (Shelf.TRASH,) if trash else (Shelf.PUBLIC, Shelf.MEMBERS, Shelf.HIDDEN)
    return (Shelf.PUBLIC,) if viewer is None else (Shelf.PUBLIC, Shelf.MEMBERS)


def may_watch(viewer: Principal | None, video: Video, *, has_link: bool) -> bool:
    """Whether somebody may watch; `has_link`: they came by the link to it, which something unlisted needs."""
    if manages(viewer):
        return True
    if video.deleted_at is not None:
        return False
    if video.visibility == Visibility.PUBLIC or (video.visibility == Visibility.UNLISTED and has_link):
        return True
    return video.visibility == Visibility.MEMBERS and viewer is not None


async def list_videos(
    session: AsyncSession, wanted: VideoFilter, sort: SortKey, page: PageRequest
) -> tuple[list[Video], int]:
    """One page of videos and the total (counted to 10 001)."""
    return await repository.find(session, wanted, sort, page)


async def watchable(session: AsyncSession, ids: Sequence[int], viewer: Principal | None) -> list[int]:
    """Those of `ids` that `viewer` may watch."""
    return await repository.watchable(session, ids, shelves_of(viewer))


async def list_sources(session: AsyncSession, viewer: Principal | None, *, trash: bool) -> list[repository.NamedSource]:
    """The sources that somebody may see videos of, by name."""
    return await repository.sources_on(session, shelves_of(viewer, trash=trash))


def thing(video_id: int) -> str:
    """What a link to a video is made for (`infra.web.links`)."""
    return f"video:{video_id}"


async def get_video(session: AsyncSession, video_id: int, viewer: Principal | None, *, has_link: bool = False) -> Video:
    """A video that `viewer` may watch.

    Raises NotFound for a missing or foreign one, Unauthorized when signing in would help.
    """
    video = await repository.get(session, video_id)
    if video is None:
        raise NotFound
    if may_watch(viewer, video, has_link=has_link):
        return video
    if viewer is None and video.visibility == Visibility.MEMBERS and video.deleted_at is None:
        raise Unauthorized
    raise NotFound


async def managed_video(session: AsyncSession, video_id: int) -> Video:
    """A video for somebody who manages all; raises NotFound, also for one that is being removed."""
    video = await repository.get(session, video_id)
    if video is None or video.shelf == Shelf.GONE:
        raise NotFound
    return video


async def update_video(session: AsyncSession, video_id: int, body: VideoUpdate) -> Video:
    """Change title, description, visibility or protection. Raises NotFound."""
    video = await managed_video(session, video_id)
    before = snapshot(video)
    if body.visibility is not None and body.visibility.is_narrower_than(video.visibility):
        narrow(video)
    for name, value in body.model_dump(exclude_unset=True).items():
        if value is not None:
            setattr(video, name, value)
    await _changed(session, video, "videos.update", before)
    if video.title != before["title"]:
        video.title_folded = fold_title(video.title)
        await repository.reindex(session, video)
    return video


async def trash_video(session: AsyncSession, video_id: int) -> Video:
    """Move a video to the trash, from where it can be restored. Raises NotFound, VideoIsLive, VideoProtected."""
    video = await managed_video(session, video_id)
    if video.is_live:
        raise VideoIsLive
    if video.is_protected:
        raise VideoProtected
    if video.deleted_at is None:
        before = snapshot(video)
        narrow(video)
        video.deleted_at = utc_now()
        await _changed(session, video, "videos.trash", before)
    return video


async def restore_video(session: AsyncSession, video_id: int) -> Video:
    """Take a video out of the trash. Raises NotFound."""
    video = await managed_video(session, video_id)
    if video.deleted_at is not None:
        before = snapshot(video)
        video.deleted_at = None
        await _changed(session, video, "videos.restore", before)
    return video


async def delete_video(session: AsyncSession, video_id: int) -> None:
    """Have a trashed video removed for good, by a job. Raises NotFound, NotInTrash, VideoProtected."""
    video = await managed_video(session, video_id)
    if video.deleted_at is None:
        raise NotInTrash
    if video.is_protected:
        raise VideoProtected
    await audit(session, action="videos.delete", target=f"video:{video.id}", before=snapshot(video))
    await enqueue_removal(session, video)


async def throw_away(session: AsyncSession, video: Video) -> None:
    """Remove a video that holds nothing to watch, with whatever files it has."""
    video.deleted_at = video.updated_at = utc_now()
    video.shelf = shelf_of(video)
    await enqueue_removal(session, video)


async def enqueue_removal(session: AsyncSession, video: Video) -> bool:
    """The job that removes files first and the row last (DESIGN §6); False when there is one already."""
    job_id = await enqueue_unless_active(session, "library.remove", {"video_id": video.id}, queue="stats")
    if job_id is not None:
        video.updated_at = utc_now()
    return job_id is not None


async def take_away(session: AsyncSession, video_id: int, is_in_use: Callable[[Video], bool]) -> Video | None:
    """Take a trashed video out of everybody's reach; from here on it can only be removed.

    None when there is nothing to remove (any more): it is gone, restored, or protected. Raises VideoInUse.
    """
    video = await repository.lock(session, video_id)
    if video is None or video.deleted_at is None or video.is_protected:
        return None
    stills = {"time_s": seconds_of(video.poster_time_ms), "video_id": video_id}
    jobs = (("library.compatible", {"video_id": video_id}), ("library.stills", {"video_id": video_id}))
    if is_in_use(video) or await any_active(session, (*jobs, ("library.stills", stills))):
        raise VideoInUse
    video.shelf = Shelf.GONE
    return video


def seconds_of(time_ms: int | None) -> float | None:
    """Milliseconds as seconds."""
    return None if time_ms is None else time_ms / 1000


async def choose_poster(session: AsyncSession, video_id: int, time_s: float) -> Video:
    """Have the picture at `time_s` made the poster, by a job. Raises NotFound."""
    video = await managed_video(session, video_id)
    before = {"poster_time_s": seconds_of(video.poster_time_ms)}
    video.poster_time_ms = round(time_s * 1000)
    chosen_s = seconds_of(video.poster_time_ms)
    target = f"video:{video_id}"
    await audit(session, action="videos.poster", target=target, before=before, after={"poster_time_s": chosen_s})
    await enqueue_unless_active(session, "library.stills", {"video_id": video_id, "time_s": chosen_s}, queue="video")
    return video


async def act_on_many(session: AsyncSession, ids: Sequence[int], action: BatchAction) -> dict[int, str]:
    """Do `action` to each video: `done`, or the code of what kept it from being done."""
    results: dict[int, str] = {}
    for video_id in dict.fromkeys(ids):
        try:
            await _act(session, video_id, action)
            results[video_id] = "done"
        except AppError as error:
            results[video_id] = error.code
    return results


def shelf_of(video: Video) -> Shelf:
    """Where a video belongs by its visibility and the trash."""
    if video.deleted_at is not None:
        return Shelf.TRASH
    return _SHELVES.get(Visibility(video.visibility), Shelf.HIDDEN)


def narrow(video: Video) -> None:
    """Fewer people may watch from now on: tokens made before are good no longer."""
    video.grant_generation += 1
    video.narrowed_at = utc_now()


def snapshot(video: Video) -> dict[str, Any]:
    """What the audit log keeps of a video."""
    return {name: getattr(video, name) for name in _FIELDS}


async def _act(session: AsyncSession, video_id: int, action: BatchAction) -> None:
    match action:
        case BatchAction.TRASH:
            await trash_video(session, video_id)
        case BatchAction.RESTORE:
            await restore_video(session, video_id)
        case BatchAction.DELETE:
            await delete_video(session, video_id)
        case BatchAction.PROTECT | BatchAction.UNPROTECT:
            protect = action is BatchAction.PROTECT
            await update_video(session, video_id, VideoUpdate(is_protected=protect))
        case _:
            await update_video(session, video_id, VideoUpdate(visibility=_SHOWN[action]))


async def _changed(session: AsyncSession, video: Video, action: str, before: dict[str, Any]) -> None:
    video.shelf = shelf_of(video)
    video.updated_at = utc_now()
    await audit(session, action=action, target=f"video:{video.id}", before=before, after=snapshot(video))
