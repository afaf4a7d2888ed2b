"""Pulled sources: one supervised ffmpeg child each, FLV on a pipe, read by the same parser as every push (DESIGN §3).

Each run resolves and judges the address anew, probes in a child, then copies (or makes AAC). Restarting is ours, never
ffmpeg's: back-off 1 → 60 s with jitter, reset after a stable run. Loop only.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from onetake.engine.egress_proxy import Account, EgressProxy
from onetake.engine.rtsp_gate import Gate, rtsp_gate
from onetake.kit.errors import AppError
from onetake.kit.redact import redact
from onetake.kit.ssrf import (
    HTTP_SCHEMES,
    PULL_SCHEMES,
    AddressRefused,
    Allow,
    Pinned,
    Resolver,
    UrlRefused,
    parse_target,
    resolve,
    system_resolver,
)
from onetake.media.ffmpeg import Child, Input, Limits, Scheme, command, run, running
from onetake.media.ffmpeg import commands as build
from onetake.media.ffmpeg.errors import NoTracks, SourceTimedOut, SourceUnreachable, ToolError, UnsupportedCodec
from onetake.media.ffmpeg.streams import Plan, choose, parse_duration_s, parse_stream_list
from onetake.media.flv import FlvDemuxer, FlvError, FlvReader, Metadata, Unsupported
from onetake.media.pull_errors import SourceEnded
from onetake.media.units import Track, Unit

log = logging.getLogger(__name__)

PATTERN, CLIP = "builtin:pattern", "builtin:clip"
BACKOFF_MIN_S, BACKOFF_MAX_S = 1.0, 60.0
STABLE_S = 30.0
PROBE_TIMEOUT_S = 30.0
SILENCE_S = 15.0
READ_BYTES = 256 << 10
CLIP_S = 20.0
LIMITS = Limits(file_bytes=0)

Item = Track | Unit | Metadata


class PullState(StrEnum):
    """`failed` means that the source must be changed before it can work; it is still tried once a minute."""

    IDLE = "idle"
    CONNECTING = "connecting"
    RUNNING = "running"
    RETRYING = "retrying"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PullSpec:
    """What is to be pulled. `loop` repeats a source that has an end."""

    url: str
    loop: bool = False

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> "PullSpec":
        """From the `pull` object of the desired state.

        Raises:
            UrlRefused, FormatNotAllowed: the URL is none that can be pulled.
        """
        spec = cls(str(raw.get("url", "")), raw.get("loop") is True)
        if not spec.builtin:
            parse_target(spec.url, PULL_SCHEMES, userinfo=True)
            build.check_query(spec.url)
        return spec

    @property
    def builtin(self) -> bool:
        """Whether this is one of our own sources."""
        return self.url in (PATTERN, CLIP)

    @property
    def shown(self) -> str:
        """The address without credentials."""
        return redact(self.url)


@dataclass(frozen=True, slots=True)
class PullStatus:
    """What the console shows. Times are Unix seconds; `next_try_s` is set while retrying or failed."""

    state: PullState = PullState.IDLE
    source: str = ""
    error: AppError | None = None
    since_s: float = 0.0
    next_try_s: float | None = None
    attempts: int = 0
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class PullKit:
    """What every puller shares. `allow` is the operator's list of private sources."""

    ffmpeg: str
    proxy: EgressProxy
    work_dir: Path
    allow: Allow = field(default_factory=Allow)
    resolver: Resolver = system_resolver
    backoff_min_s: float = BACKOFF_MIN_S
    backoff_max_s: float = BACKOFF_MAX_S
    silence_s: float = SILENCE_S
    probe_timeout_s: float = PROBE_TIMEOUT_S
    clip_lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class _Source:
    """A source ready to be opened: its inputs, and who knows why something was refused to the child."""

    inputs: Callable[[Plan | None], list[Input]]
    plan: Plan | None = None
    guard: Account | Gate | None = None


