"""Keeps one `Puller` per stream that is wanted to be pulled, and lets it publish into the hub. Loop only.

A stream with `on_demand` is pulled only while somebody watches or records it: the first one who asks waits for media.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from onetake.engine.egress_proxy import EgressProxy
from onetake.engine.hooks import HookClient
from onetake.engine.options import MediaOptions
from onetake.engine.pull import Item, Puller, PullKit, PullSpec, PullState, PullStatus
from onetake.engine.state import RecordMode, StateStore, StreamConfig
from onetake.engine.streams import APP, PULL, Ingest, Publisher, Refused, StreamHub
from onetake.kit.errors import AppError
from onetake.kit.ids import random_hex
from onetake.kit.ssrf import Allow
from onetake.media.pull_errors import PullEnded, StreamTaken

log = logging.getLogger(__name__)

IDLE_S = 30.0
"""A stream on demand is pulled for this long after the last one who wanted it."""
PROBED_FOR_S = 30.0
"""So long a look at an idle source is good for."""
PROBE_PATIENCE_S = 6.0
PROBES_AT_ONCE = 4


class PullFeed:
    """One pulled stream: each run of its puller is a publisher of its own.

    `settled` is set once it is known whether media comes: it has come, or an attempt has failed.
    """

    def __init__(self, name: str, hub: StreamHub) -> None:
        self.settled = asyncio.Event()
        self._name = name
        self._hub = hub
        self._ingest: Ingest | None = None
        self._entering: asyncio.Task[None] | None = None
        self._early: list[Item] = []
        self._refusal: AppError | None = None

    def item(self, item: Item) -> None:
        """A track, unit or metadata from the source. Raises the `AppError` for which this run has no use any more."""
        if self._refusal is not None:
            raise self._refusal
        if self._ingest is not None:
            self._ingest.take(item)
            return
        self._early.append(item)
        if self._entering is None:
            self._entering = asyncio.get_running_loop().create_task(self._enter())

    def status(self, status: PullStatus) -> None:
        """The puller's state changed: outside `running` the publisher is gone."""
        if status.state is PullState.RUNNING:
            return
        if status.error is not None:
            self.settled.set()
        self.leave(status.error.code if status.error else "stopped")

    def leave(self, reason: str) -> None:
        """The run is over."""
        ingest, self._ingest = self._ingest, None
        entering, self._entering = self._entering, None
        self._refusal, self._early = None, []
        if entering is not None:
            entering.cancel()
        if ingest is not None:
            ingest.lost(reason)

    def close(self) -> None:
        """No run may follow."""
        self.leave("stopped")
        self._refusal = PullEnded()

    async def _enter(self) -> None:
        client = HookClient(random_hex(32), "", APP, self._name)
        publisher = Publisher(client, "", PULL, self._put_out, PULL, loopback=True)
        try:
            ingest = self._ingest = await self._hub.publish(publisher)
        except Refused as refused:
            self._put_out(refused.reason)
        else:
            early, self._early = self._early, []
            for item in early:
                ingest.take(item)
        finally:
            self.settled.set()

    def _put_out(self, reason: str) -> None:
        """Somebody else publishes under this name, or the session was ended: the run ends with the next item."""
        log.info("pull %s: %s", self._name, reason)
        self._refusal = StreamTaken() if reason == "displaced" else PullEnded()


@dataclass(eq=False, slots=True)
class _Pull:
    """What is pulled under one name. `wanted_s`: when somebody last wanted it (monotonic), for one on demand."""

    spec: PullSpec
    on_demand: bool
    puller: Puller
    feed: PullFeed
    active: bool = False
    wanted_s: float = 0.0
    probe: asyncio.Task[dict[str, Any]] | None = None
    probed_s: float = 0.0


