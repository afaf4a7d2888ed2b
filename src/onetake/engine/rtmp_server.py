"""The RTMP port (:1935): publishers and players over the sans-IO protocol of `media.rtmp`. Loop only."""

import asyncio
import fcntl
import logging
import socket
import termios
from collections.abc import Coroutine, Iterable
from contextlib import ExitStack
from functools import cache, partial
from urllib.parse import parse_qs

from onetake.engine.fanout import Encoder, Fanout, Viewer
from onetake.engine.hooks import HookClient
from onetake.engine.options import MediaOptions
from onetake.engine.players import Players
from onetake.engine.streams import APP, Ingest, Publisher, Refused, StreamHub
from onetake.engine.viewers import Protocol
from onetake.kit.errors import AppError
from onetake.kit.ids import random_hex
from onetake.media import rtmp
from onetake.media.bits import WireError
from onetake.media.flv import FlvTag

log = logging.getLogger(__name__)

IDLE_S = 15.0
PING_S = 30.0
"""Players are pinged so often: a dead one is found by `USER_TIMEOUT_MS` also while its stream rests."""
SWEEP_S = 1.0
USER_TIMEOUT_MS = 20_000
HELD_BYTES = 1024
"""So much of what a publisher is told may wait until all that it has sent is read."""
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
_TCP_USER_TIMEOUT = 18
_SENTENCES = {
    "bad_name": "The stream name is not allowed.",
    "bad_key": "The stream key is wrong.",
    "control_plane_away": "The server cannot check the key now; try again.",
    "displaced": "Another encoder publishes this stream.",
    "key_changed": "The stream key has been changed.",
    "too_many_wrong_keys": "Too many wrong keys from this address; try again later.",
}


@cache
def encoder_for(stream_id: int) -> Encoder:
    """The encoding that all RTMP players with this message stream id share."""

    def encode(messages: Iterable[FlvTag]) -> bytes:
        return b"".join([rtmp.encode_media(message, stream_id) for message in messages])

    return encode


