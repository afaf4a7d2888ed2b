"""LL-HLS of the live port, out of memory: playlists with blocking reload, parts, segments, init. Loop only.

`index.m3u8` is the multivariant playlist, `live.m3u8` the media playlist (`?dvr=1`: the whole window). A segment that
has left memory is answered with a redirect to the file process, which reads the same bytes from the recording.
"""

import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from onetake.engine.errors import BadDirective, MediaNotFound, StreamStalled, ViewerSentAway
from onetake.engine.options import MediaOptions
from onetake.engine.pipeline import Life
from onetake.engine.players import Players
from onetake.engine.ring import Gone, RingSegment
from onetake.engine.streams import APP, StreamHub
from onetake.engine.viewers import Protocol
from onetake.engine.web import admit, client_ip, find_life
from onetake.kit.errors import AppError
from onetake.kit.signing import Grant, Keyring, Method, ScopeKind, sign
from onetake.media.bits import CodecError
from onetake.media.codecs import describe, rfc6381
from onetake.media.fmp4 import TARGET_DURATION_S
from onetake.media.hls import (
    CONTENT_TYPE,
    BadReload,
    Body,
    MediaName,
    ReloadQuery,
    Variant,
    Wait,
    add_query,
    decide,
    decide_part,
    master_playlist,
    parse_name,
)
from onetake.media.units import Track

MEDIA_PLAYLIST = "live.m3u8"
IMMUTABLE = "max-age=31536000, immutable"
BLOCKED = f"max-age={TARGET_DURATION_S}"
FRESH = "no-cache"
SESSION_S = 3.0 * TARGET_DURATION_S
PUBLIC_REDIRECT_S = 3600


