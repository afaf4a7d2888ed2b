"""SRS-compatible HTTP callbacks to the control plane (SRS 6 `http_hooks`), with what SRS lacks: retry and a spool.

Blocking callbacks (`admit`) ask whether a client may publish or play. Notifications (`notify`) are kept on disk first
and delivered at least once, in order per stream. Every body is signed with the shared secret; a receiver tells
repeats apart by the `X-OneTake-Event` header. Runs on the event loop; disk work happens in one thread.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from onetake.engine.spool import Spool, Spooled
from onetake.kit.ids import random_hex
from onetake.kit.redact import redact
from onetake.kit.signing import derive_key, sign_body

log = logging.getLogger(__name__)
T = TypeVar("T")

DEFAULT_VHOST = "__defaultVhost__"
ADMISSION_MAX_S = 10.0
DELIVERY_TIMEOUT_S = 10.0
MAX_BODY_BYTES = 64 << 10
MAX_PARALLEL = 8
MAX_REFUSALS = 3
BREAKER_FAILURES = 3
# An answer by which the receiver says that it has read the event and will never want it.
_REFUSING_STATUS = frozenset({400, 409, 410, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class HookClient:
    """Who an event is about, in SRS's words. `param` is the URL query with its leading `?`, or empty."""

    client_id: str
    ip: str
    app: str
    stream: str
    param: str = ""
    tc_url: str = ""
    page_url: str = ""
    vhost: str = DEFAULT_VHOST

    @property
    def stream_url(self) -> str:
        """`/app/stream`, with the vhost in front when it is not the default one."""
        prefix = "" if self.vhost == DEFAULT_VHOST else self.vhost
        return f"{prefix}/{self.app}/{self.stream}"

    @property
    def stream_id(self) -> str:
        """The id that `/api/v1/streams/` shows for the stream."""
        return stream_id(self.vhost, self.app, self.stream)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a blocking callback said. `reachable` is False when nobody answered; `data` is the answer's `data`."""

    allowed: bool
    reachable: bool = True
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HookOptions:
    """Where callbacks go and how. Back-off runs from `backoff_min_s`, doubling, to `backoff_max_s`.

    `admissions`: how many questions may be open at once, beside the notifications, which they never delay.
    """

    url: str
    secret: str
    spool: Path
    server_id: str = "vid-onetake"
    admission_s: float = ADMISSION_MAX_S
    admissions: int = 20
    backoff_min_s: float = 1.0
    backoff_max_s: float = 10.0


class _Outcome(Enum):
    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(slots=True)
class HookCounters:
    """For `/metrics`: notifications delivered, tries that failed, events the receiver refused for good."""

    delivered: int = 0
    failed_tries: int = 0
    refused: int = 0


def stream_id(vhost: str, app: str, stream: str) -> str:
    """The stable SRS-like id of a stream (`vid-` and seven characters)."""
    digest = hashlib.sha256(f"{vhost}/{app}/{stream}".encode()).hexdigest()
    return f"vid-{digest[:7]}"


def client_event(action: str, client: HookClient, **extra: object) -> dict[str, Any]:
    """The body of `action` about `client` as SRS writes it, without `server_id`/`service_id` (added when sent).

    `extra` are the fields of one action, such as `cwd` and `file` of `on_dvr`, or ours of `on_record`.
    """
    body: dict[str, Any] = {
        "action": action,
        "client_id": client.client_id,
        "ip": client.ip,
        "vhost": client.vhost,
        "app": client.app,
        "tcUrl": client.tc_url,
        "stream": client.stream,
        "param": client.param,
    }
    if action in ("on_connect", "on_play"):
        body["pageUrl"] = client.page_url
    if action not in ("on_connect", "on_close"):
        body |= {"stream_url": client.stream_url, "stream_id": client.stream_id}
    return body | extra


