"""A live server inside the test's own loop, and what a test asks it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from onetake.engine.live import LiveServer
from onetake.engine.options import Limits, MediaOptions, RecordingOptions
from onetake.engine.sessions import PushState
from onetake.media.recording import video_files

SMALL_DISK = RecordingOptions(floor_bytes=1 << 20, floor_ratio=0.0, stop_bytes=1 << 19)


def options(data_dir: Path, **changes: Any) -> MediaOptions:
    """A stand-alone server on free ports with a short grace window."""
    limits = Limits(grace_s=5.0)
    base = MediaOptions(data_dir, rtmp_port=0, http_port=0, files_port=0, standalone=True, limits=limits)
    return replace(replace(base, recording=SMALL_DISK), **changes)


class Live:
    """A running server and its addresses."""

    def __init__(self, server: LiveServer, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.http = http

    def rtmp(self, stream: str, query: str = "") -> str:
        """Where to publish or play by RTMP."""
        return f"rtmp://127.0.0.1:{self.server.rtmp_port}/live/{stream}{query}"

    def url(self, path: str) -> str:
        """An address on the live HTTP port."""
        return f"http://127.0.0.1:{self.server.http_port}{path}"

    async def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Status and body of a GET."""
        async with self.http.get(self.url(path), headers=headers) as answer:
            return answer.status, await answer.read()

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of a control call."""
        async with self.http.request(method, self.url(path), json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def state(self, stream: str, wanted: PushState, timeout_s: float = 15) -> None:
        """Wait until a stream is in a state."""
        await until(lambda: self.server.hub.state(stream) is wanted, timeout_s)

    async def part(self, stream: str, count: int = 1, timeout_s: float = 15) -> None:
        """Wait until the ring of a stream has at least `count` parts."""

        def there() -> bool:
            life = self.server.hub.life(stream)
            return life is not None and sum(len(segment.parts) for segment in life.ring.segments) >= count

        await until(there, timeout_s)

    async def segment(self, stream: str, msn: int, timeout_s: float = 20) -> None:
        """Wait until a stream has come to segment `msn`."""

        def there() -> bool:
            life = self.server.hub.life(stream)
            return life is not None and bool(life.ring.segments) and life.ring.segments[-1].msn >= msn

        await until(there, timeout_s)

    async def recorded(self, stream: str, timeout_s: float = 15) -> list[Path]:
        """Wait until the newest recording of a stream is finished; its files."""

        def finished() -> bool:
            sheets = self.server.recordings.sheets(stream)
            return bool(sheets) and sheets[0].state == "finished"

        await until(finished, timeout_s)
        return self.files(self.server.recordings.sheets(stream)[0].id)

    def files(self, recording: str) -> list[Path]:
        """The MP4 files of a recording."""
        folder = next(self.server.options.media_dir.glob(f"*/*/{recording}"))
        return video_files(folder / "source")


async def until(condition: Callable[[], bool], timeout_s: float = 15) -> None:
    """Wait for a condition that other processes bring about."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (what is awaited happens in another process)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def live(data_dir: Path, **changes: Any) -> AsyncIterator[Live]:
    """A live server for the length of the block."""
    async with LiveServer(options(data_dir, **changes)) as server, aiohttp.ClientSession() as http:
        yield Live(server, http)
