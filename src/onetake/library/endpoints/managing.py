"""What operators do: change, protect, throw away, restore, choose a poster, see what retention would take."""

import asyncio
import shutil
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status

from onetake.accounts.auth import Permission, Principal, require
from onetake.infra.web.deps import IdPath, ReadSession, SettingsDep, WriteSession
from onetake.infra.web.openapi import answers
from onetake.kit.clock import utc_now
from onetake.library.endpoints.views import signer, video_view
from onetake.library.schemas import (
    Batch,
    BatchResult,
    ExpiryReason,
    PosterChoice,
    RetentionItem,
    RetentionPreview,
    VideoUpdate,
    VideoView,
)
from onetake.library.service import retention
from onetake.library.service import videos as service

router = APIRouter(prefix="/api/videos", tags=["videos"])
_manage = require(Permission.VIDEOS_MANAGE)
Manager = Annotated[Principal, Depends(_manage)]
PREVIEW_LIMIT = 200


@router.get("/retention", operation_id="previewRetention", summary="What retention would take")
async def preview_retention(
    viewer: Manager,
    session: ReadSession,
    settings: SettingsDep,
    reason: Annotated[
        ExpiryReason, Query(description="By age, in the next night; or by a full disk.")
    ] = ExpiryReason.AGE,
) -> RetentionPreview:
    """The videos that the next nightly run, or a full disk, moves to the trash. Nothing is changed.

    A full disk takes videos only by setting (`ONETAKE_DISK_EXPIRE_OLDEST`), and only when emptying the trash was not
    enough.
    """
    if reason is ExpiryReason.AGE:
        found = await retention.expired_by_age(session, utc_now(), PREVIEW_LIMIT + 1)
    else:
        usage = await asyncio.to_thread(shutil.disk_usage, settings.data_dir)
        wanted = retention.bytes_wanted(usage, settings.disk_high_ratio)
        found = await retention.expired_by_disk(session, wanted, PREVIEW_LIMIT + 1)
    items = [
        RetentionItem(
            id=item.video.id,
            title=item.video.title,
            file_size=item.video.file_size,
            created_at=item.video.created_at,
            reason=ExpiryReason(item.reason),
        )
        for item in found[:PREVIEW_LIMIT]
    ]
    return RetentionPreview(items=items, bytes=sum(item.file_size for item in items), truncated=len(found) > len(items))


@router.post("/batch", operation_id="batchVideos", summary="Act on many videos")
async def act_on_many(body: Batch, viewer: Manager, session: WriteSession) -> BatchResult:
    """Does one thing to each of up to 200 videos and says for each what became of it."""
    results = await service.act_on_many(session, body.ids, body.action)
    return BatchResult(results=results, done=sum(result == "done" for result in results.values()))


@router.put("/{id}", operation_id="updateVideo", summary="Change a video")
async def update_video(
    id: IdPath, body: VideoUpdate, request: Request, viewer: Manager, session: WriteSession
) -> VideoView:
    """Fields left out stay as they are."""
    return video_view(await service.update_video(session, id, body), viewer, signer(request))


@router.delete(
    "/{id}",
    operation_id="deleteVideo",
    summary="Throw a video away",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=answers(409),
)
async def delete_video(
    id: IdPath,
    viewer: Manager,
    session: WriteSession,
    permanently: Annotated[bool, Query(description="Remove one that is in the trash for good.")] = False,
) -> None:
    """Moves it to the trash, where it can be restored for seven days; or, from there, removes it for good."""
    await (service.delete_video if permanently else service.trash_video)(session, id)


@router.post("/{id}/restore", operation_id="restoreVideo", summary="Take a video out of the trash")
async def restore_video(id: IdPath, request: Request, viewer: Manager, session: WriteSession) -> VideoView:
    """Undoes throwing it away."""
    return video_view(await service.restore_video(session, id), viewer, signer(request))


@router.post(
    "/{id}/poster", operation_id="choosePoster", summary="Choose the poster", status_code=status.HTTP_202_ACCEPTED
)
async def choose_poster(
    id: IdPath, body: PosterChoice, request: Request, viewer: Manager, session: WriteSession
) -> VideoView:
    """The picture at `time_s` becomes the poster, by a job."""
    return video_view(await service.choose_poster(session, id, body.time_s), viewer, signer(request))
