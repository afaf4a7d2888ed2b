"""Outermost middleware: trusted proxies, request id, the actor of the request and one access-log line."""

import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onetake.infra.context import bind_request, current_actor
from onetake.infra.logging import get_logger
from onetake.infra.web.headers import add_missing, header
from onetake.infra.web.proxies import TrustedProxies
from onetake.kit.ids import random_hex
from onetake.kit.redact import redact

_INBOUND_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}\Z")
_QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_SLOW_S = 1.0
_log = get_logger("onetake.access")


class RequestContext:
    """Gives every request and WebSocket an id and its real peer, and logs its end."""

    def __init__(self, app: ASGIApp, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bind the context, run the application, log one line without query values."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        self._proxies.apply(scope)
        request_id = _request_id(scope)
        client = scope.get("client")
        bind_request(request_id, client[0] if client else None)
        await self._run(scope, receive, send, request_id)

    async def _run(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started_s = time.perf_counter()
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                add_missing(message["headers"], [("X-Request-Id", request_id)])
            elif message["type"] == "websocket.accept":
                status = 101
            elif message["type"] == "websocket.close" and not status:
                status = 403
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            _log_access(scope, status, time.perf_counter() - started_s)


def _request_id(scope: Scope) -> str:
    inbound = header(scope, "x-request-id") or ""
    return inbound if _INBOUND_ID.match(inbound) else random_hex()


def _log_access(scope: Scope, status: int, elapsed_s: float) -> None:
    """One line per request. The query is left out: it may hold tickets, searches and other people's words.

    Pages read all the time: what was read quickly and well is of the level `debug`.
    """
    method = scope.get("method", "WEBSOCKET")
    is_usual = method in ("GET", "HEAD") and 200 <= status < 400 and elapsed_s < _SLOW_S
    write = _log.debug if is_usual or scope["path"] in _QUIET_PATHS else _log.info
    write(
        "request",
        method=method,
        path=redact(scope["path"])[:512],
        status=status,
        ms=round(elapsed_s * 1000, 1),
        ip=current_actor().ip,
    )
