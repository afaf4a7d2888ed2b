"""What endpoints ask for: sessions, settings, the caller, page numbers. Units of work end before the answer is sent."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Path, Query
from fastapi.requests import HTTPConnection
from pydantic import StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db import Database
from onetake.infra.ratelimit import RateLimiter
from onetake.infra.settings import Settings
from onetake.infra.web.headers import header
from onetake.infra.web.proxies import address_block
from onetake.infra.web.security_headers import is_https
from onetake.kit.paging import DEFAULT_PER_PAGE, MAX_PAGE, MAX_PER_PAGE, PageRequest


class Client:
    """Who calls, as far as the connection tells."""

    def __init__(self, connection: HTTPConnection) -> None:
        settings: Settings = connection.app.state.settings
        self.ip = connection.client.host if connection.client else None
        self.block = address_block(self.ip)
        agent = header(connection.scope, "user-agent") or ""
        self.user_agent = "".join(char for char in agent[:255] if char.isprintable())
        self.https = is_https(connection.scope, settings)


async def _read_session(connection: HTTPConnection) -> AsyncIterator[AsyncSession]:
    database: Database = connection.app.state.db
    async with database.read() as session:
        yield session


async def _write_session(connection: HTTPConnection) -> AsyncIterator[AsyncSession]:
    database: Database = connection.app.state.db
    async with database.write() as session:
        yield session


async def _database(connection: HTTPConnection) -> Database:
    database: Database = connection.app.state.db
    return database


async def _settings(connection: HTTPConnection) -> Settings:
    settings: Settings = connection.app.state.settings
    return settings


async def _limiter(connection: HTTPConnection) -> RateLimiter:
    limiter: RateLimiter = connection.app.state.limiter
    return limiter


async def _client(connection: HTTPConnection) -> Client:
    return Client(connection)


async def _page(
    page: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Page number, from 1.")] = 1,
    per_page: Annotated[int, Query(ge=1, le=MAX_PER_PAGE, description="Rows per page.")] = DEFAULT_PER_PAGE,
) -> PageRequest:
    return PageRequest(page, per_page)


ReadSession = Annotated[AsyncSession, Depends(_read_session, scope="function")]
WriteSession = Annotated[AsyncSession, Depends(_write_session, scope="function")]
DatabaseDep = Annotated[Database, Depends(_database)]
SettingsDep = Annotated[Settings, Depends(_settings)]
LimiterDep = Annotated[RateLimiter, Depends(_limiter)]
ClientDep = Annotated[Client, Depends(_client)]
PageDep = Annotated[PageRequest, Depends(_page)]

MAX_ID = 2**63 - 1
IdPath = Annotated[int, Path(ge=1, le=MAX_ID, description="Number of the row.", examples=[1])]
SearchText = Annotated[
    Annotated[str, StringConstraints(strip_whitespace=True)] | None,
    Query(
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="Text to look for, letter case aside.",
        examples=["lin"],
    ),
]
