"""What a real API process writes while people sign in, fail and make tokens: no secret, no forged line (O2)."""

import json
import re
from pathlib import Path

import httpx
import pytest
from tests.api_fixtures import PASSWORD, add_user
from tests.api_process import api_process

from onetake.infra.db import Database

GUESS, NEW_PASSWORD, IN_QUERY = "a wrong guess 77", "walrus under glass", "abcdef-secret"


async def live_through_a_day(http: httpx.AsyncClient) -> list[str]:
    """Sign in, refresh, make a token and a ticket, fail in several ways; returns every secret that was in play."""
    assert (await http.post("/api/auth/login", json={"username": "anna", "password": GUESS})).status_code == 401
    await http.post("/api/auth/login", json={"username": PASSWORD, "password": PASSWORD})
    signed = (await http.post("/api/auth/login", json={"username": "anna", "password": PASSWORD})).json()
    bearer = {"Authorization": f"Bearer {signed['access_token']}"}
    first_cookie = http.cookies["onetake_refresh"]
    refreshed = (await http.post("/api/auth/refresh", headers={"X-CSRF": "1"})).json()
    made = (await http.post("/api/auth/tokens", headers=bearer, json={"name": "x", "scopes": ["users.read"]})).json()
    ticket = (await http.post("/api/auth/ws-ticket", headers=bearer)).json()["ticket"]
    for name in ("token", "password", "q"):
        by_token = {"Authorization": f"Bearer {made['token']}"}
        await http.get(f"/api/users?{name}={IN_QUERY}", headers=by_token)
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await http.post("/api/auth/password", headers=bearer, json=change)).status_code == 204
    await http.get("/api/%0d%0aforged%3a%20line%1b[2J", headers={"X-Request-Id": "forged id with blanks"})
    secrets = [PASSWORD, GUESS, NEW_PASSWORD, IN_QUERY, signed["access_token"], refreshed["access_token"]]
    return [*secrets, first_cookie, http.cookies["onetake_refresh"], made["token"], ticket]


@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_no_secret_and_no_forged_line(tmp_path: Path, sqlite_url: str, log_format: str) -> None:
    db = Database(sqlite_url)
    await add_user(db, "anna", "admin")
    await db.dispose()
    with api_process(tmp_path, sqlite_url, log_format=log_format) as process:
        async with httpx.AsyncClient(base_url=process.base_url) as http:
            secrets = await live_through_a_day(http)
    text = process.log.read_text()
    assert text.count("/api/auth/login") == 3
    for secret in secrets:
        assert secret not in text
    assert not re.search(r"^forged", text, re.MULTILINE)
    assert "\x1b[2J" not in text
    if log_format == "json":
        lines = [json.loads(line) for line in text.splitlines() if line]
        requests = [line for line in lines if line["event"] == "request"]
        assert all(line["request_id"] and line["ip"] == "127.0.0.1" for line in requests)
        assert any(line["user_id"] == 1 for line in requests if line["path"] == "/api/auth/password")
        assert {line["status"] for line in requests} >= {200, 201, 204, 401, 404}
