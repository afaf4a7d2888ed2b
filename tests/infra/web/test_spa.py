"""Serving the built web UI."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onetake.infra.settings import Settings
from onetake.infra.web.security_headers import SecurityHeaders
from onetake.infra.web.spa import WebUi

SECRET = "nobody may read this"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A built UI beside a file that is none of its business."""
    root = tmp_path / "webui"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>page</title>")
    (root / "favicon.svg").write_text("<svg/>")
    (root / "assets/app-1a2b3c.js").write_text("plain")
    (root / "assets/app-1a2b3c.js.gz").write_bytes(b"gzipped")
    (root / "assets/app-1a2b3c.js.br").write_bytes(b"brotli")
    (root / "assets/style-99.css").write_text("css")
    (tmp_path / "secret.key").write_text(SECRET)
    (root / "assets/link.js").symlink_to(tmp_path / "secret.key")
    return root


@pytest.fixture
async def http(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the UI alone."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(WebUi(folder)), base_url="http://localhost") as client:
        yield client


async def test_hashed_assets_are_kept_for_ever_and_pages_never(http: httpx.AsyncClient) -> None:
    asset = await http.get("/assets/style-99.css")
    assert (asset.status_code, asset.text, asset.headers["content-type"]) == (200, "css", "text/css; charset=utf-8")
    assert "immutable" in asset.headers["cache-control"]
    for path in ("/", "/index.html", "/favicon.svg"):
        assert (await http.get(path)).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", "/admin/jobs", "/watch/%E7%9B%B4%E6%92%AD", "/livery", "/apiary", "/a.b/c"])
async def test_unknown_paths_are_the_page(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<title>page" in response.text


@pytest.mark.parametrize("path", ["/api", "/api/nothing", "/assets/gone-123.js", "/healthz/x", "/metrics/"])
async def test_but_never_for_the_api_or_a_missing_asset(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["/t/AQE/live/hall/poster.jpg", "/live/hall.flv", "/vod/0199/index.m3u8"])
async def test_media_is_said_to_be_elsewhere(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path, headers={"Accept-Language": "zh-TW"})
    assert (response.status_code, response.json()["code"]) == (404, "media_elsewhere")
    assert "8080" in response.json()["detail"]


@pytest.mark.parametrize(
    ("accepted", "encoding", "content"),
    [
        ("gzip, deflate, br", "br", b"brotli"),
        ("gzip", "gzip", b"gzipped"),
        ("br;q=0, gzip;q=0.5", "gzip", b"gzipped"),
        ("identity", None, b"plain"),
        ("", None, b"plain"),
        ("gzip;q=0", None, b"plain"),
    ],
)
async def test_stored_compressed_variants(folder: Path, accepted: str, encoding: str | None, content: bytes) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(WebUi(folder)), base_url="http://localhost") as http:
        request = http.build_request("GET", "/assets/app-1a2b3c.js", headers={"Accept-Encoding": accepted})
        response = await http.send(request, stream=True)
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert (response.headers.get("content-encoding"), raw) == (encoding, content)
    assert response.headers["vary"] == "Accept-Encoding"
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"


async def test_unchanged_files_are_304(http: httpx.AsyncClient) -> None:
    etag = (await http.get("/assets/style-99.css")).headers["etag"]
    for value in (etag, f'W/{etag}, "other"'):
        again = await http.get("/assets/style-99.css", headers={"If-None-Match": value})
        assert (again.status_code, again.content) == (304, b"")
    assert (await http.get("/assets/style-99.css", headers={"If-None-Match": '"other"'})).status_code == 200


async def test_an_unchanged_page_keeps_its_security_policy(
    folder: Path, make_settings: Callable[..., Settings]
) -> None:
    app = SecurityHeaders(WebUi(folder), make_settings())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        first = await http.get("/")
        again = await http.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
    assert "script-src 'self'" in again.headers["content-security-policy"]


async def test_head_has_the_length_and_no_body(http: httpx.AsyncClient) -> None:
    response = await http.head("/assets/style-99.css")
    assert (response.status_code, response.headers["content-length"], response.content) == (200, "3", b"")


async def test_nothing_is_changed_here(http: httpx.AsyncClient) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
        response = await http.request(method, "/")
        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.key",
        "/%2e%2e/secret.key",
        "/..%2fsecret.key",
        "/assets/../../secret.key",
        "/assets/..%5c..%5csecret.key",
        "//etc/passwd",
        "/assets/%00",
        "/assets/link.js",
        "/assets/app-1a2b3c.js.gz",
    ],
)
async def test_nothing_outside_the_folder_is_read(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert response.status_code in (200, 404)
    assert SECRET not in response.text
    assert "root:" not in response.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(path=st.text(max_size=100))
async def test_any_path_is_a_file_the_page_or_a_problem(folder: Path, path: str) -> None:
    messages = []

    async def send(message: dict[str, object]) -> None:
        messages.append(message)

    scope = {"type": "http", "method": "GET", "path": "/" + path, "headers": [], "state": {}}
    await WebUi(folder)(scope, None, send)  # type: ignore[arg-type]
    assert messages[0]["status"] in (200, 404)
    assert SECRET.encode() not in messages[1]["body"]  # type: ignore[operator]


async def test_a_rebuilt_ui_is_noticed(http: httpx.AsyncClient, folder: Path) -> None:
    assert (await http.get("/assets/new-77.js")).status_code == 404
    (folder / "assets/new-77.js").write_text("new")
    (folder / "index.html").write_text("<!doctype html><title>second</title>")
    assert (await http.get("/assets/new-77.js")).text == "new"
    assert "second" in (await http.get("/")).text


async def test_without_a_built_ui_the_page_says_what_to_do(tmp_path: Path) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(WebUi(tmp_path)), base_url="http://localhost") as http:
        response = await http.get("/")
    assert response.status_code == 503
    assert "make web" in response.text
    assert "网页尚未构建" in response.text
