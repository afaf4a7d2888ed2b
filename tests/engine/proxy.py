"""A relay in front of a server that is slow or goes dead without a word: no FIN, no RST (faults F16 and F18)."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK_BYTES = 4096
BUFFER_BYTES = 32_768


class Relay:
    """Forwards connections to `target_port`. `rate_bytes_s` holds for both directions: None is unlimited, 0 is dead."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.accepted = 0
        self.forwarded_bytes = 0
        self._target_port = target_port
        self._rate_bytes_s: float | None = None
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()

    @property
    def rate_bytes_s(self) -> float | None:
        """Bytes per second for each connection and direction."""
        return self._rate_bytes_s

    @rate_bytes_s.setter
    def rate_bytes_s(self, value: float | None) -> None:
        self._rate_bytes_s = value
        self._changed.set()
        self._changed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.accepted += 1
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        _small_buffers(writer)
        there, back = await asyncio.open_connection("127.0.0.1", self._target_port, limit=BUFFER_BYTES)
        _small_buffers(back)
        over = asyncio.create_task(self._over.wait())
        pumps = [asyncio.create_task(self._pump(*ends)) for ends in ((reader, back), (there, writer))]
        await asyncio.wait([*pumps, over], return_when=asyncio.FIRST_COMPLETED)
        for one in (*pumps, over):
            one.cancel()
        await asyncio.gather(*pumps, over, return_exceptions=True)
        for end in (writer, back):
            end.transport.abort()
        self._tasks.discard(task)

    async def close(self) -> None:
        """Cut every connection."""
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while True:
                await self._turn()
                data = await reader.read(CHUNK_BYTES)
                if not data:
                    return
                await self._turn()
                writer.write(data)
                await writer.drain()
                self.forwarded_bytes += len(data)

    async def _turn(self) -> None:
        """Wait until the next chunk may go on."""
        while self._rate_bytes_s == 0:
            await self._changed.wait()
        if self._rate_bytes_s:
            await asyncio.sleep(CHUNK_BYTES / 2 / self._rate_bytes_s)


def _small_buffers(writer: asyncio.StreamWriter) -> None:
    """What the relay does not pass on must pile up at the sender, not here."""
    sock = writer.get_extra_info("socket")
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    writer.transport.set_write_buffer_limits(high=BUFFER_BYTES)


@asynccontextmanager
async def relaying(target_port: int) -> AsyncIterator[Relay]:
    """A relay for as long as the block runs."""
    relay = Relay(target_port)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0, limit=BUFFER_BYTES)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        await relay.close()