class Puller:
    """Keeps one source running from `start` to `stop`.

    `on_item` gets tracks, units and metadata as they come, and may raise an `AppError` to end the run; `on_status` gets
    each change. When the state leaves `running` the publisher is gone, as after a lost connection.
    """

    def __init__(
        self, spec: PullSpec, kit: PullKit, on_item: Callable[[Item], None], on_status: Callable[[PullStatus], None]
    ) -> None:
        self.status = PullStatus(source=spec.shown)
        self._spec = spec
        self._kit = kit
        self._on_item = on_item
        self._on_status = on_status
        self._plan: Plan | None = None
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; does nothing when already begun."""
        if self._task is None:
            self._task = asyncio.create_task(self._supervise(), name=f"pull {self._spec.shown}")

    async def stop(self) -> None:
        """End the child and forget the error."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._show(PullStatus(source=self._spec.shown))

    async def _supervise(self) -> None:
        while True:
            self._show(replace(self.status, state=PullState.CONNECTING, next_try_s=None))
            error = await self._one_run()
            if self.status.state is not PullState.RUNNING:
                self._plan = None
            elif time.time() - self.status.since_s >= STABLE_S:
                self._failures = 0
            self._failures += 1
            delay_s = self._delay_s(error)
            state = PullState.RETRYING if _transient(error) else PullState.FAILED
            log.warning("pull %s: %s; next try in %.1f s", self._spec.shown, error, delay_s)
            self._show(
                replace(
                    self.status,
                    state=state,
                    error=error,
                    next_try_s=time.time() + delay_s,
                    attempts=self.status.attempts + 1,
                )
            )
            await asyncio.sleep(delay_s)

    async def probe(self) -> Plan:
        """What the source has to give at this moment, without taking it in.

        Raises:
            AppError: why it cannot be had.
        """
        found: list[Plan] = []

        async def look(source: _Source) -> None:
            found.append(source.plan or await self._probe(source))

        error = await self._attempt(look)
        if error is not None:
            raise error
        return found[0]

    async def _one_run(self) -> AppError:
        """Connect and read until the source ends; always tells why it ended."""

        async def take_in(source: _Source) -> None:
            await self._read(source, self._plan or source.plan or await self._probe(source))

        return await self._attempt(take_in) or SourceEnded()

    async def _attempt(self, work: Callable[[_Source], Awaitable[None]]) -> AppError | None:
        """Open the source for `work`; why that failed, None when it did not."""
        guard: Account | Gate | None = None
        error: AppError | None = None
        try:
            async with self._opened() as source:
                guard = source.guard
                await work(source)
        except AppError as raised:
            error = raised
        except FlvError as raised:
            error = ToolError(reason=str(raised))
        except OSError as raised:
            error = SourceUnreachable(reason=str(raised))
        except Exception as raised:
            # A fault of ours in one run must not end the pull for good (R18).
            log.exception("pull %s", self._spec.shown)
            error = ToolError(reason=type(raised).__name__)
        # ffmpeg only sees a 403 of the proxy or a broken connection; the true reason is with us.
        return (guard.refusal if guard else None) or error

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[_Source]:
        if self._spec.url == PATTERN:
            yield _Source(lambda plan: [build.pattern(), build.tone()], _PATTERN_PLAN)
        elif self._spec.url == CLIP:
            clip = await ensure_clip(self._kit)
            yield _Source(lambda plan: [build.from_file(clip, paced=True, endless=True)], _CLIP_PLAN)
        else:
            target = parse_target(self._spec.url, PULL_SCHEMES, userinfo=True)
            pinned = await resolve(target, self._kit.allow, self._kit.resolver)
            async with self._guarded(pinned) as source:
                yield source

    @asynccontextmanager
    async def _guarded(self, pinned: Pinned) -> AsyncIterator[_Source]:
        """http through our proxy, rtsp through our gate, everything else to the judged literal address."""
        scheme, url = pinned.target.scheme, self._spec.url
        if scheme in HTTP_SCHEMES:
            async with self._kit.proxy.account() as account:
                yield _Source(lambda plan: [self._http_input(account, plan)], guard=account)
        elif scheme in ("rtsp", "rtsps"):
            async with rtsp_gate(pinned) as gate:
                at_gate = with_host(url, "127.0.0.1", gate.port, scheme="rtsp")
                yield _Source(lambda plan: [build.from_url(at_gate, Scheme.RTSP)], guard=gate)
        else:
            yield _Source(lambda plan: [self._input(pinned, plan)])

    def _http_input(self, account: Account, plan: Plan | None) -> Input:
        paced = plan is not None and plan.finite
        endless = paced and self._spec.loop
        url = account.plain_url(self._spec.url)
        single = plan is not None and plan.single
        proxy = account.proxy_url
        return build.from_url(url, Scheme.HTTP, http_proxy=proxy, paced=paced, endless=endless, single=single)

    def _input(self, pinned: Pinned, plan: Plan | None) -> Input:
        scheme = Scheme(pinned.target.scheme)
        return build.from_url(
            literal_url(pinned),
            scheme,
            tls_name=pinned.target.host if scheme is Scheme.RTMPS else "",
            rtmp_tc_url="" if scheme is Scheme.SRT else _tc_url(self._spec.url),
            paced=plan is not None and plan.finite,
            single=plan is not None and plan.single,
        )

    async def _probe(self, source: _Source) -> Plan:
        argv = command(self._kit.ffmpeg, source.inputs(None), [build.to_stream_list()], log_level="info")
        try:
            async with asyncio.timeout(self._kit.probe_timeout_s), running(argv, LIMITS, stdout=True) as child:
                header = await _read_header(child)
                if not header:
                    await child.wait()
                    raise child.failure()
                return choose(parse_stream_list(header), parse_duration_s(child.stderr.text))
        except TimeoutError:
            raise SourceTimedOut from None

    async def _read(self, source: _Source, plan: Plan) -> None:
        argv = command(self._kit.ffmpeg, source.inputs(plan), [build.to_flv_pipe(plan.maps, plan.codecs)])
        reader, demuxer = FlvReader(), FlvDemuxer()
        async with running(argv, LIMITS, stdout=True) as child:
            while data := await self._next_bytes(child):
                for tag in reader.feed(data):
                    for item in demuxer.push(tag):
                        self._take(item, plan)
            if await child.wait() != 0:
                raise child.failure()

    async def _next_bytes(self, child: Child) -> bytes:
        try:
            async with asyncio.timeout(self._kit.silence_s):
                return await child.stdout.read(READ_BYTES)
        except TimeoutError:
            raise SourceTimedOut from None

    def _take(self, item: Track | Unit | Metadata | Unsupported, plan: Plan) -> None:
        if isinstance(item, Unsupported):
            raise UnsupportedCodec(codec=item.codec)
        if isinstance(item, Unit) and self.status.state is not PullState.RUNNING:
            self._plan = plan
            self._show(replace(self.status, state=PullState.RUNNING, error=None, since_s=time.time(), plan=plan))
        self._on_item(item)

    def _delay_s(self, error: AppError) -> float:
        kit = self._kit
        exponent = min(self._failures - 1, 16)
        ceiling = min(kit.backoff_max_s, kit.backoff_min_s * 2**exponent) if _transient(error) else kit.backoff_max_s
        return ceiling * random.uniform(0.5, 1.0)

    def _show(self, status: PullStatus) -> None:
        self.status = status
        self._on_status(status)


