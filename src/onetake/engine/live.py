"""The live process put together: what is started, in which order, and how it ends."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from onetake.engine.access import Gate
from onetake.engine.control import Control
from onetake.engine.disk import Disk
from onetake.engine.hls_live import HlsLive
from onetake.engine.hooks import HookClient, HookOptions, Hooks, client_event
from onetake.engine.http_live import media_app
from onetake.engine.listener import listening
from onetake.engine.live_posters import LivePosters
from onetake.engine.metrics import MediaMetrics
from onetake.engine.options import MediaOptions
from onetake.engine.players import Players
from onetake.engine.pulls import Pulls
from onetake.engine.recordings import Recordings
from onetake.engine.registry import LiveRegistry
from onetake.engine.revocations import RevocationRelay
from onetake.engine.rtmp_server import RtmpServer
from onetake.engine.sequence import SequenceBook
from onetake.engine.sheets import Sheet, recover_recordings
from onetake.engine.srs_api import ControlGuard, SrsApi
from onetake.engine.standalone import add_page
from onetake.engine.state import StateStore
from onetake.engine.streams import APP, StreamHub
from onetake.engine.viewers import Viewers, ViewerSession
from onetake.kit.clock import AwakeClock
from onetake.kit.signing import Keyring

log = logging.getLogger(__name__)

TICK_S = 0.5
TICKS_PER_ACCOUNT = 6


class LiveServer:
    """RTMP and live HTTP of one node. `async with LiveServer(options) as server:` serves until the block ends."""

    def __init__(self, options: MediaOptions) -> None:
        self.options = options
        self.store = StateStore(options.state_path)
        self.disk = Disk(options.media_dir, options.data_dir, options.recording)
        self.sequence = SequenceBook(options.data_dir / "live-sequence.json")
        self.hooks = self._make_hooks()
        self.recordings = Recordings(options, self.disk, self._tell_recording)
        self._clock = AwakeClock(TICK_S)
        self.hub = StreamHub(options, self.store, self.recordings, self.sequence, self.hooks, self._clock)
        keyring = Keyring.from_secret(options.token_secret) if options.token_secret else None
        self.viewers = Viewers(on_join=self._tell_viewer("on_play"), on_leave=self._tell_viewer("on_stop"))
        self.players = Players(self.viewers, Gate(keyring), options.limits)
        self.relay = RevocationRelay(self.players.gate, _files_url(options), options.control_secret)
        self.pulls = Pulls(options, self.store, self.hub, self._is_wanted)
        self.hub.bring_with(self.pulls.bring)
        self.registry = LiveRegistry(self.hub, self.players, self.recordings, self.pulls, self.relay.changed)
        self.posters = LivePosters(self.hub, self.players)
        self.rtmp = RtmpServer(options, self.hub, self.players)
        self.http_port = options.http_port
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def rtmp_port(self) -> int:
        """The port of RTMP."""
        return self.rtmp.port

    # -- start and stop, in order --------------------------------------------------------------------------------

    async def _start(self) -> None:
        await asyncio.to_thread(self._load)
        if self.hooks is not None:
            await self._stack.enter_async_context(self.hooks)
        sheets, resumable = await asyncio.to_thread(recover_recordings, self.options, self._grace_s)
        self.recordings.adopt(sheets, resumable)
        self._stack.push_async_callback(self.sequence.flush)
        self._stack.push_async_callback(self._drain)
        options = self.options
        self._stack.push_async_callback(self.posters.close)
        served = listening(self._application(), options.bind, options.http_port, options.limits)
        self.http_port = await self._stack.enter_async_context(served)
        await self.rtmp.start()
        self._stack.push_async_callback(self.rtmp.close)
        await self.pulls.start()
        self._stack.push_async_callback(self.pulls.close)
        await self._stack.enter_async_context(self._ticking())
        await self._stack.enter_async_context(self.relay.running())

    def _load(self) -> None:
        self.options.data_dir.mkdir(parents=True, exist_ok=True)
        try:
            self.disk.prepare()
        except OSError as error:
            log.error("recordings cannot be written: %s", error)
        self.store.load()
        self.sequence.load()

    async def _drain(self) -> None:
        """No new media from here on: end sessions, finish files (F31)."""
        self.recordings.begin_stop()
        self.hub.close()
        await self.recordings.close()

    def _application(self) -> web.Application:
        options = self.options
        app = media_app(self.hub, self.players, HlsLive(options, self.hub, self.players), self.posters)
        guard = ControlGuard(options.control_secret, options.standalone)
        metrics = MediaMetrics(self.registry, self.viewers, self.hooks)
        control = Control(
            self.store, self.hub, self.recordings, self.registry, self.players, metrics, guard, self._ports, self.relay
        )
        control.add_to(app)
        SrsApi(self.registry, guard).add_to(app)
        if options.standalone:
            add_page(app, guard, lambda: options.files_port)
        return app

    def _ports(self) -> dict[str, int]:
        return {"rtmp_port": self.rtmp_port, "http_port": self.http_port, "files_port": self.options.files_port}

    # -- duties --------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _ticking(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._tick_forever(), name="live ticks")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _tick_forever(self) -> None:
        count = 0
        while True:
            await asyncio.sleep(TICK_S)
            count += 1
            try:
                self._tick(count)
            except Exception:
                log.exception("a periodic duty failed")

    def _tick(self, count: int) -> None:
        self._clock.tick()
        self.hub.tick()
        self.rtmp.sweep()
        if count % TICKS_PER_ACCOUNT == 0:
            self.recordings.tick()
            self.players.account()
            self.viewers.sweep()
            self.pulls.tick()

    def _grace_s(self, name: str) -> float:
        """How long a publisher of this stream may be away."""
        config = self.store.get(name)
        return self.options.limits.grace_s if config is None or config.grace_s is None else config.grace_s

    def _is_wanted(self, name: str) -> bool:
        """Whether a stream is watched, recorded, or was being recorded when this process ended."""
        return self.recordings.is_wanted(name) or self.viewers.online(f"stream:{APP}/{name}") > 0

    # -- events --------------------------------------------------------------------------------------------------

    def _make_hooks(self) -> Hooks | None:
        options = self.options
        if options.api_url is None:
            return None
        spool = options.spool_dir / "events"
        return Hooks(
            HookOptions(
                options.api_url,
                options.control_secret,
                spool,
                admission_s=options.limits.admission_s,
                admissions=options.limits.admissions,
            )
        )

    def _tell_recording(self, event: str, sheet: Sheet) -> None:
        """`on_record`: our own event, with everything the control plane keeps of a recording."""
        log.info("recording %s of %s: %s %s", sheet.id, sheet.name, event, sheet.reason)
        if self.hooks is not None:
            client = HookClient(sheet.session, "", APP, sheet.name)
            self.hooks.notify(client_event("on_record", client, event=event, recording=sheet.as_dict()))

    def _tell_viewer(self, action: str) -> Any:
        def tell(session: ViewerSession) -> None:
            if self.hooks is not None:
                name = session.scope.rpartition("/")[2]
                client = HookClient(session.client_id, session.ip, APP, name)
                extra = {"viewer": session.viewer, "protocol": session.protocol.value, "sent_bytes": session.sent_bytes}
                self.hooks.notify(client_event(action, client, **extra))

        return tell


def _files_url(options: MediaOptions) -> str:
    """Where this process finds the file process."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(options.bind, options.bind)
    return f"http://{host}:{options.files_port}"
