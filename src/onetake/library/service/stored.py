"""Which folders the rows of videos name, for the doctor."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.stored_files import names_files
from onetake.library import repository
from onetake.media.recording.paths import asset_folder


@names_files("library")
async def folders_of_videos(session: AsyncSession) -> AsyncIterator[str]:
    """The folder of every video, in the trash or not."""
    async for asset_id in repository.asset_ids(session):
        yield f"{asset_folder(Path(), uuid.UUID(asset_id)).as_posix()}/"
