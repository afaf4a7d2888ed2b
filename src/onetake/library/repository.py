"""All SQL of the library. Lists stay fast at a million rows: each is a walk along one index per shelf."""

import operator
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    and_,
    delete,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from onetake.infra.db import upsert
from onetake.infra.db.rows import matched_rows
from onetake.kit.paging import PageRequest, SortKey
from onetake.library.models import CompatibleCopy, Shelf, Video, VideoGram, WatchProgress
from onetake.library.search import END, LAST, Query, like_pattern, title_grams
from onetake.sources.models import LiveSource, Visibility

COUNT_LIMIT = 10_000
"""Lists are counted, and paged through, this far; beyond it a total reads "10000+"."""
MAX_SOURCES = 1_000
RARE_GRAM = 20_000
"""How far the titles of a gram are counted: one with more is common."""
COMMON_RANGE = 100_000
"""The same for all grams that begin with one character; titles are looked through for a commoner one."""
ENOUGH_TITLES = 200
"""A gram with so few titles decides a search by itself."""
COUNTED_GRAMS = 12
USED_GRAMS = 3
EVERYTHING = 1_000_000_000
"""A limit that nothing reaches."""

SORTABLE = {
    "created_at": Video.created_at,
    "duration": Video.duration,
    "file_size": Video.file_size,
    "view_count": Video.view_count,
    "title": Video.title_folded,
}
ORDERED_WITH = {"created_at": ("created_at", "source_id", "source_type", "is_live"), "duration": ("duration",)}
"""Columns whose indexes give that order too."""


@dataclass(frozen=True, slots=True)
class VideoFilter:
    """What a list shows; None means any. Times are inclusive below and exclusive above."""

    shelves: tuple[Shelf, ...]
    query: Query = field(default_factory=Query)
    source_id: int | None = None
    source_type: str | None = None
    is_live: bool | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    min_duration_s: int | None = None
    max_duration_s: int | None = None


async def find(session: AsyncSession, wanted: VideoFilter, sort: SortKey, page: PageRequest) -> tuple[list[Video], int]:
    """One page of videos and the total, counted up to COUNT_LIMIT + 1.

    A list that ends below the limit is sorted as a whole, at no more cost than counting it. A longer one is so dense
    that a page is soon met on the index of its order.
    """
    if wanted.query.is_hopeless:
        return [], 0
    grams = await _grams(session, wanted.query)
    if any(gram.titles == 0 for gram in grams):
        return [], 0
    some = _matching(wanted, grams, SORTABLE[sort.name]).limit(COUNT_LIMIT + 1)
    ids, total = await (_counted_page if grams else _page_if_short)(session, some, sort, page)
    if total > COUNT_LIMIT:
        ids = list(await session.scalars(_page_on_index(wanted, sort, page))) if page.offset < COUNT_LIMIT else []
    return await by_ids(session, ids), total


class NamedSource(NamedTuple):
    """A source, as a filter offers it."""

    id: int
    name: str


async def sources_on(session: AsyncSession, shelves: Sequence[Shelf]) -> list[NamedSource]:
    """Sources that have a video on one of the shelves, by name: a look at one index per source, however many videos."""
    looks = [_has_video_on(shelf) for shelf in shelves]
    statement = select(LiveSource.id, LiveSource.name).where(or_(*looks)).order_by(LiveSource.name, LiveSource.id)
    return [NamedSource(*row) for row in await session.execute(statement.limit(MAX_SOURCES))]


def _has_video_on(shelf: Shelf) -> ColumnElement[bool]:
    """One look at the index. For EXISTS, PostgreSQL and MariaDB rather gather all videos once; LIMIT forbids it."""
    same = (Video.source_id == LiveSource.id, Video.shelf == shelf)
    return select(literal(1)).where(*same).limit(1).correlate(LiveSource).scalar_subquery().is_not(None)


async def by_ids(session: AsyncSession, ids: Sequence[int]) -> list[Video]:
    """The videos of `ids` in that order; missing ones are left out."""
    if not ids:
        return []
    found = {video.id: video for video in await session.scalars(select(Video).where(Video.id.in_(ids)))}
    return [found[video_id] for video_id in ids if video_id in found]


async def get(session: AsyncSession, video_id: int) -> Video | None:
    """One video, in the trash or not."""
    return await session.get(Video, video_id)


async def get_by_asset(session: AsyncSession, asset_id: str) -> Video | None:
    """The video of a media folder."""
    found: Video | None = await session.scalar(select(Video).where(Video.asset_id == asset_id))
    return found


async def asset_ids(session: AsyncSession) -> AsyncIterator[str]:
    """The asset of every video, streamed."""
    async for asset_id in await session.stream_scalars(select(Video.asset_id)):
        yield asset_id


