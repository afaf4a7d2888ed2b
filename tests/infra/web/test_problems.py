"""Every error is problem+json in the reader's language, without anything internal (X4)."""

import logging
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse
from tests.api_fixtures import Api

from onetake.infra.settings import Settings
from onetake.infra.web.middleware import install_middleware
from onetake.infra.web.problems import install_problem_handlers
from onetake.kit.errors import Conflict

KEYS = {"type", "title", "status", "detail", "code", "request_id"}


@pytest.fixture
def app() -> FastAPI:
    """An application that fails in every way."""
    app = FastAPI()
    app.state.settings = Settings()
    install_problem_handlers(app)
    install_middleware(app, Settings())

    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError("internal secret-value-42 at /home/somebody/file.py")

    @app.get("/conflict")
    async def conflict() -> None:
        raise Conflict(field="name")

    @app.get("/integrity")
    async def integrity() -> None:
        raise IntegrityError("INSERT INTO users …", {"password_hash": "x"}, Exception("UNIQUE"))

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout", {"X-Tea": "green"})

    @app.get("/late")
    async def late() -> StreamingResponse:
        async def body() -> Any:
            yield b"begun"
            raise RuntimeError("too late")

        return StreamingResponse(body())

    return app


async def get(app: FastAPI, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        return await http.request(method, path, headers={name.replace("_", "-"): v for name, v in headers.items()})


async def test_a_crash_is_a_500_with_an_id_and_the_log_has_the_rest(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        response = await get(app, "/crash")
    problem = response.json()
    assert (response.status_code, problem["code"], set(problem)) == (500, "internal_error", KEYS)
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret-value" not in response.text
    assert "Traceback" not in response.text


async def test_a_crash_after_the_answer_began_cuts_the_connection(app: FastAPI) -> None:
    with pytest.raises(RuntimeError, match="too late"):
        await get(app, "/late")


async def test_a_database_constraint_is_a_conflict_without_its_sql(app: FastAPI) -> None:
    response = await get(app, "/integrity")
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert "INSERT" not in response.text


@pytest.mark.parametrize(
    ("language", "title", "detail"),
    [
        ("en", "Conflict", "This contradicts the present state."),
        ("zh-CN,zh;q=0.9", "冲突", "与当前状态冲突。"),
        ("zh-Hant-HK", "衝突", "與目前狀態衝突。"),
        ("fr", "Conflict", "This contradicts the present state."),
    ],
)
async def test_the_readers_language(app: FastAPI, language: str, title: str, detail: str) -> None:
    problem = (await get(app, "/conflict", accept_language=language)).json()
    assert (problem["title"], problem["detail"], problem["field"]) == (title, detail, "name")


async def test_the_frameworks_errors_keep_status_and_headers_only(app: FastAPI) -> None:
    response = await get(app, "/teapot")
    assert (response.status_code, response.headers["x-tea"]) == (418, "green")
    assert "stout" not in response.text
    assert response.json()["title"] == "Error"


async def test_unknown_path_and_method(api: Api) -> None:
    missing = await api.http.get("/api/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = await api.http.delete("/api/auth/login")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert (await api.http.request("TRACE", "/api/auth/login")).status_code == 405


async def test_401_says_how_to_sign_in(api: Api) -> None:
    response = await api.http.get("/api/auth/me")
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


async def test_all_offending_fields_are_named_and_none_is_repeated(api: Api) -> None:
    body = {"username": "<script>alert(1)</script>", "password": 12345678, "extra_thing": "hunter2-value"}
    response = await api.http.post("/api/auth/register", json=body, headers={"Accept-Language": "zh-CN"})
    problem = response.json()
    assert response.status_code == 422
    assert {error["field"]: error["code"] for error in problem["errors"]} == {
        "username": "string_pattern_mismatch",
        "password": "string_type",
        "extra_thing": "extra_forbidden",
    }
    assert problem["detail"] == problem["errors"][0]["detail"]
    assert "alert" not in response.text
    assert "hunter2" not in response.text


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'"text"', b"null", b"[]", b'{"username": NaN}']
)
async def test_no_body_is_too_odd(api: Api, body: bytes) -> None:
    response = await api.http.post("/api/auth/login", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)  # 400: nested too deeply to be parsed at all
    assert response.headers["content-type"] == "application/problem+json"
