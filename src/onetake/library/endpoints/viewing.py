"""What viewers do: find, look, play, report where they are."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response, status
from pydantic import AwareDatetime

from onetake.accounts.auth import MaybeSignedIn, Principal, SignedInUser
from onetake.infra.ratelimit import Limit
from onetake.infra.web.deps import (
    ClientDep,
    DatabaseDep,
    IdPath,
    LimiterDep,
    PageDep,
    ReadSession,
    SearchText,
    WriteSession,
)
from onetake.infra.web.links import LinkDep
from onetake.infra.web.openapi import answers
from onetake.kit.errors import Forbidden
from onetake.kit.paging import BadSort, Page, page_of, parse_sort
from onetake.library.endpoints.views import signer, video_view, video_views
from onetake.library.models import SourceType
from onetake.library.repository import COUNT_LIMIT, SORTABLE, VideoFilter
from onetake.library.schemas import PlayView, ProgressReport, VideoSource, VideoView, ViewReport
from onetake.library.search import parse_query
from onetake.library.service import videos as service
from onetake.library.service import watching
from onetake.library.service.watching import ViewCounter
from onetake.sources.playback import viewer_name
from onetake.sources.service import find_source

router = APIRouter(prefix="/api/videos", tags=["videos"])
_MAX_ID = 2**63 - 1
VIEWS = Limit("library.views", amount=3000, window_s=60)
_Seconds = Annotated[int | None, Query(ge=0, le=31_536_000, description="Length in seconds.")]
Trash = Annotated[bool, Query(description="The trash instead; for those who manage videos.")]


async def _filter(
    viewer: MaybeSignedIn,
    q: SearchText = None,
    source_id: Annotated[int | None, Query(ge=1, le=_MAX_ID, description="Only recordings of this source.")] = None,
    source_type: Annotated[SourceType | None, Query(description="Only recorded, or only uploaded, videos.")] = None,
    is_live: Annotated[bool | None, Query(description="Only what is, or is not, being recorded.")] = None,
    created_from: Annotated[AwareDatetime | None, Query(description="Not older than this.")] = None,
    created_to: Annotated[AwareDatetime | None, Query(description="Older than this.")] = None,
    min_duration: _Seconds = None,
    max_duration: _Seconds = None,
    trash: Trash = False,
) -> VideoFilter:
    _may_see_trash(viewer, trash)
    return VideoFilter(
        shelves=service.shelves_of(viewer, trash=trash),
        query=parse_query(q or ""),
        source_id=source_id,
        source_type=source_type,
        is_live=is_live,
        created_from=_utc(created_from),
        created_to=_utc(created_to),
        min_duration_s=min_duration,
        max_duration_s=max_duration,
    )


Sort = Annotated[
    str | None,
    Query(
        max_length=40, description=f"Order, a minus for descending: {', '.join(SORTABLE)}.", examples=["-created_at"]
    ),
]


@router.get("", operation_id="listVideos", summary="Find videos", responses=answers(403))
async def list_videos(
    request: Request,
    viewer: MaybeSignedIn,
    wanted: Annotated[VideoFilter, Depends(_filter)],
    page: PageDep,
    session: ReadSession,
    sort: Sort = None,
) -> Page[VideoView]:
    """Videos that the caller may see, the newest first. `q` finds every word in titles, Chinese included.

    Words are letters and digits: a `q` of other characters alone finds nothing, a blank one asks for everything.
    `total` is counted up to 10 001: show more as "10000+". Pages end there too.
    """
    order, *more = parse_sort(sort, SORTABLE, default="-created_at")
    if more:
        raise BadSort(field="sort", allowed=", ".join(sorted(SORTABLE)))
    found, total = await service.list_videos(session, wanted, order, page)
    positions = await watching.positions(session, viewer, found)
    answer = page_of(video_views(found, viewer, signer(request), positions), total, page)
    answer.pages = min(answer.pages, -(-COUNT_LIMIT // page.per_page))
    return answer


@router.get("/sources", operation_id="listVideoSources", summary="Sources to filter by", responses=answers(403))
async def list_sources(viewer: MaybeSignedIn, session: ReadSession, trash: Trash = False) -> list[VideoSource]:
    """The sources that the caller may see videos of, by name; at most a thousand."""
    _may_see_trash(viewer, trash)
    found = await service.list_sources(session, viewer, trash=trash)
    return [VideoSource.model_validate(source) for source in found]


@router.get("/{id}", operation_id="getVideo", summary="Show a video", responses=answers(401, 404))
async def get_video(
    id: IdPath, request: Request, viewer: MaybeSignedIn, link: LinkDep, session: ReadSession
) -> VideoView:
    """One video; 404 when the caller may not know of it."""
    video = await service.get_video(session, id, viewer, has_link=link.opens(service.thing(id)))
    return video_view(video, viewer, signer(request), await watching.positions(session, viewer, [video]))


@router.get("/{id}/play", operation_id="playVideo", summary="Addresses to play", responses=answers(401, 404))
async def play_video(
    id: IdPath, request: Request, viewer: MaybeSignedIn, link: LinkDep, session: ReadSession
) -> PlayView:
    """Signed addresses for one playback session: HLS, MP4, pictures, and the live edge while it is being recorded."""
    video = await service.get_video(session, id, viewer, has_link=link.opens(service.thing(id)))
    source = await find_source(session, video.source_id) if video.is_live else None
    last = (await watching.positions(session, viewer, [video])).get(video.id, 0)
    return signer(request).play(video, viewer, source, last)


@router.post(
    "/{id}/progress",
    operation_id="reportProgress",
    summary="Where a viewer is",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=answers(404),
)
async def report_progress(
    id: IdPath, body: ProgressReport, viewer: SignedInUser, link: LinkDep, session: WriteSession
) -> None:
    """Keeps the position, so that the next visit goes on there."""
    video = await service.get_video(session, id, viewer, has_link=link.opens(service.thing(id)))
    await watching.save_progress(session, viewer, video, body)


@router.post(
    "/views",
    operation_id="countViews",
    summary="Count views",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=answers(429),
)
async def count_views(
    body: ViewReport, request: Request, viewer: MaybeSignedIn, client: ClientDep, limiter: LimiterDep, db: DatabaseDep
) -> Response:
    """Videos that the caller has begun to watch. Reloads within half an hour and bots do not count."""
    who = viewer_name(viewer) if viewer else f"{client.ip}|{client.user_agent}"
    await limiter.check(VIEWS, viewer_name(viewer) if viewer else client.ip or "")
    async with db.read() as session:
        seen = await service.watchable(session, body.video_ids, viewer)
    _counter(request).count(who, client.user_agent, seen)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


def _may_see_trash(viewer: Principal | None, trash: bool) -> None:
    if trash and not service.manages(viewer):
        raise Forbidden


def _counter(request: Request) -> ViewCounter:
    counter: ViewCounter = request.app.state.views
    return counter


def _utc(moment: datetime | None) -> datetime | None:
    """Moments at the ends of the calendar cannot be moved to UTC; leap years where nothing is either can."""
    return None if moment is None else moment.replace(year=min(max(moment.year, 1972), 8800))
