"""Registering, signing in, refreshing and signing out over HTTP."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from tests.api_fixtures import PASSWORD, Api, add_user, running

from onetake.accounts.endpoints import sign_in
from onetake.accounts.roles import ROLE_PERMISSIONS, Role
from onetake.infra.audit import AuditEntry
from onetake.infra.ratelimit import Limit
from onetake.infra.settings import Settings

CSRF = {"X-CSRF": "1"}
NEW = {"username": "lin.wei", "password": "walrus under glass"}


async def log_in(api: Api, username: str = "anna", password: str = PASSWORD, **extra: Any) -> httpx.Response:
    return await api.http.post("/api/auth/login", json={"username": username, "password": password}, **extra)


def cookie_line(response: httpx.Response) -> str:
    return response.headers["set-cookie"]


async def test_sign_in_gives_token_cookie_and_user(api: Api) -> None:
    await add_user(api.db, "anna", "operator")
    response = await log_in(api)
    assert response.status_code == 200
    body = response.json()
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == api.settings.access_token_ttl_s
    assert body["user"]["permissions"] == sorted(ROLE_PERMISSIONS[Role.OPERATOR])
    assert "password" not in response.text
    assert response.headers["cache-control"] == "no-store"
    me = await api.http.get("/api/auth/me", headers={"Authorization": f"Bearer {body['access_token']}"})
    assert me.json()["username"] == "anna"


async def test_the_cookie_on_plain_http(api: Api) -> None:
    await add_user(api.db, "anna")
    line = cookie_line(await log_in(api))
    assert line.startswith("onetake_refresh=")
    assert "HttpOnly" in line
    assert "SameSite=lax" in line
    assert "Path=/" in line
    assert "Domain" not in line


async def test_the_cookie_on_https(make_settings: Callable[..., Settings], sqlite_url: str) -> None:
    settings = make_settings(database_url=sqlite_url, trusted_proxies="127.0.0.1")
    async with running(settings) as api:
        await add_user(api.db, "anna")
        response = await log_in(api, headers={"X-Forwarded-Proto": "https"})
    line = cookie_line(response)
    assert line.startswith("__Host-onetake_refresh=")
    assert "Secure" in line
    assert "max-age=31536000" in response.headers["strict-transport-security"]


async def test_https_takes_no_cookie_that_http_could_have_planted(
    make_settings: Callable[..., Settings], sqlite_url: str
) -> None:
    async with running(make_settings(database_url=sqlite_url, trusted_proxies="127.0.0.1")) as api:
        opened = await api.open(await add_user(api.db, "anna"))
        headers = CSRF | {"X-Forwarded-Proto": "https", "Cookie": f"onetake_refresh={opened.refresh_token}"}
        assert (await api.http.post("/api/auth/refresh", headers=headers)).status_code == 401


async def test_wrong_name_and_wrong_password_read_the_same(api: Api) -> None:
    await add_user(api.db, "anna")
    answers = [await log_in(api, "anna", "wrong"), await log_in(api, "nobody", "wrong")]
    assert [answer.status_code for answer in answers] == [401, 401]
    bodies = [answer.json() | {"request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1]


async def test_refresh_rotates_the_cookie(api: Api) -> None:
    await add_user(api.db, "anna")
    await log_in(api)
    before = api.http.cookies["onetake_refresh"]
    response = await api.http.post("/api/auth/refresh", headers=CSRF)
    assert response.status_code == 200
    assert api.http.cookies["onetake_refresh"] != before
    assert response.json()["user"]["username"] == "anna"


async def test_cookie_endpoints_ask_for_the_header(api: Api) -> None:
    await add_user(api.db, "anna")
    await log_in(api)
    for path in ("/api/auth/refresh", "/api/auth/logout"):
        response = await api.http.post(path)
        assert (response.status_code, response.json()["code"]) == (403, "csrf_header_missing")
    assert (await api.http.post("/api/auth/refresh", headers=CSRF)).status_code == 200


async def test_log_out_kills_session_and_cookie(api: Api) -> None:
    await add_user(api.db, "anna")
    bearer = {"Authorization": f"Bearer {(await log_in(api)).json()['access_token']}"}
    old_cookie = api.http.cookies["onetake_refresh"]
    response = await api.http.post("/api/auth/logout", headers=CSRF)
    assert response.status_code == 204
    assert "onetake_refresh" not in api.http.cookies
    assert (await api.http.get("/api/auth/me", headers=bearer)).json()["code"] == "session_ended"
    again = await api.http.post("/api/auth/refresh", headers=CSRF | {"Cookie": f"onetake_refresh={old_cookie}"})
    assert again.status_code == 401


async def test_a_program_signs_out_with_its_bearer_token(api: Api) -> None:
    await add_user(api.db, "anna")
    bearer = {"Authorization": f"Bearer {(await log_in(api)).json()['access_token']}"}
    other = {"Authorization": f"Bearer {(await log_in(api)).json()['access_token']}"}
    assert (await api.http.post("/api/auth/logout", headers=bearer)).status_code == 204
    for path, method in (("/api/auth/me", "GET"), ("/api/auth/logout", "POST")):
        assert (await api.http.request(method, path, headers=bearer)).json()["code"] == "session_ended"
    assert (await api.http.get("/api/auth/me", headers=other)).status_code == 200
    async with api.db.read() as session:
        [entry] = await session.scalars(select(AuditEntry).where(AuditEntry.action == "auth.logout"))
    assert entry.actor_name == "anna"


async def test_log_out_on_another_process_acts_at_once(api: Api) -> None:
    """Two processes share the database and nothing else (S1)."""
    async with running(api.settings) as other:
        await add_user(api.db, "anna")
        bearer = {"Authorization": f"Bearer {(await log_in(api)).json()['access_token']}"}
        assert (await other.http.get("/api/auth/me", headers=bearer)).status_code == 200
        await api.http.post("/api/auth/logout", headers=CSRF)
        assert (await other.http.get("/api/auth/me", headers=bearer)).status_code == 401


async def test_a_new_sign_in_has_a_new_session_id(api: Api) -> None:
    """A session id that somebody else knows is worth nothing after sign-in (fixation)."""
    await add_user(api.db, "anna")
    tokens = []
    for _ in range(2):
        bearer = {"Authorization": f"Bearer {(await log_in(api)).json()['access_token']}"}
        items = (await api.http.get("/api/auth/sessions", headers=bearer)).json()["items"]
        tokens.append(next(item["id"] for item in items if item["current"]))
    assert tokens[0] != tokens[1]


async def test_ten_failures_lock_one_address_out_of_one_account(api: Api) -> None:
    await add_user(api.db, "anna")
    await add_user(api.db, "otto")
    statuses = [(await log_in(api, "anna", "wrong")).status_code for _ in range(10)]
    assert statuses == [401] * 10
    locked = await log_in(api, "ANNA")
    assert locked.status_code == 429
    assert 1 <= int(locked.headers["retry-after"]) <= 900
    assert (await log_in(api, "otto")).status_code == 200
    other_address = httpx.ASGITransport(api.app, client=("198.51.100.7", 1))
    async with httpx.AsyncClient(transport=other_address, base_url="http://localhost:8000") as elsewhere:
        body = {"username": "anna", "password": PASSWORD}
        assert (await elsewhere.post("/api/auth/login", json=body)).status_code == 200


async def test_two_processes_count_failures_together_through_redis(
    make_settings: Callable[..., Settings], sqlite_url: str, redis_url: str
) -> None:
    settings = make_settings(database_url=sqlite_url, redis_url=redis_url, login_max_failures=3)
    name = f"anna-{secrets.token_hex(4)}"  # the counters outlive the test run
    async with running(settings) as first, running(settings) as second:
        await add_user(first.db, name)
        statuses = [(await log_in(api, name, "wrong")).status_code for api in (first, second, first, second)]
    assert statuses == [401, 401, 401, 429]


async def test_guesses_in_parallel_do_not_slip_through(api: Api) -> None:
    await add_user(api.db, "anna")
    answers = await asyncio.gather(*(log_in(api, "anna", f"guess {n}") for n in range(16)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (10, 6)


async def test_a_school_signs_in_from_one_address_but_a_guesser_does_not(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "FAILURES_PER_ADDRESS", Limit("login-address", 3, 900))
    for number in range(5):
        await add_user(api.db, f"pupil{number}")
        assert (await log_in(api, f"pupil{number}")).status_code == 200
    guesses = [(await log_in(api, f"pupil{number}", "wrong")).status_code for number in range(5)]
    assert guesses == [401, 401, 401, 429, 429]


async def test_success_forgives_earlier_failures(api: Api) -> None:
    await add_user(api.db, "anna")
    for _ in range(2):
        for _ in range(9):
            assert (await log_in(api, "anna", "wrong")).status_code == 401
        assert (await log_in(api)).status_code == 200


async def test_register_signs_in_as_member(api: Api) -> None:
    response = await api.http.post("/api/auth/register", json=NEW | {"language": "zh-TW"})
    assert response.status_code == 201
    user = response.json()["user"]
    assert (user["role"], user["permissions"], user["display_name"]) == ("member", [], "lin.wei")
    assert (await api.http.post("/api/auth/refresh", headers=CSRF)).status_code == 200


@pytest.mark.parametrize("field", ["role", "id", "is_active", "permissions", "created_at", "password_hash"])
async def test_nobody_registers_with_more_than_the_form_has(api: Api, field: str) -> None:
    response = await api.http.post("/api/auth/register", json=NEW | {field: "admin"})
    assert (response.status_code, response.json()["field"]) == (422, field)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "a"}, "username"),
        ({"username": "x" * 33}, "username"),
        ({"username": "with space"}, "username"),
        ({"username": "_hidden"}, "username"),
        ({"username": "<b>bold</b>"}, "username"),
        ({"username": "line\nbreak"}, "username"),
        ({"username": 7}, "username"),
        ({"password": "12345678"}, "password"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 2000}, "password"),
        ({"password": "LIN.WEI."}, None),
        ({"display_name": "\u202egnp.exe"}, "display_name"),
        ({"display_name": "   "}, "display_name"),
        ({"email": "not an address"}, "email"),
        ({"email": "a@b\u0000.org"}, "email"),
        ({"language": "fr"}, "language"),
    ],
)
async def test_bad_registrations_name_the_field(api: Api, change: dict[str, Any], field: str | None) -> None:
    response = await api.http.post("/api/auth/register", json=NEW | change)
    if field is None:
        assert response.status_code == 201  # similar to the name is not equal to it
        return
    assert response.status_code == 422
    assert response.json()["field"] == field


async def test_registration_can_be_closed(make_settings: Callable[..., Settings], sqlite_url: str) -> None:
    async with running(make_settings(database_url=sqlite_url, registration_open=False)) as api:
        response = await api.http.post("/api/auth/register", json=NEW)
        assert (response.status_code, response.json()["code"]) == (403, "registration_closed")
        assert not (await api.http.get("/api/config")).json()["registration_open"]
        admin = await api.headers("admin")
        assert (await api.http.post("/api/users", json=NEW, headers=admin)).status_code == 201


async def test_sign_ins_are_written_down_with_who_and_where(api: Api) -> None:
    await add_user(api.db, "anna")
    await log_in(api, "anna", "wrong", headers={"X-Request-Id": "known-request-1"})
    await log_in(api)
    async with api.db.read() as session:
        failed, succeeded = await session.scalars(select(AuditEntry).order_by(AuditEntry.id))
    assert (failed.action, failed.actor_kind, failed.ip) == ("auth.login_failed", "anonymous", "127.0.0.1")
    assert failed.request_id == "known-request-1"
    assert (succeeded.action, succeeded.actor_name, succeeded.target) == ("auth.login", "anna", failed.target)


@pytest.mark.parametrize(
    "cookie", ["", "onetake_refresh=", "onetake_refresh=" + "x" * 5000, "=;;=", "onetake_refresh=\xff"]
)
async def test_odd_cookies_are_no_session(api: Api, cookie: str) -> None:
    headers = [("X-CSRF", "1"), ("Cookie", cookie.encode("latin-1"))]
    response = await api.http.post("/api/auth/refresh", headers=headers)  # type: ignore[arg-type]
    assert response.status_code == 401
