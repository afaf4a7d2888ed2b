"""Who sees which video, trash and undo, batches, tokens, views, positions, retention."""

import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.api_fixtures import add_user

from onetake.accounts.auth import Permission, Principal, Role
from onetake.infra.audit import AuditEntry
from onetake.infra.db import Database
from onetake.infra.jobs.models import Job
from onetake.kit.clock import utc_now
from onetake.kit.errors import NotFound, Unauthorized
from onetake.kit.ids import uuid7
from onetake.kit.paging import PageRequest, SortKey
from onetake.kit.signing import Keyring, Method, ScopeKind, verify
from onetake.library import repository
from onetake.library.errors import NotInTrash, VideoIsLive, VideoProtected
from onetake.library.models import Shelf, Video
from onetake.library.schemas import BatchAction, ProgressReport, VideoUpdate
from onetake.library.search import fold, parse_query
from onetake.library.service import retention, watching
from onetake.library.service import videos as service
from onetake.library.service.playback import Signer
from onetake.library.service.watching import AGAIN_S, ViewCounter
from onetake.sources import service as sources
from onetake.sources.models import LiveSource, Protocol, Visibility
from onetake.sources.schemas import SourceCreate

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"


def principal(user_id: int = 1, *, manages: bool = False) -> Principal:
    permissions = frozenset({Permission.VIDEOS_MANAGE}) if manages else frozenset()
    return Principal(
        user_id=user_id,
        username="somebody",
        role=Role.OPERATOR if manages else Role.MEMBER,
        permissions=permissions,
        language=None,
        session_id="s",
        api_token_id=None,
    )


MEMBER, MANAGER = principal(), principal(manages=True)


async def add(database: Database, title: str = "标题", **fields: Any) -> Video:
    now = utc_now()
    values: dict[str, Any] = {
        "asset_id": str(uuid7()),
        "title": title,
        "title_folded": fold(title),
        "source_type": "recorded",
        "file_path": "media/x",
        "visibility": Visibility.PUBLIC,
        "duration": 100,
        "file_size": 1000,
        "created_at": now,
        "updated_at": now,
    }
    video = Video(**(values | fields))
    video.shelf = service.shelf_of(video)
    async with database.write() as session:
        return await repository.add(session, video)


async def row(database: Database, video: Video) -> Video:
    async with database.read() as session:
        return await service.managed_video(session, video.id)


class TestVisibility:
    @pytest.mark.parametrize(
        ("visibility", "anybody", "member"),
        [
            ("public", True, True),
            ("unlisted", NotFound, NotFound),
            ("members", Unauthorized, True),
            ("private", NotFound, NotFound),
        ],
    )
    async def test_who_may_watch(self, sqlite_database: Database, visibility: str, anybody: Any, member: Any) -> None:
        video = await add(sqlite_database, visibility=visibility)
        expectations: list[tuple[Principal | None, Any]] = [(None, anybody), (MEMBER, member), (MANAGER, True)]
        for viewer, expected in expectations:
            async with sqlite_database.read() as session:
                if expected is True:
                    assert (await service.get_video(session, video.id, viewer)).id == video.id
                else:
                    with pytest.raises(expected):
                        await service.get_video(session, video.id, viewer)
                if visibility == "unlisted":
                    assert (await service.get_video(session, video.id, viewer, has_link=True)).id == video.id

    async def test_what_lies_in_the_trash_is_gone_for_viewers(self, sqlite_database: Database) -> None:
        video = await add(sqlite_database, deleted_at=utc_now())
        async with sqlite_database.read() as session:
            with pytest.raises(NotFound):
                await service.get_video(session, video.id, MEMBER)
        assert service.shelves_of(None) == (Shelf.PUBLIC,)
        assert service.shelves_of(MEMBER) == (Shelf.PUBLIC, Shelf.MEMBERS)
        assert service.shelves_of(MEMBER, trash=True) == (Shelf.PUBLIC, Shelf.MEMBERS)
        assert service.shelves_of(MANAGER, trash=True) == (Shelf.TRASH,)


