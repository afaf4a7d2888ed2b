"""The compatible MP4: how it stands, and having it made."""

from fastapi import APIRouter, Request, status

from onetake.accounts.auth import MaybeSignedIn, Principal, SignedInUser
from onetake.infra.ratelimit import Limit
from onetake.infra.web.deps import DatabaseDep, IdPath, LimiterDep, ReadSession, SettingsDep
from onetake.infra.web.links import LinkDep
from onetake.infra.web.openapi import answers
from onetake.library.endpoints.views import signer
from onetake.library.models import Video
from onetake.library.schemas import CompatibleView, CopyState
from onetake.library.service import compatible
from onetake.library.service import videos as service
from onetake.library.service.compatible import Copy
from onetake.library.service.playback import Signer

router = APIRouter(prefix="/api/videos", tags=["videos"])
COPIES = Limit("library.compatible", amount=30, window_s=3600)
"""For each viewer; those who manage videos may ask for any number."""


@router.get(
    "/{id}/compatible",
    operation_id="getCompatible",
    summary="How the compatible MP4 stands",
    responses=answers(401, 404),
)
async def get_compatible(
    id: IdPath, request: Request, viewer: MaybeSignedIn, link: LinkDep, settings: SettingsDep, session: ReadSession
) -> CompatibleView:
    """For everybody who may watch the video: whether it is there, how far it is, or why it could not be made."""
    video = await service.get_video(session, id, viewer, has_link=link.opens(service.thing(id)))
    return _view(await compatible.look(session, settings.data_dir, video), video, viewer, signer(request))


@router.post(
    "/{id}/compatible",
    operation_id="makeCompatible",
    summary="Make an MP4 that plays everywhere",
    status_code=status.HTTP_202_ACCEPTED,
    responses=answers(404, 409, 429),
)
async def make_compatible(
    id: IdPath,
    request: Request,
    viewer: SignedInUser,
    link: LinkDep,
    settings: SettingsDep,
    limiter: LimiterDep,
    db: DatabaseDep,
) -> CompatibleView:
    """One progressive MP4 with AAC sound, by a job; kept for a day. It is never made twice at once."""
    async with db.read() as session:
        video = await service.get_video(session, id, viewer, has_link=link.opens(service.thing(id)))
    if not service.manages(viewer):
        await limiter.check(COPIES, str(viewer.user_id))
    async with db.write() as session:
        await compatible.ask_for(session, settings.data_dir, video.id)
        copy = await compatible.look(session, settings.data_dir, video)
    return _view(copy, video, viewer, signer(request))


def _view(copy: Copy, video: Video, viewer: Principal | None, sign: Signer) -> CompatibleView:
    return CompatibleView(
        state=copy.state,
        progress=copy.progress,
        ready_until=copy.ready_until,
        file_size=copy.file_size,
        download_url=sign.copy_url(video, viewer) if copy.state is CopyState.READY else None,
        error_code=copy.error_code,
        error_message=copy.error if service.manages(viewer) else None,
    )
