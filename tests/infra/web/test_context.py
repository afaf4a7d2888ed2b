"""Request ids, the actor of a request, and the access log."""

from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.api_fixtures import Api

from onetake.infra.context import current_actor
from onetake.infra.web.context import RequestContext
from onetake.infra.web.proxies import TrustedProxies


async def test_a_sane_inbound_id_is_kept(api: Api) -> None:
    response = await api.http.get("/api/config", headers={"X-Request-Id": "trace-1234_abc.9"})
    assert response.headers["x-request-id"] == "trace-1234_abc.9"


@pytest.mark.parametrize(
    "inbound", ["", "short", "x" * 65, "with blank 123", "a\tb\tc\td\te", "<script>alert</script>", "é" * 10]
)
async def test_any_other_is_replaced(api: Api, inbound: str) -> None:
    headers = [(b"x-request-id", inbound.encode("latin-1"))]
    given = (await api.http.get("/api/config", headers=headers)).headers["x-request-id"]
    assert len(given) == 32
    assert set(given) <= set("0123456789abcdef")


async def test_one_line_per_request_without_the_query(api: Api) -> None:
    with capture_logs() as lines:
        await api.http.get("/api/users?q=private-words", headers=await api.headers("admin"))
    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/users", 200)
    assert line["ip"] == "127.0.0.1"
    assert "private-words" not in str(lines)


async def test_what_is_read_all_the_time_does_not_fill_the_log(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = await api.headers("admin")
    with capture_logs() as lines:
        for method, path in (("GET", "/healthz"), ("GET", "/api/users"), ("GET", "/api/users/99"), ("POST", "/api/users")):
            await api.http.request(method, path, headers=headers)
        monkeypatch.setattr("onetake.infra.web.context._SLOW_S", 0.0)
        await api.http.get("/api/users", headers=headers)
    levels = [(line["log_level"], line["status"]) for line in lines if line["event"] == "request"]
    assert levels == [("debug", 200), ("debug", 200), ("info", 404), ("info", 422), ("info", 200)]


async def test_play_tokens_in_paths_are_masked(api: Api) -> None:
    with capture_logs() as lines:
        await api.http.get("/t/abcdefghijklmnop1234567890/live.m3u8")
    assert "abcdefghijklmnop" not in str(lines)


async def test_each_request_begins_as_nobody() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(current_actor())
        raise RuntimeError("stop here")

    middleware = RequestContext(app, TrustedProxies(["10.0.0.1"]))
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "client": ("10.0.0.1", 1),
        "scheme": "http",
        "headers": [(b"x-forwarded-for", b"203.0.113.5")],
    }
    with pytest.raises(RuntimeError):
        await middleware(scope, None, None)  # type: ignore[arg-type]
    (actor,) = seen
    assert (actor.kind, actor.user_id, actor.ip) == ("anonymous", None, "203.0.113.5")
    assert actor.request_id
