"""The part of SRS 6's HTTP API that tools for SRS use: versions, summaries, streams, clients, kick.

Wire rules of SRS: every answer is `{"code", "server", "service", "pid", …}`, code 0 is success, and an error is still
HTTP 200 with its code (2048 no such stream, 2049 no such client). Lists are paged by `start` and `count`.

The live process implements `Registry`; this module never looks into its streams.
"""

import asyncio
import base64
import binascii
import hmac
import os
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import psutil
from aiohttp import web

from onetake import __version__
from onetake.engine.errors import SecretNeeded
from onetake.engine.hooks import DEFAULT_VHOST, stream_id
from onetake.kit.ids import random_hex
from onetake.kit.redact import redact

CODE_STREAM_NOT_FOUND = 2048
CODE_CLIENT_NOT_FOUND = 2049
MIN_COUNT, DEFAULT_COUNT, MAX_COUNT = 1, 10, 1000
RATE_WINDOW_S = 30.0
SAMPLE_EVERY_S = 5.0
LOOPBACK = frozenset({"127.0.0.1", "::1"})
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PORT = re.compile(r":[0-9]{1,5}\Z")


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """The video of a live stream; `codec`, `profile` and `level` in SRS's spelling (`H264`, `High`, `3.1`)."""

    codec: str
    profile: str = ""
    level: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """The audio of a live stream (`AAC`, 48000, 2, `LC`)."""

    codec: str
    sample_rate: int = 0
    channels: int = 0
    profile: str = ""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a `Registry` tells about one stream; counters run since the stream began and never fall.

    `publisher_id` is the client id of the publisher, None while nobody publishes; `clients` counts it and the players.
    The fields from `state` on are for
    `/metrics` only: `state` is `idle|live|stalled|grace`, `skipped_units` what slow viewers missed, `write_lag_ms` the
    age of the oldest part that is not written.
    """

    app: str
    name: str
    tc_url: str = ""
    live_ms: int = 0
    frames: int = 0
    send_bytes: int = 0
    recv_bytes: int = 0
    publisher_id: str | None = None
    video: VideoInfo | None = None
    audio: AudioInfo | None = None
    clients: int = 0
    state: str = "idle"
    fps: float = 0.0
    bitrate_bps: float = 0.0
    gop_ms: float = 0.0
    reconnects: int = 0
    gap_ms: int = 0
    skipped_units: int = 0
    discarded_units: int = 0
    recording: bool = False
    recorded_bytes: int = 0
    write_lag_ms: float = 0.0

    @property
    def id(self) -> str:
        """The id in `/api/v1/streams/<id>`."""
        return stream_id(DEFAULT_VHOST, self.app, self.name)


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """One connection or session. `type` is one of SRS's words: `rtmp-play`, `flv-play`, `hls-play`, `fmle-publish`…"""

    id: str
    app: str
    stream: str
    ip: str
    type: str
    publish: bool
    alive_s: float
    send_bytes: int = 0
    recv_bytes: int = 0
    page_url: str = ""
    tc_url: str = ""


class Registry(Protocol):
    """What the live process offers to this API and to the metrics page. Called on the event loop; must not block."""

    def streams(self) -> Sequence[StreamInfo]:
        """Every known stream, also idle ones."""

    def clients(self, start: int = 0, count: int | None = None) -> Sequence[ClientInfo]:
        """Publishers, then players: all, or so many from the `start`-th on."""

    def client(self, client_id: str) -> ClientInfo | None:
        """One publisher or player."""

    def totals(self) -> Mapping[str, tuple[int, int]]:
        """Bytes received and sent so far, by the id of every stream, publisher and player."""

    async def kick(self, client_id: str) -> bool:
        """End this client's connection and session; False when there is no such client."""


class Rates:
    """Mean rates over the last 30 s, from snapshots of all counters: cheap to take, worked out for who is shown."""

    def __init__(self) -> None:
        self._snapshots: deque[tuple[float, Mapping[str, tuple[int, int]]]] = deque()

    def sample(self, now_s: float, totals: Mapping[str, tuple[int, int]]) -> None:
        """Take a snapshot: bytes received and sent by id."""
        self._snapshots.append((now_s, totals))
        while now_s - self._snapshots[0][0] > RATE_WINDOW_S:
            self._snapshots.popleft()

    def of(self, item_id: str) -> dict[str, int]:
        """The rates of one stream or client in kbit/s; 0 before its second snapshot."""
        seen = [(at_s, totals[item_id]) for at_s, totals in reversed(self._snapshots) if item_id in totals]
        ways = ("recv_30s", "send_30s")
        return {way: _kbps([(at_s, totals[place]) for at_s, totals in seen]) for place, way in enumerate(ways)}


