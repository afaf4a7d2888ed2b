"""Runs an ASGI application with uvicorn: on the socket of the supervisor, or on its own when started by hand."""

import asyncio
import signal
import socket
from typing import TYPE_CHECKING

import uvicorn

from onetake.infra.ports import inherited_socket, listen
from onetake.infra.web.http_protocol import GuardedHttpProtocol
from onetake.kit.lifeline import Lifeline

if TYPE_CHECKING:
    from starlette.types import ASGIApp

GRACE_S = 5
MAX_WS_MESSAGE_BYTES = 64 * 1024
KEEP_ALIVE_S = 20


class _Server(uvicorn.Server):
    """Tells the supervisor when requests are answered."""

    def __init__(self, config: uvicorn.Config, lifeline: Lifeline) -> None:
        super().__init__(config)
        self.lifeline = lifeline

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then say so."""
        await super().startup(sockets)
        if self.started:
            self.lifeline.ready()


def run_asgi(app: "ASGIApp", bind: str, port: int, variable: str) -> int:
    """Serve `app` until SIGTERM or SIGINT; returns the exit code. Raises PortBusy, naming `variable`."""
    sock = inherited_socket() or listen(bind, port, variable)
    config = uvicorn.Config(
        app,
        http=GuardedHttpProtocol,
        ws="websockets-sansio",
        ws_per_message_deflate=False,  # 43-100 KB per connection and a third of the throughput
        ws_max_size=MAX_WS_MESSAGE_BYTES,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the application believes its own list of proxies
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config, Lifeline())
    for signum in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again after a clean stop, which is no failure
        signal.signal(signum, lambda _signum, _frame: None)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(server, sock))
    return 0 if server.started else 1


async def _serve(server: _Server, sock: socket.socket) -> None:
    async with server.lifeline.beating():
        await server.serve(sockets=[sock])
