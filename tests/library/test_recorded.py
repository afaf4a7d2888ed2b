"""What becomes of the video while its recording runs and when it ends, on the three databases."""

from typing import Any

import pytest
from sqlalchemy import select
from tests.recordings.test_reports import a_source, applied, sheet

from onetake.infra.db import Database
from onetake.infra.jobs.models import Job
from onetake.library import repository
from onetake.library.handlers import finish_recording, show_recording
from onetake.library.models import Shelf, Video
from onetake.library.schemas import VideoUpdate
from onetake.library.service import growing
from onetake.library.service import videos as service
from onetake.recordings.events import RecordingFinished, RecordingStarted
from onetake.recordings.models import RecordTask


async def shown(database: Database, **fields: Any) -> tuple[RecordTask, str]:
    """A task that has begun and its video; the task and the recording's id."""
    source = await a_source(database)
    report = sheet(source, **fields)
    task = await applied(database, report)
    async with database.write() as session:
        await show_recording(session, RecordingStarted(task.id))
    return task, report.id


async def video_of(database: Database, task: RecordTask) -> Video:
    async with database.read() as session:
        video = await repository.get_by_task(session, task.id)
    assert video is not None
    return video


async def end(database: Database, task: RecordTask, asset_id: str, **fields: Any) -> None:
    source = await a_source(database)
    done = sheet(source, **({"id": asset_id, "state": "finished", "ended_ms": 1_795_000_061_000} | fields))
    await applied(database, done)
    async with database.write() as session:
        await finish_recording(session, RecordingFinished(task.id))


async def test_final_figures_are_not_overwritten_by_those_of_a_moment_ago(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, asset_id = await shown(database, duration_s=50.0, size_bytes=500)
    await applied(database, sheet(await a_source(database), id=asset_id, duration_s=104.0, size_bytes=1040))
    read = repository.by_tasks

    async def ends_in_between(*args: Any) -> list[Video]:
        found = await read(*args)
        await end(database, task, asset_id, duration_s=109.0, size_bytes=1090)
        return found

    monkeypatch.setattr(repository, "by_tasks", ends_in_between)
    assert await growing.follow_growing(database) == 1
    video = await video_of(database, task)
    assert (video.is_live, video.duration, video.file_size) == (False, 109, 1090)


async def test_a_recording_that_came_to_nothing_leaves_no_video(database: Database) -> None:
    task, asset_id = await shown(database, duration_s=0.0, size_bytes=0)
    await end(database, task, asset_id, duration_s=0.0, size_bytes=0)
    video = await video_of(database, task)
    assert (video.shelf, video.is_live) == (Shelf.TRASH, False)
    async with database.read() as session:
        jobs = list(await session.scalars(select(Job.args).where(Job.kind == "library.remove")))
    assert jobs == [f'{{"video_id": {video.id}}}']


async def test_a_title_that_grows_when_folded_is_stored_and_found(database: Database) -> None:
    long = "\ufdfa" * 128  # NFKC makes 18 letters of each
    task, _ = await shown(database)
    async with database.write() as session:
        video = await repository.get_by_task(session, task.id)
        assert video is not None
        changed = await service.update_video(session, video.id, VideoUpdate(title=long))
    assert changed.title == long
    assert len(changed.title_folded) <= 255
