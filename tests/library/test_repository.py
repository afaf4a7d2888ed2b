"""Lists and search of the library on the three databases."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db import Database
from onetake.kit.paging import PageRequest, SortKey
from onetake.library import repository
from onetake.library.models import Shelf, SourceType, Video
from onetake.library.repository import VideoFilter
from onetake.library.search import fold, parse_query
from onetake.sources.models import Protocol
from onetake.sources.schemas import SourceCreate
from onetake.sources.service import create_source

EVERYTHING = (Shelf.PUBLIC, Shelf.MEMBERS, Shelf.HIDDEN)
NEWEST = SortKey("created_at", descending=True)
START = datetime(2026, 1, 1, tzinfo=UTC)


def video(number: int, title: str = "", shelf: Shelf = Shelf.PUBLIC, **fields: object) -> Video:
    values: dict[str, object] = {
        "asset_id": f"{number:036}",
        "title": title or f"标题 {number}",
        "title_folded": fold(title or f"标题 {number}"),
        "source_type": SourceType.RECORDED,
        "file_path": f"media/{number}",
        "visibility": "public",
        "shelf": shelf,
        "duration": number,
        "created_at": START + timedelta(hours=number),
        "updated_at": START,
    }
    return Video(**(values | fields))


async def put(session: AsyncSession, videos: Iterable[Video]) -> None:
    for item in videos:
        await repository.add(session, item)


async def titles(database: Database, text: str, **filters: object) -> list[str]:
    wanted = VideoFilter(**({"shelves": EVERYTHING, "query": parse_query(text)} | filters))  # type: ignore[arg-type]
    async with database.read() as session:
        found, total = await repository.find(session, wanted, NEWEST, PageRequest(1, 50))
    assert total == len(found)
    return [item.title for item in found]


class TestFind:
    async def test_search(self, database: Database) -> None:
        async with database.write() as session:
            await put(
                session,
                [
                    video(1, "高等数学 第一讲"),
                    video(2, "高等数学 第二讲"),
                    video(3, "线性代数 第一讲"),
                    video(4, "数学高等"),
                    video(5, "Big Buck Bunny"),
                    video(6, "小猫"),
                ],
            )
        assert await titles(database, "高等数学") == ["高等数学 第二讲", "高等数学 第一讲"]
        assert await titles(database, "第一讲 数学") == ["高等数学 第一讲"]
        assert await titles(database, "猫") == ["小猫"]
        assert await titles(database, "数") == ["数学高等", "线性代数 第一讲", "高等数学 第二讲", "高等数学 第一讲"]
        assert await titles(database, "ＢＵＣＫ bun") == ["Big Buck Bunny"]
        assert await titles(database, "不存在") == []
        assert len(await titles(database, "")) == 6

    @pytest.mark.parametrize("text", ["???", "。。", "%", "_", "！ ？"])
    async def test_punctuation_alone_finds_nothing(self, database: Database, text: str) -> None:
        async with database.write() as session:
            await put(session, [video(1, "为什么？？？"), video(2, "100%_done"), video(3, "。。")])
        assert await titles(database, text) == []
        assert await titles(database, text, is_live=False, source_type="recorded") == []
        assert len(await titles(database, f"{text} 什么")) == 1

    async def test_filters_and_the_shelves_of_an_audience(self, database: Database) -> None:
        async with database.write() as session:
            await put(
                session,
                [
                    video(1, shelf=Shelf.PUBLIC),
                    video(2, shelf=Shelf.MEMBERS, is_live=True),
                    video(3, shelf=Shelf.HIDDEN, source_type=SourceType.UPLOADED),
                    video(4, shelf=Shelf.TRASH, deleted_at=START),
                ],
            )
        assert await titles(database, "", shelves=(Shelf.PUBLIC,)) == ["标题 1"]
        assert await titles(database, "", shelves=(Shelf.PUBLIC, Shelf.MEMBERS)) == ["标题 2", "标题 1"]
        assert await titles(database, "", shelves=(Shelf.TRASH,)) == ["标题 4"]
        assert await titles(database, "", is_live=True) == ["标题 2"]
        assert await titles(database, "标题", source_type="uploaded") == ["标题 3"]
        assert await titles(database, "", created_from=START + timedelta(hours=2)) == ["标题 3", "标题 2"]
        assert await titles(database, "", created_to=START + timedelta(hours=2)) == ["标题 1"]
        assert await titles(database, "", min_duration_s=2, max_duration_s=2) == ["标题 2"]

    @pytest.mark.parametrize("key", sorted(repository.SORTABLE))
    @pytest.mark.parametrize("descending", [False, True])
    async def test_paging_walks_every_row_once(self, sqlite_database: Database, key: str, descending: bool) -> None:
        async with sqlite_database.write() as session:
            await put(session, [video(n, shelf=Shelf(n % 3), view_count=n % 2) for n in range(1, 24)])
        wanted, seen = VideoFilter(shelves=EVERYTHING), []
        async with sqlite_database.read() as session:
            for page in range(1, 7):
                found, total = await repository.find(session, wanted, SortKey(key, descending), PageRequest(page, 5))
                assert total == 23
                seen += [(getattr(item, "title_folded" if key == "title" else key), item.id) for item in found]
        assert seen == sorted(seen, reverse=descending)
        assert len(set(seen)) == 23

    async def test_totals_end_at_the_limit(self, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(repository, "COUNT_LIMIT", 10)
        monkeypatch.setattr(repository, "RARE_GRAM", 5)
        async with sqlite_database.write() as session:
            await put(session, [video(n) for n in range(1, 20)])
        wanted = VideoFilter(shelves=EVERYTHING, query=parse_query("标题"))
        async with sqlite_database.read() as session:
            found, total = await repository.find(session, wanted, NEWEST, PageRequest(1, 3))
            beyond, _ = await repository.find(session, wanted, NEWEST, PageRequest(5, 3))
        assert [item.duration for item in found] == [19, 18, 17]
        assert total == 11
        assert beyond == []

    @pytest.mark.parametrize("limits", [(10_000, 20_000, 200), (10_000, 2, 1), (5, 2, 1), (5, 20_000, 200)])
    async def test_every_way_to_a_page_finds_the_same(
        self, database: Database, monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int, int]
    ) -> None:
        """Short or long lists, through rare or common grams: what is found is what a look at each title finds."""
        for name, value in zip(("COUNT_LIMIT", "RARE_GRAM", "ENOUGH_TITLES"), limits, strict=True):
            monkeypatch.setattr(repository, name, value)
        monkeypatch.setattr(repository, "COMMON_RANGE", limits[1])
        words = ("高等数学", "线性代数", "数学", "讲", "第一讲", "x5", "2026")
        stored = [
            video(n, f"{words[n % 7]} {words[n % 3]} {n}", Shelf(n % 3), is_live=n % 5 == 0, view_count=n % 4)
            for n in range(1, 31)
        ]
        async with database.write() as session:
            await put(session, stored)
        searches = ("", "数学", "高等数学", "线性代数 数学", "讲", "讲 学", "2026 讲", "1", "高等 2026 没有", "x5")
        for text, live, shortest, sort in product(searches, (None, True), (None, 12), ("created_at", "view_count")):
            query = parse_query(text)
            wanted = VideoFilter(shelves=EVERYTHING, query=query, is_live=live, min_duration_s=shortest)
            expected = [
                item
                for item in stored
                if all(word in item.title_folded for word in query.words)
                and live in (None, item.is_live)
                and item.duration >= (shortest or 0)
            ]
            expected.sort(key=lambda item: (getattr(item, sort), item.id), reverse=True)
            order = SortKey(sort, descending=True)
            async with database.read() as session:
                first, total = await repository.find(session, wanted, order, PageRequest(1, 4))
                second, same = await repository.find(session, wanted, order, PageRequest(2, 4))
                beyond, _ = await repository.find(session, wanted, order, PageRequest(20, 4))
            assert total == same == min(len(expected), limits[0] + 1), wanted
            assert [item.id for item in (*first, *second)] == [item.id for item in expected[:8]], (wanted, sort)
            assert beyond == []


async def test_a_new_title_is_found_and_the_old_one_is_not(database: Database) -> None:
    async with database.write() as session:
        item = await repository.add(session, video(1, "旧标题"))
        item.title, item.title_folded = "新名字", fold("新名字")
        await repository.reindex(session, item)
    assert await titles(database, "旧标题") == []
    assert await titles(database, "新名") == ["新名字"]


async def test_removing_a_video_removes_its_grams(database: Database) -> None:
    async with database.write() as session:
        item = await repository.add(session, video(1))
        await repository.remove(session, item)
    assert await titles(database, "标题") == []


async def test_retention_lists(database: Database) -> None:
    async with database.write() as session:
        await put(
            session,
            [
                video(1),
                video(2, is_protected=True),
                video(3, is_live=True),
                video(4, shelf=Shelf.TRASH, deleted_at=START),
                video(6, shelf=Shelf.TRASH, deleted_at=START, is_protected=True),
                video(5),
            ],
        )
    async with database.read() as session:
        trashed = await repository.trashed_before(session, START + timedelta(days=7), 10)
        oldest = await repository.oldest_unprotected(session, 10)
    assert [item.title for item in trashed] == ["标题 4"]
    assert [item.title for item in oldest] == ["标题 1", "标题 5"]


async def test_sources_that_have_videos_on_a_shelf(database: Database) -> None:
    async with database.write() as session:
        made = {}
        for name in ("b", "a", "none"):
            made[name] = (await create_source(session, SourceCreate(name=name, protocol=Protocol.PUSH))).source.id
        await put(
            session,
            [
                video(1, source_id=made["b"]),
                video(2, source_id=made["b"]),
                video(3, shelf=Shelf.MEMBERS, source_id=made["a"]),
                video(4, shelf=Shelf.TRASH, source_id=made["none"]),
                video(5),
            ],
        )
    async with database.read() as session:
        assert await repository.sources_on(session, (Shelf.PUBLIC,)) == [(made["b"], "b")]
        assert [name for _, name in await repository.sources_on(session, EVERYTHING)] == ["a", "b"]
        assert [name for _, name in await repository.sources_on(session, (Shelf.TRASH,))] == ["none"]


async def test_sources_are_looked_up_in_an_index(sqlite_database: Database) -> None:
    """Never by a walk over the videos, of which there may be a million."""
    statements: list[str] = []
    engine = sqlite_database.reader.sync_engine
    event.listen(engine, "before_cursor_execute", lambda _c, _k, statement, *_: statements.append(statement))
    async with sqlite_database.read() as session:
        await repository.sources_on(session, EVERYTHING)
        asked = next(statement for statement in statements if "live_sources" in statement)
        connection = await session.connection()
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", (1,) * asked.count("?"))
        steps = [row[-1] for row in rows]
    on_videos = [step for step in steps if "videos" in step]
    assert len(on_videos) == len(EVERYTHING)
    assert all("ix_videos_source_shelf_created_at (source_id=? AND shelf=?)" in step for step in on_videos)


@pytest.mark.parametrize("filters", [{"source_id": 1}, {"min_duration_s": 9}, {"source_type": "uploaded"}])
@pytest.mark.parametrize("key", ["created_at", "view_count"])
async def test_lists_are_counted_on_an_index_alone(
    sqlite_database: Database, filters: dict[str, object], key: str
) -> None:
    """Ten thousand rows of a table that does not fit into memory would be as many reads of the disk."""
    statements: list[tuple[str, object]] = []
    engine = sqlite_database.reader.sync_engine
    event.listen(engine, "before_cursor_execute", lambda _c, _k, text, values, *_: statements.append((text, values)))
    wanted = VideoFilter(shelves=EVERYTHING, **filters)  # type: ignore[arg-type]
    async with sqlite_database.read() as session:
        await repository.find(session, wanted, SortKey(key, descending=True), PageRequest(1, 24))
        counted, values = next(found for found in statements if "count(" in found[0])
        rows = await (await session.connection()).exec_driver_sql(f"EXPLAIN QUERY PLAN {counted}", values)  # type: ignore[arg-type]
        steps = [row[-1] for row in rows if "videos" in row[-1]]
    assert steps
    assert all("USING COVERING INDEX" in step for step in steps)
