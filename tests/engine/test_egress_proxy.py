"""The guarding proxy: every connection judged and pinned, tokens per child, hostile clients and servers."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from aiohttp import web
from tests.engine.pull_sources import make_certificate

from onetake.engine import egress_proxy as egress_module
from onetake.engine.egress_proxy import Account, EgressProxy
from onetake.kit.ssrf import AddressRefused, Allow, NameNotResolved, UrlRefused
from onetake.media.ffmpeg.errors import TlsFailed

PUBLIC = "public.example"


class Names:
    """DNS of the tests: `public.example` is this machine and allowed, everything else as told."""

    def __init__(self) -> None:
        self.answers: dict[str, list[list[str]]] = {PUBLIC: [["127.0.0.1"]]}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        rounds = self.answers.get(host)
        if rounds is None:
            raise OSError("unknown host")
        return rounds.pop(0) if len(rounds) > 1 else rounds[0]


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
async def proxy(names: Names) -> AsyncIterator[EgressProxy]:
    made = EgressProxy(Allow.parse([PUBLIC]), names)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def account(proxy: EgressProxy) -> AsyncIterator[Account]:
    async with proxy.account() as made:
        yield made


class Origin:
    """An http server that remembers its requests."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []
        self.port = 0
        self.page: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.method, request.raw_path, request.headers.get("Host", "")))
        if self.page is not None:
            return await self.page(request)
        leaked = {"Proxy-Authorization", "Proxy-Connection"} & set(request.headers)
        return web.Response(text="leaked" if leaked else "hello", headers={"X-Origin": "yes"})


