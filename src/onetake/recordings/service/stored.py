"""Which folders the rows of recording tasks name, for the doctor."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.stored_files import names_files
from onetake.media.recording.paths import asset_folder
from onetake.recordings import repository


@names_files("recordings", required=False)
async def folders_of_tasks(session: AsyncSession) -> AsyncIterator[str]:
    """The folder of every recording: a running one has no video yet, the video of an old one may be deleted."""
    async for asset_id in repository.asset_ids(session):
        yield f"{asset_folder(Path(), uuid.UUID(asset_id)).as_posix()}/"
