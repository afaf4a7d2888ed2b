"""Lists and search of the library with many rows, on each database that is reachable.

Usage: python -m bench.bench_library [--rows 100000] [--urls sqlite postgresql mariadb] [--seconds 3] [--keep FOLDER]

Prints p50 and p99 in milliseconds and the ratio to a primary-key lookup measured in the same run: the physical limit of
one round trip. Server databases are created and dropped under the name `onetake_bench_library`; with `--keep` they
stay, SQLite's in FOLDER, and a run that finds as many rows as it wants does not fill them again.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from onetake.infra.db import Database
from onetake.infra.db.database import server_engine
from onetake.infra.db.migrate import upgrade
from onetake.infra.db.urls import async_url
from onetake.kit.paging import PageRequest, SortKey
from onetake.library import repository
from onetake.library.models import Shelf, Video, VideoGram
from onetake.library.repository import VideoFilter
from onetake.library.search import Query, fold, parse_query, title_grams
from onetake.models import Base
from onetake.sources.models import LiveSource

SERVERS = {"postgresql": "postgresql://127.0.0.1:5432/postgres", "mariadb": "mariadb://root@127.0.0.1:3306/mysql"}
NAME = "onetake_bench_library"
SUBJECTS = ("高等数学", "线性代数", "大学物理", "有机化学", "操作系统", "计算机网络", "数据结构", "英语口语", "中国史")
WORDS = ("第一讲", "第二讲", "复习", "习题课", "直播回放", "期中", "期末", "实验", "答疑", "公开课", "精讲", "串讲")
CHUNK = 5_000
SPACING_S = 150
START = datetime(2020, 1, 1, tzinfo=UTC)


def make_title(number: int, dice: random.Random) -> str:
    """A course-like title; one in ten thousand carries a rare word, one in forty a word neither rare nor common."""
    rare = " 量子色动力学" if number % 10_000 == 77 else ""
    some = " 毕业答辩" if number % 40 == 7 else ""
    return f"{dice.choice(SUBJECTS)} {dice.choice(WORDS)} {number}{rare}{some}"


def make_video(number: int, rows: int, dice: random.Random) -> dict[str, Any]:
    """One row: two in a thousand are uploads, ten in all are being recorded, one in a hundred lies in the trash."""
    title, at = make_title(number, dice), START + timedelta(seconds=number * SPACING_S)
    shelf = Shelf.TRASH if number % 100 == 3 else dice.choice((Shelf.PUBLIC, Shelf.PUBLIC, Shelf.MEMBERS, Shelf.HIDDEN))
    return {
        "id": number, "asset_id": f"{number:036}", "title": title, "title_folded": fold(title),
        "source_type": "uploaded" if number % 500 == 9 else "recorded", "source_id": number % 50 + 1,
        "source_name": "", "description": "", "is_live": number > rows - 200 and number % 20 == 0,
        "duration": dice.randrange(60, 20_000), "file_size": dice.randrange(1 << 33), "file_path": f"media/{number}",
        "width": 1920, "height": 1080, "codecs": "", "view_count": int(dice.paretovariate(1)) % 100_000,
        "visibility": "public", "shelf": shelf, "is_protected": False, "created_at": at, "updated_at": at,
        "deleted_at": at if shelf is Shelf.TRASH else None,
    }  # fmt: skip


def chunks(rows: int) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Rows of videos and of grams, CHUNK videos at a time."""
    dice = random.Random(7)
    for start in range(1, rows + 1, CHUNK):
        videos = [make_video(number, rows, dice) for number in range(start, min(start + CHUNK, rows + 1))]
        grams = [
            {"gram": gram, "video_id": video["id"]} for video in videos for gram in sorted(title_grams(video["title"]))
        ]
        yield videos, grams


async def fill(database: Database, rows: int) -> float:
    """Insert everything; returns rows per second."""
    began_s = time.perf_counter()
    sources = [
        {
            "id": n, "name": f"源 {n}", "protocol": "push", "stream_name": f"s{n}", "retention_days": 365,
            "is_active": True, "record_mode": "manual", "pull_mode": "always", "grace_s": 30, "time_shift_s": 0,
            "visibility": "public", "created_at": START, "updated_at": START,
        }
        for n in range(1, 51)
    ]  # fmt: skip
    async with database.write() as session:
        await session.execute(insert(LiveSource), sources)
    for videos, grams in chunks(rows):
        async with database.write() as session:
            await session.execute(insert(Video.__table__), videos)  # type: ignore[arg-type]
            await session.execute(insert(VideoGram.__table__), grams)  # type: ignore[arg-type]
    await analyze(database)
    return rows / (time.perf_counter() - began_s)


async def is_filled(database: Database, rows: int) -> bool:
    """Whether an earlier run with `--keep` left exactly these rows."""
    async with database.read() as session:
        return await session.scalar(select(func.count(Video.id))) == rows


async def analyze(database: Database) -> None:
    """What servers do by themselves within minutes; a benchmark cannot wait for it. SQLite does without."""
    statements = {"mysql": "ANALYZE TABLE videos, video_grams", "postgresql": "VACUUM ANALYZE"}
    if statement := statements.get(database.dialect):
        async with database.writer.connect() as connection:
            outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await outside.execute(text(statement))


async def measure(case: Callable[[], Awaitable[object]], seconds: float) -> list[float]:
    """Durations in ms of as many sequential calls as fit into `seconds` (at least 20, at most 2 000)."""
    await case()
    found: list[float] = []
    until_s = time.perf_counter() + seconds
    while len(found) < 20 or (time.perf_counter() < until_s and len(found) < 2_000):
        began_s = time.perf_counter()
        await case()
        found.append((time.perf_counter() - began_s) * 1000)
    return found


