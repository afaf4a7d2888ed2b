"""Accounts on the three databases."""

import asyncio

import pytest
from sqlalchemy import select
from tests.api_fixtures import PASSWORD, add_user

from onetake.accounts import commands, service
from onetake.accounts.api_tokens import create_api_token
from onetake.accounts.errors import EmailTaken, LastAdmin, UsernameTaken, WrongCurrentPassword
from onetake.accounts.models import ApiToken, User, UserSession
from onetake.accounts.passwords import verify_password
from onetake.accounts.principal import Principal
from onetake.accounts.repository import UserFilter
from onetake.accounts.roles import Role
from onetake.accounts.schemas import ApiTokenCreate, ProfileUpdate, Register, UserCreate, UserUpdate
from onetake.accounts.sessions import Device, SessionPolicy, SignedIn, open_session
from onetake.infra.audit import AuditEntry
from onetake.infra.db import Database
from onetake.infra.settings import Settings
from onetake.infra.settings_errors import SettingsError
from onetake.kit.errors import NotFound
from onetake.kit.paging import PageRequest, SortKey

FIRST_PAGE = PageRequest()
DEVICE = Device("192.0.2.1", "tests")


async def signed_in(db: Database, user: User) -> SignedIn:
    async with db.write() as session:
        return await open_session(session, SessionPolicy.from_settings(Settings()), user, DEVICE)


async def sessions_of(db: Database, user: User) -> list[str]:
    async with db.read() as session:
        return list(await session.scalars(select(UserSession.id).where(UserSession.user_id == user.id)))


async def audited(db: Database, action: str) -> list[AuditEntry]:
    async with db.read() as session:
        rows = await session.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id))
        return list(rows)


async def test_the_first_administrator_is_made_once(database: Database) -> None:
    password = await service.ensure_admin(database, None)
    assert password is not None
    assert await service.ensure_admin(database, None) is None
    assert await service.ensure_admin(database, "another password 1") is None
    (admin,) = await commands.list_users(database)
    assert (admin.username, admin.role) == ("admin", "admin")
    assert (await verify_password(password, admin.password_hash))[0]


async def test_two_starting_processes_make_one_administrator(database: Database) -> None:
    made = await asyncio.gather(*(service.ensure_admin(database, None) for _ in range(3)))
    assert sum(password is not None for password in made) == 1
    assert len(await commands.list_users(database)) == 1


async def test_a_given_admin_password_obeys_the_rules(database: Database) -> None:
    for password, name in (("password123", "admin"), ("x" * 2000, "admin"), ("the big boss", "the big boss")):
        with pytest.raises(SettingsError, match=r"ONETAKE_ADMIN_(PASSWORD|USERNAME)"):
            await service.ensure_admin(database, password, name)
    assert await service.ensure_admin(database, "walrus under glass", "boss") is None
    assert [user.username for user in await commands.list_users(database)] == ["boss"]


async def test_registration_makes_members_and_writes_who_did_it(database: Database) -> None:
    user = await service.register(database, Register(username="Lin_Wei", password="walrus under glass"))
    assert (user.role, user.display_name, user.is_active) == ("member", "Lin_Wei", True)
    (entry,) = await audited(database, "auth.register")
    assert entry.target == f"user:{user.id}"
    assert entry.after is not None
    assert entry.after["username"] == "Lin_Wei"
    assert "walrus" not in str(entry.after)


async def test_names_and_addresses_are_unique_without_case(database: Database) -> None:
    first = UserCreate(username="Anna", password="walrus under glass", email="Anna@Example.org")
    await service.create_user(database, first)
    with pytest.raises(UsernameTaken):
        await service.create_user(database, UserCreate(username="aNNa", password="walrus under glass"))
    again = UserCreate(username="other", password="walrus under glass", email="anna@example.ORG")
    with pytest.raises(EmailTaken):
        await service.create_user(database, again)


async def test_five_who_want_one_name_at_the_same_time(database: Database) -> None:
    wanted = UserCreate(username="popular", password="walrus under glass")
    results = await asyncio.gather(*(service.create_user(database, wanted) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, User) for result in results) == 1
    assert all(isinstance(result, (User, UsernameTaken)) for result in results)


async def test_lists_filter_sort_and_page(database: Database) -> None:
    for number, name in enumerate(["carol", "alice", "bob", "dave_100%"]):
        await add_user(database, name, "operator" if number % 2 else "member", is_active=name != "bob")

    async def names(wanted: UserFilter, *order: SortKey, page: PageRequest = FIRST_PAGE) -> tuple[list[str], int]:
        async with database.read() as session:
            users, total = await service.list_users(session, wanted, order, page)
        return [user.username for user in users], total

    by_name = SortKey("username")
    assert await names(UserFilter(), by_name) == (["alice", "bob", "carol", "dave_100%"], 4)
    assert await names(UserFilter(), SortKey("username", True), page=PageRequest(2, 3)) == (["alice"], 4)
    assert await names(UserFilter(role=Role.OPERATOR), by_name) == (["alice", "dave_100%"], 2)
    assert await names(UserFilter(is_active=False)) == (["bob"], 1)
    assert await names(UserFilter(q="ALI")) == (["alice"], 1)
    assert await names(UserFilter(q="0%")) == (["dave_100%"], 1)
    assert await names(UserFilter(q="_")) == (["dave_100%"], 1)
    assert await names(UserFilter(), page=PageRequest(1_000_000, 200)) == ([], 4)