class HlsLive:
    """The HLS routes of all streams."""

    def __init__(self, options: MediaOptions, hub: StreamHub, players: Players) -> None:
        self._options = options
        self._hub = hub
        self._players = players
        self._keyring = Keyring.from_secret(options.token_secret) if options.token_secret else None

    def add_to(self, app: web.Application, prefix: str) -> None:
        """Register the routes below `prefix`, which has a `name`."""
        app.router.add_get(prefix + "/index.m3u8", self._counted(self._index, begins=True))
        app.router.add_get(f"{prefix}/{MEDIA_PLAYLIST}", self._counted(self._media_playlist))
        app.router.add_get(prefix + "/s/{run:[A-Za-z0-9_-]{1,16}}/{file:[0-9a-z.]{1,32}}", self._counted(self._media))

    def _counted(
        self,
        handler: Callable[[web.Request, Life, Grant | None], Awaitable[web.StreamResponse]],
        *,
        begins: bool = False,
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Admit, find the stream, count the viewer and the bytes. `begins`: with it a player begins to watch."""

        async def answer(request: web.Request) -> web.StreamResponse:
            grant = admit(request, self._hub, self._players)
            if begins:
                await self._hub.ask_for(request.match_info["name"])
            life = find_life(self._hub, request.match_info["name"])
            viewers, ip = self._players.viewers, client_ip(request)
            scope = f"stream:{APP}/{life.name}"
            session = grant.session if grant else viewers.anonymous(ip, request.headers.get("User-Agent", ""), scope)
            if viewers.is_refused(session):
                raise ViewerSentAway
            viewer = grant.viewer if grant else ""
            viewers.touch(scope, Protocol.HLS, session, viewer=viewer, ip=ip, window_s=SESSION_S)
            response = await handler(request, life, grant)
            seen = viewers.touch(scope, Protocol.HLS, session, viewer=viewer, ip=ip, window_s=SESSION_S)
            viewers.sent(seen, (response.content_length or 0) if request.method != "HEAD" else 0)
            return response

        return answer

    # -- playlists -----------------------------------------------------------------------------------------------

    async def _index(self, request: web.Request, life: Life, grant: Grant | None) -> web.StreamResponse:
        """The multivariant playlist, once there is something to play: two seconds after the start at the latest."""
        await self._wait(life, decide(life.playlist, ReloadQuery()), StreamStalled)
        text = master_playlist([_variant(life, "?dvr=1" if request.query.get("dvr") == "1" else "")])
        return _playlist(request, Body(text), FRESH, grant)

    async def _media_playlist(self, request: web.Request, life: Life, grant: Grant | None) -> web.StreamResponse:
        """The media playlist: at once, or when the asked part is there (RFC 8216bis §6.2.5.2)."""
        try:
            query = ReloadQuery.parse(request.query)
            wait = decide(life.playlist, query)
        except BadReload as error:
            raise BadDirective(error.name) from None
        await self._wait(life, wait, StreamStalled)
        cache = BLOCKED if query.msn is not None else FRESH
        return _playlist(request, life.playlist.body(dvr=query.dvr, skip=query.skip), cache, grant)

    async def _wait(self, life: Life, wait: Wait | None, late: type[AppError]) -> None:
        """Hold a request back until the playlist has come so far; its deadline is answered with `late`."""
        if wait is None:
            return
        try:
            there = await life.ring.wait(lambda: wait.is_over(life.playlist), wait.deadline_s)
        except Gone:
            there = wait.is_over(life.playlist)
        if not there:
            raise late

    # -- media ---------------------------------------------------------------------------------------------------

    async def _media(self, request: web.Request, life: Life, grant: Grant | None) -> web.StreamResponse:
        """Init, segment or part by its name for life."""
        name = parse_name(request.match_info["run"], request.match_info["file"])
        if name is None:
            raise MediaNotFound
        if name.msn is None:
            return _bytes(_init(life, name), grant)
        segment = life.ring.find(name.prefix, name.msn)
        if name.part is not None:
            return _bytes(await self._part(life, segment, name, name.msn, name.part), grant)
        if segment is None or not segment.ended:
            raise MediaNotFound
        if segment.in_memory:
            return _bytes(segment.data, grant)
        if segment.asset is None:
            raise MediaNotFound
        return self._redirect(request, segment, segment.asset, grant)

    async def _part(self, life: Life, segment: RingSegment | None, name: MediaName, msn: int, part: int) -> bytes:
        """A part in memory, or the one that the preload hint promised, as soon as it is there."""
        if segment is None or part >= len(segment.parts):
            run = life.ring.segments[-1].run if life.ring.segments else None
            wait = decide_part(life.playlist, run, msn, part) if run and run.prefix == name.prefix else None
            if wait is None:
                raise MediaNotFound
            await self._wait(life, wait, MediaNotFound)
            segment = life.ring.find(name.prefix, msn)
        if segment is None or part >= len(segment.parts):
            raise MediaNotFound
        return segment.parts[part].data

    def _redirect(self, request: web.Request, segment: RingSegment, asset: str, grant: Grant | None) -> web.Response:
        """The recording has it: same bytes, other process. Behind a proxy that is the same origin."""
        path = f"{self._asset_token(asset, grant)}/vod/{asset}/s/{segment.run.prefix}/{segment.msn}.m4s"
        direct = request.url.port == self._http_port(request)
        base = f"{request.scheme}://{request.url.host}:{self._options.files_port}" if direct else ""
        return web.Response(status=302, headers={"Location": base + path, "Cache-Control": "no-store"})

    def _asset_token(self, asset: str, grant: Grant | None) -> str:
        """`/t/<token>`: the right to the stream as a right to the recording, for the same session and time.

        The file process asks everybody for a token; who may watch a public stream live gets one here.
        """
        if self._keyring is None:
            return ""
        expires_s = grant.expires_s if grant else int(time.time()) + PUBLIC_REDIRECT_S
        public = f"public-{expires_s // PUBLIC_REDIRECT_S}"
        session, viewer = (grant.session, grant.viewer) if grant else (public, "guest")
        return "/t/" + sign(Grant(Method.PLAY, ScopeKind.ASSET, asset, session, viewer, expires_s), self._keyring)

    @staticmethod
    def _http_port(request: web.Request) -> int:
        """The port that this connection came to."""
        address = request.transport.get_extra_info("sockname") if request.transport else None
        return int(address[1]) if address else 0


def _init(life: Life, name: MediaName) -> bytes:
    for run in life.ring.runs():
        if run.prefix == name.prefix:
            return run.init
    raise MediaNotFound


def _variant(life: Life, query: str) -> Variant:
    tracks = list(life.ring.segments[-1].run.tracks) if life.ring.segments else life.tracks
    width, height, fps = _picture(tracks)
    codecs = []
    for track in tracks:
        try:
            codecs.append(rfc6381(track))
        except CodecError:
            continue
    return Variant(
        MEDIA_PLAYLIST + query,
        codecs,
        life.rate.peak_bps,
        life.rate.average_bps,
        width,
        height,
        fps or life.figures().video_fps,
    )


def _picture(tracks: list[Track]) -> tuple[int, int, float]:
    """Width, height and nominal frame rate of the video."""
    for track in tracks:
        if track.width:
            try:
                return track.width, track.height, describe(track).fps
            except CodecError:
                return track.width, track.height, 0.0
    return 0, 0, 0.0


def _scope(grant: Grant | None) -> str:
    return "private" if grant else "public"


def _bytes(data: bytes, grant: Grant | None) -> web.Response:
    headers = {"Content-Type": "video/mp4", "Cache-Control": f"{_scope(grant)}, {IMMUTABLE}"}
    return web.Response(body=data, headers=headers)


def _playlist(request: web.Request, body: Body, cache: str, grant: Grant | None) -> web.Response:
    headers = {"Content-Type": CONTENT_TYPE, "Vary": "Accept-Encoding"}
    headers["Cache-Control"] = cache if cache == FRESH and grant is None else f"{_scope(grant)}, {cache}"
    extra = _inherited(request)
    if extra:
        return web.Response(body=add_query(body.plain, extra), headers=headers | {"Cache-Control": "private, no-cache"})
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return web.Response(body=body.gzipped, headers=headers)
    return web.Response(body=body.plain, headers=headers)


def _inherited(request: web.Request) -> str:
    """`token=…` for players that were given it as a query: they do not pass it on by themselves."""
    token = request.query.get("token", "")
    safe = token.replace("-", "").replace("_", "").replace(".", "").replace("~", "")
    return f"token={token}" if safe.isascii() and safe.isalnum() else ""