async def get_by_task(session: AsyncSession, task_id: int) -> Video | None:
    """The video of a recording task."""
    found: Video | None = await session.scalar(select(Video).where(Video.task_id == task_id))
    return found


async def add(session: AsyncSession, video: Video) -> Video:
    """Insert a video with its grams."""
    session.add(video)
    await session.flush()
    await _insert_grams(session, video)
    return video


async def reindex(session: AsyncSession, video: Video) -> None:
    """Bring the grams of a video in line with its title."""
    await session.execute(delete(VideoGram).where(VideoGram.video_id == video.id))
    await _insert_grams(session, video)


async def remove(session: AsyncSession, video: Video) -> None:
    """Drop the row; its grams and watch positions go with it."""
    await session.delete(video)


async def trashed_before(session: AsyncSession, moment: datetime, limit: int) -> list[Video]:
    """Unprotected videos that have been in the trash since before `moment`, the longest first."""
    rows = await session.scalars(
        select(Video)
        .where(Video.deleted_at < moment, Video.is_protected == false())
        .order_by(Video.deleted_at, Video.id)
        .limit(limit)
    )
    return list(rows)


async def trash_moves(session: AsyncSession, since: datetime) -> bool:
    """Whether anything in the trash was put there, or told to go, since `moment`."""
    found = select(Video.id).where(Video.deleted_at.is_not(None), Video.updated_at >= since).limit(1)
    return (await session.execute(found)).first() is not None


async def older_than(session: AsyncSession, source_id: int, moment: datetime, limit: int) -> list[Video]:
    """Finished, unprotected videos of a source made before `moment`, the oldest first."""
    rows = await session.scalars(
        select(Video)
        .where(
            Video.source_id == source_id,
            Video.shelf.in_((Shelf.PUBLIC, Shelf.MEMBERS, Shelf.HIDDEN)),
            Video.created_at < moment,
            Video.is_protected == false(),
            Video.is_live == false(),
        )
        .order_by(Video.created_at, Video.id)
        .limit(limit)
    )
    return list(rows)


async def oldest_unprotected(session: AsyncSession, limit: int) -> list[Video]:
    """Finished, unprotected videos outside the trash, the oldest first."""
    statement = select(Video).where(
        Video.shelf.in_((Shelf.PUBLIC, Shelf.MEMBERS, Shelf.HIDDEN)),
        Video.is_protected == false(),
        Video.is_live == false(),
    )
    return list(await session.scalars(statement.order_by(Video.created_at, Video.id).limit(limit)))


async def trash_of_source(session: AsyncSession, source_id: int, now: datetime) -> int:
    """Move every unprotected video of a source to the trash; how many."""
    mine = (Video.source_id == source_id, Video.is_protected == false(), Video.deleted_at.is_(None))
    trashed = (
        update(Video)
        .where(*mine)
        .values(
            deleted_at=now,
            shelf=Shelf.TRASH,
            updated_at=now,
            grant_generation=Video.grant_generation + 1,
            narrowed_at=now,
        )
    )
    return await matched_rows(session, trashed)


async def count_of_source(session: AsyncSession, source_id: int) -> int:
    """How many videos of a source there are outside the trash."""
    mine = select(func.count()).select_from(Video).where(Video.source_id == source_id, Video.deleted_at.is_(None))
    return await session.scalar(mine) or 0


async def narrowed_since(session: AsyncSession, moment: datetime, limit: int) -> list[tuple[str, int]]:
    """Asset and present generation of the videos that fewer people may watch since `moment`, the latest first."""
    statement = select(Video.asset_id, Video.grant_generation).where(Video.narrowed_at >= moment)
    rows = await session.execute(statement.order_by(Video.narrowed_at.desc()).limit(limit))
    return [(asset_id, generation) for asset_id, generation in rows]


async def by_tasks(session: AsyncSession, task_ids: Sequence[int]) -> list[Video]:
    """The videos of recording tasks."""
    return list(await session.scalars(select(Video).where(Video.task_id.in_(task_ids)))) if task_ids else []


async def grow(session: AsyncSession, video_id: int, duration_s: int, size_bytes: int, now: datetime) -> None:
    """Length and size of a video that is being recorded; one that has ended in the meantime keeps its final figures."""
    await session.execute(
        update(Video)
        .where(Video.id == video_id, Video.is_live == true())
        .values(duration=duration_s, file_size=size_bytes, updated_at=now)
        .execution_options(synchronize_session=False)
    )


async def watchable(session: AsyncSession, ids: Sequence[int], shelves: Sequence[Shelf]) -> list[int]:
    """Those of `ids` that stand on one of the shelves, or are unlisted and not in the trash."""
    shown = or_(Video.shelf.in_(shelves), and_(Video.shelf == Shelf.HIDDEN, Video.visibility == Visibility.UNLISTED))
    return list(await session.scalars(select(Video.id).where(Video.id.in_(ids), shown)))


