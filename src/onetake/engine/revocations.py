"""Keeps the file process's revocations equal to ours: the control plane talks to the live port only. Loop only."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import aiohttp

from onetake.engine.access import Gate

log = logging.getLogger(__name__)

EVERY_S = 3.0
TIMEOUT_S = 2.0


class RevocationRelay:
    """Pushes what changed at once, and compares every few seconds (the file process may have restarted)."""

    def __init__(self, gate: Gate, files_url: str, secret: str) -> None:
        self._gate = gate
        self._url = files_url
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Revocations have changed: tell the file process now."""
        self._changed.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep both sides equal for as long as the block runs."""
        task = asyncio.create_task(self._run(), name="revocations")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, headers=self._headers) as http:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), EVERY_S)
                self._changed.clear()
                try:
                    await self._compare(http)
                except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
                    log.debug("the file process was not told of revocations: %s", type(error).__name__)

    async def _compare(self, http: aiohttp.ClientSession) -> None:
        async with http.get(f"{self._url}/control/revoked") as answer:
            answer.raise_for_status()
            theirs = {(item["what"], item["value"]) for item in (await answer.json())["revoked"]}
        ours = set(self._gate.revocations())
        for what, value in ours - theirs:
            await self._tell(http, what, value, restore=False)
        for what, value in theirs - ours:
            await self._tell(http, what, value, restore=True)

    async def _tell(self, http: aiohttp.ClientSession, what: str, value: str, *, restore: bool) -> None:
        body = {"what": what, "value": value, "restore": restore}
        async with http.post(f"{self._url}/control/revoke", json=body) as answer:
            answer.raise_for_status()
