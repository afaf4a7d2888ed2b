"""Sessions, refresh tokens and tickets on the three databases."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from tests.api_fixtures import PASSWORD, add_user

from onetake.accounts import repository, sessions
from onetake.accounts.access_tokens import AccessClaims
from onetake.accounts.errors import SessionEnded, WrongCredentials
from onetake.accounts.models import RefreshToken, User, UserSession, WsTicket
from onetake.accounts.principal import Principal
from onetake.accounts.sessions import REUSE_GRACE, TICKET_LIFE, Device, SessionPolicy
from onetake.infra.audit import AuditEntry
from onetake.infra.db import Database
from onetake.infra.settings import Settings
from onetake.kit.clock import utc_now

POLICY = SessionPolicy(timedelta(days=7), timedelta(days=30), timedelta(hours=12))
DEVICE = Device("192.0.2.1", "tests")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], datetime]:
    """Sets the sessions' clock so far ahead of the real one."""

    def ahead(by: timedelta) -> datetime:
        moment = utc_now() + by
        monkeypatch.setattr(sessions, "utc_now", lambda: moment)
        return moment

    return ahead


async def open_one(db: Database, user: User) -> sessions.SignedIn:
    async with db.write() as session:
        return await sessions.open_session(session, POLICY, user, DEVICE)


