"""`GET /live/<name>/poster.jpg`: what a stream shows now, made of the newest keyframe in its ring. Loop only.

A still is made when somebody asks for it: in a child with limits, as all decoding, with no disk between. However many
ask, and for however many streams, there is one child at a time and together they take about a tenth of a core: the
more streams are looked at, the longer a still is good. What nobody looks at any more is forgotten.
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
from onetake.kit.signing import Method
from onetake.media.ffmpeg.errors import ToolError
from onetake.media.fmp4 import Part
from onetake.media.stills import make_still
from onetake.media.units import Kind

log = logging.getLogger(__name__)

FRESH_S = 10
"""A still is given out for at least so long."""
WANTED_S = 60.0
"""Asked for within so long: it is kept, and renewed. So a first look after a while gets no picture of another time."""
PATIENCE_S = 2.0
"""How long the first one is waited for: browsers open few connections to one server, and a player may need them."""
SHARE = 0.1
"""Of a core, for all stills together."""
MAX_MEDIA_BYTES = 32 << 20


@dataclass(slots=True, eq=False)
class _Still:
    """The last picture of one session; `jpeg` is None when there was none to be had. The media itself is not held."""

    session_id: str
    jpeg: bytes | None = None
    msn: int = -1
    asked_s: float = 0.0
    tried_s: float = -math.inf
    made_s: float = -math.inf
    took_s: float = 0.0
    making: asyncio.Task[None] | None = None


class LivePosters:
    """The stills of all streams of the process. `make` turns an init with a part into a JPEG or raises `ToolError`."""

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
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Semaphore(1)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The picture. It makes nobody a viewer and wakes no stream that rests."""
        grant = admit(request, self._hub, self._players, (Method.PLAY, Method.LOOK))
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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _present(self, life: Life) -> bytes | None:
        """The still as it is; the first one is waited for."""
        self._forget()
        still = self._still(life)
        still.asked_s = self._now_s()
        if still.making is None and still.asked_s - still.tried_s >= self._good_for_s():
            still.making = self._begin(still, life)
        if still.making is not None and still.jpeg is None:
            await asyncio.wait([still.making], timeout=PATIENCE_S)
        return still.jpeg

    def _still(self, life: Life) -> _Still:
        """The one of this session; what is being made of the session before is given up."""
        still = self._stills.get(life.name)
        if still is None or still.session_id != life.session_id:
            if still is not None and still.making is not None:
                still.making.cancel()
            still = self._stills[life.name] = _Still(life.session_id)
        return still

    def _forget(self) -> None:
        """Let go of what nobody has asked for lately."""
        since_s = self._now_s() - WANTED_S
        self._stills = {name: still for name, still in self._stills.items() if still.asked_s > since_s}

    def _good_for_s(self) -> float:
        return max(FRESH_S, sum(still.took_s for still in self._stills.values()) / SHARE)

    def _begin(self, still: _Still, life: Life) -> asyncio.Task[None]:
        task = asyncio.create_task(self._renew(still, life.name, life.ring), name=f"still of {life.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _renew(self, still: _Still, name: str, ring: Ring) -> None:
        try:
            with contextlib.suppress(Gone):
                await ring.wait(lambda: ring.newest_keyframe() is not None, PATIENCE_S)
            async with self._one_at_a_time:
                await self._take(still, name, ring.newest_keyframe())
        except Exception:
            log.exception("stream %s: no still", name)
        finally:
            still.tried_s, still.making = self._now_s(), None

    async def _take(self, still: _Still, name: str, part: Part | None) -> None:
        """Have a new picture made if there is a newer keyframe."""
        if part is None or part.msn == still.msn:
            return
        if not _has_picture(part):
            still.msn, still.jpeg = -1, None
            return
        began_s = self._now_s()
        try:
            still.jpeg = await self._make(part.run.init + part.data)
            still.msn, still.made_s = part.msn, self._now_s()
        except ToolError as error:
            log.info("stream %s: no still: %s", name, error.code)
            if self._now_s() - still.made_s > WANTED_S:
                still.jpeg = None
        still.took_s = self._now_s() - began_s


def _has_picture(part: Part) -> bool:
    return part.size_bytes <= MAX_MEDIA_BYTES and any(track.kind is Kind.VIDEO for track in part.run.tracks)
