"""Lists and search of the library with many rows, on each database that is reachable.

Usage: python -m bench.bench_library [--rows 100000] [--urls sqlite postgresql mariadb] [--seconds 3]

Prints p50 and p99 in milliseconds and the ratio to a primary-key lookup measured in the same run: the physical limit of
one round trip. Server databases are created and dropped under the name `onetake_bench_library`.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, text

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
START = datetime(2020, 1, 1, tzinfo=UTC)


def make_title(number: int, dice: random.Random) -> str:
    """A course-like title; one in ten thousand carries a rare word."""
    rare = " 量子色动力学" if number % 10_000 == 77 else ""
    return f"{dice.choice(SUBJECTS)} {dice.choice(WORDS)} {number}{rare}"


def chunks(rows: int) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Rows of videos and of grams, CHUNK videos at a time."""
    dice = random.Random(7)
    for start in range(1, rows + 1, CHUNK):
        videos, grams = [], []
        for number in range(start, min(start + CHUNK, rows + 1)):
            title = make_title(number, dice)
            at = START + timedelta(seconds=number * 150)
            videos.append(
                {
                    "id": number, "asset_id": f"{number:036}", "title": title, "title_folded": fold(title),
                    "source_type": "recorded", "source_id": number % 50 + 1, "source_name": "", "description": "",
                    "is_live": False, "duration": dice.randrange(60, 20_000), "file_size": dice.randrange(1 << 33),
                    "file_path": f"media/{number}", "width": 1920, "height": 1080, "codecs": "",
                    "view_count": int(dice.paretovariate(1)) % 100_000, "visibility": "public",
                    "shelf": dice.choice((Shelf.PUBLIC, Shelf.PUBLIC, Shelf.MEMBERS, Shelf.HIDDEN)),
                    "is_protected": False, "created_at": at, "updated_at": at,
                }
            )  # fmt: skip
            grams += [{"gram": gram, "video_id": number} for gram in title_grams(title)]
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


async def analyze(database: Database) -> None:
    """What every database does by itself within minutes; a benchmark cannot wait for it."""
    statement = {"mysql": "ANALYZE TABLE videos, video_grams"}.get(database.dialect, "ANALYZE")
    async with database.write() as session:
        await session.execute(text(statement))


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
    public, staff = (Shelf.PUBLIC,), (Shelf.PUBLIC, Shelf.MEMBERS, Shelf.HIDDEN)

    async def lookup() -> object:
        async with database.read() as session:
            return await repository.get(session, dice.randrange(1, rows))

    def listing(
        text: str = "", sort: SortKey = newest, page: int = 1, **fields: Any
    ) -> Callable[[], Awaitable[object]]:
        query: Query = parse_query(text)
        everything: dict[str, Any] = {"shelves": public, "query": query} | fields
        wanted = VideoFilter(**everything)

        async def run() -> object:
            async with database.read() as session:
                return await repository.find(session, wanted, sort, PageRequest(page, 24))

        return run

    return {
        "primary-key lookup": lookup,
        "home, newest": listing(),
        "staff, newest": listing(shelves=staff),
        "home, most viewed": listing(sort=views),
        "home, page 400": listing(page=400),
        "one source, newest": listing(source_id=7),
        "search, common (数学)": listing("数学"),
        "search, two words": listing("线性代数 习题"),
        "search, one character (讲)": listing("讲"),
        "search, rare (量子色动)": listing("量子色动"),
        "search, one number": listing(str(rows // 2)),
        "search, nothing": listing("不存在的"),
    }


async def run(kind: str, url: str, rows: int, seconds: float) -> None:
    """Fill one database and print its table."""
    await upgrade(url)
    database = Database(url)
    try:
        speed = await fill(database, rows)
        print(f"\n{kind}: {rows} videos, filled with {speed:.0f} rows/s")
        print(f"{'case':32} {'p50 ms':>9} {'p99 ms':>9} {'p50 / lookup':>13}")
        yardstick = 0.0
        for name, case in cases(database, rows).items():
            found = sorted(await measure(case, seconds))
            p50, p99 = statistics.median(found), found[int(len(found) * 0.99)]
            yardstick = yardstick or p50
            print(f"{name:32} {p50:9.2f} {p99:9.2f} {p50 / yardstick:13.1f}")
    finally:
        await database.dispose()


async def on_server(kind: str, rows: int, seconds: float) -> None:
    """The same in a database of its own on a server."""
    admin = server_engine(async_url(SERVERS[kind]), 1, 10).execution_options(isolation_level="AUTOCOMMIT")
    try:
        async with admin.connect() as connection:
            await connection.execute(text(f"DROP DATABASE IF EXISTS {NAME}"))
            await connection.execute(text(f"CREATE DATABASE {NAME}"))
            try:
                url = async_url(SERVERS[kind]).set(database=NAME).render_as_string(hide_password=False)
                await run(kind, url, rows, seconds)
            finally:
                await connection.execute(text(f"DROP DATABASE IF EXISTS {NAME}"))
    finally:
        await admin.dispose()


async def main() -> None:
    """Parse the arguments and run each database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--urls", nargs="+", default=["sqlite", *SERVERS], choices=["sqlite", *SERVERS])
    parser.add_argument("--seconds", type=float, default=3)
    args = parser.parse_args()
    assert Base.metadata.tables
    for kind in args.urls:
        if kind == "sqlite":
            with tempfile.TemporaryDirectory() as folder:
                await run(kind, f"sqlite:///{folder}/bench.db", args.rows, args.seconds)
        else:
            await on_server(kind, args.rows, args.seconds)


if __name__ == "__main__":
    asyncio.run(main())
