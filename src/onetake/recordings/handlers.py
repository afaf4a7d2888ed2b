"""What recordings have to say in the affairs of sources."""

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.recordings import repository
from onetake.sources.errors import SourceBusy
from onetake.sources.models import LiveSource
from onetake.sources.service import BEFORE_DELETION


async def refuse_while_recording(session: AsyncSession, source: LiveSource, trash_recordings: bool) -> int:
    """A source that is being recorded cannot be deleted; raises SourceBusy."""
    if await repository.open_task(session, source.id) is not None:
        raise SourceBusy
    return 0


BEFORE_DELETION.append(refuse_while_recording)
