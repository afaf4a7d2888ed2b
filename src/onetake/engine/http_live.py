"""The live HTTP port (:8080): HTTP-FLV here, LL-HLS in `hls_live`, pictures in `live_posters`, control in `control`.

No disk is touched.

Every media URL also exists below `/t/<token>/`; relative URLs of playlists inherit the token.
"""

import asyncio

from aiohttp import web
from aiohttp.http import HttpVersion11

from onetake.engine.errors import StreamOffline
from onetake.engine.fanout import (
    Viewer,
    chunked,
    encode_flv,
    encode_flv_chunked,
    encode_flv_chunked_clocked,
    encode_flv_clocked,
)
from onetake.engine.hls_live import HlsLive
from onetake.engine.listener import note_request
from onetake.engine.live_posters import LivePosters
from onetake.engine.pipeline import Life
from onetake.engine.players import Players
from onetake.engine.streams import StreamHub
from onetake.engine.viewers import Protocol
from onetake.engine.web import (
    PREFLIGHT,
    Handler,
    admit,
    allow_any_origin,
    answer_errors,
    client_ip,
    find_life,
    name_server,
)
from onetake.kit.signing import Grant

NAME = r"{name:[A-Za-z0-9_-]{1,64}}"
TOKEN = r"/t/{token:[A-Za-z0-9_.~-]{1,512}}"
MAX_BODY_BYTES = 4 << 20


_ENCODERS = {
    (False, False): encode_flv,
    (False, True): encode_flv_clocked,
    (True, False): encode_flv_chunked,
    (True, True): encode_flv_chunked_clocked,
}


class FlvLive:
    """`GET /live/<name>.flv`: an endless FLV file; with `?clock=1` it says when keyframes came."""

    def __init__(self, hub: StreamHub, players: Players) -> None:
        self._hub = hub
        self._players = players

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Serve the stream until it ends or the viewer goes."""
        grant = admit(request, self._hub, self._players)
        await self._hub.ask_for(request.match_info["name"])
        life = find_life(self._hub, request.match_info["name"])
        if life.ring.closed:
            raise StreamOffline
        response = web.StreamResponse(headers={"Content-Type": "video/x-flv", "Cache-Control": "no-store"})
        in_chunks = request.version >= HttpVersion11
        if in_chunks:
            response.enable_chunked_encoding()
        else:
            response.force_close()
        await response.prepare(request)
        if request.method != "HEAD":
            await self._stream(request, life, in_chunks, grant)
        return response

    async def _stream(self, request: web.Request, life: Life, in_chunks: bool, grant: Grant | None) -> None:
        """Writes go straight to the transport: one shared buffer for all viewers, no copy per viewer."""
        transport = request.transport
        if transport is None:
            return
        over = asyncio.Event()
        viewer = Viewer(
            transport,
            _ENCODERS[in_chunks, request.query.get("clock") == "1"],
            greet=chunked if in_chunks else bytes,
            closed=over.set,
        )
        with self._players.watching(life.name, Protocol.FLV, life.fanout, viewer, client_ip(request), grant):
            await over.wait()
        if viewer.slow_since_s is not None:
            transport.abort()


@web.middleware
async def answer_preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """CORS preflight of any media URL."""
    if request.method == "OPTIONS" and request.path.startswith(("/live/", "/t/")):
        return web.Response(status=204, headers=PREFLIGHT)
    return await handler(request)


def media_app(hub: StreamHub, players: Players, hls: HlsLive, posters: LivePosters) -> web.Application:
    """The application of the live port with its media routes."""
    app = web.Application(middlewares=[note_request, answer_errors, answer_preflight], client_max_size=MAX_BODY_BYTES)
    flv = FlvLive(hub, players)
    for prefix in ("", TOKEN):
        app.router.add_get(f"{prefix}/live/{NAME}.flv", flv.get)
        app.router.add_get(f"{prefix}/live/{NAME}/poster.jpg", posters.get)
        hls.add_to(app, f"{prefix}/live/{NAME}")
    app.on_response_prepare.append(allow_any_origin)
    app.on_response_prepare.append(name_server)
    return app
