"""What the HTTP handlers of the live process share: problem answers, CORS, token paths, access to control."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from onetake.engine.errors import BodyNotJson, ForeignPage, NotShortText, StreamOffline
from onetake.engine.pipeline import Life
from onetake.engine.players import Players
from onetake.engine.streams import StreamHub
from onetake.kit.errors import AppError
from onetake.kit.language import negotiate_language
from onetake.kit.problems import MEDIA_TYPE, error_for_status, problem_title, problem_type
from onetake.kit.signing import Grant, Method

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_BODY_BYTES = 4 << 20
MAX_FIELD_CHARS = 128
SRS_API = "/api/v1/"
_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")
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


def problem(
    request: web.Request, error: AppError, *, status: int | None = None, more: Mapping[str, object] | None = None
) -> web.Response:
    """`error` as an RFC 9457 answer in the reader's language; `more` are members of its own."""
    status = status or error.status
    lang = negotiate_language(request.headers.get("Accept-Language"))
    body = {
        "type": problem_type(error),
        "title": problem_title(status, lang),
        "status": status,
        "detail": error.detail(lang),
        "code": error.code,
        **({"field": error.field} if error.field else {}),
        **(more or {}),
    }
    headers = {"Content-Language": lang, "Cache-Control": "no-store", **error.headers}
    return web.json_response(body, status=status, headers=headers, content_type=MEDIA_TYPE)


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into answers; an unknown one is logged and shown without its text (X4)."""
    try:
        return await handler(request)
    except AppError as error:
        return _answer(request, error, error.status)
    except web.HTTPException as refusal:
        if refusal.status < 400:
            raise
        known = error_for_status(refusal.status)
        known.headers = {name: refusal.headers[name] for name in _KEPT_HEADERS if name in refusal.headers}
        return _answer(request, known, refusal.status)
    except (ConnectionError, TimeoutError):
        raise
    except Exception:
        log.exception("unhandled error in %s %s", request.method, request.match_info.handler.__name__)
        return _answer(request, AppError(), AppError.status)


def _answer(request: web.Request, error: AppError, status: int) -> web.Response:
    """Outside of the handlers SRS answers with the bare name of the status; its clients get that from us too."""
    if request.path.startswith(SRS_API):
        return web.Response(status=status, text=HTTPStatus(status).phrase, headers=error.headers)
    return problem(request, error, status=status)


async def allow_any_origin(request: web.Request, response: web.StreamResponse) -> None:
    """CORS for media: no cookie is ever read there, the URL is the only credential."""
    if not request.path.startswith(("/control", "/api/")):
        response.headers.update(CORS)


async def name_server(request: web.Request, response: web.StreamResponse) -> None:
    """No versions of ours in headers."""
    response.headers["Server"] = "OneTake"


def client_ip(request: web.Request) -> str:
    """The address of the connection (R15: never one from a header)."""
    peer = (request.transport.get_extra_info("peername") if request.transport else None) or ("",)
    return str(peer[0])


def refuse_other_sites(request: web.Request) -> None:
    """A page of another site must not drive an open loopback server through the visitor's browser (W1)."""
    origin = request.headers.get("Origin")
    foreign_origin = origin is not None and origin != f"{request.scheme}://{request.host}"
    if foreign_origin or request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise ForeignPage


async def read_json(request: web.Request) -> Any:
    """The JSON body of a control call; 400 when there is none."""
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError):
        raise BodyNotJson from None


def short_text(body: object, field: str) -> str:
    """A short text field of the JSON object of a control call. Raises `NotShortText`."""
    value = body.get(field) if isinstance(body, dict) else None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_FIELD_CHARS:
        raise NotShortText(field, most=MAX_FIELD_CHARS)
    return value


def find_life(hub: StreamHub, name: str) -> Life:
    """The media of a stream that runs or has just ended; 404 otherwise."""
    life = hub.life(name)
    if life is None:
        raise StreamOffline
    return life


def admit(
    request: web.Request, hub: StreamHub, players: Players, methods: tuple[Method, ...] = (Method.PLAY,)
) -> Grant | None:
    """Check the playback token of a request, which permits one of `methods`; raises 403."""
    name = request.match_info["name"]
    token = request.match_info.get("token") or request.query.get("token")
    return players.admit(hub.config(name), name, token, methods=methods)
