"""Hosts and origins (R10, R25, W1, W5)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.api_fixtures import PASSWORD, Api, add_user, running

from onetake.infra.settings import Settings, SettingsError
from onetake.infra.web.guards import HostRule, OriginRule

LOGIN = {"username": "anna", "password": PASSWORD}


def scope(host: str = "localhost:8000", **headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http", "headers": [(b"host", host.encode("latin-1")), *raw]}


@pytest.mark.parametrize(
    "host", ["localhost:8000", "127.0.0.1:18000", "192.168.1.20:8000", "[::1]:8000", "video.example"]
)
def test_a_loopback_server_answers_addresses_localhost_and_its_public_name(host: str) -> None:
    assert HostRule(Settings(public_url="https://video.example")).allows(host)


@pytest.mark.parametrize(
    "host", [None, "", "evil.example", "evil.example:8000", "localhost.evil.example", "a b", "[::1", "x:y"]
)
def test_and_no_name_that_only_dns_rebinding_could_bring(host: str | None) -> None:
    assert not HostRule(Settings(public_url="https://video.example")).allows(host)


def test_a_server_on_the_network_answers_any_well_formed_name_until_a_list_says_otherwise() -> None:
    assert HostRule(Settings(bind="0.0.0.0")).allows("nas.lan:8000")
    assert not HostRule(Settings(bind="0.0.0.0")).allows("nas.lan/../x")
    listed = HostRule(Settings(bind="0.0.0.0", allowed_hosts="nas.lan,*.video.example"))
    assert [listed.allows(name) for name in ("nas.lan", "a.video.example", "video.example", "other.lan")] == [
        True,
        True,
        False,
        False,
    ]


@given(st.text(st.characters(max_codepoint=255), max_size=80))
def test_no_host_header_breaks_the_rule(host: str) -> None:
    assert HostRule(Settings(bind="0.0.0.0", allowed_hosts="*")).allows(host) in (True, False)


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),  # a program
        ({"sec_fetch_site": "same-origin", "origin": "http://localhost:8000"}, True),
        ({"sec_fetch_site": "none"}, True),
        ({"origin": "http://localhost:8000"}, True),  # a browser on plain http sends no Sec-Fetch-Site
        ({"origin": "https://localhost:8000"}, True),  # a TLS proxy in front that keeps the host
        ({"sec_fetch_site": "cross-site", "origin": "https://evil.example"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "same-site", "origin": "http://localhost:9999"}, False),
        ({"sec_fetch_site": "cross-site", "origin": "https://partner.example"}, True),  # listed
        ({"origin": "https://video.example"}, True),  # the public address
        ({"origin": "https://partner.example.evil.example"}, False),
        ({"origin": "http://partner.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "file://"}, False),
        ({"origin": "http://localhost"}, False),
        ({"origin": "http://[::1"}, False),
    ],
)
def test_who_may_write(headers: dict[str, str], allowed: bool) -> None:
    rule = OriginRule(Settings(public_url="https://video.example", cors_origins="https://partner.example"))
    assert rule.allows_write(scope(**headers)) is allowed


@given(st.text(st.characters(max_codepoint=255), max_size=80), st.text(st.characters(max_codepoint=255), max_size=40))
def test_no_origin_header_breaks_the_rule(origin: str, site: str) -> None:
    assert OriginRule(Settings()).allows_write(scope(origin=origin, sec_fetch_site=site)) in (True, False)


@pytest.mark.parametrize("entry", ["*", "null", "example.org", "https://*.example.org", "https://example.org/path"])
def test_cors_takes_exact_origins_only(entry: str) -> None:
    with pytest.raises(SettingsError, match="ONETAKE_CORS_ORIGINS"):
        OriginRule(Settings(cors_origins=entry))


async def test_a_page_of_another_site_cannot_sign_anybody_in(api: Api) -> None:
    await add_user(api.db, "anna")
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    response = await api.http.post("/api/auth/login", json=LOGIN, headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "cross_site")
    assert "set-cookie" not in response.headers


async def test_a_form_of_another_site_cannot_post(api: Api) -> None:
    """Even where the browser tells nothing, a form's content type is no JSON."""
    await add_user(api.db, "anna")
    body = '{"username": "anna", "password": "' + PASSWORD + '"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        response = await api.http.post("/api/auth/login", content=body, headers={"Content-Type": kind})
        assert response.status_code == 422, kind


async def test_a_foreign_host_is_told_how_to_be_let_in(api: Api) -> None:
    response = await api.http.get("/api/config", headers={"Host": "evil.example"})
    assert (response.status_code, response.json()["code"]) == (400, "unknown_host")
    assert "ONETAKE_ALLOWED_HOSTS" in response.json()["detail"]
    assert "evil" not in response.text


async def test_no_cors_by_default(api: Api) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}):
        response = await api.http.get("/api/config", headers=headers)
        assert response.status_code == 200
        assert not [name for name in response.headers if name.startswith("access-control")]


async def preflight(http: httpx.AsyncClient, origin: str) -> httpx.Response:
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
    return await http.options("/api/auth/me", headers={"Origin": origin} | asked)


async def test_listed_origins_get_cors_without_credentials(
    make_settings: Callable[..., Settings], sqlite_url: str
) -> None:
    settings = make_settings(database_url=sqlite_url, cors_origins="https://partner.example")
    async with running(settings) as api:
        listed = await preflight(api.http, "https://partner.example")
        assert listed.headers["access-control-allow-origin"] == "https://partner.example"
        assert "access-control-allow-credentials" not in listed.headers
        stranger = await preflight(api.http, "https://partner.example.evil.example")
        assert "access-control-allow-origin" not in stranger.headers
        plain = await api.http.get("/api/config", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in plain.headers
