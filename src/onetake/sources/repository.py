"""All SQL of live sources."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.kit.paging import PageRequest, SortKey
from onetake.sources.models import LiveSource

MAX_LISTED = 1000
SORTS = {"id": LiveSource.id, "name": LiveSource.name, "created_at": LiveSource.created_at}


@dataclass(frozen=True, slots=True)
class SourceFilter:
    """What a list shows; None means any."""

    q: str | None = None
    protocol: str | None = None
    is_active: bool | None = None


async def find(
    session: AsyncSession, wanted: SourceFilter, order: Sequence[SortKey], page: PageRequest
) -> tuple[list[LiveSource], int]:
    """One page of sources and the number of all that match."""
    matching = _matching(wanted)
    total = await session.scalar(select(func.count()).select_from(matching.subquery())) or 0
    keys = [SORTS[key.name].desc() if key.descending else SORTS[key.name].asc() for key in order]
    rows = await session.scalars(matching.order_by(*keys, LiveSource.id).limit(page.per_page).offset(page.offset))
    return list(rows), total


async def get(session: AsyncSession, source_id: int) -> LiveSource | None:
    """One source."""
    return await session.get(LiveSource, source_id)


async def by_stream(session: AsyncSession, stream_name: str) -> LiveSource | None:
    """The source behind a stream name."""
    found: LiveSource | None = await session.scalar(select(LiveSource).where(LiveSource.stream_name == stream_name))
    return found


async def every(session: AsyncSession) -> list[LiveSource]:
    """All sources: what the desired state is made of."""
    return list(await session.scalars(select(LiveSource).order_by(LiveSource.id)))


async def active_by_name(session: AsyncSession, visibilities: Sequence[str] | None) -> list[LiveSource]:
    """Active sources that everybody of a kind may see (None: all), by name; at most `MAX_LISTED`."""
    statement = select(LiveSource).where(LiveSource.is_active.is_(True))
    if visibilities is not None:
        statement = statement.where(LiveSource.visibility.in_(visibilities))
    return list(await session.scalars(statement.order_by(LiveSource.name, LiveSource.id).limit(MAX_LISTED)))


async def narrowed_since(session: AsyncSession, moment: datetime) -> list[tuple[str, int]]:
    """Stream name and present generation of the sources that fewer people may watch since `moment`."""
    statement = select(LiveSource.stream_name, LiveSource.grant_generation).where(LiveSource.narrowed_at >= moment)
    return [(name, generation) for name, generation in await session.execute(statement)]


async def add(session: AsyncSession, source: LiveSource) -> LiveSource:
    """Insert a source."""
    session.add(source)
    await session.flush()
    return source


async def remove(session: AsyncSession, source: LiveSource) -> None:
    """Drop a source; its schedules go with it, its recordings stay without a source."""
    await session.delete(source)
    await session.flush()


def _matching(wanted: SourceFilter) -> Select[LiveSource]:
    statement = select(LiveSource)
    if wanted.q:
        escaped = wanted.q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        statement = statement.where(func.lower(LiveSource.name).like(f"%{escaped.lower()}%", escape="\\"))
    if wanted.protocol is not None:
        statement = statement.where(LiveSource.protocol == wanted.protocol)
    if wanted.is_active is not None:
        statement = statement.where(LiveSource.is_active.is_(wanted.is_active))
    return statement