def _kbps(samples: Sequence[tuple[float, int]]) -> int:
    """The mean rate of a counter, newest sample first; one that fell (the stream began anew) starts over."""
    if not samples:
        return 0
    oldest = newest = samples[0]
    for sample in samples:
        if sample[1] > oldest[1]:
            break
        oldest = sample
    span_s = newest[0] - oldest[0]
    return round((newest[1] - oldest[1]) * 8 / 1000 / span_s) if span_s else 0


@dataclass(frozen=True, slots=True)
class ControlGuard:
    """Who may use `/api/v1/*` and `/control/*`: a holder of the secret, or loopback of a stand-alone server (R15).

    The secret comes as `Authorization: Bearer <secret>` or, as SRS clients do, as the password of Basic.
    """

    secret: str
    open_on_loopback: bool = False

    def permits(self, request: web.Request) -> bool:
        """Whether this request may control the server."""
        if self.secret and hmac.compare_digest(_presented_secret(request), self.secret.encode()):
            return True
        # Host is checked too: a web page that rebinds its name to 127.0.0.1 comes from loopback as well.
        return self.open_on_loopback and request.remote in LOOPBACK and _is_local_host(request.host)

    def require(self, request: web.Request) -> None:
        """Refuse a request that may not control.

        Raises:
            SecretNeeded: neither the secret nor an open loopback.
        """
        if not self.permits(request):
            raise SecretNeeded(headers={"WWW-Authenticate": 'Basic realm="onetake"'})


