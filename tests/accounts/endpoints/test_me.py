"""One's own account, sessions and API tokens over HTTP."""

import httpx
import pytest
from tests.api_fixtures import PASSWORD, Api, add_user

NEW_PASSWORD = "walrus under glass"


async def test_profile(api: Api) -> None:
    headers = await api.headers("member")
    changed = await api.http.put("/api/auth/me", headers=headers, json={"display_name": " 林薇 ", "language": "zh-CN"})
    assert changed.status_code == 200
    me = (await api.http.get("/api/auth/me", headers=headers)).json()
    assert (me["display_name"], me["language"]) == ("林薇", "zh-CN")
    cleared = await api.http.put("/api/auth/me", headers=headers, json={"language": None, "email": ""})
    assert (cleared.json()["language"], cleared.json()["email"]) == (None, None)


async def test_the_users_language_wins_over_the_browsers(api: Api) -> None:
    headers = await api.headers("member") | {"Accept-Language": "en"}
    await api.http.put("/api/auth/me", headers=headers, json={"language": "zh-TW"})
    refused = await api.http.get("/api/users", headers=headers)
    assert refused.status_code == 403
    assert refused.headers["content-language"] == "zh-TW"
    assert refused.json()["detail"] == "您沒有權限執行此操作。"


@pytest.mark.parametrize("field", ["role", "is_active", "username", "id", "permissions"])
async def test_nobody_promotes_himself(api: Api, field: str) -> None:
    headers = await api.headers("member")
    response = await api.http.put("/api/auth/me", headers=headers, json={field: "admin"})
    assert (response.status_code, response.json()["errors"][0]["code"]) == (422, "extra_forbidden")


async def test_password_change_ends_the_other_sessions(api: Api) -> None:
    user = await add_user(api.db, "anna")
    here, elsewhere = api.bearer(await api.open(user)), api.bearer(await api.open(user))
    wrong = {"current_password": "wrong", "new_password": NEW_PASSWORD}
    refused = await api.http.post("/api/auth/password", headers=here, json=wrong)
    assert (refused.status_code, refused.json()["field"]) == (422, "current_password")
    weak = {"current_password": PASSWORD, "new_password": "password1"}
    assert (await api.http.post("/api/auth/password", headers=here, json=weak)).json()["field"] == "new_password"
    right = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await api.http.post("/api/auth/password", headers=here, json=right)).status_code == 204
    assert (await api.http.get("/api/auth/me", headers=here)).status_code == 200
    assert (await api.http.get("/api/auth/me", headers=elsewhere)).status_code == 401
    login = {"username": "anna", "password": NEW_PASSWORD}
    assert (await api.http.post("/api/auth/login", json=login)).status_code == 200


async def test_a_stolen_session_cannot_guess_the_password_for_ever(api: Api) -> None:
    headers = await api.headers("member")
    guess = {"current_password": "wrong", "new_password": NEW_PASSWORD}
    statuses = [(await api.http.post("/api/auth/password", headers=headers, json=guess)).status_code for _ in range(11)]
    assert statuses == [422] * 10 + [429]


async def test_sessions_are_listed_and_revoked(api: Api) -> None:
    user = await add_user(api.db, "anna")
    here = api.bearer(await api.open(user, "Desktop"))
    there = api.bearer(await api.open(user, "Phone"))
    items = (await api.http.get("/api/auth/sessions", headers=here)).json()["items"]
    assert {item["user_agent"]: item["current"] for item in items} == {"Desktop": True, "Phone": False}
    phone = next(item["id"] for item in items if not item["current"])
    assert (await api.http.delete(f"/api/auth/sessions/{phone}", headers=here)).status_code == 204
    assert (await api.http.get("/api/auth/me", headers=there)).status_code == 401
    assert (await api.http.delete(f"/api/auth/sessions/{phone}", headers=here)).status_code == 404


async def test_revoke_others_leaves_this_one(api: Api) -> None:
    user = await add_user(api.db, "anna")
    here, *others = [api.bearer(await api.open(user)) for _ in range(3)]
    response = await api.http.post("/api/auth/sessions/revoke-others", headers=here)
    assert response.json() == {"revoked": 2}
    statuses = [(await api.http.get("/api/auth/me", headers=h)).status_code for h in (here, *others)]
    assert statuses == [200, 401, 401]


async def same_answer(api: Api, method: str, foreign: str, missing: str, headers: dict[str, str]) -> None:
    answers: list[httpx.Response] = [
        await api.http.request(method, path, headers=headers) for path in (foreign, missing)
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    bodies = [answer.json() | {"request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1]


async def test_foreign_objects_look_like_missing_ones(api: Api) -> None:
    """C2: same status, same body."""
    anna = await api.open(await add_user(api.db, "anna"))
    otto = await api.headers("member")
    await same_answer(api, "DELETE", f"/api/auth/sessions/{anna.session.id}", f"/api/auth/sessions/{'0' * 32}", otto)
    wanted = {"name": "annas", "scopes": []}
    token = (await api.http.post("/api/auth/tokens", headers=api.bearer(anna), json=wanted)).json()
    await same_answer(api, "DELETE", f"/api/auth/tokens/{token['id']}", "/api/auth/tokens/999999", otto)
    assert (await api.http.get("/api/auth/me", headers=api.bearer(anna))).status_code == 200


async def test_api_token_from_birth_to_death(api: Api) -> None:
    headers = await api.headers("operator")
    made = await api.http.post(
        "/api/auth/tokens", headers=headers, json={"name": "backup", "scopes": ["jobs.read"], "expires_in_days": 7}
    )
    assert made.status_code == 201
    token = made.json()
    assert token["token"].startswith(token["prefix"])
    listed = (await api.http.get("/api/auth/tokens", headers=headers)).json()["items"]
    assert [item["id"] for item in listed] == [token["id"]]
    assert "token" not in listed[0]
    by_token = {"Authorization": f"Bearer {token['token']}"}
    me = await api.http.get("/api/auth/me", headers=by_token)
    assert me.json()["permissions"] == ["jobs.read"]
    assert (await api.http.delete(f"/api/auth/tokens/{token['id']}", headers=headers)).status_code == 204
    assert (await api.http.get("/api/auth/me", headers=by_token)).status_code == 401


async def test_an_api_token_cannot_make_more_of_itself(api: Api) -> None:
    headers = await api.headers("admin")
    wanted = {"name": "all", "scopes": ["users.read", "users.write"], "expires_in_days": None}
    token = (await api.http.post("/api/auth/tokens", headers=headers, json=wanted)).json()["token"]
    by_token = {"Authorization": f"Bearer {token}"}
    tries = [
        ("GET", "/api/auth/tokens", None),
        ("POST", "/api/auth/tokens", wanted),
        ("PUT", "/api/auth/me", {"display_name": "x"}),
        ("POST", "/api/auth/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
        ("GET", "/api/auth/sessions", None),
        ("POST", "/api/auth/sessions/revoke-others", None),
    ]
    for method, path, body in tries:
        response = await api.http.request(method, path, headers=by_token, json=body)
        assert (response.status_code, response.json()["code"]) == (403, "interactive_only"), path
    assert (await api.http.get("/api/users", headers=by_token)).status_code == 200


async def test_a_scope_that_one_has_not_is_refused(api: Api) -> None:
    headers = await api.headers("member")
    wanted = {"name": "more", "scopes": ["users.write"]}
    response = await api.http.post("/api/auth/tokens", headers=headers, json=wanted)
    assert (response.status_code, response.json()["code"], response.json()["field"]) == (
        422,
        "scope_not_yours",
        "scopes",
    )
