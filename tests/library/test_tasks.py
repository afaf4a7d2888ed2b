"""Background work of the library through the real runner, on real recordings, beside a real file process."""

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select, update
from tests.engine.recorded import record
from tests.library.conftest import Library

from onetake.infra.audit import AuditEntry
from onetake.infra.backup import backing_up
from onetake.infra.jobs import enqueue
from onetake.infra.jobs.models import Job
from onetake.kit.clock import utc_now
from onetake.kit.errors import NotFound
from onetake.kit.paging import PageRequest, SortKey
from onetake.library import tasks
from onetake.library.models import Shelf, Video
from onetake.library.repository import VideoFilter
from onetake.library.service import retention, videos
from onetake.library.service.videos import enqueue_removal
from onetake.sources import service as sources
from onetake.sources.models import Protocol
from onetake.sources.schemas import SourceCreate

TRASH, NEWEST = VideoFilter(shelves=(Shelf.TRASH,)), SortKey("created_at", descending=True)


class TestStills:
    async def test_of_a_finished_recording(self, library: Library) -> None:
        recorded = record(library.data_dir)
        video = await library.add(recorded)
        library.start()
        assert await library.run("library.stills", video) == {"poster": "poster.jpg"}
        row = await library.row(video)
        assert row is not None
        assert (row.thumbnail, row.storyboard) == ("poster.jpg", "storyboard.vtt")
        assert (row.width, row.height) == (320, 180)
        assert [codec[:5] for codec in row.codecs.split(",")] == ["avc1.", "mp4a."]
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

    async def test_during_a_backup_it_waits(self, library: Library) -> None:
        recorded = record(library.data_dir)
        video = await library.add(recorded, deleted_at=utc_now())
        library.start()
        with backing_up(library.data_dir):
            assert "a backup is being made" in await library.run("library.remove", video, "scheduled")
            assert recorded.video.exists()
        async with library.db.write() as session:
            await session.execute(update(Job).values(run_at=0))
        await library.bench.eventually(lambda: gone(library, video))

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

    async def test_a_protected_one_stays(self, library: Library) -> None:
        recorded = record(library.data_dir)
        video = await library.add(recorded, deleted_at=utc_now(), is_protected=True)
        library.start()
        assert "protected" in (await library.run("library.remove", video))["skipped"]
        assert recorded.video.exists()

    async def test_one_that_a_job_works_on_waits(self, library: Library) -> None:
        recorded = record(library.data_dir)
        video = await library.add(recorded, deleted_at=utc_now())
        async with library.db.write() as session:
            await enqueue(session, "library.compatible", {"video_id": video.id}, delay_s=3600)
        library.start()
        assert "a job works on it" in await library.run("library.remove", video, "scheduled")
        assert recorded.video.exists()

    async def test_what_is_being_removed_cannot_be_restored(self, library: Library) -> None:
        video = await library.add(deleted_at=utc_now())
        async with library.db.write() as session:
            taken = await videos.take_away(session, video.id, lambda it: False)
            assert taken is not None
        async with library.db.write() as session:
            with pytest.raises(NotFound):
                await videos.restore_video(session, video.id)
            assert await videos.list_videos(session, TRASH, NEWEST, PageRequest()) == ([], 0)

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

    async def test_what_is_being_watched_is_left_alone(self, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
        fill_disk(monkeypatch, used=95)
        async with library.db.write() as session:
            body = SourceCreate(name="x", protocol=Protocol.PUSH, retention_days=30)
            source = (await sources.create_source(session, body)).source
        old = utc_now() - timedelta(days=31)
        watched = await library.add(record(library.data_dir), source_id=source.id, created_at=old, file_size=50)
        await library.watch(watched)
        library.start(disk_expire_oldest=True)
        assert await library.run("library.low_disk") == {"expired": 0, "removed": 0}
        assert await library.run("library.retention") == {"expired": 0, "removed": 0}
        monkeypatch.setattr(retention, "IN_USE_S", 0)  # a minute later
        assert await library.run("library.retention") == {"expired": 1, "removed": 0}

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


def fill_disk(monkeypatch: pytest.MonkeyPatch, used: int) -> list[object]:
    """A disk of 200 bytes of which a quota gives us 100; the list grows with every look at it."""
    looks: list[object] = []

    def usage(folder: object) -> SimpleNamespace:
        looks.append(folder)
        return SimpleNamespace(total=200, used=used, free=100 - used)

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