class TestManaging:
    async def test_a_change_is_searched_shelved_and_audited(self, database: Database) -> None:
        video = await add(database, "旧名")
        async with database.write() as session:
            body = VideoUpdate(title="新名字", visibility=Visibility.MEMBERS)
            changed = await service.update_video(session, video.id, body)
        assert changed.shelf == Shelf.MEMBERS
        async with database.read() as session:
            wanted = repository.VideoFilter(shelves=(Shelf.MEMBERS,), query=parse_query("新名"))
            found, _ = await repository.find(
                session, wanted, SortKey("created_at", descending=True), PageRequest(1, 10)
            )
            entries = await session.scalar(select(func.count()).select_from(AuditEntry))
        assert [one.id for one in found] == [video.id]
        assert entries == 1

    async def test_trash_restore_delete(self, sqlite_database: Database) -> None:
        video = await add(sqlite_database)
        async with sqlite_database.write() as session:
            with pytest.raises(NotInTrash):
                await service.delete_video(session, video.id)
            await service.trash_video(session, video.id)
        assert (await row(sqlite_database, video)).shelf == Shelf.TRASH
        async with sqlite_database.write() as session:
            await service.restore_video(session, video.id)
        assert (await row(sqlite_database, video)).shelf == Shelf.PUBLIC
        async with sqlite_database.write() as session:
            await service.trash_video(session, video.id)
            await service.delete_video(session, video.id)
            await service.delete_video(session, video.id)  # asked twice, one job
        async with sqlite_database.read() as session:
            kinds = list(await session.scalars(select(Job.kind)))
        assert kinds == ["library.remove"]

    async def test_a_batch_says_for_each_what_became_of_it(self, sqlite_database: Database) -> None:
        free, live = await add(sqlite_database), await add(sqlite_database, is_live=True)
        kept = await add(sqlite_database, is_protected=True)
        async with sqlite_database.write() as session:
            results = await service.act_on_many(session, [free.id, live.id, kept.id, 999], BatchAction.TRASH)
        assert results == {
            free.id: "done",
            live.id: VideoIsLive.code,
            kept.id: VideoProtected.code,
            999: NotFound.code,
        }


class TestTokens:
    def test_each_address_opens_its_own_thing_only(self) -> None:
        ring = Keyring.from_secret(b"x" * 32)
        video = Video(
            id=1,
            asset_id=str(uuid7()),
            title="课 & <1>",
            is_live=True,
            duration=5,
            thumbnail="poster.jpg",
            storyboard=None,
            grant_generation=0,
        )
        play = Signer(ring).play(video, MEMBER, LiveSource(stream_name="hall", grant_generation=2), 3)
        grants = {
            name: verify(url.split("/")[2], ring)
            for name, url in (("hls", play.hls_url), ("live", play.live_url or ""), ("load", play.download_url))
        }
        assert (grants["hls"].method, grants["hls"].scope_kind, grants["hls"].scope) == (
            Method.PLAY,
            ScopeKind.ASSET,
            video.asset_id,
        )
        assert (grants["live"].scope_kind, grants["live"].scope) == (ScopeKind.STREAM, "live:hall.2")
        assert grants["load"].method == Method.DOWNLOAD
        assert all(grant.viewer == f"user.1.{MEMBER.role}" for grant in grants.values())
        assert grants["hls"].expires_s > time.time() + 3600
        assert play.download_url.endswith("?download=%E8%AF%BE%20%26%20%3C1%3E")
        assert play.last_position == 3

    def test_pictures_in_lists_keep_their_address_until_they_change(self) -> None:
        signer = Signer(Keyring.from_secret(b"x" * 32))
        video = Video(
            id=1,
            asset_id=str(uuid7()),
            thumbnail="poster.jpg",
            storyboard="storyboard.vtt",
            is_live=False,
            updated_at=utc_now(),
            grant_generation=0,
        )
        assert signer.stills(video, MEMBER) == signer.stills(video, MEMBER)
        assert signer.stills(video, MEMBER) != signer.stills(video, None)
        before = signer.stills(video, MEMBER)
        video.updated_at += timedelta(seconds=1)
        assert signer.stills(video, MEMBER)[0] != before[0], "another poster may have been made or chosen"
        video.is_live = True
        while_live = signer.stills(video, MEMBER)
        video.updated_at += timedelta(seconds=1)
        assert signer.stills(video, MEMBER) == while_live, "it grows all the time"
        for address in signer.stills(video, MEMBER):
            assert address is not None
            assert verify(address.split("/")[2], signer.keyring).method == Method.LOOK, "it plays nothing"