class Breaker:
    """Keeps a dead endpoint from being hammered: after three failures in a row one caller at a time may try again."""

    def __init__(self, backoff_min_s: float, backoff_max_s: float) -> None:
        self._min_s, self._max_s = backoff_min_s, backoff_max_s
        self._probe = asyncio.Lock()
        self.failures = 0

    @property
    def is_open(self) -> bool:
        """Whether the endpoint is regarded as dead."""
        return self.failures >= BREAKER_FAILURES

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The right to try once; while the breaker is open, tries come one by one with back-off between them."""
        if not self.is_open:
            yield
            return
        async with self._probe:
            if self.is_open:
                await asyncio.sleep(self.backoff_s())
            yield

    def report(self, ok: bool) -> None:
        """Tell how the try ended."""
        self.failures = 0 if ok else self.failures + 1

    def backoff_s(self) -> float:
        """The pause before the next try."""
        return float(min(self._max_s, self._min_s * 2 ** min(max(self.failures - BREAKER_FAILURES, 0), 16)))


class Hooks:
    """Sends callbacks. `async with Hooks(options) as hooks:`; leaving waits for nothing: the rest stays on disk."""

    def __init__(self, options: HookOptions) -> None:
        self.counters = HookCounters()
        self._options = options
        self._key = derive_key(options.secret.encode(), "callbacks")
        self._service_id = random_hex(32)
        self._spool = Spool(options.spool)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="hook-spool")
        self._lanes: dict[str, deque[Spooled]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MAX_PARALLEL)
        self._admissions = asyncio.Semaphore(options.admissions)
        self._breaker = Breaker(options.backoff_min_s, options.backoff_max_s)
        self._outstanding = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._incoming: list[tuple[str, dict[str, Any]]] = []
        self._delivered: list[int] = []
        self._disk_work = asyncio.Event()
        self._closing = False
        self._writer: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Hooks":
        left_behind = await self._in_thread(self._spool.open)
        timeout = aiohttp.ClientTimeout(total=DELIVERY_TIMEOUT_S)
        connector = aiohttp.TCPConnector(limit=MAX_PARALLEL + self._options.admissions)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        self._writer = asyncio.create_task(self._disk_loop())
        self._expect(len(left_behind))
        for item in left_behind:
            self._enqueue(item)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # The writer is asked, not cancelled: a cancelled thread call would lose what it was given to write.
        self._closing = True
        self._disk_work.set()
        if self._writer is not None:
            await self._writer
        self._disk.shutdown()
        self._spool.close()
        if self._session is not None:
            await self._session.close()

    @property
    def pending(self) -> int:
        """Notifications that have not arrived yet."""
        return self._outstanding

    @property
    def endpoint_down(self) -> bool:
        """Whether the control plane is regarded as unreachable at present."""
        return self._breaker.is_open

    def notify(self, event: dict[str, Any]) -> None:
        """Have `event` delivered at least once, after every earlier event of the same stream. Never blocks.

        Raises:
            TypeError, ValueError: it is not JSON; told here, because a thread of ours could tell nobody.
        """
        json.dumps(event)
        self._incoming.append((f"{event.get('app', '')}/{event.get('stream', '')}", event))
        self._expect(1)
        self._disk_work.set()

    async def admit(self, event: dict[str, Any]) -> Answer:
        """Ask the control plane; no answer within the time limit (at most 10 s) is a refusal with `reachable` False."""
        try:
            async with asyncio.timeout(min(self._options.admission_s, ADMISSION_MAX_S)), self._admissions:
                status, body = await self._post(event, random_hex())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("callback %s got no answer: %s", event.get("action"), redact(str(error)))
            return Answer(allowed=False, reachable=False)
        answer = _parse_answer(status, body)
        # A server error is no decision about this client.
        return answer if answer is not None else Answer(allowed=False, reachable=status < 500)

    async def drained(self) -> None:
        """Wait until every notification given so far has been delivered or refused."""
        await self._idle.wait()

    # -- disk ----------------------------------------------------------------------------------------------------

    async def _disk_loop(self) -> None:
        """Write new events and acknowledgements in batches, then hand the events to their lanes."""
        while True:
            await self._disk_work.wait()
            self._disk_work.clear()
            last_round = self._closing
            for item in await self._flush():
                if not self._closing:
                    self._enqueue(item)
            if last_round:
                return

    async def _flush(self) -> list[Spooled]:
        new, self._incoming = self._incoming, []
        done, self._delivered = self._delivered, []
        return await self._in_thread(self._write, new, done)

    def _write(self, new: list[tuple[str, dict[str, Any]]], done: list[int]) -> list[Spooled]:
        added = self._spool.add(new)
        try:
            if added:
                self._spool.keep(added)
            self._spool.acknowledge(done)
        except OSError as error:
            log.error("the event spool cannot be written, events are kept in memory only: %s", error)
        return added

    async def _in_thread(self, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, function, *args)

    # -- delivery ------------------------------------------------------------------------------------------------

    def _enqueue(self, item: Spooled) -> None:
        if item.lane in self._lanes:
            self._lanes[item.lane].append(item)
        else:
            self._lanes[item.lane] = deque([item])
            self._start(self._run_lane(item.lane))

    async def _run_lane(self, name: str) -> None:
        lane = self._lanes[name]
        while lane:
            await self._deliver(lane[0])
            self._delivered.append(lane.popleft().seq)
            self._disk_work.set()
            self._expect(-1)
        del self._lanes[name]

    async def _deliver(self, item: Spooled) -> None:
        refusals = 0
        while refusals < MAX_REFUSALS and self._spool.is_pending(item.seq):
            async with self._breaker.turn(), self._slots:
                outcome = await self._try(item)
            self._breaker.report(outcome is not _Outcome.FAILED)
            if outcome is _Outcome.DELIVERED:
                self.counters.delivered += 1
                return
            self.counters.failed_tries += 1
            refusals += outcome is _Outcome.REFUSED
            if not self._breaker.is_open:
                await asyncio.sleep(self._options.backoff_min_s)
        if refusals:
            self.counters.refused += 1
            log.error("callback %s of %s was refused for good", item.event.get("action"), item.lane)

    async def _try(self, item: Spooled) -> _Outcome:
        event_id = f"{self._options.server_id}-{item.seq}"
        try:
            status, body = await self._post(item.event, event_id)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return _Outcome.FAILED
        answer = _parse_answer(status, body)
        if answer is None:
            return _Outcome.REFUSED if status in _REFUSING_STATUS else _Outcome.FAILED
        return _Outcome.DELIVERED if answer.allowed else _Outcome.REFUSED

    async def _post(self, event: dict[str, Any], event_id: str) -> tuple[int, bytes]:
        if self._session is None:
            raise RuntimeError("Hooks is used outside of its context")
        ids = {"server_id": self._options.server_id, "service_id": self._service_id}
        body = json.dumps(ids | event, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "X-OneTake-Signature": sign_body(self._key, body, int(time.time())),
            "X-OneTake-Event": event_id,
        }
        async with self._session.post(self._options.url, data=body, headers=headers, allow_redirects=False) as response:
            return response.status, await _read_at_most(response, MAX_BODY_BYTES)

    # -- housekeeping --------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _expect(self, more: int) -> None:
        self._outstanding += more
        if self._outstanding:
            self._idle.clear()
        else:
            self._idle.set()


async def _read_at_most(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """The first `limit_bytes` of a body; the rest of an endless one is never read."""
    parts: list[bytes] = []
    left = limit_bytes
    while left > 0 and (part := await response.content.read(left)):
        parts.append(part)
        left -= len(part)
    if left <= 0:
        response.close()
    return b"".join(parts)


def _parse_answer(status: int, body: bytes) -> Answer | None:
    """SRS's rule: 200 or 201, and a body that is the bare `0` or an object whose integer `code` is 0.

    None when this is no answer in that form at all.
    """
    if status not in (200, 201) or not body:
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict):
        data = value.get("data")
        code = value.get("code")
        if not isinstance(code, int) or isinstance(code, bool):
            return None
        return Answer(code == 0, data=data if isinstance(data, dict) else {})
    return Answer(True) if value == 0 and value is not False else None
