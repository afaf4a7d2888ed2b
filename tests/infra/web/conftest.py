"""The application behind a real uvicorn, as `onetake api` runs it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
import uvicorn
from tests.api_fixtures import Api

from onetake.api import create_app
from onetake.infra.settings import Settings
from onetake.infra.web.http_protocol import GuardedHttpProtocol


@dataclass
class Live(Api):
    """The application with a port of its own."""

    port: int = 0

    @property
    def origin(self) -> str:
        """The page's own origin."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Live]:
    """The application on a free port of loopback."""
    app = create_app(settings)
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    config = uvicorn.Config(
        app,
        http=GuardedHttpProtocol,
        ws="websockets-sansio",
        ws_max_size=64 * 1024,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110  uvicorn offers no event
        await asyncio.sleep(0)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            yield Live(app, settings, http, port=port)
    finally:
        server.should_exit = True
        await running


@pytest.fixture
async def live(make_settings: Callable[..., Settings], sqlite_url: str) -> AsyncIterator[Live]:
    """The application with default settings on SQLite, behind uvicorn."""
    async with serving(make_settings(database_url=sqlite_url)) as started:
        yield started
