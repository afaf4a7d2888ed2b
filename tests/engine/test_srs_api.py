"""The SRS API subset: field names, codes with HTTP 200, paging, kick, and who may use it (R15)."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from onetake.engine.srs_api import AudioInfo, ClientInfo, ControlGuard, Rates, SrsApi, StreamInfo, VideoInfo
from onetake.engine.web import answer_errors

SECRET = "control secret"
AUTH = {"Authorization": f"Bearer {SECRET}"}
Client = TestClient[web.Request, web.Application]


class FakeRegistry:
    def __init__(self) -> None:
        video, audio = VideoInfo("H264", "High", "3.1", 1280, 720), AudioInfo("AAC", 48000, 2, "LC")
        self.infos = [
            StreamInfo("live", "studio", "rtmp://h/live?key=secret", 5000, 150, 10, 99, "pub1", video, audio, 2),
            *(StreamInfo("live", f"idle{n:02}") for n in range(30)),
        ]
        self.players = [
            ClientInfo("pub1", "live", "studio", "10.0.0.1", "fmle-publish", True, 5.5, recv_bytes=99),
            ClientInfo("play1", "live", "studio", "10.0.0.2", "flv-play", False, 2.0, send_bytes=10),
        ]

    def streams(self) -> Sequence[StreamInfo]:
        return self.infos

    def clients(self, start: int = 0, count: int | None = None) -> Sequence[ClientInfo]:
        return self.players[start : None if count is None else start + count]

    def client(self, client_id: str) -> ClientInfo | None:
        return next((client for client in self.players if client.id == client_id), None)

    def totals(self) -> Mapping[str, tuple[int, int]]:
        found = {info.id: (info.recv_bytes, info.send_bytes) for info in self.infos}
        return found | {client.id: (client.recv_bytes, client.send_bytes) for client in self.players}

    async def kick(self, client_id: str) -> bool:
        before = len(self.players)
        self.players = [client for client in self.players if client.id != client_id]
        return len(self.players) < before


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


async def serve(registry: FakeRegistry, guard: ControlGuard) -> Client:
    app = web.Application(middlewares=[answer_errors])
    SrsApi(registry, guard).add_to(app)
    client: Client = TestClient(TestServer(app))
    await client.start_server()
    return client


@pytest.fixture
async def api(registry: FakeRegistry) -> AsyncIterator[Client]:
    client = await serve(registry, ControlGuard(SECRET))
    yield client
    await client.close()


async def get(api: Client, path: str) -> dict[str, object]:
    response = await api.get(path, headers=AUTH)
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    body: dict[str, object] = await response.json()
    assert {"code", "server", "service", "pid"} <= set(body)
    return body


async def test_stream_fields_are_those_of_srs(api: Client, registry: FakeRegistry) -> None:
    listed = (await get(api, "/api/v1/streams/"))["streams"]
    assert isinstance(listed, list)
    stream = listed[0]
    assert set(stream) == {
        "id",
        "name",
        "vhost",
        "app",
        "tcUrl",
        "url",
        "live_ms",
        "clients",
        "frames",
        "send_bytes",
        "recv_bytes",
        "kbps",
        "publish",
        "video",
        "audio",
    }
    assert stream["clients"] == 2
    assert stream["publish"] == {"active": True, "cid": "pub1"}
    assert stream["video"] == {"codec": "H264", "profile": "High", "level": "3.1", "width": 1280, "height": 720}
    assert stream["audio"] == {"codec": "AAC", "sample_rate": 48000, "channel": 2, "profile": "LC"}
    assert "secret" not in stream["tcUrl"]
    assert (await get(api, f"/api/v1/streams/{stream['id']}"))["stream"] == stream
    assert listed[1]["video"] is None


async def test_lists_are_paged(api: Client) -> None:
    async def names(query: str) -> int:
        streams = (await get(api, f"/api/v1/streams/{query}"))["streams"]
        assert isinstance(streams, list)
        return len(streams)

    assert [await names(q) for q in ("", "?count=25", "?start=30&count=10", "?start=99", "?count=0", "?count=x")] == [
        10,
        25,
        1,
        0,
        1,
        10,
    ]


async def test_clients_and_kick(api: Client) -> None:
    clients = (await get(api, "/api/v1/clients/"))["clients"]
    assert isinstance(clients, list)
    assert set(clients[0]) == {
        "id",
        "vhost",
        "stream",
        "ip",
        "pageUrl",
        "swfUrl",
        "tcUrl",
        "url",
        "name",
        "type",
        "publish",
        "alive",
        "send_bytes",
        "recv_bytes",
        "kbps",
    }
    assert (await get(api, "/api/v1/clients/play1"))["client"] == clients[1]
    for expected in (0, 2049):
        response = await api.delete("/api/v1/clients/play1", headers=AUTH)
        assert (response.status, (await response.json())["code"]) == (200, expected)
    assert (await get(api, "/api/v1/clients/play1"))["code"] == 2049
    assert (await get(api, "/api/v1/streams/vid-nothing"))["code"] == 2048


async def test_summaries_and_versions(api: Client) -> None:
    summary = (await get(api, "/api/v1/summaries"))["data"]
    assert isinstance(summary, dict)
    assert {"version", "pid", "mem_kbyte", "cpu_percent", "srs_uptime"} <= set(summary["self"])
    assert {"cpu_percent", "cpus", "load_1m", "mem_ram_kbyte"} <= set(summary["system"])
    assert (await get(api, "/api/v1/versions"))["data"]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer wrong",
        "Bearer ",
        "Basic !!!",
        "Basic " + base64.b64encode(b"admin:wrong").decode(),
        "Digest x",
        f"Bearer {SECRET}\u00e9",
    ],
)
async def test_without_the_secret_there_is_nothing_even_on_loopback(api: Client, header: str) -> None:
    for method, path in (("GET", "/api/v1/streams/"), ("GET", "/api/v1/summaries"), ("DELETE", "/api/v1/clients/pub1")):
        response = await api.request(method, path, headers={"Authorization": header})
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic")
        assert (response.content_type, await response.text()) == ("text/plain", "Unauthorized")


async def test_what_is_not_there_is_answered_as_srs_does(api: Client) -> None:
    for method, path, status in (("GET", "/api/v1/rooms", 404), ("POST", "/api/v1/streams/", 405)):
        response = await api.request(method, path, headers=AUTH | {"Accept-Language": "zh-CN"})
        named = {404: "Not Found", 405: "Method Not Allowed"}[status]
        assert (response.status, response.content_type, await response.text()) == (status, "text/plain", named)


async def test_basic_password_opens_too(api: Client) -> None:
    value = base64.b64encode(f"srs:{SECRET}".encode()).decode()
    response = await api.get("/api/v1/versions", headers={"Authorization": f"Basic {value}"})
    assert response.status == 200


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1:8080", 200), ("localhost", 200), ("evil.example:8080", 401)])
async def test_standalone_is_open_on_loopback_but_not_to_a_rebound_name(
    registry: FakeRegistry, host: str, status: int
) -> None:
    client = await serve(registry, ControlGuard("", open_on_loopback=True))
    try:
        assert (await client.get("/api/v1/versions", headers={"Host": host})).status == status
    finally:
        await client.close()


async def test_empty_secret_never_matches(registry: FakeRegistry) -> None:
    client = await serve(registry, ControlGuard(""))
    try:
        assert (await client.get("/api/v1/versions", headers={"Authorization": "Bearer "})).status == 401
    finally:
        await client.close()


def test_rate_is_the_mean_of_thirty_seconds() -> None:
    rates = Rates()
    assert rates.of("a") == {"recv_30s": 0, "send_30s": 0}
    for second in range(0, 100, 5):
        rates.sample(second, {"a": (second * 125_000, 7)})
    assert rates.of("a") == {"recv_30s": 1000, "send_30s": 0}
    rates.sample(100, {"a": (0, 8)})
    assert rates.of("a")["recv_30s"] == 0
    rates.sample(105, {"a": (5 * 250_000, 8)})
    assert rates.of("a")["recv_30s"] == 2000


def test_rates_are_shown_per_stream_and_forgotten_with_it(registry: FakeRegistry) -> None:
    api = SrsApi(registry, ControlGuard(SECRET))
    api.sample(0)
    registry.infos = [StreamInfo("live", "studio", recv_bytes=99 + 125_000)]
    api.sample(1)
    assert api._rates.of(registry.infos[0].id) == {"recv_30s": 1000, "send_30s": 0}
    gone = registry.infos[0].id
    registry.infos, registry.players = [], []
    for second in range(2, 40):
        api.sample(second)
    assert api._rates.of(gone) == {"recv_30s": 0, "send_30s": 0}