def _app(origin: Origin) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", origin.handle)
    return app


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    made = Origin()
    runner = web.AppRunner(_app(made), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


def port_of(account: Account) -> int:
    return int(account.proxy_url.rpartition(":")[2])


def authorization(account: Account) -> str:
    return "Proxy-Authorization: Basic " + base64.b64encode(f"{account.token}:x".encode()).decode()


async def talk(account: Account, request: str, *, auth: bool = True) -> bytes:
    """Send a request head and read until the proxy closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(account))
    lines = [request, *([authorization(account)] if auth else []), "", ""]
    writer.write("\r\n".join(lines).encode())
    async with asyncio.timeout(20):
        answer = await reader.read(-1)
    writer.close()
    return answer


async def test_plain_request_goes_out_in_origin_form_without_the_token(account: Account, origin: Origin) -> None:
    answer = await talk(account, f"GET http://{PUBLIC}:{origin.port}/a/b?c=d HTTP/1.1\r\nProxy-Connection: x")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"hello")
    assert origin.seen == [("GET", "/a/b?c=d", f"{PUBLIC}:{origin.port}")]
    assert b"X-Origin: yes" in answer
    assert account.received_bytes == len("hello")


async def test_connect_is_not_offered(account: Account, origin: Origin) -> None:
    """With CONNECT, `httpproxy://` in a playlist could be opened by ffmpeg."""
    assert (await talk(account, f"CONNECT {PUBLIC}:{origin.port} HTTP/1.1")).startswith(b"HTTP/1.1 405")
    assert origin.seen == []


@pytest.mark.parametrize(
    "request_line",
    [
        "GET http://127.0.0.1:{port}/ HTTP/1.1",
        "GET http://[::1]:{port}/ HTTP/1.1",
        "GET http://[::ffff:127.0.0.1]:{port}/ HTTP/1.1",
        "GET http://169.254.169.254/latest/meta-data/ HTTP/1.1",
        "GET http://2130706433:{port}/ HTTP/1.1",
        "GET http://0x7f.1:{port}/ HTTP/1.1",
        "GET http://user:pw@public.example:{port}/ HTTP/1.1",
        "GET ftp://public.example/ HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "GET https://public.example:{port}/ HTTP/1.1",
        "GET http://localhost.example:{port}/ HTTP/1.1",
        "GET http://public.example HTTP/1.1@127.0.0.1:{port} HTTP/1.1",
    ],
)
async def test_what_must_not_be_reached_is_refused(
    account: Account, origin: Origin, names: Names, request_line: str
) -> None:
    names.answers["localhost.example"] = [["127.0.0.1"]]
    answer = await talk(account, request_line.format(port=origin.port))
    assert answer.split(b" ")[1] in (b"403", b"405")
    assert origin.seen == []
    if answer.split(b" ")[1] == b"403":
        assert isinstance(account.refusal, AddressRefused | UrlRefused)


async def test_rebinding_is_caught_at_the_second_connection(names: Names, origin: Origin) -> None:
    """Each request resolves anew: what was fine a moment ago says nothing."""
    names.answers["rebind.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    proxy = EgressProxy(Allow.parse(["127.0.0.1"]), names)
    await proxy.start()
    async with proxy.account() as account:
        line = f"GET http://rebind.example:{origin.port}/ HTTP/1.1"
        assert b" 200 " in await talk(account, line)
        assert b" 403 " in await talk(account, line)
        assert isinstance(account.refusal, AddressRefused)
    await proxy.close()


async def test_unknown_names_are_told_apart(account: Account) -> None:
    assert b"502" in await talk(account, "GET http://nowhere.example/ HTTP/1.1")
    assert isinstance(account.refusal, NameNotResolved)


async def test_without_a_living_token_there_is_407(proxy: EgressProxy, account: Account, origin: Origin) -> None:
    line = f"GET http://{PUBLIC}:{origin.port}/ HTTP/1.1"
    answer = await talk(account, line, auth=False)
    assert answer.startswith(b"HTTP/1.1 407")
    assert b"Proxy-Authenticate: Basic" in answer
    async with proxy.account() as other:
        pass
    stale = Account(other.token, account.proxy_url)
    assert (await talk(stale, line)).startswith(b"HTTP/1.1 407")
    for header in ("Proxy-Authorization: Basic !!", "Proxy-Authorization: Bearer x", "Proxy-Authorization: Basic é"):
        assert (await talk(account, f"{line}\r\n{header}", auth=False)).startswith(b"HTTP/1.1 407")
    assert origin.seen == []


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        ("POST http://public.example/ HTTP/1.1", b"405"),
        ("GET /relative HTTP/1.1", b"403"),
        ("nonsense", b"405"),
        ("GET http://public.example/ HTTP/1.1\r\nBroken header", b"400"),
        ("GET http://public.example/ HTTP/1.1\r\n Folded: x", b"400"),
        ("GET http://public.example/" + "a" * 20_000 + " HTTP/1.1", b"431"),
    ],
)
async def test_bad_requests_are_answered_and_closed(account: Account, request_head: str, status: bytes) -> None:
    answer = await talk(account, request_head)
    assert answer.split(b" ")[1] == status


async def test_bytes_after_a_plain_request_never_reach_the_far_side(account: Account, origin: Origin) -> None:
    smuggled = f"GET http://{PUBLIC}:{origin.port}/one HTTP/1.1\r\n{authorization(account)}\r\n\r\nGET /two HTTP/1.1"
    await talk(account, smuggled)
    assert [path for _, path, _ in origin.seen] == ["/one"]


async def test_leaving_the_account_breaks_its_connections(
    proxy: EgressProxy, origin: Origin, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first bytes")
        await hanging.wait()
        return response

    origin.page = hang
    async with proxy.account() as account:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(account))
        writer.write(f"GET http://{PUBLIC}:{origin.port}/ HTTP/1.1\r\n{authorization(account)}\r\n\r\n".encode())
        await reader.readuntil(b"first bytes")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        async with asyncio.timeout(20):
            await reader.readexactly(1)
    writer.close()
    hanging.set()
    assert caplog.records == [], "what is our own doing is no trouble"


async def test_a_dead_far_side_is_a_gateway_error(account: Account, origin: Origin, names: Names) -> None:
    probe = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    free_port = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    assert b"504" in await talk(account, f"GET http://{PUBLIC}:{free_port}/ HTTP/1.1")


async def test_playlists_and_redirects_are_rewritten_for_the_child(account: Account, origin: Origin) -> None:
    lines = [
        "#EXTM3U",
        '#EXT-X-MAP:URI="https://cdn.example/init.mp4"',
        '#EXT-X-KEY:METHOD=AES-128,URI="data:text/plain;base64,AAAA"',
        "relative/seg.ts?a=b",
        "https://cdn.example:8443/seg.ts",
        "http://plain.example/seg.ts",
        "//cdn.example/seg.ts",
        "httpproxy://127.0.0.1:1/seg.ts",
        "file:///etc/passwd",
    ]

    async def playlist(request: web.Request) -> web.StreamResponse:
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": "https://elsewhere.example/a.m3u8"})
        return web.Response(text="\r\n".join(lines), content_type="text/plain")

    origin.page = playlist
    answer = await talk(account, f"GET http://{PUBLIC}:{origin.port}/a.m3u8 HTTP/1.1")
    assert answer.partition(b"\r\n\r\n")[2].decode().splitlines() == [
        "#EXTM3U",
        '#EXT-X-MAP:URI="http://cdn.example:443/init.mp4"',
        '#EXT-X-KEY:METHOD=AES-128,URI="data:text/plain;base64,AAAA"',
        "relative/seg.ts?a=b",
        "http://cdn.example:8443/seg.ts",
        "http://plain.example/seg.ts",
        "http://cdn.example/seg.ts",
        "refused:",
        "refused:",
    ]
    assert isinstance(account.refusal, UrlRefused)
    answer = await talk(account, f"GET http://{PUBLIC}:{origin.port}/moved HTTP/1.1")
    assert b"Location: http://elsewhere.example:443/a.m3u8" in answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), PUBLIC)


@pytest.mark.parametrize(
    ("trusted", "name", "status"), [(True, PUBLIC, b"200"), (True, "other.example", b"502"), (False, PUBLIC, b"502")]
)
async def test_tls_is_done_here_and_certificates_are_checked(
    names: Names, origin: Origin, certificate: Path, trusted: bool, name: str, status: bytes
) -> None:
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(certificate)
    runner = web.AppRunner(_app(origin))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls).start()
    port = runner.addresses[0][1]
    names.answers[name] = [["127.0.0.1"]]
    client_tls = ssl.create_default_context(cafile=str(certificate)) if trusted else None
    proxy = EgressProxy(Allow.parse([PUBLIC, "other.example"]), names, client_tls)
    await proxy.start()
    async with proxy.account() as account:
        url = account.plain_url(f"https://{name}:{port}/secure")
        assert url == f"http://{name}:{port}/secure"
        answer = await talk(account, f"GET {url} HTTP/1.1")
        assert answer.split(b" ")[1] == status
        assert isinstance(account.refusal, TlsFailed) is (status == b"502")
    await proxy.close()
    await runner.cleanup()
    assert len(origin.seen) == (status == b"200")


async def test_an_endless_playlist_is_cut(account: Account, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress_module, "MAX_PLAYLIST_BYTES", 100_000)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"#EXTM3U\n")
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"#" * 10_000)
        return response

    origin.page = endless
    answer = await talk(account, f"GET http://{PUBLIC}:{origin.port}/ HTTP/1.1")
    assert answer.startswith(b"HTTP/1.1 502")


async def test_connections_of_one_child_are_bounded(
    account: Account, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress_module, "MAX_CONNECTIONS", 1)
    arrived, released = asyncio.Event(), asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await released.wait()
        return web.Response(text="late")

    origin.page = hang
    line = f"GET http://{PUBLIC}:{origin.port}/ HTTP/1.1"
    first = asyncio.create_task(talk(account, line))
    await asyncio.wait_for(arrived.wait(), 20)
    assert b" 503 " in await talk(account, line)
    released.set()
    assert (await first).endswith(b"late")


async def test_head_has_no_body(account: Account, origin: Origin) -> None:
    answer = await talk(account, f"HEAD http://{PUBLIC}:{origin.port}/ HTTP/1.1")
    assert b" 200 " in answer
    assert answer.endswith(b"\r\n\r\n")
