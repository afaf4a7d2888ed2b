"""Which folders the rows of videos name, for the doctor, and which need no backup."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.stored_files import names_files
from onetake.library import repository
from onetake.library.service.compatible import FOLDER
from onetake.media.recording.paths import asset_folder

_SHEET, _WINDOW = "recording.json", b'"time_shift"'


@names_files("library")
async def folders_of_videos(session: AsyncSession) -> AsyncIterator[str]:
    """The folder of every video, in the trash or not."""
    async for asset_id in repository.asset_ids(session):
        yield f"{asset_folder(Path(), uuid.UUID(asset_id)).as_posix()}/"


def is_made_again(folder: Path) -> bool:
    """Whether a folder below `media` holds what needs no backup: a compatible MP4, or a rolling time-shift window."""
    if folder.name == FOLDER:
        return True
    try:
        return _WINDOW in (folder / _SHEET).read_bytes()
    except OSError:
        return False
