"""The administrators' view of accounts over HTTP."""

import pytest
from sqlalchemy import select
from tests.api_fixtures import Api, add_user

from onetake.infra.audit import AuditEntry

NEW = {"username": "lin.wei", "password": "walrus under glass", "role": "instructor"}


async def test_create_show_change_delete(api: Api) -> None:
    admin = await api.headers("admin")
    made = await api.http.post("/api/users", headers=admin, json=NEW)
    assert made.status_code == 201
    user = made.json()
    assert (user["role"], user["display_name"], user["is_active"]) == ("instructor", "lin.wei", True)
    path = f"/api/users/{user['id']}"
    changed = await api.http.put(path, headers=admin, json={"role": "operator", "email": "lin@example.org"})
    assert changed.status_code == 200
    shown = (await api.http.get(path, headers=admin)).json()
    assert (shown["role"], shown["email"]) == ("operator", "lin@example.org")
    assert (await api.http.delete(path, headers=admin)).status_code == 204
    assert (await api.http.get(path, headers=admin)).status_code == 404


async def test_list_pages_and_filters(api: Api) -> None:
    admin = await api.headers("admin")
    for number in range(5):
        await add_user(api.db, f"user{number}", "operator" if number < 2 else "member")
    page = (await api.http.get("/api/users?per_page=4&sort=-username", headers=admin)).json()
    assert [page[key] for key in ("page", "per_page", "total", "pages")] == [1, 4, 6, 2]
    assert [item["username"] for item in page["items"]] == ["user4", "user3", "user2", "user1"]
    operators = (await api.http.get("/api/users?role=operator&q=USER", headers=admin)).json()
    assert operators["total"] == 2


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=x", "per_page=0", "per_page=201", "page=99999999999999999999", "sort=password_hash", "role=root",
     "is_active=perhaps", "q=%00", "q=" + "x" * 101],
)  # fmt: skip
async def test_bad_queries_are_422(api: Api, query: str) -> None:
    response = await api.http.get(f"/api/users?{query}", headers=await api.headers("admin"))
    assert response.status_code == 422
    assert response.json()["field"] == query.split("=")[0]


async def test_taken_names_are_409_with_the_field(api: Api) -> None:
    admin = await api.headers("admin")
    await api.http.post("/api/users", headers=admin, json=NEW)
    again = await api.http.post("/api/users", headers=admin, json=NEW | {"username": "LIN.WEI"})
    assert (again.status_code, again.json()["code"], again.json()["field"]) == (409, "username_taken", "username")


@pytest.mark.parametrize("id", ["0", "-1", "x", "9223372036854775808", "1.5"])
async def test_bad_ids_are_422(api: Api, id: str) -> None:
    assert (await api.http.get(f"/api/users/{id}", headers=await api.headers("admin"))).status_code == 422


async def test_the_largest_id_is_merely_missing(api: Api) -> None:
    assert (await api.http.get(f"/api/users/{2**63 - 1}", headers=await api.headers("admin"))).status_code == 404


async def test_demotion_and_ban_act_on_the_open_session(api: Api) -> None:
    admin = await api.headers("admin")
    operator = await api.user("operator")
    theirs = await api.headers("operator")
    await api.http.put(f"/api/users/{operator.id}", headers=admin, json={"role": "member"})
    assert (await api.http.get("/api/auth/me", headers=theirs)).status_code == 401
    again = api.bearer(await api.open(operator))
    assert (await api.http.get("/api/auth/me", headers=again)).json()["role"] == "member"
    await api.http.put(f"/api/users/{operator.id}", headers=admin, json={"is_active": False})
    assert (await api.http.get("/api/auth/me", headers=again)).status_code == 401


async def test_set_password_and_revoke_sign_the_user_out(api: Api) -> None:
    admin = await api.headers("admin")
    user = await add_user(api.db, "anna")
    before = api.bearer(await api.open(user))
    path = f"/api/users/{user.id}"
    assert (
        await api.http.post(f"{path}/password", headers=admin, json={"new_password": "password"})
    ).status_code == 422
    set_ = await api.http.post(f"{path}/password", headers=admin, json={"new_password": "walrus under glass"})
    assert set_.status_code == 204
    assert (await api.http.get("/api/auth/me", headers=before)).status_code == 401
    login = await api.http.post("/api/auth/login", json={"username": "anna", "password": "walrus under glass"})
    assert login.status_code == 200
    assert (await api.http.post(f"{path}/sessions/revoke", headers=admin)).json() == {"revoked": 1}


async def test_acts_are_written_down_with_before_and_after(api: Api) -> None:
    admin_user, admin = await api.user("admin"), await api.headers("admin")
    user = await add_user(api.db, "anna")
    change = await api.http.put(f"/api/users/{user.id}", headers=admin, json={"role": "operator"})
    await api.http.delete(f"/api/users/{user.id}", headers=admin)
    async with api.db.read() as session:
        changed, deleted = await session.scalars(select(AuditEntry).order_by(AuditEntry.id))
    assert (changed.action, changed.actor_id, changed.ip) == ("users.update", admin_user.id, "127.0.0.1")
    assert (changed.before, changed.after) == ({"role": "member"}, {"role": "operator"})
    assert changed.request_id == change.headers["x-request-id"]
    assert deleted.action == "users.delete"
    assert deleted.before is not None
    assert deleted.before["username"] == "anna"