def cases(database: Database, rows: int) -> dict[str, Callable[[], Awaitable[object]]]:
    """What is measured; the first one is the yardstick."""
    dice = random.Random(11)
    newest, views = SortKey("created_at", True), SortKey("view_count", True)
    longest, by_title = SortKey("duration", True), SortKey("title", False)
    everybody, staff = (Shelf.PUBLIC,), (Shelf.PUBLIC, Shelf.MEMBERS, Shelf.HIDDEN)
    middle = START + timedelta(seconds=rows // 2 * SPACING_S)
    week: dict[str, Any] = {"created_from": middle, "created_to": middle + timedelta(days=7)}

    async def lookup() -> object:
        async with database.read() as session:
            return await repository.get(session, dice.randrange(1, rows))

    async def oldest() -> object:
        async with database.read() as session:
            return await repository.oldest_unprotected(session, 200)

    def listing(
        text: str = "", sort: SortKey = newest, page: int = 1, **fields: Any
    ) -> Callable[[], Awaitable[object]]:
        query: Query = parse_query(text)
        everything: dict[str, Any] = {"shelves": staff, "query": query} | fields
        wanted = VideoFilter(**everything)

        async def run() -> object:
            async with database.read() as session:
                return await repository.find(session, wanted, sort, PageRequest(page, 24))

        return run

    return {
        "primary-key lookup": lookup,
        "home, newest": listing(shelves=everybody, is_live=False),
        "home, live now": listing(shelves=everybody, is_live=True),
        "newest": listing(),
        "most viewed": listing(sort=views),
        "newest, page 400": listing(page=400),
        "by title, page 400": listing(sort=by_title, page=400),
        "trash": listing(shelves=(Shelf.TRASH,)),
        "live, most viewed": listing(sort=views, is_live=True),
        "one source, newest": listing(source_id=7),
        "one source, most viewed": listing(sort=views, source_id=7),
        "one source in one week": listing(source_id=7, **week),
        "one week, newest": listing(**week),
        "one week, most viewed": listing(sort=views, **week),
        "uploaded, newest": listing(source_type="uploaded"),
        "uploaded, longest": listing(sort=longest, source_type="uploaded"),
        "over four hours, newest": listing(min_duration_s=14_400),
        "60 to 70 seconds, newest": listing(min_duration_s=60, max_duration_s=70),
        "search, common (数学)": listing("数学"),
        "search, common, by views": listing("数学", views),
        "search, common, one source": listing("数学", source_id=7),
        "search, common, uploaded": listing("数学", source_type="uploaded"),
        "search, 1 in 40 (答辩)": listing("答辩"),
        "search, two words": listing("线性代数 习题"),
        "search, two that never meet": listing("线性代数 有机化学"),
        "search, one character (讲)": listing("讲"),
        "search, one character (毕)": listing("毕"),
        "search, rare (量子色动)": listing("量子色动"),
        "search, one number": listing(str(rows // 2)),
        "search, whole title": listing(f"高等数学 第一讲 {rows // 2} 量子色动力学 毕业答辩"),
        "search, nothing": listing("不存在的"),
        "retention, oldest": oldest,
    }


async def run(kind: str, url: str, rows: int, seconds: float) -> None:
    """Fill one database and print its table."""
    await upgrade(url)
    database = Database(url)
    try:
        if not await is_filled(database, rows):
            print(f"\n{kind}: filled with {await fill(database, rows):.0f} videos/s")
        print(f"\n{kind}, {rows} videos\n\n{'case':32} {'p50 ms':>9} {'p99 ms':>9} {'p50 / lookup':>13}", flush=True)
        yardstick = 0.0
        for name, case in cases(database, rows).items():
            found = sorted(await measure(case, seconds))
            p50, p99 = statistics.median(found), found[int(len(found) * 0.99)]
            yardstick = yardstick or p50
            print(f"{name:32} {p50:9.2f} {p99:9.2f} {p50 / yardstick:13.1f}", flush=True)
    finally:
        await database.dispose()


async def on_server(kind: str, rows: int, seconds: float, keep: bool) -> None:
    """The same in a database of its own on a server."""
    admin = server_engine(async_url(SERVERS[kind]), 1, 10).execution_options(isolation_level="AUTOCOMMIT")
    url = async_url(SERVERS[kind]).set(database=NAME).render_as_string(hide_password=False)
    try:
        async with admin.connect() as connection:
            if not (keep and await exists(connection)):
                await connection.execute(text(f"DROP DATABASE IF EXISTS {NAME}"))
                await connection.execute(text(f"CREATE DATABASE {NAME}"))
        await run(kind, url, rows, seconds)
    finally:
        if not keep:
            async with admin.connect() as connection:
                await connection.execute(text(f"DROP DATABASE IF EXISTS {NAME}"))
        await admin.dispose()


async def exists(connection: AsyncConnection) -> bool:
    """Whether the server has our database."""
    schemas = "SELECT 1 FROM information_schema.schemata WHERE schema_name = :name"
    databases = "SELECT 1 FROM pg_database WHERE datname = :name"
    statement = databases if connection.dialect.name == "postgresql" else schemas
    return await connection.scalar(text(statement), {"name": NAME}) is not None


async def main() -> None:
    """Parse the arguments and run each database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--urls", nargs="+", default=["sqlite", *SERVERS], choices=["sqlite", *SERVERS])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--keep", metavar="FOLDER", type=Path)
    args = parser.parse_args()
    assert Base.metadata.tables
    with ExitStack() as stack:
        folder = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for kind in args.urls:
            if kind == "sqlite":
                await run(kind, f"sqlite:///{folder}/bench.db", args.rows, args.seconds)
            else:
                await on_server(kind, args.rows, args.seconds, keep=args.keep is not None)


if __name__ == "__main__":
    asyncio.run(main())
