"""Prometheus metrics of the API process and its surroundings, and the guarded `/metrics` answer.

Labels have few values by construction: an area of the API, never a path with ids, a user or an address. Values that
live in the database or in other processes are refreshed by the functions given to `Metrics.refresh_with`.
"""

import hmac
import ipaddress
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onetake import __version__
from onetake.infra.logging import get_logger
from onetake.kit.lifeline import loop_lag

log = get_logger(__name__)
disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the lines and nobody reads them
Refresher = Callable[[], Awaitable[None]]
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


class Pool(Protocol):
    """What a counting SQLAlchemy pool offers."""

    def checkedout(self) -> int: ...
    def checkedin(self) -> int: ...


class Metrics:
    """One registry with everything that `/metrics` of one API process tells."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._refreshers: list[Refresher] = []
        self._gauges: dict[str, Gauge] = {}
        self.http_requests = self._counter("http_requests", "Answered HTTP requests.", "area", "method", "code_class")
        self.http_seconds = Histogram(
            "onetake_http_request_duration_seconds",
            "Time from the request's head to the end of its answer.",
            ["area"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.http_running = self.gauge("http_requests_in_progress", "HTTP requests being answered now.")
        self.websockets = self.gauge("websockets_open", "WebSocket connections open now.")
        self.gauge("build_info", "Always 1; the label carries the version.", "version").labels(__version__).set(1)
        lag = self.gauge("loop_lag_seconds", "Delay of the API's event loop, last measured.")
        lag.set_function(lambda: loop_lag.last_ms / 1000)
        worst = self.gauge("loop_lag_worst_seconds", "Longest delay of the API's event loop in the last minute.")
        worst.set_function(lambda: loop_lag.worst_ms / 1000)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """The gauge `onetake_<name>`, made at the first call."""
        if name not in self._gauges:
            self._gauges[name] = Gauge(f"onetake_{name}", text, labels, registry=self.registry)
        return self._gauges[name]

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"onetake_{name}", text, labels, registry=self.registry)

    def watch_pool(self, pool: object) -> None:
        """Report the connections of a database pool; pools that do not count (NullPool) are left out."""
        if not hasattr(pool, "checkedout") or not hasattr(pool, "checkedin"):
            return
        counting: Pool = pool
        gauge = self.gauge("db_pool_connections", "Database connections of the API process.", "state")
        gauge.labels("in_use").set_function(counting.checkedout)
        gauge.labels("idle").set_function(counting.checkedin)

    def refresh_with(self, refresher: Refresher) -> None:
        """Await `refresher` before each answer; it sets gauges."""
        self._refreshers.append(refresher)

    async def text(self) -> bytes:
        """The exposition text. A refresher that fails is logged and keeps its last values."""
        for refresher in self._refreshers:
            try:
                await refresher()
            except Exception:
                log.exception("metrics could not be refreshed")
        return generate_latest(self.registry)


class MetricsMiddleware:
    """Pure ASGI middleware that counts and times requests; put it outermost."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Measure one connection and hand it on."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            with self.metrics.websockets.track_inprogress():
                await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 500
        started = time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with self.metrics.http_running.track_inprogress():
                await self.app(scope, receive, watch)
        finally:
            area = area_of(scope)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self.metrics.http_requests.labels(area, method, f"{status // 100}xx").inc()
            self.metrics.http_seconds.labels(area).observe(time.perf_counter() - started)


def area_of(scope: Scope) -> str:
    """The label of a routed request: the part of its route after `/api/`, `health`, or `page` for the web UI.

    It comes from the route's template, never from the path that was sent, so the number of labels is bounded by code.
    """
    template = str(getattr(scope.get("route"), "path", ""))
    parts = template.split("/")
    if len(parts) > 2 and parts[1] == "api":
        return parts[2] if not parts[2].startswith("{") else "other"
    if scope["path"].startswith("/api/"):
        return "other"
    return "health" if template in ("/healthz", "/readyz", "/metrics") else "page"


async def metrics_answer(request: Request, metrics: Metrics, token: str | None) -> Response:
    """The answer to `GET /metrics`: for the bearer of `token`, or, when no token is set, for loopback only."""
    if not _may_read(request, token):
        return PlainTextResponse("metrics are for the bearer of ONETAKE_METRICS_TOKEN or loopback\n", status_code=403)
    return Response(await metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST, "cache-control": "no-store"})


def _may_read(request: Request, token: str | None) -> bool:
    if token is not None:
        given = request.headers.get("authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
    if any(name in request.headers for name in _FORWARDED):  # a proxy on this machine speaks for somebody else
        return False
    return is_loopback(request.client)


def is_loopback(client: Any) -> bool:
    """Whether the peer `(host, port)` of a connection is this machine."""
    try:
        address = ipaddress.ip_address(client[0])
    except (TypeError, ValueError, IndexError):
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
