"""Errors as RFC 9457 `application/problem+json`, in the reader's language, without anything internal (X4)."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onetake.infra.context import current_actor
from onetake.infra.logging import get_logger
from onetake.infra.web.body import BodyRefused
from onetake.infra.web.headers import header
from onetake.infra.web.validation import explain
from onetake.kit import errors
from onetake.kit.errors import AppError, Lang
from onetake.kit.language import negotiate_language, stored_language
from onetake.kit.problems import MEDIA_TYPE, error_for_status, problem_title, problem_type

_log = get_logger(__name__)


class FieldProblem(BaseModel):
    """One offending field."""

    field: str = Field(description="Where it stands, with dots: `scopes.0`.", examples=["username"])
    code: str = Field(description="Stable name of the rule.", examples=["string_too_short"])
    detail: str = Field(description="Sentence for a person.", examples=["At least 2 characters are needed."])


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="Identifier of the kind of problem.", examples=["urn:onetake:problem:not_found"])
    title: str = Field(description="Kind of problem in a few words.", examples=["Not found"])
    status: int = Field(description="HTTP status code.", examples=[404])
    detail: str = Field(description="Sentence for a person.", examples=["There is no such thing here."])
    code: str = Field(description="Stable code for programs.", examples=["not_found"])
    field: str | None = Field(None, description="Offending field of the request, if one is to blame.")
    request_id: str | None = Field(description="Id that the server's logs know this request by.")
    errors: list[FieldProblem] | None = Field(None, description="All offending fields, when there are several.")


def problem_response(
    error: AppError, lang: Lang, fields: Sequence[FieldProblem] = (), status: int | None = None
) -> Response:
    """`error` as an answer in `lang`, with another status than its own when `status` is given."""
    status = status or error.status
    problem = Problem(
        type=problem_type(error),
        title=problem_title(status, lang),
        status=status,
        detail=fields[0].detail if fields else error.detail(lang),
        code=error.code,
        field=fields[0].field if fields else error.field,
        request_id=current_actor().request_id,
        errors=list(fields) or None,
    )
    headers = {"Content-Language": lang, "Cache-Control": "no-store", **error.headers}
    if status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")  # RFC 9110 §15.5.2
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, status, headers, media_type=MEDIA_TYPE)


def request_language(scope: Mapping[str, Any]) -> Lang:
    """The signed-in user's stored language, else the best of `Accept-Language`."""
    chosen = stored_language(scope.get("state", {}).get("language"))
    return chosen or negotiate_language(header(dict(scope), "accept-language"))


def install_problem_handlers(app: FastAPI) -> None:
    """Make `app` answer every expected error as problem+json."""

    @app.exception_handler(AppError)
    async def _app_error(request: Request, error: AppError) -> Response:
        return problem_response(error, request_language(request.scope))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        lang = request_language(request.scope)
        fields = [FieldProblem(field=f, code=c, detail=d) for f, c, d in explain(error.errors(), lang)]
        return problem_response(errors.Invalid(), lang, fields)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        return problem_response(from_http(error), request_language(request.scope), status=error.status_code)

    @app.exception_handler(IntegrityError)
    async def _constraint(request: Request, error: IntegrityError) -> Response:
        """Two requests wanted what only one may have; the database decided."""
        _log.warning("refused by the database", path=request.scope["path"], reason=str(error.orig))
        return problem_response(errors.Conflict(), request_language(request.scope))


def from_http(error: HTTPException) -> AppError:
    """The AppError that stands for a framework's error: the status and headers stay, the wording is ours."""
    if isinstance(error, BodyRefused):
        return error.error
    found = error_for_status(error.status_code)
    found.headers = dict(error.headers or {})
    return found


class CatchAll:
    """Innermost middleware: an unexpected exception becomes a 500 problem with an id; details go to the log only."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; answer for it when it fails before its answer has begun."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except AppError as error:
            if started:
                raise
            await _answer(error, scope, receive, send)
        except Exception:
            _log.exception("unhandled error", method=scope["method"], path=scope["path"])
            if started:
                raise  # too late for another answer: let the server cut the connection
            await _answer(AppError(), scope, receive, send)


async def _answer(error: AppError, scope: Scope, receive: Receive, send: Send) -> None:
    await problem_response(error, request_language(scope))(scope, receive, send)
