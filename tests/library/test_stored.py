"""The doctor learns from videos and recording tasks which folders belong to somebody."""

from pathlib import Path

from onetake.infra import stored_files
from onetake.infra.db import Database
from onetake.kit.clock import utc_now
from onetake.kit.ids import uuid7
from onetake.library.models import Shelf, Video
from onetake.library.service.stored import folders_of_videos
from onetake.media.recording.paths import asset_folder
from onetake.recordings.models import RecordTask
from onetake.recordings.service.stored import folders_of_tasks


def video(asset_id: str) -> Video:
    now = utc_now()
    return Video(
        asset_id=asset_id,
        title="A",
        title_folded="a",
        source_type="uploaded",
        file_path="",
        visibility="public",
        shelf=Shelf.PUBLIC,
        created_at=now,
        updated_at=now,
    )


def task(asset_id: str | None) -> RecordTask:
    now = utc_now()
    fields = {"source_name": "s", "status": "recording", "trigger": "manual", "title": "t"}
    return RecordTask(**fields, asset_id=asset_id, created_at=now, updated_at=now)


async def test_rows_name_the_folders_of_their_assets(database: Database) -> None:
    ids = [uuid7(), uuid7()]
    async with database.write() as session:
        session.add_all([video(str(ids[0])), task(str(ids[1])), task(None)])
    async with database.read() as session:
        videos = [name async for name in folders_of_videos(session)]
        tasks = [name async for name in folders_of_tasks(session)]
    assert videos == [f"{asset_folder(Path(), ids[0]).as_posix()}/"]
    assert tasks == [f"{asset_folder(Path(), ids[1]).as_posix()}/"]


async def test_doctor_sees_lost_and_stray_folders(sqlite_database: Database, tmp_path: Path) -> None:
    kept, lost, running, stray = (uuid7() for _ in range(4))
    async with sqlite_database.write() as session:
        session.add_all([video(str(kept)), video(str(lost)), task(str(running))])
    for asset in (kept, running, stray):
        folder = asset_folder(tmp_path, asset) / "source"
        folder.mkdir(parents=True)
        (folder / "video-000.mp4").write_bytes(b"x")
    found = await stored_files.compare(sqlite_database, tmp_path)
    assert [name for name in found.missing if str(lost) in name]
    assert found.missing_count == 1
    assert [str(stray) in name for name in found.strays] == [True]
