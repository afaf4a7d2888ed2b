"""Listening for HTTP with the limits that aiohttp lacks: connections in all, and time for the first request (L2)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from onetake.engine.options import Limits
from onetake.engine.web import Handler

FIRST_REQUEST_S = 10.0
KEEPALIVE_S = 75.0
_silent: set[asyncio.BaseProtocol] = set()  # connections younger than FIRST_REQUEST_S that have not asked anything yet


@web.middleware
async def note_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Remember that this connection has sent a whole request head."""
    _silent.discard(request.protocol)
    return await handler(request)


class _Refusal(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it at once."""
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


@contextlib.asynccontextmanager
async def listening(app: web.Application, host: str, port: int, limits: Limits) -> AsyncIterator[int]:
    """Serve `app` for as long as the block runs; gives the port. Handlers end with their clients."""
    runner = web.AppRunner(
        app,
        handler_cancellation=True,
        keepalive_timeout=KEEPALIVE_S,
        access_log=None,
        auto_decompress=False,
        shutdown_timeout=0.5,
    )
    await runner.setup()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _protocol(runner, limits), host, port, backlog=1024)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await runner.cleanup()
        await asyncio.sleep(0)  # closed transports give their sockets back in the next turn of the loop


def _protocol(runner: web.AppRunner, limits: Limits) -> asyncio.BaseProtocol:
    """The protocol of a new connection; one that never completes a request is closed."""
    assert runner.server
    if len(runner.server.connections) >= limits.max_connections:
        return _Refusal()
    made: asyncio.BaseProtocol = runner.server()
    _silent.add(made)
    asyncio.get_running_loop().call_later(FIRST_REQUEST_S, _reap, made)
    return made


def _reap(connection: asyncio.BaseProtocol) -> None:
    if connection in _silent:
        _silent.discard(connection)
        transport = getattr(connection, "transport", None)
        if transport is not None:
            transport.abort()