class SrsApi:
    """The routes under `/api/v1/`. Add them with `add_to(app)`."""

    def __init__(self, registry: Registry, guard: ControlGuard, server_id: str = "vid-onetake") -> None:
        self._registry = registry
        self._guard = guard
        self._server_id = server_id
        self._service_id = random_hex(32)
        self._began_s = time.time()
        self._rates = Rates()
        self._process = psutil.Process()

    def add_to(self, app: web.Application) -> None:
        """Register the routes and the sampling of rates."""
        routes: tuple[tuple[str, str, Callable[[web.Request], Awaitable[dict[str, Any]]]], ...] = (
            ("GET", "/api/v1/versions", self._versions),
            ("GET", "/api/v1/summaries", self._summaries),
            ("GET", "/api/v1/streams/", self._streams),
            ("GET", "/api/v1/streams", self._streams),
            ("GET", "/api/v1/streams/{id}", self._stream),
            ("GET", "/api/v1/clients/", self._clients),
            ("GET", "/api/v1/clients", self._clients),
            ("GET", "/api/v1/clients/{id}", self._client),
            ("DELETE", "/api/v1/clients/{id}", self._kick),
        )
        for method, path, handler in routes:
            app.router.add_route(method, path, self._wrap(handler))
        app.cleanup_ctx.append(self._sampling)

    def sample(self, now_s: float) -> None:
        """Take one sample of every byte counter for the 30 s rates."""
        self._rates.sample(now_s, self._registry.totals())

    async def _sampling(self, app: web.Application) -> AsyncIterator[None]:
        async def run() -> None:
            while True:
                self.sample(time.monotonic())
                await asyncio.sleep(SAMPLE_EVERY_S)

        task = asyncio.create_task(run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def _wrap(
        self, handler: Callable[[web.Request], Awaitable[dict[str, Any]]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            self._guard.require(request)
            envelope = {"code": 0, "server": self._server_id, "service": self._service_id, "pid": str(os.getpid())}
            body = envelope | await handler(request)
            return web.json_response(body, headers={"Cache-Control": "no-store"})

        return answer

    async def _versions(self, request: web.Request) -> dict[str, Any]:
        major, minor, revision = (int(part) for part in __version__.split(".")[:3])
        return {"data": {"major": major, "minor": minor, "revision": revision, "version": __version__}}

    async def _summaries(self, request: web.Request) -> dict[str, Any]:
        return {"data": {"ok": True, "now_ms": int(time.time() * 1000), "self": self._self(), "system": self._system()}}

    async def _streams(self, request: web.Request) -> dict[str, Any]:
        start, count = _page(request)
        streams = self._registry.streams()[start : start + count]
        return {"streams": [self._stream_json(item) for item in streams]}

    async def _stream(self, request: web.Request) -> dict[str, Any]:
        for item in self._registry.streams():
            if item.id == request.match_info["id"]:
                return {"stream": self._stream_json(item)}
        return {"code": CODE_STREAM_NOT_FOUND}

    async def _clients(self, request: web.Request) -> dict[str, Any]:
        return {"clients": [self._client_json(item) for item in self._registry.clients(*_page(request))]}

    async def _client(self, request: web.Request) -> dict[str, Any]:
        client = self._registry.client(request.match_info["id"])
        return {"code": CODE_CLIENT_NOT_FOUND} if client is None else {"client": self._client_json(client)}

    async def _kick(self, request: web.Request) -> dict[str, Any]:
        return {} if await self._registry.kick(request.match_info["id"]) else {"code": CODE_CLIENT_NOT_FOUND}

    def _stream_json(self, item: StreamInfo) -> dict[str, Any]:
        return {
            "id": item.id,
            "name": item.name,
            "vhost": DEFAULT_VHOST,
            "app": item.app,
            "tcUrl": redact(item.tc_url),
            "url": f"/{item.app}/{item.name}",
            "live_ms": item.live_ms,
            "clients": item.clients,
            "frames": item.frames,
            "send_bytes": item.send_bytes,
            "recv_bytes": item.recv_bytes,
            "kbps": self._rates.of(item.id),
            "publish": {"active": item.publisher_id is not None, "cid": item.publisher_id or ""},
            "video": _video_json(item.video),
            "audio": _audio_json(item.audio),
        }

    def _client_json(self, item: ClientInfo) -> dict[str, Any]:
        return {
            "id": item.id,
            "vhost": DEFAULT_VHOST,
            "stream": stream_id(DEFAULT_VHOST, item.app, item.stream),
            "ip": item.ip,
            "pageUrl": redact(item.page_url),
            "swfUrl": "",
            "tcUrl": redact(item.tc_url),
            "url": f"/{item.app}/{item.stream}",
            "name": item.stream,
            "type": item.type,
            "publish": item.publish,
            "alive": item.alive_s,
            "send_bytes": item.send_bytes,
            "recv_bytes": item.recv_bytes,
            "kbps": self._rates.of(item.id),
        }

    def _self(self) -> dict[str, Any]:
        memory = self._process.memory_info()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "ppid": os.getppid(),
            "argv": "onetake media",
            "cwd": "",
            "mem_kbyte": memory.rss // 1024,
            "mem_percent": round(self._process.memory_percent() / 100, 4),
            "cpu_percent": round(self._process.cpu_percent() / 100, 4),
            "srs_uptime": int(time.time() - self._began_s),
        }

    def _system(self) -> dict[str, Any]:
        memory, load, net = psutil.virtual_memory(), psutil.getloadavg(), psutil.net_io_counters()
        return {
            "cpu_percent": round(psutil.cpu_percent() / 100, 4),
            "mem_ram_kbyte": memory.total // 1024,
            "mem_ram_percent": round(memory.percent / 100, 4),
            "cpus": psutil.cpu_count() or 1,
            "cpus_online": psutil.cpu_count() or 1,
            "uptime": int(time.time() - psutil.boot_time()),
            "load_1m": load[0],
            "load_5m": load[1],
            "load_15m": load[2],
            "net_recv_bytes": getattr(net, "bytes_recv", 0),
            "net_send_bytes": getattr(net, "bytes_sent", 0),
            "conn_srs": sum(item.clients for item in self._registry.streams()),
        }


def _video_json(video: VideoInfo | None) -> dict[str, Any] | None:
    return None if video is None else asdict(video)


def _audio_json(audio: AudioInfo | None) -> dict[str, Any] | None:
    if audio is None:
        return None
    fields = asdict(audio)
    return {"channel": fields.pop("channels")} | fields


def _page(request: web.Request) -> tuple[int, int]:
    """First item and number of items of a list."""
    start = _whole_number(request.query.get("start"), 0)
    return start, min(max(_whole_number(request.query.get("count"), DEFAULT_COUNT), MIN_COUNT), MAX_COUNT)


def _is_local_host(host: str) -> bool:
    return _PORT.sub("", host) in LOCAL_HOSTS


def _whole_number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else default


def _presented_secret(request: web.Request) -> bytes:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("utf-8", "replace")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
