"""API tokens on the three databases."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from tests.api_fixtures import add_user

from onetake.accounts import api_tokens
from onetake.accounts.errors import ScopeNotYours, TooManyApiTokens
from onetake.accounts.models import ApiToken, User
from onetake.accounts.principal import Principal
from onetake.accounts.roles import Permission, Role
from onetake.accounts.schemas import ApiTokenCreate
from onetake.infra.audit import AuditEntry
from onetake.infra.db import Database
from onetake.kit.clock import utc_now
from onetake.kit.errors import NotFound, Unauthorized


def principal_of(user: User) -> Principal:
    return Principal.of_session(_Session, user)  # type: ignore[arg-type]


class _Session:
    """Stands for a session row, of which only the id is read."""

    id = "0" * 32


async def make(db: Database, user: User, *scopes: Permission, days: int | None = 90) -> tuple[ApiToken, str]:
    wanted = ApiTokenCreate(name="backup", scopes=list(scopes), expires_in_days=days)
    async with db.write() as session:
        return await api_tokens.create_api_token(session, principal_of(user), wanted)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], datetime]:
    """Sets the tokens' clock so far ahead of the real one."""

    def ahead(by: timedelta) -> datetime:
        moment = utc_now() + by
        monkeypatch.setattr(api_tokens, "utc_now", lambda: moment)
        return moment

    return ahead


async def test_only_the_hash_is_stored_and_the_prefix_shown(database: Database) -> None:
    row, secret = await make(database, await add_user(database, "anna", "operator"), Permission.JOBS_READ)
    async with database.read() as session:
        stored = await session.get_one(ApiToken, row.id)
        entries = list(await session.scalars(select(AuditEntry)))
    assert secret.startswith(stored.prefix)
    assert len(stored.prefix) < 12
    assert secret not in (stored.token_hash, stored.name)
    assert [entry.action for entry in entries] == ["api_tokens.create"]
    assert secret not in str(entries[0].after)


async def test_a_token_does_what_its_scopes_say(database: Database) -> None:
    user = await add_user(database, "anna", "operator")
    _, secret = await make(database, user, Permission.JOBS_READ)
    _, bare = await make(database, user)
    principal = await api_tokens.resume_api_token(database, secret)
    assert (principal.user_id, principal.permissions) == (user.id, frozenset({Permission.JOBS_READ}))
    assert not (await api_tokens.resume_api_token(database, bare)).permissions


async def test_nobody_can_give_what_he_has_not(database: Database) -> None:
    with pytest.raises(ScopeNotYours):
        await make(database, await add_user(database, "anna", "operator"), Permission.USERS_WRITE)


async def test_a_demoted_owner_takes_his_tokens_along(database: Database) -> None:
    user = await add_user(database, "anna", "admin")
    _, secret = await make(database, user, Permission.USERS_READ, Permission.JOBS_READ)
    async with database.write() as session:
        await session.execute(update(User).where(User.id == user.id).values(role=Role.OPERATOR.value))
    assert (await api_tokens.resume_api_token(database, secret)).permissions == {Permission.JOBS_READ}
    async with database.write() as session:
        await session.execute(update(User).where(User.id == user.id).values(is_active=False))
    with pytest.raises(Unauthorized):
        await api_tokens.resume_api_token(database, secret)


async def test_tokens_end(database: Database, clock: Callable[[timedelta], Any]) -> None:
    user = await add_user(database, "anna")
    _, short = await make(database, user, days=1)
    _, endless = await make(database, user, days=None)
    clock(timedelta(days=1, seconds=1))
    with pytest.raises(Unauthorized):
        await api_tokens.resume_api_token(database, short)
    assert (await api_tokens.resume_api_token(database, endless)).user_id == user.id


async def test_last_use_is_kept_to_the_minute(database: Database, clock: Callable[[timedelta], datetime]) -> None:
    user = await add_user(database, "anna")
    row, secret = await make(database, user)

    async def last_used() -> datetime | None:
        async with database.read() as session:
            return (await session.get_one(ApiToken, row.id)).last_used_at

    first = clock(timedelta(0))
    await api_tokens.resume_api_token(database, secret)
    clock(timedelta(seconds=59))
    await api_tokens.resume_api_token(database, secret)
    assert await last_used() == first
    second = clock(timedelta(seconds=61))
    await api_tokens.resume_api_token(database, secret)
    assert await last_used() == second


async def test_somebody_elses_token_is_not_there(database: Database) -> None:
    anna, otto = await add_user(database, "anna"), await add_user(database, "otto")
    row, secret = await make(database, anna)
    with pytest.raises(NotFound):
        async with database.write() as session:
            await api_tokens.delete_api_token(session, otto.id, row.id)
    async with database.write() as session:
        await api_tokens.delete_api_token(session, anna.id, row.id)
    with pytest.raises(Unauthorized):
        await api_tokens.resume_api_token(database, secret)


async def test_there_is_a_limit(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_tokens, "MAX_PER_USER", 2)
    user = await add_user(sqlite_database, "anna")
    for _ in range(2):
        await make(sqlite_database, user)
    with pytest.raises(TooManyApiTokens):
        await make(sqlite_database, user)


@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=300))
async def test_any_text_is_refused(sqlite_database: Database, text: str) -> None:
    with pytest.raises(Unauthorized):
        await api_tokens.resume_api_token(sqlite_database, api_tokens.PREFIX + text)