async def test_a_new_role_ends_the_sessions(database: Database) -> None:
    user, other = await add_user(database, "ursula"), await add_user(database, "otto")
    await signed_in(database, user)
    await signed_in(database, other)
    async with database.write() as session:
        await service.update_user(session, user.id, UserUpdate(role=Role.OPERATOR))
    assert await sessions_of(database, user) == []
    assert len(await sessions_of(database, other)) == 1
    (entry,) = await audited(database, "users.update")
    assert (entry.before, entry.after) == ({"role": "member"}, {"role": "operator"})


async def test_a_ban_ends_the_sessions_and_a_rename_does_not(database: Database) -> None:
    user = await add_user(database, "ursula")
    await signed_in(database, user)
    async with database.write() as session:
        await service.update_user(session, user.id, UserUpdate.model_validate({"display_name": "Ursula W."}))
    assert len(await sessions_of(database, user)) == 1
    async with database.write() as session:
        await service.update_user(session, user.id, UserUpdate.model_validate({"is_active": False}))
    assert await sessions_of(database, user) == []


async def test_nulls_clear_what_may_be_empty_and_leave_the_rest(database: Database) -> None:
    user = await add_user(database, "ursula", email="u@example.org", email_key="u@example.org", language="zh-CN")
    changes = UserUpdate.model_validate({"email": None, "language": None, "role": None, "display_name": None})
    async with database.write() as session:
        changed = await service.update_user(session, user.id, changes)
    assert (changed.email, changed.language, changed.role, changed.display_name) == (None, None, "member", "Ursula")


async def test_somebody_must_be_left_to_run_the_place(database: Database) -> None:
    admin = await add_user(database, "boss", "admin")
    await add_user(database, "retired", "admin", is_active=False)
    for changes in ({"role": "member"}, {"is_active": False}):
        with pytest.raises(LastAdmin):
            async with database.write() as session:
                await service.update_user(session, admin.id, UserUpdate.model_validate(changes))
    with pytest.raises(LastAdmin):
        async with database.write() as session:
            await service.delete_user(session, admin.id)


async def test_two_administrators_cannot_demote_each_other_at_once(database: Database) -> None:
    first, second = await add_user(database, "first", "admin"), await add_user(database, "second", "admin")

    async def demote(user: User) -> None:
        async with database.write() as session:
            await service.update_user(session, user.id, UserUpdate(role=Role.MEMBER))

    results = await asyncio.gather(demote(first), demote(second), return_exceptions=True)
    admins = [user for user in await commands.list_users(database) if user.role == "admin"]
    assert len(admins) == 1, results


async def test_deleting_takes_sessions_and_tokens_along(database: Database) -> None:
    user = await add_user(database, "ursula")
    opened = await signed_in(database, user)
    async with database.write() as session:
        principal = Principal.of_session(opened.session, user)
        await create_api_token(session, principal, ApiTokenCreate(name="x", scopes=[], expires_in_days=None))
    async with database.write() as session:
        await service.delete_user(session, user.id)
    async with database.read() as session:
        assert await session.scalar(select(ApiToken.id)) is None
    assert await sessions_of(database, user) == []
    with pytest.raises(NotFound):
        async with database.write() as session:
            await service.delete_user(session, user.id)


async def test_changing_the_password_ends_the_other_sessions(database: Database) -> None:
    user = await add_user(database, "ursula")
    here, _elsewhere = await signed_in(database, user), await signed_in(database, user)
    principal = Principal.of_session(here.session, user)
    with pytest.raises(WrongCurrentPassword):
        await service.change_own_password(database, principal, "not this one", "walrus under glass")
    await service.change_own_password(database, principal, PASSWORD, "walrus under glass")
    assert await sessions_of(database, user) == [here.session.id]
    async with database.read() as session:
        stored = await service.get_user(session, user.id)
    assert (await verify_password("walrus under glass", stored.password_hash))[0]


async def test_profile_of_a_stranger_is_out_of_reach(database: Database) -> None:
    user, other = (
        await add_user(database, "ursula"),
        await add_user(database, "otto", email="o@x.org", email_key="o@x.org"),
    )
    opened = await signed_in(database, user)
    principal = Principal.of_session(opened.session, user)
    async with database.write() as session:
        changed = await service.update_profile(session, principal, ProfileUpdate(display_name="U"))
    assert (changed.id, changed.display_name) == (user.id, "U")
    with pytest.raises(EmailTaken):
        async with database.write() as session:
            await service.update_profile(session, principal, ProfileUpdate(email=other.email))