async def actions(db: Database) -> list[str]:
    async with db.read() as session:
        return list(await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def claims_of(opened: sessions.SignedIn) -> AccessClaims:
    return AccessClaims(opened.user.id, opened.session.id)


async def test_signing_in_by_name_or_address(database: Database) -> None:
    user = await add_user(database, "Anna", email="Anna@Example.org", email_key="anna@example.org")
    for name in ("anna", "ANNA", "anna@EXAMPLE.org"):
        opened = await sessions.log_in(database, POLICY, name, PASSWORD, DEVICE)
        assert opened.user.id == user.id
        assert len(opened.session.id) == 32
    assert await actions(database) == ["auth.login"] * 3
    async with database.read() as session:
        assert (await repository.get_user(session, user.id)).last_login_at is not None  # type: ignore[union-attr]


async def test_every_failure_looks_the_same_and_is_written_down(database: Database) -> None:
    user = await add_user(database, "anna")
    await add_user(database, "banned", is_active=False)
    for name, password in (
        ("anna", "wrong"),
        ("nobody", PASSWORD),
        ("banned", PASSWORD),
        ("", ""),
        ("' OR 1=1 --", "x"),
    ):
        with pytest.raises(WrongCredentials):
            await sessions.log_in(database, POLICY, name, password, DEVICE)
    async with database.read() as session:
        targets = list(await session.scalars(select(AuditEntry.target).order_by(AuditEntry.id)))
        assert await session.scalar(select(func.count(UserSession.id))) == 0
    assert targets[:2] == [f"user:{user.id}", "user:unknown"]


async def test_the_database_holds_no_token(database: Database) -> None:
    opened = await open_one(database, await add_user(database, "anna"))
    async with database.read() as session:
        (stored,) = await session.scalars(select(RefreshToken.token_hash))
    assert stored != opened.refresh_token
    assert opened.refresh_token not in stored


async def test_refresh_rotates(database: Database) -> None:
    opened = await open_one(database, await add_user(database, "anna"))
    token = opened.refresh_token
    for _ in range(3):
        continued = await sessions.refresh(database, POLICY, token, DEVICE)
        assert continued.session.id == opened.session.id
        assert continued.refresh_token != token
        token = continued.refresh_token


async def test_a_stolen_old_token_ends_the_family(database: Database, clock: Callable[[timedelta], Any]) -> None:
    opened = await open_one(database, await add_user(database, "anna"))
    newest = await sessions.refresh(database, POLICY, opened.refresh_token, DEVICE)
    clock(REUSE_GRACE + timedelta(seconds=1))
    with pytest.raises(SessionEnded):
        await sessions.refresh(database, POLICY, opened.refresh_token, DEVICE)
    with pytest.raises(SessionEnded):
        await sessions.refresh(database, POLICY, newest.refresh_token, DEVICE)
    with pytest.raises(SessionEnded):
        await sessions.resume(database, POLICY, claims_of(opened), None)
    assert (await actions(database))[-1] == "auth.refresh_reused"


async def test_two_tabs_racing_both_stay(database: Database) -> None:
    opened = await open_one(database, await add_user(database, "anna"))
    racing = [sessions.refresh(database, POLICY, opened.refresh_token, DEVICE) for _ in range(4)]
    tokens = [tab.refresh_token for tab in await asyncio.gather(*racing)]
    assert len(set(tokens)) == 4
    for token in tokens:
        await sessions.refresh(database, POLICY, token, DEVICE)


@pytest.mark.parametrize("token", ["", "x", "ot_something", "\x00", "é" * 100])
async def test_any_other_text_is_no_token(sqlite_database: Database, token: str) -> None:
    with pytest.raises(SessionEnded):
        await sessions.refresh(sqlite_database, POLICY, token, DEVICE)


async def test_log_out_ends_the_session_everywhere(database: Database) -> None:
    opened = await open_one(database, await add_user(database, "anna"))
    async with database.write() as session:
        await sessions.log_out(session, opened.refresh_token)
    async with database.write() as session:
        await sessions.log_out(session, opened.refresh_token)  # twice is no error
    with pytest.raises(SessionEnded):
        await sessions.resume(database, POLICY, claims_of(opened), None)
    with pytest.raises(SessionEnded):
        await sessions.refresh(database, POLICY, opened.refresh_token, DEVICE)


@pytest.mark.parametrize(
    ("role", "later", "alive"),
    [
        ("member", timedelta(days=6), True),
        ("member", timedelta(days=7, seconds=1), False),
        ("admin", timedelta(hours=11), True),
        ("admin", timedelta(hours=12, seconds=1), False),
    ],
)
async def test_idle_and_absolute_ends(
    sqlite_database: Database, clock: Callable[[timedelta], Any], role: str, later: timedelta, alive: bool
) -> None:
    opened = await open_one(sqlite_database, await add_user(sqlite_database, "anna", role))
    clock(later)
    try:
        await sessions.resume(sqlite_database, POLICY, claims_of(opened), None)
    except SessionEnded:
        assert not alive
    else:
        assert alive


async def test_use_prolongs_but_not_beyond_the_absolute_end(
    sqlite_database: Database, clock: Callable[[timedelta], Any]
) -> None:
    opened = await open_one(sqlite_database, await add_user(sqlite_database, "anna"))
    token = opened.refresh_token
    for days in (5, 10, 15, 20, 25, 29):
        clock(timedelta(days=days))
        token = (await sessions.refresh(sqlite_database, POLICY, token, DEVICE)).refresh_token
    clock(timedelta(days=30, seconds=1))
    with pytest.raises(SessionEnded):
        await sessions.refresh(sqlite_database, POLICY, token, DEVICE)


async def test_last_use_is_kept_to_the_minute(database: Database, clock: Callable[[timedelta], datetime]) -> None:
    opened = await open_one(database, await add_user(database, "anna"))
    clock(timedelta(seconds=30))
    await sessions.resume(database, POLICY, claims_of(opened), "198.51.100.1")

    async def row() -> UserSession:
        async with database.read() as session:
            return await session.get_one(UserSession, opened.session.id)

    assert (await row()).ip == "192.0.2.1"
    moment = clock(timedelta(seconds=90))
    await sessions.resume(database, POLICY, claims_of(opened), "198.51.100.1")
    assert ((await row()).last_seen_at, (await row()).ip) == (moment, "198.51.100.1")


async def test_a_token_for_somebody_elses_session_is_refused(database: Database) -> None:
    anna, otto = await add_user(database, "anna"), await add_user(database, "otto")
    opened = await open_one(database, anna)
    with pytest.raises(SessionEnded):
        await sessions.resume(database, POLICY, AccessClaims(otto.id, opened.session.id), None)


async def test_ban_and_demotion_act_at_the_next_request(database: Database) -> None:
    user = await add_user(database, "anna", "admin")
    opened = await open_one(database, user)
    async with database.write() as session:
        await session.execute(update(User).where(User.id == user.id).values(role="member"))
    assert not (await sessions.resume(database, POLICY, claims_of(opened), None)).permissions
    async with database.write() as session:
        await session.execute(update(User).where(User.id == user.id).values(is_active=False))
    with pytest.raises(SessionEnded):
        await sessions.resume(database, POLICY, claims_of(opened), None)


async def ticket_of(db: Database, opened: sessions.SignedIn) -> str:
    async with db.write() as session:
        return await sessions.issue_ticket(session, Principal.of_session(opened.session, opened.user))


async def test_a_ticket_is_good_once(database: Database) -> None:
    opened = await open_one(database, await add_user(database, "anna", "operator"))
    ticket = await ticket_of(database, opened)
    takers = await asyncio.gather(*(sessions.redeem_ticket(database, POLICY, ticket) for _ in range(4)))
    (winner,) = [taker for taker in takers if taker]
    assert winner == Principal.of_session(opened.session, opened.user)


async def test_a_ticket_dies_after_30_seconds_and_with_its_session(
    database: Database, clock: Callable[[timedelta], Any]
) -> None:
    user = await add_user(database, "anna")
    opened = await open_one(database, user)
    orphan, stale = await ticket_of(database, opened), await ticket_of(database, await open_one(database, user))
    async with database.write() as session:
        await repository.delete_session(session, user.id, opened.session.id)
    assert await sessions.redeem_ticket(database, POLICY, orphan) is None
    clock(TICKET_LIFE + timedelta(seconds=1))
    assert await sessions.redeem_ticket(database, POLICY, stale) is None
    assert await sessions.redeem_ticket(database, POLICY, "made up") is None


async def test_who_is_still_welcome(database: Database) -> None:
    anna, otto = await add_user(database, "anna", "operator"), await add_user(database, "otto")
    stays, leaves = await open_one(database, anna), await open_one(database, otto)
    async with database.write() as session:
        await repository.delete_sessions(session, otto.id)
    alive = await sessions.still_welcome(database, POLICY, {stays.session.id, leaves.session.id, "gone"}, {12345})
    assert [principal.user_id for principal in alive] == [anna.id]


async def test_purge_keeps_what_still_opens_something(database: Database, clock: Callable[[timedelta], Any]) -> None:
    user = await add_user(database, "anna")
    opened, dead = await open_one(database, user), await open_one(database, user)
    await ticket_of(database, opened)
    now = utc_now()
    async with database.write() as session:
        long_ago = now - timedelta(days=8)
        await session.execute(
            update(UserSession).where(UserSession.id == dead.session.id).values(last_seen_at=long_ago)
        )
    async with database.write() as session:
        assert await repository.purge(session, now + timedelta(minutes=1), now - POLICY.idle) == 1
    async with database.read() as session:
        assert list(await session.scalars(select(UserSession.id))) == [opened.session.id]
        assert await session.scalar(select(func.count(WsTicket.ticket_hash))) == 0
        assert await session.scalar(select(func.count(RefreshToken.token_hash))) == 1


def test_policy_comes_from_the_settings() -> None:
    policy = SessionPolicy.from_settings(Settings())
    assert (policy.idle, policy.longest, policy.longest_admin) == (POLICY.idle, POLICY.longest, POLICY.longest_admin)