async def count_views(session: AsyncSession, views: dict[int, int]) -> None:
    """Add views to videos, in the order of their ids so that two writers cannot deadlock."""
    for video_id, count in sorted(views.items()):
        await session.execute(update(Video).where(Video.id == video_id).values(view_count=Video.view_count + count))


async def progress_of(session: AsyncSession, user_id: int, video_ids: Sequence[int]) -> dict[int, WatchProgress]:
    """Where a viewer stopped, by video."""
    rows = await session.scalars(
        select(WatchProgress).where(WatchProgress.user_id == user_id, WatchProgress.video_id.in_(video_ids))
    )
    return {row.video_id: row for row in rows}


async def lock(session: AsyncSession, video_id: int) -> Video | None:
    """One video as it is now; nobody else locks it before this transaction ends."""
    statement = select(Video).where(Video.id == video_id).with_for_update()
    found: Video | None = await session.scalar(statement.execution_options(populate_existing=True))
    return found


async def get_copy(session: AsyncSession, video_id: int) -> CompatibleCopy | None:
    """What is known of the compatible MP4 of a video."""
    return await session.get(CompatibleCopy, video_id)


async def save_copy(
    session: AsyncSession, video_id: int, job_id: int, requested_at: datetime, made_at: datetime | None = None
) -> None:
    """Note who makes the compatible MP4 of a video, and since when it is there."""
    values = {"video_id": video_id, "job_id": job_id, "requested_at": requested_at, "made_at": made_at}
    await upsert(session, CompatibleCopy, values, key=["video_id"])


async def copies_before(session: AsyncSession, moment: datetime, limit: int) -> list[tuple[CompatibleCopy, str]]:
    """Compatible MP4s made, or asked for and never made, before `moment`, each with the asset of its video."""
    is_old = func.coalesce(CompatibleCopy.made_at, CompatibleCopy.requested_at) < moment
    statement = select(CompatibleCopy, Video.asset_id).join(Video, Video.id == CompatibleCopy.video_id)
    rows = await session.execute(statement.where(is_old).order_by(CompatibleCopy.video_id).limit(limit))
    return [(copy, asset_id) for copy, asset_id in rows]


async def forget_copy(session: AsyncSession, copy: CompatibleCopy) -> bool:
    """Drop the row unless another copy has been asked for since."""
    same = (CompatibleCopy.video_id == copy.video_id, CompatibleCopy.job_id == copy.job_id)
    return await matched_rows(session, delete(CompatibleCopy).where(*same)) == 1


# -- building the statements ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Gram:
    """A pair of characters of a query, or one character with all that follow it, and how many titles have it."""

    text: str
    titles: int

    def of(self, table: type[VideoGram]) -> ColumnElement[bool]:
        """The rows of the grams table that are this gram's."""
        return table.gram == self.text if self.is_pair else table.gram.between(self.text + END, self.text + LAST)

    @property
    def is_pair(self) -> bool:
        return len(self.text) == 2


async def _grams(session: AsyncSession, query: Query) -> list[_Gram]:
    """What a search is narrowed by: the rarest pair of each word (two of a single word), or its one character."""
    if not query.grams:
        return [await _counted(session, char, COMMON_RANGE) for char in query.prefixes[:1]]
    found: list[_Gram] = []
    for pair in query.grams[:COUNTED_GRAMS]:
        found.append(await _counted(session, pair, RARE_GRAM))
        if found[-1].titles <= ENOUGH_TITLES:
            return found[-1:]
    found.sort(key=lambda gram: gram.titles)
    firsts = [next((gram for gram in found if gram.text in word), None) for word in query.words]
    chosen = [gram for gram in found if gram in firsts]
    return chosen[:USED_GRAMS] if len(chosen) > 1 else found[:2]


async def _counted(session: AsyncSession, text: str, limit: int) -> _Gram:
    """A gram with the number of its titles up to `limit` + 1; a title counts for each pair that begins with `text`."""
    some = select(VideoGram.video_id).where(_Gram(text, 0).of(VideoGram)).limit(limit + 1).subquery()
    return _Gram(text, await session.scalar(select(func.count()).select_from(some)) or 0)


def _filters(wanted: VideoFilter, walked: SortKey | None = None) -> list[ColumnElement[bool]]:
    """Everything but the shelves and the search.

    When the index of an order is to be walked, conditions are hidden from the indexes that would have to be sorted.
    """
    tests: list[tuple[object, Any, Callable[[Any, Any], ColumnElement[bool]]]] = [
        (wanted.source_id, Video.source_id, operator.eq),
        (wanted.source_type, Video.source_type, operator.eq),
        (wanted.is_live, Video.is_live, operator.eq),
        (wanted.created_from, Video.created_at, operator.ge),
        (wanted.created_to, Video.created_at, operator.lt),
        (wanted.min_duration_s, Video.duration, operator.ge),
        (wanted.max_duration_s, Video.duration, operator.le),
    ]

    def side(column: Any) -> Any:
        hidden = walked is not None and column.key not in ORDERED_WITH.get(walked.name, ())
        return func.coalesce(column, column) if hidden else column

    return [compare(side(column), value) for value, column, compare in tests if value is not None]


