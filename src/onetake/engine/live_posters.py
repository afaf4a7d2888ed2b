"""`GET /live/<name>/poster.jpg`: what a stream shows now, made of the newest keyframe in its ring. Loop only.

A still is made when somebody asks for it: in a child with limits, as all decoding, with no disk between. However many
ask, and for however many streams, there is one child at a time and together they take about a tenth of a core: the
more streams are looked at, the longer a still is good.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from onetake.engine.errors import PictureNotFound, StreamOffline
from onetake.engine.pipeline import Life
from onetake.engine.players import Players
from onetake.engine.ring import Gone, Ring
from onetake.engine.streams import StreamHub
from onetake.engine.web import admit, find_life
from onetake.media.ffmpeg.errors import ToolError
from onetake.media.stills import make_still
from onetake.media.units import Kind

log = logging.getLogger(__name__)

FRESH_S = 10
"""A still is given out for at least so long."""
OLD_S = 60.0
"""One of so long ago is of another time: a newer one is waited for."""
PATIENCE_S = 2.0
"""How long: browsers open few connections to one server, and a player may need them."""
SHARE = 0.1
"""Of a core, for all stills together."""
MAX_MEDIA_BYTES = 32 << 20


@dataclass(slots=True, eq=False)
class _Still:
    """The last picture of one session; `jpeg` is None when there was none to be had."""

    life: Life
    jpeg: bytes | None = None
    msn: int = -1
    tried_s: float = -math.inf
    making: asyncio.Task[None] | None = None


class LivePosters:
    """The stills of all streams of the process.

    `make` turns an init with a part into a JPEG or raises `ToolError`; `took_s` is how long that took the last time.
    """

    def __init__(
        self,
        hub: StreamHub,
        players: Players,
        make: Callable[[bytes], Awaitable[bytes]] = make_still,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = hub
        self._players = players
        self._make = make
        self._now_s = now_s
        self._stills: dict[str, _Still] = {}
        self._one_at_a_time = asyncio.Semaphore(1)
        self.took_s = 0.0

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The picture. It makes nobody a viewer and wakes no stream that rests."""
        grant = admit(request, self._hub, self._players)
        life = find_life(self._hub, request.match_info["name"])
        if life.ring.closed:
            raise StreamOffline
        jpeg = await self._present(life)
        if jpeg is None:
            raise PictureNotFound
        scope = "private" if grant else "public"
        headers = {"Content-Type": "image/jpeg", "Cache-Control": f"{scope}, max-age={FRESH_S}"}
        return web.Response(body=jpeg, headers=headers)

    async def close(self) -> None:
        """Stop what is being made."""
        making = [still.making for still in self._stills.values() if still.making is not None]
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)

    async def _present(self, life: Life) -> bytes | None:
        """The still as it is; only one that is old, or not there yet, is waited for."""
        still = self._still(life)
        age_s, good_for_s = self._now_s() - still.tried_s, self._good_for_s()
        if age_s >= good_for_s and still.making is None:
            still.making = asyncio.create_task(self._renew(still), name=f"still of {life.name}")
        if still.making is not None and age_s >= max(OLD_S, good_for_s):
            await asyncio.wait([still.making], timeout=PATIENCE_S)
        return still.jpeg

    def _still(self, life: Life) -> _Still:
        """The one of this session; those of streams that are gone are forgotten."""
        still = self._stills.get(life.name)
        if still is None or still.life is not life:
            self._stills = {name: kept for name, kept in self._stills.items() if self._hub.life(name) is kept.life}
            still = self._stills[life.name] = _Still(life)
        return still

    def _good_for_s(self) -> float:
        return max(FRESH_S, self.took_s * len(self._stills) / SHARE)

    async def _renew(self, still: _Still) -> None:
        ring = still.life.ring
        try:
            with contextlib.suppress(Gone):
                await ring.wait(lambda: ring.newest_keyframe() is not None, PATIENCE_S)
            async with self._one_at_a_time:
                await self._take(still)
        except Exception:
            log.exception("stream %s: no still", still.life.name)
        finally:
            still.tried_s, still.making = self._now_s(), None

    async def _take(self, still: _Still) -> None:
        """Have a new picture made if there is a newer keyframe."""
        found = _newest(still.life.ring)
        if found is None or found[0] == still.msn:
            return
        began_s = self._now_s()
        try:
            still.msn, still.jpeg = found[0], await self._make(found[1])
        except ToolError as error:
            log.info("stream %s: no still: %s", still.life.name, error.code)
            still.jpeg = None
        self.took_s = self._now_s() - began_s


def _newest(ring: Ring) -> tuple[int, bytes] | None:
    """Number of its segment, and init and part of the newest keyframe; None for a stream without pictures."""
    part = ring.newest_keyframe()
    if part is None or all(track.kind is not Kind.VIDEO for track in part.run.tracks):
        return None
    media = part.run.init + part.data
    return (part.msn, media) if len(media) <= MAX_MEDIA_BYTES else None
