"""What the HTTP handlers of the live process share: problem answers, CORS, token paths, access to control."""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from onetake.engine.pipeline import Life
from onetake.engine.players import Players
from onetake.engine.streams import StreamHub
from onetake.kit.errors import AppError
from onetake.kit.signing import Grant

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_BODY_BYTES = 4 << 20
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Content-Length, Content-Range, Date, Location",
    "Timing-Allow-Origin": "*",
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Range, Cache-Control, Content-Type",
    "Access-Control-Max-Age": "86400",
}


def problem(status: int, code: str, detail: str) -> web.Response:
    """An RFC 9457 answer."""
    body = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into problem answers; an unknown one is logged and shown without its text (X4)."""
    try:
        return await handler(request)
    except AppError as error:
        return problem(error.status, error.code, error.detail("en"))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return problem(error.status, error.reason.lower().replace(" ", "_"), error.text or error.reason)
    except (ConnectionError, TimeoutError):
        raise
    except Exception:
        log.exception("unhandled error in %s %s", request.method, request.match_info.handler.__name__)
        return problem(500, "internal_error", "Something went wrong on our side.")


async def allow_any_origin(request: web.Request, response: web.StreamResponse) -> None:
    """CORS for media: no cookie is ever read there, the URL is the only credential."""
    if not request.path.startswith(("/control", "/api/")):
        response.headers.update(CORS)


def client_ip(request: web.Request) -> str:
    """The address of the connection (R15: never one from a header)."""
    peer = (request.transport.get_extra_info("peername") if request.transport else None) or ("",)
    return str(peer[0])


def refuse_other_sites(request: web.Request) -> None:
    """A page of another site must not drive an open loopback server through the visitor's browser (W1)."""
    origin = request.headers.get("Origin")
    foreign_origin = origin is not None and origin != f"{request.scheme}://{request.host}"
    if foreign_origin or request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise web.HTTPForbidden(text="Only this server's own page may do this.")


async def read_json(request: web.Request) -> Any:
    """The JSON body of a control call; 400 when there is none."""
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError):
        raise web.HTTPBadRequest(text="The body is not JSON.") from None


def find_life(hub: StreamHub, name: str) -> Life:
    """The media of a stream that runs or has just ended; 404 otherwise."""
    life = hub.life(name)
    if life is None:
        raise web.HTTPNotFound(text="This stream is not live.", headers={"Cache-Control": "no-store"})
    return life


def admit(request: web.Request, hub: StreamHub, players: Players) -> Grant | None:
    """Check the playback token of a request; raises 403."""
    name = request.match_info["name"]
    token = request.match_info.get("token") or request.query.get("token")
    return players.admit(hub.config(name), name, token)
