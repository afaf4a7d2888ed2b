"""Tokens from before a video was hidden stop to open it; those of who may still watch do not."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import update
from tests.api_fixtures import add_user
from tests.engine.servers import live
from tests.library.test_videos import add, row

from onetake.accounts.models import User
from onetake.accounts.roles import Role
from onetake.accounts.schemas import UserUpdate
from onetake.accounts.service import delete_user, update_user
from onetake.engine.access import Gate
from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer
from onetake.kit.clock import utc_now
from onetake.kit.errors import AppError
from onetake.kit.signing import Keyring, Method, ScopeKind, verify
from onetake.library.models import Video
from onetake.library.schemas import VideoUpdate
from onetake.library.service import revoking
from onetake.library.service import videos as service
from onetake.library.service.playback import Signer
from onetake.sources.models import Protocol, Visibility
from onetake.sources.playback import live_base
from onetake.sources.schemas import SourceCreate, SourceUpdate
from onetake.sources.service import create_source, update_source

RING = Keyring.from_secret(b"t" * 32)
SECRET = "control secret"


def token(video: Video) -> str:
    return Signer(RING).play(video, None, None, 0).hls_url.split("/")[2]


def opens(gate: Gate, video: Video, given: str) -> bool:
    try:
        gate.admit(given, Method.PLAY, ScopeKind.ASSET, video.asset_id)
    except AppError:
        return False
    return True


def names_of(user_id: int, *roles: Role) -> set[revoking.Revocation]:
    """The names of a user in tokens."""
    return {("viewer", f"user.{user_id}.{role}") for role in roles}


async def test_hiding_a_video_ends_the_tokens_made_before(sqlite_database: Database, tmp_path: Path) -> None:
    video = await add(sqlite_database)
    other = await add(sqlite_database)
    before, of_other = token(video), token(other)
    async with live(tmp_path, control_secret=SECRET, token_secret=b"t" * 32) as server:
        media = MediaServer(server.url(""), SECRET)
        gate = server.server.players.gate
        assert await revoking.enforce(sqlite_database, media) == 0
        assert opens(gate, video, before)
        async with sqlite_database.write() as session:
            await service.update_video(session, video.id, VideoUpdate(visibility=Visibility.PRIVATE))
        assert await revoking.enforce(sqlite_database, media) == 1
        assert await revoking.enforce(sqlite_database, media) == 0
        hidden = await row(sqlite_database, video)
        after = token(hidden)
        assert not opens(gate, video, before)
        assert opens(gate, video, after)
        assert opens(gate, other, of_other)
        async with sqlite_database.write() as session:
            await service.trash_video(session, video.id)
        await revoking.enforce(sqlite_database, media)
        assert not opens(gate, video, after)
        async with sqlite_database.write() as session:
            restored = await service.restore_video(session, video.id)
        assert opens(gate, video, token(restored))
        await media.close()


async def test_a_source_for_fewer_people_ends_live_tokens(database: Database) -> None:
    body = SourceCreate(name="Hall", protocol=Protocol.PUSH, visibility=Visibility.PUBLIC)
    async with database.write() as session:
        source = (await create_source(session, body)).source
        await update_source(session, source.id, SourceUpdate(visibility=Visibility.MEMBERS))
        await update_source(session, source.id, SourceUpdate(visibility=Visibility.PRIVATE))
    async with database.read() as session:
        scopes = {scope for what, scope in await revoking.wanted(session, utc_now()) if what == "stream"}
    name = f"live:{source.stream_name}"
    assert scopes == {name, f"{name}.1"}
    assert f"{name}.2" == verify(live_base(RING, source, "s", "guest", 0).split("/")[2], RING).scope


async def test_more_viewers_than_before_end_nothing(database: Database) -> None:
    video = await add(database, visibility=Visibility.MEMBERS)
    async with database.write() as session:
        for wider in (Visibility.UNLISTED, Visibility.PUBLIC):
            await service.update_video(session, video.id, VideoUpdate(visibility=wider))
    async with database.read() as session:
        assert await revoking.wanted(session, utc_now()) == set()


async def test_a_disabled_user_watches_no_longer_until_enabled_again(database: Database) -> None:
    user_id = (await add_user(database, "wang")).id
    async with database.write() as session:
        await session.execute(update(User).where(User.id == user_id).values(is_active=False, updated_at=utc_now()))
    async with database.read() as session:
        assert await revoking.wanted(session, utc_now()) == names_of(user_id, *Role)
        assert await revoking.wanted(session, utc_now() + revoking.TOKEN_LIFE + timedelta(minutes=1)) == set()


async def test_a_lesser_role_ends_what_the_greater_one_gave(database: Database) -> None:
    user_id = (await add_user(database, "wang", "operator")).id
    async with database.write() as session:
        await update_user(session, user_id, UserUpdate(role=Role.MEMBER))
    async with database.read() as session:
        assert await revoking.wanted(session, utc_now()) == names_of(user_id, Role.OPERATOR)
    async with database.write() as session:
        await update_user(session, user_id, UserUpdate(role=Role.ADMIN))
    async with database.read() as session:
        assert await revoking.wanted(session, utc_now()) == set(), "they may watch more now"
        assert await revoking.wanted(session, utc_now() + revoking.TOKEN_LIFE + timedelta(minutes=1)) == set()


async def test_a_deleted_user_watches_no_longer(database: Database) -> None:
    user_id = (await add_user(database, "wang", "operator")).id
    async with database.write() as session:
        await update_user(session, user_id, UserUpdate(role=Role.MEMBER))
        await delete_user(session, user_id)
    async with database.read() as session:
        assert await revoking.wanted(session, utc_now()) == names_of(user_id, *Role)
