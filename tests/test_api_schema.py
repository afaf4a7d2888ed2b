"""The document and the program say the same: calls made up from the document, against a real process.

Bounded to about a minute: every boundary that the document names and a few random calls per operation, the same at
every run.
"""

import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi import checks
from tests.api_fixtures import PASSWORD, add_user
from tests.api_process import api_process

from onetake.accounts.auth import PUBLIC
from onetake.api import create_app
from onetake.infra.db import Database
from onetake.infra.settings import Settings
from onetake.infra.web.openapi import operations

CALLS_PER_OPERATION = 6
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
DOCUMENT = create_app(Settings()).openapi()
CONFIG = schemathesis.Config.from_dict({"generation": {"mode": "all", "deterministic": True}})
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)


@dataclass(frozen=True)
class Target:
    """A process to call and the database behind it."""

    base_url: str
    database_url: str

    def admin_token(self, name: str) -> str:
        """A fresh administrator's token: made-up calls may delete, demote or sign out the one before."""
        asyncio.run(self._add_admin(name))
        login = {"username": name, "password": PASSWORD}
        response = httpx.post(f"{self.base_url}/api/auth/login", json=login)
        token: str = response.raise_for_status().json()["access_token"]
        return token

    async def _add_admin(self, name: str) -> None:
        database = Database(self.database_url)
        await add_user(database, name, "admin")
        await database.dispose()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Target]:
    """One process for all operations."""
    folder = tmp_path_factory.mktemp("schema")
    shutil.copyfile(sqlite_template, folder / "onetake.db")
    url = f"sqlite:///{folder / 'onetake.db'}"
    with api_process(folder, url, log_level="warning") as process:
        yield Target(process.base_url, url)
        assert "unhandled error" not in process.log.read_text()


@pytest.fixture
def token(target: Target, request: pytest.FixtureRequest) -> str:
    """A fresh administrator's token for each operation."""
    number = abs(hash(request.node.name)) % 10**12
    return target.admin_token(f"admin-{number}")


@SCHEMA.parametrize()
@settings(
    max_examples=CALLS_PER_OPERATION,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_in_the_document(case: "schemathesis.Case[Any]", target: Target, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    response = case.call_and_validate(base_url=target.base_url, headers=headers, checks=CHECKS)
    if case.meta is not None and ParameterLocation.BODY in case.meta.components:
        wrong_on_purpose = case.meta.components[ParameterLocation.BODY].mode.is_negative
        assert not (wrong_on_purpose and response.status_code < 400), "a body against the schema was accepted"


def test_the_document_is_complete() -> None:
    ids = [operation["operationId"] for _, _, operation in operations(DOCUMENT)]
    assert len(ids) == len(set(ids))
    for method, path, operation in operations(DOCUMENT):
        assert operation["summary"], path
        assert operation["description"], path
        assert operation["tags"], path
        assert {"400", "503"} <= set(operation["responses"]), (method, path)
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (path, parameter["name"])


def test_every_property_is_described() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for key, value in schema.get("properties", {}).items():
            assert {"description", "$ref"} & set(value), f"{name}.{key}"


def test_errors_are_problems_everywhere() -> None:
    for _, path, operation in operations(DOCUMENT):
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], (path, status)


def test_guarded_operations_name_their_scheme_and_public_ones_do_not() -> None:
    for method, path, operation in operations(DOCUMENT):
        schemes = operation.get("security", [])
        if f"{method} {path}" not in PUBLIC:
            assert schemes == [{"bearer": []}], path
        elif path in ("/api/auth/refresh", "/api/auth/logout"):
            by_cookie: dict[str, list[str]] = {"refreshCookie": [], "csrfHeader": []}
            assert schemes == ([by_cookie, {"bearer": []}] if "logout" in path else [by_cookie]), path
        else:
            assert not schemes or {} in schemes, path


def test_bodies_refuse_unknown_fields() -> None:
    """C3: mass assignment is refused by form."""
    schemas: dict[str, Any] = DOCUMENT["components"]["schemas"]
    for _, path, operation in operations(DOCUMENT):
        if "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]["schema"]
            references = [part["$ref"] for part in (body, *body.get("anyOf", [])) if "$ref" in part]
            assert references, path
            for reference in references:
                assert schemas[reference.rpartition("/")[2]]["additionalProperties"] is False, path


def test_the_written_document_is_this_one() -> None:
    written = Path(__file__).parent.parent / "docs/5-reference/openapi.json"
    assert json.loads(written.read_text("utf-8")) == DOCUMENT, "run: python scripts/export_openapi.py"
