"""CSP and its kin, by address, https proxy and mapped port (W2, W3, DESIGN §3 Addresses)."""

from typing import Any

import pytest
from tests.api_fixtures import Api

from onetake.infra.settings import Settings
from onetake.infra.web.security_headers import SecurityHeaders, is_https, media_origins, page_policy


def scope(host: str = "localhost:8000", scheme: str = "http", path: str = "/") -> dict[str, Any]:
    return {"type": "http", "scheme": scheme, "path": path, "headers": [(b"host", host.encode())]}


def directives(policy: str) -> dict[str, list[str]]:
    return {part.split()[0]: part.split()[1:] for part in policy.split("; ")}


def test_scripts_come_from_here_and_nowhere_else() -> None:
    policy = directives(page_policy(Settings(), scope()))
    assert policy["default-src"] == policy["script-src"] == ["'self'"]
    assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    assert "blob:" in policy["media-src"]
    assert "blob:" in policy["worker-src"]
    assert "unsafe-inline" not in " ".join(policy["script-src"] + policy["style-src"])
    assert "unsafe-eval" not in str(policy)


@pytest.mark.parametrize(
    ("host", "origins"),
    [
        ("192.168.1.20:8000", ["http://192.168.1.20:8080", "http://192.168.1.20:8081"]),
        ("localhost:18000", ["http://localhost:8080", "http://localhost:8081"]),
        ("[fd00::1]:8000", ["http://[fd00::1]:8080", "http://[fd00::1]:8081"]),
        ("NAS.lan", ["http://nas.lan:8080", "http://nas.lan:8081"]),
    ],
)
def test_by_address_media_come_from_the_media_ports(host: str, origins: list[str]) -> None:
    assert media_origins(Settings(), scope(host)) == origins
    policy = directives(page_policy(Settings(), scope(host)))
    for name in ("media-src", "img-src", "connect-src"):
        assert set(origins) <= set(policy[name])
    assert {origin.replace("http", "ws", 1) for origin in origins} <= set(policy["connect-src"])
    assert f"ws://{host}" in policy["connect-src"]


@pytest.mark.parametrize(
    ("settings", "request_scope"),
    [
        (Settings(), scope("video.example", "https")),
        (Settings(public_url="https://video.example"), scope("video.example")),
    ],
)
def test_behind_an_https_proxy_everything_is_one_origin(settings: Settings, request_scope: dict[str, Any]) -> None:
    assert media_origins(settings, request_scope) == []
    policy = directives(page_policy(settings, request_scope))
    assert policy["connect-src"] == ["'self'", "wss://video.example"]
    assert policy["media-src"] == ["'self'", "blob:"]


def test_a_fixed_media_address_is_taken_as_it_is() -> None:
    settings = Settings(media_url="https://media.example:9443/base")
    policy = directives(page_policy(settings, scope()))
    assert policy["media-src"] == ["'self'", "blob:", "https://media.example:9443"]
    assert "wss://media.example:9443" in policy["connect-src"]


def test_frames_by_setting() -> None:
    open_ = Settings(frame_ancestors="https://school.example,'self'")
    assert directives(page_policy(open_, scope()))["frame-ancestors"] == ["https://school.example", "'self'"]
    headers = dict(SecurityHeaders(None, open_).headers(scope(), html=True))  # type: ignore[arg-type]
    assert "X-Frame-Options" not in headers
    closed = dict(SecurityHeaders(None, Settings()).headers(scope(), html=True))  # type: ignore[arg-type]
    assert closed["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    ("public_url", "host", "scheme", "https"),
    [
        (None, "localhost:8000", "http", False),
        (None, "localhost:8000", "https", True),
        ("https://video.example", "video.example", "http", True),
        ("https://video.example", "192.168.1.20:8000", "http", False),  # the same server by its LAN address
        ("http://video.example", "video.example", "http", False),
    ],
)
def test_when_a_request_counts_as_https(public_url: str | None, host: str, scheme: str, https: bool) -> None:
    assert is_https(scope(host, scheme), Settings(public_url=public_url)) is https


def test_hsts_on_https_only() -> None:
    middleware = SecurityHeaders(None, Settings())  # type: ignore[arg-type]
    assert "Strict-Transport-Security" not in dict(middleware.headers(scope(), html=True))
    secure = dict(middleware.headers(scope(scheme="https"), html=True))
    assert "max-age=31536000" in secure["Strict-Transport-Security"]
    assert secure["Cross-Origin-Opener-Policy"] == "same-origin"


async def test_answers_of_the_api_are_never_stored_and_never_framed(api: Api) -> None:
    for path in ("/api/config", "/api/nothing", "/healthz"):
        headers = (await api.http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert "server" not in headers
    assert (await api.http.get("/api/config")).headers["cache-control"] == "no-store"


async def test_errors_of_the_outer_layers_have_the_headers_too(api: Api) -> None:
    refused = await api.http.get("/api/config", headers={"Host": "evil.example"})
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert refused.headers["x-request-id"] == refused.json()["request_id"]
