"""The OpenAPI document: every operation names all answers that it can give, errors as problem+json."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from onetake.infra.web.problems import Problem
from onetake.kit.problems import MEDIA_TYPE

ABOUT = """
OneTake's control plane: everything that the web page does, programs can do too.

**Signing in.** `POST /api/auth/login` gives an access token for `Authorization: Bearer …` and sets an httpOnly refresh
cookie; `POST /api/auth/refresh` (with the header `X-CSRF: 1`) continues. Programs use an API token (`ot_…`) in the same
header: make one under *Profile → API tokens* or with `POST /api/auth/tokens`.

**Forms.** JSON in and out, `snake_case`; times are RFC 3339 in UTC; durations and sizes name their unit. Lists are
`{items, page, per_page, total, pages}`. Unknown fields in a body are refused.

**Errors** are RFC 9457 `application/problem+json` with a stable `code`, a sentence in the language of `Accept-Language`
(or of the user), the offending `field`, and a `request_id` that the server's logs know.

**Live updates.** Get a ticket from `POST /api/auth/ws-ticket`, open a WebSocket at `/api/ws` with the sub-protocols
`onetake` and `ticket.<ticket>`, send `{"type":"subscribe","topic":"jobs"}`, receive
`{"topic":"jobs","event":"updated","data":{…}}`. Limits: 8 KiB a frame, 20 messages in 10 s, 5 sockets a user. Close
code 4401 means that the session has ended.
"""
_DESCRIPTIONS = {
    400: "The request cannot be understood, or its `Host` is not one of this installation's.",
    401: "Not signed in, or the session has ended.",
    403: "Signed in, but not allowed to; or a request from a page of another site.",
    404: "There is no such thing, or the caller may not know of it.",
    408: "The body took too long to arrive.",
    409: "The request contradicts the present state.",
    413: "The body is too large.",
    422: "Some of the values are not valid.",
    429: "Too many requests; `Retry-After` says when to try again.",
    503: "The database, or another part that is needed, does not answer now.",
}
_METHODS = ("get", "put", "post", "delete", "patch")
_UNSAFE = ("put", "post", "delete", "patch")
_OUR_REF = {"$ref": "#/components/schemas/Problem"}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Error answers of one operation besides those that follow from its form: `responses=answers(409, 429)`."""
    return {status: _problem(status) for status in statuses}


def _problem(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _DESCRIPTIONS[status], "content": {MEDIA_TYPE: {"schema": _OUR_REF}}}
    if status == 429:
        answer["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
        }
    return answer


def openapi_builder(
    app: FastAPI, about: str, tags: dict[str, str], public: Collection[str] = ()
) -> Callable[[], dict[str, Any]]:
    """The function that FastAPI calls for the document; it is built once.

    `public` names routes (`GET /path`) that need no sign-in; where they look at one all the same, it is optional.
    """

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=about,
                routes=app.routes,
                tags=[{"name": name, "description": text} for name, text in tags.items()],
            )
            app.openapi_schema = _complete(document, public)
        return app.openapi_schema

    return build


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method (upper case), path and operation, in the document's order."""
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def _complete(document: dict[str, Any], public: Collection[str]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    for method, path, operation in operations(document):
        _state_security(operation, f"{method} {path}" in public)
        _add_answers(method.lower(), operation)
    return document


def _state_security(operation: dict[str, Any], public: bool) -> None:
    """Cookie and header are needed at once, which FastAPI lists as alternatives; a public route can do without."""
    security = operation.get("security", [])
    if {"refreshCookie": []} in security:
        others = [scheme for scheme in security if scheme == {"bearer": []}]
        operation["security"] = [{"refreshCookie": [], "csrfHeader": []}, *others]
    elif public and security:
        operation["security"] = [*security, {}]


def _add_answers(method: str, operation: dict[str, Any]) -> None:
    given = operation["responses"]
    for status in _implied(method, operation):
        if status == 422 or str(status) not in given:
            given[str(status)] = _problem(status)
    operation["responses"] = dict(sorted(given.items()))


def _implied(method: str, operation: dict[str, Any]) -> Iterator[int]:
    yield from (400, 503)
    parameters = operation.get("parameters", [])
    if any("bearer" in scheme for scheme in operation.get("security", [])):
        yield from (401, 403)
    if method in _UNSAFE:
        yield 403
    if "requestBody" in operation:
        yield from (408, 413)
    if parameters or "requestBody" in operation:
        yield 422
    if any(parameter["in"] == "path" for parameter in parameters):
        yield 404
