"""Keeps one `Puller` per stream that is wanted to be pulled, and lets it publish into the hub. Loop only."""

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from onetake.engine.egress_proxy import EgressProxy
from onetake.engine.hooks import HookClient
from onetake.engine.options import MediaOptions
from onetake.engine.pull import Item, Puller, PullKit, PullSpec, PullState, PullStatus
from onetake.engine.state import StateStore, StreamConfig
from onetake.engine.streams import APP, Ingest, Publisher, Refused, StreamHub
from onetake.kit.errors import AppError
from onetake.kit.ids import random_hex
from onetake.kit.ssrf import Allow

log = logging.getLogger(__name__)


class PullFeed:
    """One pulled stream: each run of its puller is a publisher of its own."""

    def __init__(self, name: str, hub: StreamHub) -> None:
        self._name = name
        self._hub = hub
        self._ingest: Ingest | None = None
        self._entering: asyncio.Task[None] | None = None
        self._early: list[Item] = []
        self._running = False

    def item(self, item: Item) -> None:
        """A track, unit or metadata from the source."""
        self._running = True
        if self._ingest is not None:
            self._ingest.take(item)
            return
        self._early.append(item)
        if self._entering is None:
            self._entering = asyncio.get_running_loop().create_task(self._enter())

    def status(self, status: PullStatus) -> None:
        """The puller's state changed: outside `running` the publisher is gone."""
        if status.state is not PullState.RUNNING and self._running:
            self._leave(status.error.code if status.error else "stopped")

    async def _enter(self) -> None:
        client = HookClient(random_hex(32), "", APP, self._name)
        try:
            publisher = Publisher(client, "", "pull", self._displaced, "pull", loopback=True)
            ingest = await self._hub.publish(publisher)
        except Refused as refused:
            log.warning("pull %s: %s", self._name, refused.reason)
        else:
            self._ingest = ingest
            early, self._early = self._early, []
            for item in early:
                ingest.take(item)
        finally:
            self._entering = None
            self._early.clear()

    def _displaced(self, reason: str) -> None:
        """Somebody publishes under the same name: the pull keeps silent until its next run."""
        log.info("pull %s: %s", self._name, reason)

    def _leave(self, reason: str) -> None:
        self._running = False
        ingest, self._ingest = self._ingest, None
        if self._entering is not None:
            self._entering.cancel()
        if ingest is not None:
            ingest.lost(reason)


class Pulls:
    """Follows the desired state: starts, restarts and stops pullers."""

    def __init__(self, options: MediaOptions, store: StateStore, hub: StreamHub) -> None:
        allow = Allow.parse(options.allow_private)
        self._proxy = EgressProxy(allow)
        self._kit = PullKit(
            options.ffmpeg or imageio_ffmpeg.get_ffmpeg_exe(), self._proxy, Path(options.data_dir, "tmp"), allow
        )
        self._hub = hub
        self._store = store
        self._pullers: dict[str, Puller] = {}
        self._invalid: dict[str, AppError] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin with what is wanted now, then follow changes."""
        await self._proxy.start()
        for config in self._store.state.streams.values():
            self._changed(None, config)
        self._store.on_change(self._changed)

    async def close(self) -> None:
        """Stop every child."""
        await asyncio.gather(*(puller.stop() for puller in self._pullers.values()), *self._stopping)
        await self._proxy.close()

    def status(self, name: str) -> dict[str, Any] | None:
        """State and last error of a pull for the console; None when the stream is not pulled."""
        if name in self._invalid:
            error = self._invalid[name]
            return {"state": PullState.FAILED.value} | _told(error)
        puller = self._pullers.get(name)
        if puller is None:
            return None
        status = puller.status
        error_fields = _told(status.error) if status.error else {}
        shown = {"state": status.state.value, "source": status.source, "attempts": status.attempts}
        return shown | {"since_s": status.since_s, "next_try_s": status.next_try_s} | error_fields

    def _changed(self, old: StreamConfig | None, new: StreamConfig | None) -> None:
        before = old.pull if old and old.enabled else None
        after = new.pull if new and new.enabled else None
        if before == after:
            return
        name = (new or old or StreamConfig("")).name
        puller = self._pullers.pop(name, None)
        self._invalid.pop(name, None)
        if puller is not None:
            task = asyncio.get_running_loop().create_task(puller.stop())
            self._stopping.add(task)
            task.add_done_callback(partial(self._stopping.discard))
        if after is not None:
            self._begin(name, after)

    def _begin(self, name: str, raw: Any) -> None:
        try:
            spec = PullSpec.parse(raw)
        except AppError as error:
            self._invalid[name] = error
            return
        feed = PullFeed(name, self._hub)
        puller = self._pullers[name] = Puller(spec, self._kit, feed.item, feed.status)
        puller.start()


def _told(error: AppError) -> dict[str, Any]:
    """An error for the console, which knows the sentences of all codes in its reader's language."""
    params = {name: value for name, value in error.params.items() if isinstance(value, str | int | float)}
    return {"error": error.code, "detail": error.detail("en"), "params": params}