_PATTERN_PLAN = Plan(None, None, ("0:v", "1:a"), (*build.encode_h264(), *build.encode_aac()))
_CLIP_PLAN = Plan(None, None, ("0:v", "0:a"), ("-c", "copy"))


async def ensure_clip(kit: PullKit) -> Path:
    """The bundled clip: made once with ffmpeg, kept in the work folder.

    Raises:
        ToolError: ffmpeg could not make it.
    """
    path = kit.work_dir / f"clip-{CLIP_S:g}s-1.mp4"
    async with kit.clip_lock:
        if not path.exists():
            await asyncio.to_thread(kit.work_dir.mkdir, parents=True, exist_ok=True)
            fresh = path.with_suffix(".part")
            codecs = ["-map", "0:v", "-map", "1:a", *build.encode_h264(kbps=1500), *build.encode_aac()]
            inputs = [build.clip_picture(), build.clip_sound()]
            argv = command(kit.ffmpeg, inputs, [build.to_file(fresh, codecs, length_s=CLIP_S)])
            await run(argv, Limits(file_bytes=64 << 20), timeout_s=120)
            fresh.replace(path)
    return path


def literal_url(pinned: Pinned) -> str:
    """The URL with the first judged address in place of the name, so that nothing is resolved a second time."""
    address = pinned.addresses[0]
    host = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    return with_host(pinned.target.url, host, pinned.target.port)


def with_host(url: str, host: str, port: int, scheme: str = "") -> str:
    """`url` with another host and port (and scheme); user, path and query stay."""
    parts = urlsplit(url)
    userinfo, at, _ = parts.netloc.rpartition("@")
    netloc = f"{userinfo}{at}{host}:{port}"
    return urlunsplit((scheme or parts.scheme.lower(), netloc, parts.path, parts.query, parts.fragment))


def _tc_url(url: str) -> str:
    """`scheme://host[:port]/app` of an RTMP URL: what the server takes its virtual host from."""
    parts = urlsplit(url)
    app = parts.path.strip("/").partition("/")[0]
    return urlunsplit((parts.scheme.lower(), parts.netloc.rpartition("@")[2], f"/{app}", "", ""))


def _transient(error: AppError) -> bool:
    if isinstance(error, ToolError):
        return error.transient
    return not isinstance(error, UrlRefused | AddressRefused)


async def _read_header(child: Child) -> list[str]:
    """The `#` lines that framecrc writes before the first packet."""
    lines: list[str] = []
    while line := await child.stdout.readline():
        if not line.startswith(b"#"):
            return lines
        lines.append(line.decode("ascii", "replace"))
        if len(lines) > 1000:
            raise NoTracks
    return lines