class Pulls:
    """Follows the desired state: starts, restarts and stops pullers.

    `is_wanted` tells whether a stream is being watched or recorded. Call `tick` every few seconds.
    """

    def __init__(
        self, options: MediaOptions, store: StateStore, hub: StreamHub, is_wanted: Callable[[str], bool]
    ) -> None:
        allow = Allow.parse(options.allow_private)
        self.idle_s = IDLE_S
        self._proxy = EgressProxy(allow)
        self._kit = PullKit(
            options.ffmpeg or imageio_ffmpeg.get_ffmpeg_exe(), self._proxy, Path(options.data_dir, "tmp"), allow
        )
        self._hub = hub
        self._store = store
        self._is_wanted = is_wanted
        self._pulls: dict[str, _Pull] = {}
        self._invalid: dict[str, AppError] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._probes = asyncio.Semaphore(PROBES_AT_ONCE)

    async def start(self) -> None:
        """Begin with what is wanted now, then follow changes."""
        await self._proxy.start()
        for config in self._store.state.streams.values():
            self._changed(None, config)
        self._store.on_change(self._changed)

    async def close(self) -> None:
        """Stop every child."""
        await asyncio.gather(*(_end(pull) for pull in self._pulls.values()), *self._stopping)
        await self._proxy.close()

    async def bring(self, name: str, patience_s: float) -> None:
        """Somebody asks for `name`: an idle stream on demand is pulled, and waited for until it is known whether
        media comes, `patience_s` at most."""
        pull = self._pulls.get(name)
        if pull is None or not pull.on_demand:
            return
        self._want(pull)
        try:
            async with asyncio.timeout(patience_s):
                await pull.feed.settled.wait()
        except TimeoutError:
            log.info("pull %s: no media within %g s", name, patience_s)

    async def probe(self, name: str) -> dict[str, Any]:
        """What an idle source on demand would give: `{tracks}`, or `{error, detail, params}` when it cannot be had.

        Empty when the stream is no such source, or when it is not known within a few seconds: ask again then.
        """
        pull = self._pulls.get(name)
        if pull is None or not pull.on_demand or pull.active:
            return {}
        if pull.probe is None or (pull.probe.done() and self._hub.now_s() - pull.probed_s >= PROBED_FOR_S):
            pull.probe = asyncio.create_task(self._look_at(pull), name=f"probe {pull.spec.shown}")
        done, _ = await asyncio.wait({pull.probe}, timeout=PROBE_PATIENCE_S)
        return {} if not done or pull.probe.cancelled() else pull.probe.result()

    def tick(self) -> None:
        """Go on with what is wanted, stop what nobody has wanted for a while."""
        for name, pull in list(self._pulls.items()):
            if not pull.on_demand:
                continue
            if self._is_wanted(name):
                self._want(pull)
            elif pull.active and self._hub.now_s() - pull.wanted_s >= self.idle_s:
                self._rest(name, pull)

    def status(self, name: str) -> dict[str, Any] | None:
        """State and last error of a pull for the console; None when the stream is not pulled."""
        if name in self._invalid:
            error = self._invalid[name]
            return {"state": PullState.FAILED.value} | _told(error)
        pull = self._pulls.get(name)
        if pull is None:
            return None
        status = pull.puller.status
        error_fields = _told(status.error) if status.error else {}
        shown = {"state": status.state.value, "source": status.source, "attempts": status.attempts}
        return shown | {"since_s": status.since_s, "next_try_s": status.next_try_s} | error_fields

    def _changed(self, old: StreamConfig | None, new: StreamConfig | None) -> None:
        if _wish(old) == _wish(new):
            return
        name = (new or old or StreamConfig("")).name
        pull = self._pulls.pop(name, None)
        self._invalid.pop(name, None)
        if pull is not None:
            self._stop(pull)
        if new is not None and _wish(new) is not None:
            self._begin(new)

    def _begin(self, config: StreamConfig) -> None:
        try:
            spec = PullSpec.parse(config.pull or {})
        except AppError as error:
            self._invalid[config.name] = error
            return
        pull = self._pulls[config.name] = self._idle(config.name, spec, on_demand=_on_demand(config))
        if not pull.on_demand or self._is_wanted(config.name):
            self._want(pull)

    def _idle(self, name: str, spec: PullSpec, *, on_demand: bool) -> _Pull:
        feed = PullFeed(name, self._hub)
        return _Pull(spec, on_demand, Puller(spec, self._kit, feed.item, feed.status), feed)

    def _want(self, pull: _Pull) -> None:
        pull.wanted_s = self._hub.now_s()
        pull.active = True
        pull.puller.start()

    def _rest(self, name: str, pull: _Pull) -> None:
        """Nobody watches: the session ends at once instead of waiting for a publisher that will not come."""
        log.info("pull %s: nobody wants it", name)
        self._hub.end(name, "idle")
        self._stop(pull)
        self._pulls[name] = self._idle(name, pull.spec, on_demand=True)

    async def _look_at(self, pull: _Pull) -> dict[str, Any]:
        try:
            async with self._probes:
                plan = await pull.puller.probe()
            return {"tracks": [asdict(track) for track in (plan.video, plan.audio) if track is not None]}
        except AppError as error:
            return _told(error)
        finally:
            pull.probed_s = self._hub.now_s()

    def _stop(self, pull: _Pull) -> None:
        pull.feed.close()
        task = asyncio.get_running_loop().create_task(_end(pull))
        self._stopping.add(task)
        task.add_done_callback(partial(self._stopping.discard))


async def _end(pull: _Pull) -> None:
    if pull.probe is not None:
        pull.probe.cancel()
        await asyncio.wait({pull.probe})
    await pull.puller.stop()


def _wish(config: StreamConfig | None) -> tuple[object, bool] | None:
    """What about pulling has to be the same for a pull to go on undisturbed; None when nothing is pulled."""
    if config is None or not config.enabled or config.pull is None:
        return None
    return config.pull, _on_demand(config)


def _on_demand(config: StreamConfig) -> bool:
    """Pulled only while it is wanted; one that is recorded whenever it is live is always wanted."""
    pull = config.pull or {}
    return pull.get("on_demand") is True and config.record is not RecordMode.AUTO


def _told(error: AppError) -> dict[str, Any]:
    """An error for the console, which knows the sentences of all codes in its reader's language."""
    return {"error": error.code, "detail": error.detail("en"), "params": error.plain_params()}
