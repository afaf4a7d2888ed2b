"""Media and discontinuity sequence numbers that never go back, not even over a crash (a player would wait for ever).

Numbers are reserved on disk in blocks before they are used; after a restart the next session starts behind the block.
Blocks are large enough that the disk is written every quarter of an hour at most. Loop only; writing is in a thread.
"""

import asyncio
import json
import logging
from pathlib import Path
from typing import NamedTuple

from onetake.engine.state import NAME, write_atomically

log = logging.getLogger(__name__)

BLOCK = 1000
MAX_NAMES = 20_000


class Start(NamedTuple):
    """Where a new session counts on from."""

    msn: int
    discontinuity: int


class SequenceBook:
    """The next free numbers of each stream."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reserved: dict[str, Start] = {}
        self._next: dict[str, Start] = {}
        self._saving: asyncio.Task[None] | None = None
        self._dirty = False

    def load(self) -> None:
        """Read the reservations at start-up; without the file numbering starts at 0."""
        try:
            raw = json.loads(self._path.read_bytes())
            self._reserved = {name: Start(*map(int, numbers)) for name, numbers in raw.items() if NAME.match(name)}
        except FileNotFoundError:
            return
        except (ValueError, TypeError, AttributeError) as error:
            log.error("media sequence numbers unreadable, numbering starts anew: %s", error)
        self._next = dict(self._reserved)

    def start(self, name: str) -> Start:
        """Where a new session of `name` starts counting; its first segment is discontinuous to what was before."""
        before = self._next.get(name)
        first = Start(before.msn, before.discontinuity + 1) if before else Start(0, 0)
        self.reached(name, first.msn - 1, first.discontinuity)
        return first

    def reached(self, name: str, msn: int, discontinuity: int) -> None:
        """These numbers are in use now."""
        self._next[name] = Start(msn + 1, discontinuity)
        reserved = self._reserved.get(name)
        if reserved is None or msn + BLOCK // 2 >= reserved.msn or discontinuity > reserved.discontinuity:
            self._reserve(name, Start(msn + BLOCK, discontinuity))

    async def flush(self) -> None:
        """Wait until everything is on disk."""
        while self._saving is not None:
            await asyncio.shield(self._saving)

    def _reserve(self, name: str, until: Start) -> None:
        self._reserved.pop(name, None)
        self._reserved[name] = until
        while len(self._reserved) > MAX_NAMES:
            oldest = next(iter(self._reserved))
            del self._reserved[oldest]
            self._next.pop(oldest, None)
        self._dirty = True
        if self._saving is None:
            self._saving = asyncio.get_running_loop().create_task(self._save())

    async def _save(self) -> None:
        try:
            while self._dirty:
                self._dirty = False
                data = json.dumps(self._reserved).encode()
                await asyncio.to_thread(write_atomically, self._path, data)
        except OSError as error:
            log.error("media sequence numbers cannot be saved: %s", error)
        finally:
            self._saving = None
