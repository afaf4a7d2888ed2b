"""Videos with their files beside a real runner and a real file process, for the tests of the library's jobs."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.engine.recorded import Recorded
from tests.infra.jobs.conftest import Bench

from onetake.engine.http_files import FileServer, running
from onetake.engine.options import MediaOptions
from onetake.infra.db import Database
from onetake.infra.jobs.registry import REGISTRY
from onetake.infra.mediaserver import control_secret, token_keyring, token_secret
from onetake.kit.clock import utc_now
from onetake.kit.ids import uuid7
from onetake.library import repository
from onetake.library.models import Video
from onetake.library.search import fold
from onetake.library.service.playback import Signer
from onetake.library.service.videos import shelf_of


class Library:
    """Videos with their files, a worker, and the file process that serves them."""

    def __init__(self, bench: Bench, files_port: int) -> None:
        bench.registry = REGISTRY
        self.bench = bench
        self.db = bench.db
        self.data_dir = bench.data_dir
        self.files_port = files_port

    def start(self, **fields: Any) -> None:
        """Let a worker begin."""
        self.bench.start(files_port=self.files_port, **fields)

    async def add(self, recorded: Recorded | None = None, **fields: Any) -> Video:
        """The row of a video; `recorded` are its files."""
        now = utc_now()
        values: dict[str, Any] = {
            "asset_id": str(recorded.id if recorded else uuid7()),
            "title": "第一讲",
            "title_folded": fold("第一讲"),
            "source_type": "recorded",
            "file_path": "media/x",
            "visibility": "public",
            "duration": 5,
            "file_size": 1000,
            "created_at": now,
            "updated_at": now,
        }
        video = Video(**(values | fields))
        video.shelf = shelf_of(video)
        async with self.db.write() as session:
            return await repository.add(session, video)

    async def row(self, video: Video) -> Video | None:
        """The row as it is now."""
        async with self.db.read() as session:
            return await repository.get(session, video.id)

    async def run(self, kind: str, video: Video | None = None, state: str = "done") -> Any:
        """Run a job to the given state; its result, or why it waits."""
        number = await self.bench.add(kind, {"video_id": video.id} if video else {})
        detail = await self.bench.until(number, state, "failed")
        assert detail.job.state == state, detail.job.error
        return detail.result if state == "done" else detail.job.error

    async def watch(self, video: Video) -> None:
        """Read some bytes of it through the file process, as a player does."""
        play = Signer(token_keyring(self.data_dir)).play(video, None, None, 0)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.files_port}") as http:
            assert (await http.get(play.mp4_url, headers={"Range": "bytes=0-99"})).status_code == 206


@pytest.fixture
async def library(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Library]:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    options = MediaOptions(
        data_dir, files_port=0, control_secret=control_secret(data_dir), token_secret=token_secret(data_dir)
    )
    bench = Bench(sqlite_database, data_dir)
    async with running(options, FileServer(options)) as port:
        yield Library(bench, port)
        await bench.stop()