class TestWatching:
    async def test_reloads_and_bots_do_not_count(self, sqlite_database: Database) -> None:
        now = [1000.0]
        counter = ViewCounter(lambda: now[0])
        video = await add(sqlite_database)
        assert counter.count("user.1", BROWSER, [video.id, video.id]) == 1
        assert counter.count("user.1", BROWSER, [video.id]) == 0
        assert counter.count("user.2", "Googlebot/2.1", [video.id]) == 0
        assert counter.count("user.2", "", [video.id]) == 0
        assert counter.count("user.2", BROWSER, [video.id]) == 1
        now[0] += AGAIN_S
        assert counter.count("user.1", BROWSER, [video.id]) == 1
        await counter.flush(sqlite_database)
        await counter.flush(sqlite_database)
        assert (await row(sqlite_database, video)).view_count == 3

    async def test_positions(self, database: Database) -> None:
        user = await add_user(database, "viewer")
        video, viewer = await add(database), principal(user.id)
        for position, kept in ((40, 40), (60, 60), (97, 0)):
            async with database.write() as session:
                report = ProgressReport(position=position, watch_duration=10)
                await watching.save_progress(session, viewer, video, report)
            async with database.read() as session:
                assert await watching.positions(session, viewer, [video]) == {video.id: kept}
                assert await watching.positions(session, None, [video]) == {}


class TestRetention:
    async def test_age_by_source(self, sqlite_database: Database) -> None:
        async with sqlite_database.write() as session:
            body = SourceCreate(name="x", protocol=Protocol.PUSH, retention_days=30)
            source = (await sources.create_source(session, body)).source
        old = utc_now() - timedelta(days=31)
        expired = await add(sqlite_database, source_id=source.id, created_at=old)
        spared: list[dict[str, Any]] = [
            {"is_protected": True},
            {"is_live": True},
            {"source_id": None},
            {"created_at": utc_now()},
        ]
        for fields in spared:
            values: dict[str, Any] = {"source_id": source.id, "created_at": old} | fields
            await add(sqlite_database, **values)
        async with sqlite_database.write() as session:
            found = await retention.expired_by_age(session, utc_now())
            assert [item.video.id for item in found] == [expired.id]
            assert await retention.move_to_trash(session, found) == 1
            assert await retention.expired_by_age(session, utc_now()) == []

    async def test_low_disk_takes_the_oldest_until_there_is_enough(self, sqlite_database: Database) -> None:
        now = utc_now()
        made = [
            await add(sqlite_database, created_at=now - timedelta(days=age), file_size=100, is_protected=age == 4)
            for age in (5, 4, 3, 2)
        ]
        async with sqlite_database.read() as session:
            found = await retention.expired_by_disk(session, 150)
        assert [item.video.id for item in found] == [made[0].id, made[2].id]

    async def test_what_is_being_watched_stays_in_the_trash(self, sqlite_database: Database) -> None:
        week_ago = utc_now() - timedelta(days=8)
        watched = await add(sqlite_database, deleted_at=week_ago)
        idle = await add(sqlite_database, deleted_at=week_ago)
        await add(sqlite_database, deleted_at=utc_now())
        async with sqlite_database.write() as session:
            reads = {watched.asset_id: time.time() - 5, idle.asset_id: time.time() - 500}
            assert await retention.empty_trash(session, utc_now() - timedelta(days=7), reads) == 1
            removals = list(await session.scalars(select(Job.args)))
        assert removals == [f'{{"video_id": {idle.id}}}']