def _has_words(words: Iterable[str]) -> list[ColumnElement[bool]]:
    return [Video.title_folded.like(like_pattern(word)) for word in words]


async def _counted_page(
    session: AsyncSession, some: Select[Any], sort: SortKey, page: PageRequest
) -> tuple[list[int], int]:
    """A page and the total in one statement: a search is dear, so it is done once."""
    rows = (await session.execute(_ordered(some.subquery(), sort, page).add_columns(func.count().over()))).all()
    if not rows and page.offset:
        return [], await session.scalar(select(func.count()).select_from(some.subquery())) or 0
    return [row[0] for row in rows], rows[0][1] if rows else 0


async def _page_if_short(
    session: AsyncSession, some: Select[Any], sort: SortKey, page: PageRequest
) -> tuple[list[int], int]:
    """The total, and the page only of a short list: ids alone, without what they are sorted by, stand in an index."""
    ids = some.with_only_columns(Video.id).subquery()
    total = await session.scalar(select(func.count()).select_from(ids)) or 0
    short = page.offset < total <= COUNT_LIMIT
    return list(await session.scalars(_ordered(some.subquery(), sort, page))) if short else [], total


def _matching(wanted: VideoFilter, grams: Sequence[_Gram], key: Any) -> Select[Any]:
    """`id` and `key` of everything that matches, in no order, through the grams where that is the shortest way."""
    filters, words = _filters(wanted), wanted.query.words
    if grams and not grams[0].is_pair and grams[0].titles > COMMON_RANGE:
        grams = ()
    elif grams and grams[0].text == "".join(words):  # no look at the title is needed
        words = ()
    tests = [Video.shelf.in_(wanted.shelves), *filters, *_has_words(words)]
    if not grams or (filters and grams[0].titles > RARE_GRAM):
        tests += [_has_gram(gram, Video.id) for gram in grams]
        return select(Video.id.label("id"), key.label("key")).where(*tests)
    return _through_grams(grams, key, tests)


def _through_grams(grams: Sequence[_Gram], key: Any, tests: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """The videos with the rarest gram, looked up one by one: databases guess too badly how many a search leaves."""
    table = aliased(VideoGram)
    found = select(table.video_id).where(grams[0].of(table), *(_has_gram(gram, table.video_id) for gram in grams[1:]))
    if not grams[0].is_pair:  # a title may have several pairs with the same first character
        found = found.distinct()
    if len(grams) > 1:  # the limit has PostgreSQL compare the grams before it looks up videos
        found = found.limit(EVERYTHING)
    ids = found.subquery()
    one = select(key).where(Video.id == ids.c.video_id, *tests).scalar_subquery()
    return select(ids.c.video_id.label("id"), one.label("key")).where(one.is_not(None))


def _has_gram(gram: _Gram, video_id: Any) -> ColumnElement[bool]:
    table = aliased(VideoGram)
    return select(table.video_id).where(gram.of(table), table.video_id == video_id).exists()


def _page_on_index(wanted: VideoFilter, sort: SortKey, page: PageRequest) -> Select[int]:
    """Ids of one page of a long list: the best of each shelf, merged. Every branch walks one index in its order."""
    column = SORTABLE[sort.name]
    order = (column.desc(), Video.id.desc()) if sort.descending else (column.asc(), Video.id.asc())
    branches = [
        select(Video.id.label("id"), column.label("key"))
        .where(Video.shelf == shelf, *_filters(wanted, sort), *_has_words(wanted.query.words))
        .order_by(*order)
        .limit(page.offset + page.per_page)
        .subquery()
        for shelf in wanted.shelves
    ]
    return _ordered(union_all(*(select(branch.c.id, branch.c.key) for branch in branches)).subquery(), sort, page)


def _ordered(rows: Subquery, sort: SortKey, page: PageRequest) -> Select[int]:
    key, ident = rows.c.key, rows.c.id
    order = (key.desc(), ident.desc()) if sort.descending else (key.asc(), ident.asc())
    return select(ident).order_by(*order).limit(page.per_page).offset(page.offset)


async def _insert_grams(session: AsyncSession, video: Video) -> None:
    rows = [{"gram": gram, "video_id": video.id} for gram in sorted(title_grams(video.title))]
    if rows:
        await session.execute(insert(VideoGram), rows)
