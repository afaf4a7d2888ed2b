"""Live sources over HTTP."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query, Request, status

from onetake.accounts.auth import MaybeSignedIn, Permission, require
from onetake.infra.db import on_commit
from onetake.infra.mediaserver import MediaDep, token_keyring
from onetake.infra.settings import Settings
from onetake.infra.web.deps import DatabaseDep, IdPath, PageDep, ReadSession, SearchText, SettingsDep, WriteSession
from onetake.infra.web.links import LinkDep, link_key
from onetake.infra.web.openapi import answers
from onetake.infra.web.problems import request_language
from onetake.kit.paging import Page, page_of, parse_sort
from onetake.kit.redact import redact
from onetake.sources import live, service
from onetake.sources.models import LiveSource, Protocol, Visibility
from onetake.sources.playback import live_play, live_poster, viewer_name
from onetake.sources.repository import SORTS, SourceFilter
from onetake.sources.schemas import (
    DeleteResult,
    LivePlay,
    LiveView,
    PushTarget,
    SourceCreate,
    SourceCreated,
    SourceStatus,
    SourceUpdate,
    SourceView,
)
from onetake.sources.service import NewKey
from onetake.sources.status import add_probe, has_picture, may_be_probed, source_status
from onetake.sources.watch import SourceWatch

router = APIRouter(prefix="/api/sources", tags=["sources"])
live_router = APIRouter(prefix="/api/live", tags=["sources"])
_read = [Depends(require(Permission.SOURCES_READ))]
_write = [Depends(require(Permission.SOURCES_WRITE))]


async def _watch(request: Request) -> SourceWatch:
    watch: SourceWatch = request.app.state.live.sources
    return watch


WatchDep = Annotated[SourceWatch, Depends(_watch)]
Sort = Annotated[
    str | None,
    Query(max_length=100, description=f"Order, a minus for descending: {', '.join(SORTS)}.", examples=["name"]),
]


async def _filter(
    q: SearchText = None,
    protocol: Annotated[Protocol | None, Query(description="Only this protocol.")] = None,
    is_active: Annotated[bool | None, Query(description="Only active, or only switched-off, sources.")] = None,
) -> SourceFilter:
    return SourceFilter(q, protocol, is_active)


@router.get("", operation_id="listSources", summary="List sources", dependencies=_read)
async def list_sources(
    wanted: Annotated[SourceFilter, Depends(_filter)], page: PageDep, session: ReadSession, sort: Sort = None
) -> Page[SourceView]:
    """Live sources by name, protocol and state."""
    found, total = await service.list_sources(session, wanted, parse_sort(sort, SORTS, default="-id"), page)
    return page_of([source_view(source) for source in found], total, page)


@router.post(
    "",
    operation_id="createSource",
    summary="Add a source",
    status_code=status.HTTP_201_CREATED,
    dependencies=_write,
)
async def create_source(
    body: SourceCreate, request: Request, session: WriteSession, watch: WatchDep, settings: SettingsDep
) -> SourceCreated:
    """A new source. For `push` the answer holds the stream key, which is never shown again."""
    made = await service.create_source(session, body)
    on_commit(session, watch.poke)
    return _created(made, request, settings)


@router.get("/{id}", operation_id="getSource", summary="Show a source", dependencies=_read)
async def get_source(id: IdPath, session: ReadSession) -> SourceView:
    """One source."""
    return source_view(await service.get_source(session, id))


@router.put("/{id}", operation_id="updateSource", summary="Change a source", dependencies=_write)
async def update_source(
    id: IdPath,
    body: SourceUpdate,
    request: Request,
    session: WriteSession,
    watch: WatchDep,
    settings: SettingsDep,
) -> SourceCreated:
    """Fields left out stay as they are. A source that becomes pushed gets a key, shown in this answer only."""
    changed = await service.update_source(session, id, body)
    on_commit(session, watch.poke)
    return _created(changed, request, settings)


@router.delete(
    "/{id}", operation_id="deleteSource", summary="Delete a source", dependencies=_write, responses=answers(409)
)
async def delete_source(
    id: IdPath,
    session: WriteSession,
    watch: WatchDep,
    recordings: Annotated[
        Literal["keep", "trash"], Query(description="What becomes of its videos: they stay, or go to the trash.")
    ] = "keep",
) -> DeleteResult:
    """Deletes the source and its schedules. One that is being recorded stays (409). Protected videos always stay."""
    videos = await service.delete_source(session, id, trash_recordings=recordings == "trash")
    on_commit(session, watch.poke)
    return DeleteResult(recordings="kept" if recordings == "keep" else "trashed", videos=videos)


@router.post(
    "/{id}/key", operation_id="rotateStreamKey", summary="New stream key", dependencies=_write, responses=answers(409)
)
async def rotate_key(
    id: IdPath, request: Request, session: WriteSession, watch: WatchDep, settings: SettingsDep
) -> PushTarget:
    """Replaces the stream key of a pushed source; the old one is refused from now on."""
    made = await service.rotate_key(session, id)
    on_commit(session, watch.poke)
    return PushTarget(push_url=push_url(request, settings), stream_key=stream_key(made) or "")


@router.get(
    "/{id}/status",
    operation_id="getSourceStatus",
    summary="What a source does now",
    dependencies=_read,
    responses=answers(503),
)
async def get_status(
    id: IdPath, request: Request, viewer: MaybeSignedIn, db: DatabaseDep, media: MediaDep, settings: SettingsDep
) -> SourceStatus:
    """Asked of the media server at this moment: online or why not, codec, resolution, frame and bit rate, viewers.

    While it is live there is a picture of what it shows.

    An idle source on demand is looked at without being pulled; that look is good for half a minute.
    """
    async with db.read() as session:
        source = await service.get_source(session, id)
    detail = next((one for one in (await media.streams())["streams"] if one["name"] == source.stream_name), None)
    lang = request_language(request.scope)
    status = source_status(source, detail, lang)
    if source.is_active and has_picture(detail):
        status.poster_url = live_poster(token_keyring(settings.data_dir), source, viewer_name(viewer))
    return add_probe(status, await media.probe(source.stream_name), lang) if may_be_probed(source, detail) else status


@router.get(
    "/{id}/play", operation_id="playSource", summary="Addresses to watch a source live", responses=answers(401, 404)
)
async def play_source(
    id: IdPath, viewer: MaybeSignedIn, link: LinkDep, session: ReadSession, settings: SettingsDep
) -> LivePlay:
    """Signed addresses for one playback session, recorded or not, for everybody whom its visibility lets watch."""
    source = await live.get_watchable(session, id, viewer, has_link=link.opens(live.thing(id)))
    return live_play(token_keyring(settings.data_dir), source, viewer_name(viewer))


@live_router.get("", operation_id="listLive", summary="What is live")
async def list_live(
    viewer: MaybeSignedIn, session: ReadSession, watch: WatchDep, settings: SettingsDep
) -> list[LiveView]:
    """Live sources that the caller may see, by name, recorded or not; also those that are fetched when watched."""
    found = await live.listed(session, viewer)
    streams, keyring, name = await watch.streams(), token_keyring(settings.data_dir), viewer_name(viewer)
    shown = [
        live.live_view(source, streams.get(source.stream_name), live_poster(keyring, source, name)) for source in found
    ]
    return [view for view in shown if view.is_live or view.on_demand]


@live_router.get("/{id}", operation_id="getLive", summary="Show a live source", responses=answers(401, 404))
async def get_live(
    id: IdPath, viewer: MaybeSignedIn, link: LinkDep, session: ReadSession, watch: WatchDep, settings: SettingsDep
) -> LiveView:
    """One source as viewers see it; 404 when the caller may not know of it."""
    source = await live.get_watchable(session, id, viewer, has_link=link.opens(live.thing(id)))
    poster_url = live_poster(token_keyring(settings.data_dir), source, viewer_name(viewer))
    view = live.live_view(source, (await watch.streams()).get(source.stream_name), poster_url)
    if live.sees_all(viewer) and source.visibility == Visibility.UNLISTED:
        view.link_key = link_key(settings.data_dir, live.thing(id))
    return view


def source_view(source: LiveSource) -> SourceView:
    """A source without the credentials of its address."""
    view = SourceView.model_validate(source)
    view.url = redact(source.url) if source.url else None
    return view


def push_url(request: Request, settings: Settings) -> str:
    """Where an encoder connects: the host of the public address, else the one that the caller uses."""
    host = (urlsplit(settings.public_url).hostname if settings.public_url else request.url.hostname) or "localhost"
    shown = f"[{host}]" if ":" in host else host
    return f"rtmp://{shown}:{settings.rtmp_port}/live"


def stream_key(made: NewKey) -> str | None:
    """What goes into an encoder's field "stream key"."""
    return f"{made.source.stream_name}?key={made.key}" if made.key else None


def _created(made: NewKey, request: Request, settings: Settings) -> SourceCreated:
    key = stream_key(made)
    fields = source_view(made.source).model_dump()
    return SourceCreated(**fields, push_url=push_url(request, settings) if key else None, stream_key=key)
