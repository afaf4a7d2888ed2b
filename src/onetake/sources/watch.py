"""Keeps the media server's desired state equal to the table of sources, and the pages told of what streams do.

Runs in the API process: pushed at every change, compared every few seconds, so that a restart of either side heals by
itself (DESIGN §3).
"""

import asyncio
import logging
import time
from typing import Any

from onetake.infra.db import Database, DatabaseBusy, DatabaseUnavailable
from onetake.infra.mediaserver import MediaServer, MediaServerRefused, MediaServerUnavailable
from onetake.infra.pubsub import PubSub
from onetake.sources import service

TOPIC = "sources"
COMPARE_S = 5.0
FRESH_S = 1.0
LOOK_S = 1.0
TROUBLE = (MediaServerUnavailable, MediaServerRefused, DatabaseBusy, DatabaseUnavailable)
_logger = logging.getLogger(__name__)


class SourceWatch:
    """`poke()` after a committed change; `run()` until cancelled."""

    def __init__(self, db: Database, media: MediaServer, pubsub: PubSub) -> None:
        self._db = db
        self._media = media
        self._pubsub = pubsub
        self._changed = asyncio.Event()
        self._told: dict[str, Any] = {}
        self._seen: dict[str, Any] = {}
        self._seen_s = 0.0
        self._looking = asyncio.Lock()
        self.reachable = True

    def poke(self) -> None:
        """The table of sources has changed: push it now."""
        self._changed.set()

    async def streams(self) -> dict[str, Any]:
        """The media server's streams by name, at most a second old; none when it does not answer.

        However many viewers ask, the media server is asked once.
        """
        async with self._looking:
            if time.monotonic() - self._seen_s > FRESH_S:
                self._seen = await self._ask()
                self._seen_s = time.monotonic()
            return self._seen

    async def run(self) -> None:
        """Compare, push, tell; for ever."""
        next_compare_s = 0.0
        while True:
            try:
                if self._changed.is_set() or time.monotonic() >= next_compare_s:
                    self._changed.clear()
                    await self.reconcile()
                    next_compare_s = time.monotonic() + COMPARE_S
                await self._tell()
                self._note_reachable(True)
            except TROUBLE as error:
                self._note_reachable(not isinstance(error, MediaServerUnavailable))
            except Exception:
                _logger.exception("watching the sources failed")
            await self._pause()

    async def reconcile(self) -> bool:
        """Push the desired state if the media server's differs; whether it did."""
        async with self._db.read() as session:
            wanted = await service.desired_streams(session)
        if _same(wanted, (await self._media.get_state())["streams"]):
            return False
        await self._media.put_state(int(time.time() * 1000), wanted)
        return True

    async def _tell(self) -> None:
        """Publish the streams that changed since the last look."""
        if not self._pubsub.has_subscribers(TOPIC):
            self._told = {}
            return
        present = _by_name(await self._media.streams())
        for name, stream in present.items():
            if self._told.get(name) != stream:
                await self._pubsub.publish(TOPIC, "changed", {"stream_name": name})
        self._told = present

    async def _ask(self) -> dict[str, Any]:
        try:
            return _by_name(await self._media.streams())
        except (MediaServerUnavailable, MediaServerRefused):
            return {}

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _note_reachable(self, reachable: bool) -> None:
        if reachable != self.reachable:
            _logger.log(logging.INFO if reachable else logging.WARNING, "media server %s", _WORDS[reachable])
        self.reachable = reachable


_WORDS = {True: "answers again", False: "does not answer"}


def _by_name(answer: dict[str, Any]) -> dict[str, Any]:
    return {stream["name"]: stream for stream in answer["streams"]}


def _same(wanted: list[dict[str, Any]], held: list[dict[str, Any]]) -> bool:
    """Whether every wanted field has its value there and no stream is too many."""
    by_name = {stream["name"]: stream for stream in held}
    if by_name.keys() != {stream["name"] for stream in wanted}:
        return False
    return all(by_name[stream["name"]].get(key) == value for stream in wanted for key, value in stream.items())
