"""Background work of the library through the real runner, on real recordings, beside a real file process."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update
from tests.engine.recorded import Recorded, record
from tests.infra.jobs.conftest import Bench
from tests.media.fmp4 import clips

from onetake.engine.http_files import FileServer, running
from onetake.engine.options import MediaOptions
from onetake.infra.audit import AuditEntry
from onetake.infra.db import Database
from onetake.infra.jobs.models import Job
from onetake.infra.jobs.registry import REGISTRY
from onetake.infra.mediaserver import control_secret, token_keyring, token_secret
from onetake.kit.clock import utc_now
from onetake.kit.ids import uuid7
from onetake.library import repository, tasks
from onetake.library.models import Shelf, Video
from onetake.library.search import fold
from onetake.library.service import retention
from onetake.library.service.playback import Signer
from onetake.library.service.videos import COMPATIBLE_FOLDER, enqueue_compatible, enqueue_removal, shelf_of
from onetake.sources import service as sources
from onetake.sources.models import Protocol
from onetake.sources.schemas import SourceCreate


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


class TestStills:
    async def test_of_a_finished_recording(self, library: Library) -> None:
        recorded = record(library.data_dir)
        video = await library.add(recorded)
        library.start()
        assert await library.run("library.stills", video) == {"poster": "poster.jpg"}
        row = await library.row(video)
        assert row is not None
        assert (row.thumbnail, row.storyboard) == ("poster.jpg", "storyboard.vtt")
        assert (recorded.folder / "poster.jpg").read_bytes().startswith(b"\xff\xd8")
        assert (recorded.folder / "storyboard.vtt").read_text().startswith("WEBVTT")

    async def test_of_one_that_is_being_recorded_early_and_without_a_storyboard(self, library: Library) -> None:
        recorded = record(library.data_dir, upto=4, finish=False)
        video = await library.add(recorded, is_live=True, duration=4)
        library.start()
        await library.run("library.stills", video)
        row = await library.row(video)
        assert row is not None
        assert (row.thumbnail, row.storyboard) == ("poster.jpg", None)
        recorded.finish()

    async def test_a_recording_that_has_only_begun_waits(self, library: Library) -> None:
        video = await library.add(is_live=True, duration=1)
        library.start()
        assert "only begun" in await library.run("library.stills", video, "scheduled")

    async def test_without_files_there_is_nothing_to_show(self, library: Library) -> None:
        video = await library.add()
        library.start()
        assert await library.run("library.stills", video) == {"skipped": "nothing was recorded"}


class TestRemoval:
    async def test_files_first_then_the_row(self, library: Library) -> None:
        recorded = record(library.data_dir)
        video = await library.add(recorded, deleted_at=utc_now())
        library.start()
        assert await library.run("library.remove", video) == {"bytes": 1000}
        assert not recorded.folder.exists()
        assert await library.row(video) is None

    async def test_one_that_is_being_watched_waits(self, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
        recorded = record(library.data_dir)
        video = await library.add(recorded, deleted_at=utc_now())
        await library.watch(video)
        library.start()
        assert "being watched" in await library.run("library.remove", video, "scheduled")
        assert recorded.video.exists()
        monkeypatch.setattr(retention, "IN_USE_S", 0)  # a minute later
        async with library.db.write() as session:
            await session.execute(update(Job).values(run_at=0))
        await library.bench.eventually(lambda: gone(library, video))
        assert not recorded.folder.exists()

    async def test_without_the_media_server_it_waits(self, library: Library) -> None:
        recorded = record(library.data_dir)
        video = await library.add(recorded, deleted_at=utc_now())
        library.files_port = 1
        library.start()
        assert "media_server_unavailable" in await library.run("library.remove", video, "scheduled")
        assert recorded.video.exists()

    async def test_a_restored_one_stays_and_can_be_removed_later(self, library: Library) -> None:
        recorded = record(library.data_dir)
        video = await library.add(recorded)
        library.start()
        await removal(library, video)
        await library.bench.eventually(lambda: all_done(library))
        assert recorded.video.exists()
        async with library.db.write() as session:
            await session.execute(update(Video).values(deleted_at=utc_now(), shelf=Shelf.TRASH))
        await removal(library, video)
        await library.bench.eventually(lambda: gone(library, video))

    async def test_a_link_in_place_of_the_folder_is_not_followed(self, library: Library, tmp_path: Path) -> None:
        recorded = record(library.data_dir)
        elsewhere = tmp_path / "elsewhere"
        recorded.folder.rename(elsewhere)
        recorded.folder.symlink_to(elsewhere)
        video = await library.add(recorded, deleted_at=utc_now())
        library.start()
        await library.run("library.remove", video)
        assert (elsewhere / "source" / "video-000.mp4").exists()


class TestRetention:
    async def test_what_is_too_old_goes_to_the_trash_and_a_week_later_for_good(self, library: Library) -> None:
        async with library.db.write() as session:
            body = SourceCreate(name="x", protocol=Protocol.PUSH, retention_days=30)
            source = (await sources.create_source(session, body)).source
        old = utc_now() - timedelta(days=31)
        expired = await library.add(source_id=source.id, created_at=old)
        kept = await library.add(source_id=source.id, created_at=old, is_protected=True)
        recorded = record(library.data_dir)
        trashed = await library.add(recorded, deleted_at=utc_now() - timedelta(days=8))
        library.start()
        assert await library.run("library.retention") == {"expired": 1, "removed": 1}
        await library.bench.eventually(lambda: gone(library, trashed))
        assert not recorded.folder.exists()
        shelves = [row.shelf for video in (expired, kept) if (row := await library.row(video))]
        assert shelves == [Shelf.TRASH, Shelf.PUBLIC]
        async with library.db.read() as session:
            acts = await session.scalar(select(func.count()).where(AuditEntry.action == "videos.expire"))
        assert acts == 1

    async def test_a_full_disk_empties_the_trash_then_takes_the_oldest(
        self, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill_disk(monkeypatch, used=95)
        trashed = await library.add(deleted_at=utc_now())
        oldest = await library.add(created_at=utc_now() - timedelta(days=9), file_size=50)
        newest = await library.add(file_size=50)
        library.start(disk_expire_oldest=True)
        assert await library.run("library.low_disk") == {"expired": 0, "removed": 1}
        await library.bench.eventually(lambda: gone(library, trashed))
        assert await library.run("library.low_disk") == {"expired": 1, "removed": 0}
        shelves = [row.shelf for video in (oldest, newest) if (row := await library.row(video))]
        assert shelves == [Shelf.TRASH, Shelf.PUBLIC]

    async def test_the_watch_asks_for_room_once_and_only_when_the_disk_is_nearly_full(
        self, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks = fill_disk(monkeypatch, used=50)
        monkeypatch.setattr(tasks, "DISK_LOOK_S", 0.01)
        watch = asyncio.create_task(tasks.watch_disk(library.db, library.bench.settings()))
        await library.bench.eventually(lambda: looked(looks, 3))
        assert await kinds(library) == []
        fill_disk(monkeypatch, used=95)
        await library.bench.eventually(lambda: any_job(library))
        again = fill_disk(monkeypatch, used=95)
        await library.bench.eventually(lambda: looked(again, 3))
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        assert await kinds(library) == ["library.low_disk"]


class TestCompatible:
    async def test_several_files_become_one_that_an_old_player_reads(self, library: Library) -> None:
        recorded = record(library.data_dir, rotate_s=2)
        assert len(list((recorded.folder / "source").glob("*.mp4"))) > 1
        video = await library.add(recorded)
        library.start()
        await library.run("library.compatible", video)
        made = recorded.folder / COMPATIBLE_FOLDER / "video-000.mp4"
        data = made.read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")
        assert abs(played_s(made) - 5) < 0.3
        await library.run("library.tidy_downloads")
        assert made.exists()
        yesterday = time.time() - tasks.COMPATIBLE_KEEP_S - 60
        os.utime(made.parent, (yesterday, yesterday))
        assert await library.run("library.tidy_downloads") == {"removed": 1}
        async with library.db.write() as session:
            await enqueue_compatible(session, video)  # asked for again
        await library.bench.eventually(lambda: exists(made))

    async def test_one_that_is_being_recorded_is_left_alone(self, library: Library) -> None:
        video = await library.add(is_live=True)
        library.start()
        assert "skipped" in await library.run("library.compatible", video)


def played_s(path: Path) -> float:
    """Length of what Debian's ffmpeg 5.1 decodes without a complaint."""
    if not clips.DEBIAN_FFMPEG.exists():
        clips.missing("Debian's ffmpeg is not installed")
    quiet = [str(clips.DEBIAN_FFMPEG), "-v", "error", "-progress", "-"]
    command = [*quiet, "-i", str(path), "-vsync", "passthrough", "-enc_time_base:v", "1:90000", "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    times = [line.partition("=")[2] for line in done.stdout.splitlines() if line.startswith("out_time_us=")]
    return int(times[-1]) / 1e6


def fill_disk(monkeypatch: pytest.MonkeyPatch, used: int) -> list[object]:
    """A disk of 100 bytes; the list grows with every look at it."""
    looks: list[object] = []

    def usage(folder: object) -> SimpleNamespace:
        looks.append(folder)
        return SimpleNamespace(total=100, used=used, free=100 - used)

    monkeypatch.setattr(tasks, "shutil", SimpleNamespace(disk_usage=usage, rmtree=shutil.rmtree))
    return looks


async def removal(library: Library, video: Video) -> None:
    async with library.db.write() as session:
        await enqueue_removal(session, video)


async def gone(library: Library, video: Video) -> bool:
    return await library.row(video) is None


async def kinds(library: Library) -> list[str]:
    async with library.db.read() as session:
        return list(await session.scalars(select(Job.kind)))


async def any_job(library: Library) -> bool:
    return bool(await kinds(library))


async def all_done(library: Library) -> bool:
    async with library.db.read() as session:
        return set(await session.scalars(select(Job.state))) == {"done"}


async def looked(looks: list[object], times: int) -> bool:
    return len(looks) >= times


async def exists(path: Path) -> bool:
    return await asyncio.to_thread(path.exists)
