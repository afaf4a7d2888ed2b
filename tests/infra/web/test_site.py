"""Liveness, readiness, and what a page needs to know first."""

from collections.abc import Callable

from tests.api_fixtures import Api, running

from onetake import __version__
from onetake.infra.settings import Settings


async def test_alive_without_a_database_but_not_ready(make_settings: Callable[..., Settings]) -> None:
    nobody_listens = make_settings(database_url="postgresql://nobody@127.0.0.1:1/none")
    async with running(nobody_listens) as api:
        assert (await api.http.get("/healthz")).status_code == 200
        ready = await api.http.get("/readyz")
    assert (ready.status_code, ready.json()["code"]) == (503, "database_unavailable")
    assert int(ready.headers["retry-after"]) > 0


async def test_ready_with_a_database(api: Api) -> None:
    assert (await api.http.get("/readyz")).json() == {"status": "ok"}


async def test_config_has_no_secrets(make_settings: Callable[..., Settings], sqlite_url: str) -> None:
    settings = make_settings(
        database_url=sqlite_url,
        admin_password="walrus under glass",
        metrics_token="metrics-secret",
        media_url="https://m.x",
    )
    async with running(settings) as api:
        response = await api.http.get("/api/config")
    config = response.json()
    assert config["version"] == __version__
    assert config["media"] == {"url": "https://m.x", "port": 8080, "files_port": 8081, "rtmp_port": 1935}
    assert config["languages"] == ["en", "zh-CN", "zh-TW"]
    for secret in ("walrus", "metrics-secret", "sqlite"):
        assert secret not in response.text


async def test_the_document_is_for_administrators_and_there_is_no_docs_page(api: Api) -> None:
    """C6, X4."""
    assert (await api.http.get("/api/openapi.json")).status_code == 401
    assert (await api.http.get("/api/openapi.json", headers=await api.headers("operator"))).status_code == 403
    document = (await api.http.get("/api/openapi.json", headers=await api.headers("admin"))).json()
    assert document["info"]["version"] == __version__
    for path in ("/api/docs", "/api/redoc", "/api/debug"):
        assert (await api.http.get(path)).status_code == 404
    for path in ("/docs", "/redoc", "/openapi.json"):
        response = await api.http.get(path)
        assert "swagger" not in response.text.lower()
        assert "openapi" not in response.text.lower() or response.headers["content-type"].startswith("text/html")
