"""Who may call what: a row for every route and a column for every role (C1). A route without a row fails."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute, iter_route_contexts
from starlette.routing import BaseRoute
from tests.api_fixtures import PASSWORD, Api, add_user

import onetake
from onetake.accounts.auth import PUBLIC, Permission, interactive, require, signed_in
from onetake.accounts.roles import ROLE_PERMISSIONS, Role
from onetake.api import create_app
from onetake.infra.settings import Settings
from onetake.infra.web import deps

ROLES = ("anonymous", "member", "instructor", "operator", "admin")
ADMIN = (401, 403, 403, 403)
STAFF = (401, 403, 403)


@dataclass(frozen=True)
class Row:
    """What each of `ROLES` gets; `path` and `body` make the call a good one."""

    statuses: tuple[int, ...]
    path: str | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def everybody(status: int, **call: Any) -> Row:
    return Row((status,) * 5, **call)


def people(status: int, **call: Any) -> Row:
    return Row((401, *(status,) * 4), **call)


def staff(status: int, **call: Any) -> Row:
    return Row((*STAFF, status, status), **call)


def admins(status: int, **call: Any) -> Row:
    return Row((*ADMIN, status), **call)


NEW_USER = {"username": "somebody.new", "password": "walrus under glass"}
MISSING = 9_000_000_000
WITH_CSRF = {"X-CSRF": "1"}

MATRIX: dict[str, Row] = {
    "GET /healthz": everybody(200),
    "GET /readyz": everybody(200),
    "GET /api/config": everybody(200),
    "GET /api/openapi.json": admins(200),
    "POST /api/auth/register": everybody(201, body=NEW_USER),
    "POST /api/auth/login": everybody(401, body={"username": "nobody", "password": "x"}),
    "POST /api/auth/refresh": everybody(401, headers=WITH_CSRF),
    "POST /api/auth/logout": everybody(401, headers=WITH_CSRF),
    "POST /api/auth/ws-ticket": people(200),
    "GET /api/auth/me": people(200),
    "PUT /api/auth/me": people(200, body={"display_name": "New"}),
    "POST /api/auth/password": people(204, body={"current_password": PASSWORD, "new_password": "walrus under glass"}),
    "GET /api/auth/sessions": people(200),
    "DELETE /api/auth/sessions/{session_id}": people(404, path=f"/api/auth/sessions/{'0' * 32}"),
    "POST /api/auth/sessions/revoke-others": people(200),
    "GET /api/auth/tokens": people(200),
    "POST /api/auth/tokens": people(201, body={"name": "x", "scopes": []}),
    "DELETE /api/auth/tokens/{id}": people(404, path=f"/api/auth/tokens/{MISSING}"),
    "GET /api/users": admins(200),
    "POST /api/users": admins(201, body=NEW_USER),
    "GET /api/users/{id}": admins(200, path="/api/users/{other}"),
    "PUT /api/users/{id}": admins(200, path="/api/users/{other}", body={"display_name": "New"}),
    "DELETE /api/users/{id}": admins(204, path="/api/users/{other}"),
    "POST /api/users/{id}/password": admins(
        204, path="/api/users/{other}/password", body={"new_password": "walrus under glass"}
    ),
    "POST /api/users/{id}/sessions/revoke": admins(200, path="/api/users/{other}/sessions/revoke"),
    "GET /metrics": everybody(200),  # from this machine; tests/infra/test_metrics.py has the others
    "GET /api/system/status": staff(200),
    "GET /api/system/history": staff(200),
    "GET /api/audit": admins(200),
    "GET /api/jobs": staff(200),
    "GET /api/jobs/queues": staff(200),
    "GET /api/jobs/schedules": staff(200),
    "GET /api/jobs/workers": staff(200),
    "POST /api/jobs/selftest": staff(202, body={"seconds": 1}),
    "GET /api/jobs/{id}": staff(404, path=f"/api/jobs/{MISSING}"),
    "POST /api/jobs/{id}/cancel": staff(404, path=f"/api/jobs/{MISSING}/cancel"),
    "POST /api/jobs/{id}/retry": staff(404, path=f"/api/jobs/{MISSING}/retry"),
    "GET /api/sources": staff(200),
    "POST /api/sources": staff(201, body={"name": "Hall", "protocol": "push"}),
    "GET /api/sources/{id}": staff(404, path=f"/api/sources/{MISSING}"),
    "PUT /api/sources/{id}": staff(404, path=f"/api/sources/{MISSING}", body={"name": "x"}),
    "DELETE /api/sources/{id}": staff(404, path=f"/api/sources/{MISSING}"),
    "POST /api/sources/{id}/key": staff(404, path=f"/api/sources/{MISSING}/key"),
    "GET /api/sources/{id}/play": everybody(404, path=f"/api/sources/{MISSING}/play"),
    "GET /api/live": everybody(200),
    "GET /api/live/{id}": everybody(404, path=f"/api/live/{MISSING}"),
    "GET /api/sources/{id}/status": staff(404, path=f"/api/sources/{MISSING}/status"),
    "POST /api/sources/{id}/record/start": staff(404, path=f"/api/sources/{MISSING}/record/start"),
    "POST /api/sources/{id}/record/stop": staff(404, path=f"/api/sources/{MISSING}/record/stop"),
    "GET /api/tasks": staff(200),
    "GET /api/tasks/{id}": staff(404, path=f"/api/tasks/{MISSING}"),
    "GET /api/schedules": staff(200),
    "POST /api/schedules": staff(404, body={"source_id": MISSING, "name": "x", "cron_expr": "0 8 * * *"}),
    "GET /api/schedules/preview": staff(200, path="/api/schedules/preview?cron_expr=@daily"),
    "GET /api/schedules/{id}": staff(404, path=f"/api/schedules/{MISSING}"),
    "PUT /api/schedules/{id}": staff(404, path=f"/api/schedules/{MISSING}", body={"name": "x"}),
    "DELETE /api/schedules/{id}": staff(404, path=f"/api/schedules/{MISSING}"),
    "GET /api/videos": everybody(200),
    "GET /api/videos/{id}": everybody(404, path=f"/api/videos/{MISSING}"),
    "GET /api/videos/{id}/play": everybody(404, path=f"/api/videos/{MISSING}/play"),
    "POST /api/videos/views": everybody(204, body={"video_ids": [MISSING]}),
    "POST /api/videos/{id}/progress": people(404, path=f"/api/videos/{MISSING}/progress", body={"position": 1}),
    "GET /api/videos/retention": staff(200),
    "POST /api/videos/batch": staff(200, body={"ids": [MISSING], "action": "trash"}),
    "PUT /api/videos/{id}": staff(404, path=f"/api/videos/{MISSING}", body={"title": "x"}),
    "DELETE /api/videos/{id}": staff(404, path=f"/api/videos/{MISSING}"),
    "POST /api/videos/{id}/restore": staff(404, path=f"/api/videos/{MISSING}/restore"),
    "POST /api/videos/{id}/poster": staff(404, path=f"/api/videos/{MISSING}/poster", body={"time_s": 1}),
    "GET /api/videos/sources": everybody(200),
    "GET /api/videos/{id}/compatible": everybody(404, path=f"/api/videos/{MISSING}/compatible"),
    "POST /api/videos/{id}/compatible": people(404, path=f"/api/videos/{MISSING}/compatible"),
    "POST /api/internal/media/callbacks": everybody(403, body={"action": "on_publish"}),
}


def routes() -> dict[str, Any]:
    """Every HTTP route of the application by `METHOD path`, as the router sees it, schema or not."""
    app = create_app(Settings())
    found = {}
    for route in iter_route_contexts(app.routes):
        for method in sorted(set(getattr(route, "methods", None) or ()) - {"HEAD"}):
            found[f"{method} {route.path}"] = route
    return found


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert set(routes()) == set(MATRIX)


@pytest.mark.parametrize("name", MATRIX)
async def test_each_role_gets_what_its_column_says(api: Api, name: str) -> None:
    row = MATRIX[name]
    method, path = name.split(" ", 1)
    other = await add_user(api.db, "other.person")
    got = []
    for role in ROLES:
        if row.body == NEW_USER:
            row.body["username"] = f"new-{role}"
        if method == "DELETE" and row.statuses[-1] == 204 and role == "admin":
            other = await add_user(api.db, "still.another")
        headers = await api.headers(role) | row.headers
        call = (row.path or path).replace("{other}", str(other.id))
        response = await api.http.request(method, call, headers=headers, json=row.body)
        got.append(response.status_code)
    assert dict(zip(ROLES, got, strict=True)) == dict(zip(ROLES, row.statuses, strict=True))


def dependencies(route: Any) -> Iterator[Any]:
    """Every callable that a route depends on, in the order in which they are called."""

    def walk(dependant: Any) -> Iterator[Any]:
        for inner in dependant.dependencies:
            yield from walk(inner)
            yield inner.call

    yield from walk(route.dependant)


@pytest.mark.parametrize("name", routes())
def test_every_route_asks_for_something_or_is_public(name: str) -> None:
    guards = [
        call for call in dependencies(routes()[name]) if isinstance(call, require) or call in (signed_in, interactive)
    ]
    assert bool(guards) != (name in PUBLIC), "a route must be guarded, or stand on PUBLIC, but not both"


@pytest.mark.parametrize("name", routes())
def test_callers_are_known_before_a_unit_of_work_begins(name: str) -> None:
    """Asking who calls writes "last seen"; inside an open unit of work that would wait for itself on SQLite."""
    calls = list(dependencies(routes()[name]))
    units = [calls.index(unit) for unit in (deps._read_session, deps._write_session) if unit in calls]
    if signed_in in calls and units:
        assert calls.index(signed_in) < min(units)


def test_what_is_public_is_a_short_known_list() -> None:
    assert set(routes()) >= PUBLIC
    assert len(PUBLIC) <= 18


def test_the_columns_agree_with_the_roles_table() -> None:
    """The matrix is written by hand; the table of roles must say the same."""
    wanted = {
        name: guard.permission
        for name, route in routes().items()
        for guard in dependencies(route)
        if isinstance(guard, require)
    }
    for name, permission in wanted.items():
        for role, status in zip(ROLES[1:], MATRIX[name].statuses[1:], strict=True):
            assert (status != 403) == (permission in ROLE_PERMISSIONS[Role(role)]), (name, role)


def test_every_permission_is_asked_for_somewhere() -> None:
    """By a route, or by a service that decides between an owner and everybody's keeper."""
    package = Path(onetake.__file__).parent
    others = [path.read_text("utf-8") for path in package.rglob("*.py") if path.name != "roles.py"]
    unused = [entry.name for entry in Permission if not any(f"Permission.{entry.name}" in text for text in others)]
    assert unused == []


def test_the_only_websocket_checks_for_itself() -> None:
    def flat(found: list[BaseRoute]) -> list[str]:
        return [route.path for route in found if isinstance(route, APIWebSocketRoute)]

    assert flat(create_app(Settings()).routes) == ["/api/ws"]


def test_all_api_routes_are_in_the_document() -> None:
    hidden = [route.path for route in routes().values() if isinstance(route, APIRoute) and not route.include_in_schema]
    assert hidden == []
