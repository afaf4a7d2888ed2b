"""Metrics: bounded labels, guarded answer, failures that stay small."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from onetake.infra.metrics import Metrics, MetricsMiddleware, is_loopback, metrics_answer


class App:
    """A small application behind the middleware; `client` is the peer that requests come from."""

    def __init__(self, token: str | None = None) -> None:
        self.metrics = Metrics()
        self._token = token
        routes = [
            Route("/api/jobs/{job_id}", self._hello, methods=["GET", "POST"]),
            Route("/api/broken", self._broken),
            Route("/healthz", self._hello),
            Route("/metrics", self._metrics),
            WebSocketRoute("/api/ws", self._socket),
            Mount("/", app=PlainTextResponse("page")),
        ]
        self.app = MetricsMiddleware(Starlette(routes=routes), self.metrics)

    def client(self, peer: str = "127.0.0.1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(peer, 1), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://test")

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)

    async def _hello(self, _request: Request) -> Response:
        return PlainTextResponse("hello")

    async def _broken(self, _request: Request) -> Response:
        raise RuntimeError("broken")

    async def _metrics(self, request: Request) -> Response:
        return await metrics_answer(request, self.metrics, self._token)

    async def _socket(self, socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()


@pytest.fixture
def app() -> App:
    return App()


async def test_counts_by_area_never_by_id(app: App) -> None:
    async with app.client() as client:
        for job in range(20):
            await client.get(f"/api/jobs/{job}")
        await client.post("/api/jobs/1")
    assert app.value("onetake_http_requests_total", area="jobs", method="GET", code_class="2xx") == 20
    assert app.value("onetake_http_requests_total", area="jobs", method="POST", code_class="2xx") == 1
    assert app.value("onetake_http_request_duration_seconds_count", area="jobs") == 21


async def test_hostile_paths_and_methods_make_no_new_labels(app: App) -> None:
    async with app.client() as client:
        for number in range(50):
            await client.get(f"/api/{number}")
            await client.get(f"/{number}")
            await client.request(f"M{number}", "/api/jobs/1")
    text = (await app.metrics.text()).decode()
    series = [line for line in text.splitlines() if line.startswith("onetake_http_requests_total")]
    assert len(series) == 3


async def test_crash_counts_as_5xx(app: App) -> None:
    async with app.client() as client:
        await client.get("/api/broken")
    assert app.value("onetake_http_requests_total", area="broken", method="GET", code_class="5xx") == 1
    assert app.value("onetake_http_requests_in_progress") == 0


async def test_answer_is_valid_exposition_text(app: App) -> None:
    app.metrics.watch_pool(FakePool())
    async with app.client() as client:
        answer = await client.get("/metrics")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"onetake_http_requests", "onetake_loop_lag_seconds", "onetake_build_info", "python_info"} <= names
    assert 'onetake_db_pool_connections{state="in_use"} 3.0' in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_pool_that_does_not_count_is_left_out(app: App) -> None:
    app.metrics.watch_pool(object())
    assert b"db_pool" not in await app.metrics.text()


async def test_failing_refresher_spoils_nothing(app: App) -> None:
    async def fail() -> None:
        raise RuntimeError("no database")

    gauge = app.metrics.gauge("jobs", "Jobs.")
    gauge.set(4)
    app.metrics.refresh_with(fail)
    assert b"onetake_jobs 4.0" in await app.metrics.text()


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("192.0.2.9", {}, 403),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.9"}, 403),
        ("127.0.0.1", {"forwarded": "for=192.0.2.9"}, 403),
        ("192.0.2.9", {"x-forwarded-for": "127.0.0.1"}, 403),
    ],
)
async def test_without_a_token_only_loopback(app: App, peer: str, headers: dict[str, str], status: int) -> None:
    async with app.client(peer) as client:
        assert (await client.get("/metrics", headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (None, 403),
        ("", 403),
        ("Bearer ", 403),
        ("Bearer wrong", 403),
        ("t0ken", 403),
        ("Bearer t0ken", 200),
        ("Bearer t0ken\u00e9", 403),
    ],
)
async def test_with_a_token_only_its_bearer(sent: str | None, status: int) -> None:
    headers = [] if sent is None else [(b"authorization", sent.encode("latin-1"))]
    async with App(token="t0ken").client("192.0.2.9") as client:
        assert (await client.get("/metrics", headers=headers)).status_code == status


@pytest.mark.parametrize("client", [None, (), ("", 1), ("testclient", 1), ("/run/socket", 0), (None, 1)])
def test_odd_peers_are_not_loopback(client: object) -> None:
    assert is_loopback(client) is False


class FakePool:
    def checkedout(self) -> int:
        return 3

    def checkedin(self) -> int:
        return 1
