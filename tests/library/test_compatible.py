"""Compatible MP4s from asking for them to their removal: real runner, real ffmpeg, real file process."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update
from tests.engine.recorded import Recorded, record
from tests.library.conftest import Library
from tests.library.test_videos import add
from tests.media.fmp4 import clips

from onetake.infra.db import Database
from onetake.infra.jobs.models import Job
from onetake.infra.mediaserver import token_keyring
from onetake.kit.clock import utc_now
from onetake.library import tasks
from onetake.library.errors import VideoInTrash, VideoIsLive
from onetake.library.models import CompatibleCopy, Shelf, Video
from onetake.library.schemas import CopyState
from onetake.library.service import compatible, retention
from onetake.library.service.compatible import Copy
from onetake.library.service.playback import Signer
from onetake.media.units import Kind


async def ask(database: Database, data_dir: Path, video: Video) -> None:
    async with database.write() as session:
        await compatible.ask_for(session, data_dir, video.id)


async def look(library: Library, video: Video) -> Copy:
    async with library.db.read() as session:
        return await compatible.look(session, library.data_dir, video)


async def until(library: Library, video: Video, state: CopyState) -> Copy:
    async def is_so() -> bool:
        return (await look(library, video)).state is state

    await library.bench.eventually(is_so)
    return await look(library, video)


async def make(library: Library, video: Video) -> Copy:
    """Ask for it and wait until it is there."""
    await ask(library.db, library.data_dir, video)
    return await until(library, video, CopyState.READY)


async def age(library: Library, by: timedelta) -> None:
    """Let all copies be older."""
    async with library.db.write() as session:
        for copy in await session.scalars(select(CompatibleCopy)):
            copy.requested_at -= by
            if copy.made_at is not None:
                copy.made_at -= by


async def jobs(database: Database) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count()).where(Job.kind == "library.compatible")) or 0


def made_of(recorded: Recorded) -> Path:
    return recorded.folder / "compatible" / "video-000.mp4"


def payloads(path: Path, kind: str) -> Sequence[bytes]:
    return [data for _, _, data in clips.read_packets(path)[kind]]


async def test_several_files_become_one_that_is_downloaded_under_the_title(library: Library) -> None:
    recorded = record(library.data_dir, "bframes", rotate_s=1)
    video = await library.add(recorded, title="第一讲 A/B")
    library.start()
    assert (await look(library, video)).state is CopyState.NONE
    ready = await make(library, video)
    for kind in Kind:
        sent = [unit.payload for unit in clips.clip("bframes").of(kind)]
        assert payloads(made_of(recorded), kind) == sent
    data = made_of(recorded).read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert ready.file_size == len(data)
    assert ready.ready_until is not None
    assert timedelta(hours=23) < ready.ready_until - utc_now() <= timedelta(hours=24)
    url = Signer(token_keyring(library.data_dir)).copy_url(video, None)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{library.files_port}") as http:
        answer = await http.get(url)
    assert answer.content == data
    assert answer.headers["content-disposition"].startswith('attachment; filename="___ AB.mp4"')


async def test_it_is_not_made_twice(library: Library) -> None:
    recorded = record(library.data_dir)
    video = await library.add(recorded)
    for _ in range(2):
        await ask(library.db, library.data_dir, video)
        assert (await look(library, video)).state is CopyState.QUEUED
    library.start()
    await until(library, video, CopyState.READY)
    inode = made_of(recorded).stat().st_ino
    await ask(library.db, library.data_dir, video)
    assert (await look(library, video)).state is CopyState.READY
    assert (await jobs(library.db), made_of(recorded).stat().st_ino) == (1, inode)


async def test_of_many_who_ask_at_once_one_makes_a_job(database: Database, tmp_path: Path) -> None:
    video = await add(database)
    await asyncio.gather(*(ask(database, tmp_path, video) for _ in range(8)))
    assert await jobs(database) == 1
    async with database.read() as session:
        assert (await compatible.look(session, tmp_path, video)).state is CopyState.QUEUED


async def test_after_a_day_it_is_removed_and_can_be_made_again(library: Library) -> None:
    recorded = record(library.data_dir)
    video = await library.add(recorded)
    library.start()
    await make(library, video)
    await age(library, compatible.KEEP - timedelta(minutes=5))
    assert await library.run("library.tidy_downloads") == {"removed": 0}
    await age(library, timedelta(minutes=10))
    assert (await look(library, video)).state is CopyState.NONE
    assert made_of(recorded).exists()
    assert await library.run("library.tidy_downloads") == {"removed": 1}
    assert not made_of(recorded).parent.exists()
    assert recorded.video.exists()
    await make(library, video)
    assert await library.run("library.tidy_downloads") == {"removed": 0}


async def test_what_is_being_read_is_removed_later(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = record(library.data_dir)
    video = await library.add(recorded)
    library.start()
    await make(library, video)
    await age(library, compatible.KEEP + timedelta(minutes=1))
    url = Signer(token_keyring(library.data_dir)).copy_url(video, None)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{library.files_port}") as http:
        assert (await http.get(url, headers={"Range": "bytes=0-9"})).status_code == 206
    assert await library.run("library.tidy_downloads") == {"removed": 0}
    assert made_of(recorded).exists()
    monkeypatch.setattr(retention, "IN_USE_S", 0)  # a minute later
    assert await library.run("library.tidy_downloads") == {"removed": 1}


async def test_one_that_was_asked_for_again_is_not_taken_away(library: Library) -> None:
    recorded = record(library.data_dir)
    video = await library.add(recorded)
    library.start()
    await make(library, video)
    await age(library, compatible.KEEP + timedelta(minutes=1))
    await make(library, video)
    assert await library.run("library.tidy_downloads") == {"removed": 0}
    assert made_of(recorded).exists()


async def test_a_lost_file_is_noticed_and_made_again(library: Library) -> None:
    """As after a restore: copies are not in a backup."""
    recorded = record(library.data_dir)
    video = await library.add(recorded)
    library.start()
    await make(library, video)
    made_of(recorded).unlink()
    assert (await look(library, video)).state is CopyState.NONE
    await make(library, video)


class TestFailures:
    async def fails(self, library: Library, video: Video, **settings: Any) -> Copy:
        library.start(**settings)
        await ask(library.db, library.data_dir, video)
        return await until(library, video, CopyState.FAILED)

    async def test_nothing_was_recorded(self, library: Library) -> None:
        failed = await self.fails(library, await library.add())
        assert (failed.error_code, failed.error) == ("copy_nothing", "Nothing was recorded in this video.")

    async def test_a_damaged_file(self, library: Library) -> None:
        recorded = record(library.data_dir)
        recorded.video.write_bytes(b"garbage" * 100)
        assert (await self.fails(library, await library.add(recorded))).error_code == "copy_damaged"

    async def test_no_room(self, library: Library) -> None:
        video = await library.add(record(library.data_dir), file_size=1 << 60)
        assert (await self.fails(library, video)).error_code == "copy_no_room"

    async def test_ffmpeg_says_why_once(self, library: Library) -> None:
        failed = await self.fails(library, await library.add(record(library.data_dir)), ffmpeg_path="/bin/false")
        assert failed.error_code == "copy_failed"
        assert failed.error == "false ended with code 1"
        async with library.db.read() as session:
            assert await session.scalar(select(Job.attempts)) == 1

    async def test_it_can_be_tried_again_and_the_failure_is_forgotten_after_a_day(self, library: Library) -> None:
        recorded = record(library.data_dir)
        video = await library.add(recorded, file_size=1 << 60)
        await self.fails(library, video)
        await age(library, compatible.KEEP + timedelta(minutes=1))
        await library.run("library.tidy_downloads")
        assert (await look(library, video)).state is CopyState.NONE
        async with library.db.write() as session:
            await session.execute(update(Video).values(file_size=1000))
        await make(library, video)

    async def test_one_that_was_thrown_away_meanwhile_leaves_no_file(
        self, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recorded = record(library.data_dir)
        video = await library.add(recorded)
        run_ffmpeg = tasks._run_ffmpeg

        async def throw_away_then_run(*arguments: Any) -> None:
            async with library.db.write() as session:
                await session.execute(update(Video).values(deleted_at=utc_now(), shelf=Shelf.TRASH))
            await run_ffmpeg(*arguments)

        monkeypatch.setattr(tasks, "_run_ffmpeg", throw_away_then_run)
        failed = await self.fails(library, video)
        assert failed.error == "the video was thrown away meanwhile"
        assert not made_of(recorded).exists()

    @pytest.mark.parametrize(
        ("fields", "error"), [({"is_live": True}, VideoIsLive), ({"deleted_at": utc_now()}, VideoInTrash)]
    )
    async def test_not_of_every_video(
        self, sqlite_database: Database, tmp_path: Path, fields: dict[str, Any], error: type[Exception]
    ) -> None:
        video = await add(sqlite_database, **fields)
        with pytest.raises(error):
            await ask(sqlite_database, tmp_path, video)
        assert await jobs(sqlite_database) == 0