class RtmpServer:
    """Listens, counts connections, and ends those that keep silent."""

    def __init__(self, options: MediaOptions, hub: StreamHub, players: Players) -> None:
        self.options = options
        self.hub = hub
        self.players = players
        self.connections: set[RtmpConnection] = set()
        self.turned_away = 0
        self.protocol_errors = 0
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server else 0

    async def start(self) -> None:
        """Begin to listen."""
        loop = asyncio.get_running_loop()
        make = partial(RtmpConnection, self)
        self._server = await loop.create_server(make, self.options.bind, self.options.rtmp_port, backlog=1024)

    def sweep(self) -> None:
        """End connections that are over their time; call it every `SWEEP_S`."""
        now = self.hub.now_s()
        for connection in list(self.connections):
            connection.check(now)

    async def close(self) -> None:
        """Stop listening and cut everyone."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.end("server_stopped")
        await asyncio.sleep(0)
        for connection in list(self.connections):
            connection.abort()


class RtmpConnection(asyncio.Protocol):
    """One TCP connection: a publisher, a player, or nobody yet."""

    def __init__(self, server: RtmpServer) -> None:
        self._server = server
        self._protocol = rtmp.ServerConnection()
        self._transport: asyncio.Transport | None = None
        self._ip = ""
        self._agent = self._tc_url = self._page_url = ""
        self._idle_since_s = self._heard_s = self._pinged_s = server.hub.now_s()
        self._connected = False
        self._held = b""
        self._ingest: Ingest | None = None
        self._playing = ExitStack()
        self._viewers: dict[int, tuple[Viewer, Fanout]] = {}
        self._task: asyncio.Task[None] | None = None

    # -- transport -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ip = str((transport.get_extra_info("peername") or ("",))[0])
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        if len(self._server.connections) >= self._server.options.limits.max_connections:
            self._server.turned_away += 1
            transport.abort()
            return
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._heard_s = self._server.hub.now_s()
        self._read(data)

    def eof_received(self) -> bool:
        """The client will send no more."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, however that came."""
        self._server.connections.discard(self)
        if self._task is not None:
            self._task.cancel()
        self._playing.close()
        if self._ingest is not None:
            self._ingest.lost("connection_reset" if exc else "connection_closed")

    def check(self, now_s: float) -> None:
        """Apply the read timeouts."""
        limits = self._server.options.limits
        if self._ingest is not None:
            if now_s - self._heard_s > limits.publisher_timeout_s:
                self._ingest.lost("timeout")
                self.abort()
        elif self._viewers:
            self._ping(now_s)
        elif self._task is None:
            most_s = IDLE_S if self._connected else limits.handshake_s
            if now_s - self._idle_since_s > most_s:
                self.abort()

    def _ping(self, now_s: float) -> None:
        if now_s - self._pinged_s >= PING_S:
            self._pinged_s = now_s
            self._protocol.ping(int(now_s * 1000))
            self._flush()

    def end(self, reason: str) -> None:
        """Tell the client that it was put out, and close."""
        self._protocol.end_publish(_SENTENCES.get(reason, "The stream was ended by the server."))
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    # -- protocol ------------------------------------------------------------------------------------------------

    def _read(self, data: bytes) -> None:
        """Feed the protocol; a client that breaks it is cut off."""
        try:
            for event in self._protocol.receive(data):
                self._handle(event)
        except WireError as error:
            self._server.protocol_errors += 1
            log.info("rtmp client %s: %s", self._ip, error)
            self._flush()
            self.abort()
            return
        if not self._is_better_held():
            self._flush()

    def _is_better_held(self) -> bool:
        """Whether a publisher is not told yet how far we have read.

        One that sends faster than real time may be at its end long before us. Whatever reaches its closed socket resets
        the connection, and what we have not read is lost.
        """
        if self._ingest is None or self._transport is None:
            return False
        self._held += self._protocol.data_to_send()
        return 0 < len(self._held) <= HELD_BYTES and _has_unread(self._transport)

    def _flush(self) -> None:
        data, transport = self._held + self._protocol.data_to_send(), self._transport
        self._held = b""
        if not data or transport is None or transport.is_closing():
            return
        transport.write(data)
        limits = self._server.options.limits
        # A viewer's media waits in the same buffer; the fan-out bounds that.
        most_bytes = limits.unread_bytes + (2 * limits.viewer_buffer_bytes if self._viewers else 0)
        if transport.get_write_buffer_size() > most_bytes:
            log.info("rtmp client %s does not read what it is answered", self._ip)
            transport.abort()

    def _handle(self, event: rtmp.ServerEvent) -> None:
        if isinstance(event, FlvTag):
            if self._ingest is not None:
                self._ingest.push(event)
        elif isinstance(event, rtmp.ConnectRequested):
            self._connect(event)
        elif isinstance(event, rtmp.PublishRequested):
            self._ask(self._publish(event))
        elif isinstance(event, rtmp.PlayRequested):
            self._ask(self._play(event))
        elif isinstance(event, rtmp.Unpublished):
            self._unpublished()
        elif isinstance(event, rtmp.PauseChanged):
            self._pause(event)
        elif isinstance(event, rtmp.PlayStopped | rtmp.Refused):
            self._close_soon()

    def _connect(self, event: rtmp.ConnectRequested) -> None:
        self._agent, self._tc_url, self._page_url = event.flash_version, event.tc_url, event.page_url
        self._connected = True
        if event.app == APP:
            self._protocol.accept(event)
            asyncio.get_running_loop().call_soon(self._read, b"")
        else:
            self._protocol.reject(event, f"The application is called {APP}.")
            self._close_soon()

    def _ask(self, answer: Coroutine[object, object, None]) -> None:
        """Answer a request that needs time; nothing is read meanwhile."""
        if self._transport is not None:
            self._transport.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._answer(answer))

    async def _answer(self, answer: Coroutine[object, object, None]) -> None:
        try:
            await answer
        except Exception:
            log.exception("rtmp client %s could not be answered", self._ip)
            self.abort()
        finally:
            self._task = None
            self._idle_since_s = self._server.hub.now_s()
        self._flush()
        if self._transport is not None and not self._transport.is_closing():
            self._heard_s = self._server.hub.now_s()
            self._read(b"")
            self._transport.resume_reading()

    def _close_soon(self) -> None:
        """Let what is queued go out, then close."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    # -- publishing ----------------------------------------------------------------------------------------------

    async def _publish(self, event: rtmp.PublishRequested) -> None:
        client = self._client(event.app, event.name, event.query)
        key = _query_value(event.query, "key")
        publisher = Publisher(client, key, "fmle-publish", self.end, self._agent, self._ip in LOOPBACK)
        try:
            ingest = await self._server.hub.publish(publisher)
        except Refused as refused:
            log.info("publisher %s of %s refused: %s", self._ip, event.name, refused.reason)
            self._protocol.reject(event, _SENTENCES[refused.reason])
            self._close_soon()
            return
        self._ingest = ingest
        self._protocol.accept(event)

    def _unpublished(self) -> None:
        ingest, self._ingest = self._ingest, None
        self._idle_since_s = self._server.hub.now_s()
        if ingest is not None:
            ingest.stop()

    # -- playing -------------------------------------------------------------------------------------------------

    async def _play(self, event: rtmp.PlayRequested) -> None:
        hub, players = self._server.hub, self._server.players
        token, key = _query_value(event.query, "token") or None, _query_value(event.query, "key")
        try:
            grant = players.admit(hub.config(event.name), event.name, token, key)
        except AppError as error:
            self._refuse_play(event, error.detail("en"))
            return
        await hub.ask_for(event.name)
        life = hub.life(event.name)
        if life is None or life.ring.closed or self._transport is None:
            self._refuse_play(event, "This stream is not live.")
            return
        self._protocol.accept(event)
        self._flush()
        viewer = Viewer(self._transport, encoder_for(event.stream_id), _no_header, partial(self._over, event))
        self._viewers[event.stream_id] = viewer, life.fanout
        self._playing.enter_context(players.watching(life.name, Protocol.RTMP, life.fanout, viewer, self._ip, grant))

    def _pause(self, event: rtmp.PauseChanged) -> None:
        if event.stream_id in self._viewers:
            viewer, fanout = self._viewers[event.stream_id]
            fanout.pause(viewer, event.paused)

    def _refuse_play(self, event: rtmp.PlayRequested, sentence: str) -> None:
        self._protocol.reject(event, sentence)
        self._close_soon()

    def _over(self, event: rtmp.PlayRequested) -> None:
        """The stream ended, or this player was too slow or kicked."""
        viewer, _ = self._viewers[event.stream_id]
        if viewer.slow_since_s is not None:
            self.abort()
            return
        self._protocol.end_play(event.stream_id)
        self._close_soon()

    def _client(self, app: str, name: str, query: str) -> HookClient:
        param = f"?{query}" if query else ""
        return HookClient(random_hex(32), self._ip, app, name, param, self._tc_url, self._page_url)


def _has_unread(transport: asyncio.Transport) -> bool:
    """Whether bytes of the client wait in the kernel."""
    descriptor = transport.get_extra_info("socket").fileno()
    return descriptor >= 0 and any(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))


def _no_header(header: bytes) -> bytes:
    """RTMP has no file header."""
    del header
    return b""


def _query_value(query: str, name: str) -> str:
    try:
        return parse_qs(query, max_num_fields=32).get(name, [""])[0]
    except ValueError:
        return ""
