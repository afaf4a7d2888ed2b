"""A walk over every operation of the document: unauthenticated, with wrong roles, with malformed input."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api_fixtures import Api

from onetake.accounts.auth import PUBLIC
from onetake.api import create_app
from onetake.infra.settings import Settings
from onetake.infra.web.openapi import operations

DOCUMENT = create_app(Settings()).openapi()
OPERATIONS = {f"{method} {path}": operation for method, path, operation in operations(DOCUMENT)}
GUARDED = sorted(set(OPERATIONS) - PUBLIC)
WITH_BODY = sorted(name for name, operation in OPERATIONS.items() if "requestBody" in operation)
FOR_ADMINISTRATORS = ("/api/users", "/api/audit")
LANGUAGES = ("en", "zh-CN", "zh-TW")
BAD_BODIES: tuple[bytes, ...] = (
    b"",
    b"{",
    b"\x00",
    b"\xff\xfe\xfd",
    b"null",
    b"[]",
    b'"text"',
    b"1e999",
    b'{"": 1}',
    b"[" * 50_000,
    b'{"a":' * 5_000,
    json.dumps({"username": "x" * 100_000, "password": {"$gt": ""}, "role": "admin", "id": 1}).encode(),
    b'{"username": "\\ud800", "name": "\\ud800", "display_name": "\\ud800", "current_password": "\\ud800"}',
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
)
BAD_TOKENS = (
    "",
    "x",
    "ot_",
    "ot_x",
    "a.b.c",
    "Bearer",
    "\t",
    "é",
    "ot_" + "x" * 5000,
    "null",
    "eyJhbGciOiJub25lIn0.e30.",
)


def call_path(name: str, value: str = "1") -> str:
    path = name.split(" ", 1)[1].replace("{session_id}", "0" * 32)
    return path.replace("{id}", value)


def check_problem(response: httpx.Response, *statuses: int) -> dict[str, Any]:
    assert response.status_code in statuses, response.text[:500]
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == response.status_code
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(problem)
    assert problem["request_id"] == response.headers["x-request-id"]
    for leak in ("Traceback", "sqlalchemy", "site-packages", 'File "', "/work/", "pydantic"):
        assert leak not in response.text
    return problem


@pytest.mark.parametrize("name", GUARDED)
async def test_unauthenticated_is_401_before_anything_else(api: Api, name: str) -> None:
    for language in LANGUAGES:
        headers = {"Accept-Language": language}
        problem = check_problem(await api.http.request(name.split()[0], call_path(name), headers=headers), 401)
        assert problem["code"] == "unauthorized"


async def test_any_bytes_as_token_are_401(api: Api) -> None:
    for token in BAD_TOKENS:
        for scheme in ("Bearer", "bearer", "Basic", "Token"):
            headers = [(b"authorization", f"{scheme} {token}".encode("latin-1"))]
            check_problem(await api.http.get("/api/auth/me", headers=headers), 401)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(raw=st.binary(max_size=200).filter(lambda raw: not set(raw) & {0, 10, 13}))
async def test_any_authorization_header_is_401(api: Api, raw: bytes) -> None:
    for prefix in (b"", b"Bearer ", b"Bearer ot_"):
        check_problem(await api.http.get("/api/auth/me", headers=[(b"authorization", prefix + raw)]), 401)


@pytest.mark.parametrize("name", [name for name in GUARDED if name.split()[1].startswith(FOR_ADMINISTRATORS)])
async def test_wrong_roles_are_403_whatever_they_send(api: Api, name: str) -> None:
    for role in ("member", "instructor", "operator"):
        headers = await api.headers(role)
        for id_ in ("1", "x", "999999"):
            response = await api.http.request(name.split()[0], call_path(name, id_), headers=headers)
            check_problem(response, 403)


@pytest.mark.parametrize("name", WITH_BODY)
async def test_malformed_bodies_are_4xx_problems(api: Api, name: str) -> None:
    headers = await api.headers("admin") | {"X-CSRF": "1", "Content-Type": "application/json"}
    for body in BAD_BODIES:
        response = await api.http.request(name.split()[0], call_path(name, "999"), headers=headers, content=body)
        check_problem(response, 400, 404, 409, 422)
    response = await api.http.request(name.split()[0], call_path(name), headers=headers, content=b" " * (2 << 20))
    check_problem(response, 413)


@pytest.mark.parametrize("name", sorted(name for name in GUARDED if "{id}" in name))
async def test_malformed_ids_are_422(api: Api, name: str) -> None:
    headers = await api.headers("admin")
    for id_ in ("0", "-1", "x", "1e3", "9" * 30, "%00", "1;drop"):
        check_problem(await api.http.request(name.split()[0], call_path(name, id_), headers=headers), 422)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
async def test_other_methods_are_405(api: Api, name: str) -> None:
    path = call_path(name)
    known = {other.split()[0] for other in OPERATIONS if other.split()[1] == name.split()[1]}
    for method in {"PATCH", "TRACE", "DELETE", "PUT"} - known:
        response = await api.http.request(method, path, headers=await api.headers("admin"))
        if response.status_code != 405:  # another route of the same form: /api/jobs/queues and /api/jobs/{id}
            check_problem(response, 404, 422)
            continue
        check_problem(response, 405)
        assert response.headers["allow"]
