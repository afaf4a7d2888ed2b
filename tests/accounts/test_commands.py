"""What the command line does with accounts."""

import pytest

from onetake.accounts import commands
from onetake.accounts.errors import LastAdmin
from onetake.accounts.passwords import verify_password
from onetake.accounts.roles import Role
from onetake.infra.db import Database


async def test_add_makes_up_a_password_and_shows_it_once(sqlite_database: Database) -> None:
    user, password = await commands.add_user(sqlite_database, "carol", role=Role.OPERATOR)
    assert password is not None
    assert (await verify_password(password, user.password_hash))[0]
    _, none = await commands.add_user(sqlite_database, "dave", "walrus under glass")
    assert none is None
    assert [user.username for user in await commands.list_users(sqlite_database)] == ["carol", "dave"]


async def test_password_and_role_by_name_without_case(sqlite_database: Database) -> None:
    await commands.add_user(sqlite_database, "Carol", "walrus under glass", Role.ADMIN)
    made_up = await commands.set_password(sqlite_database, "cAROL")
    assert made_up is not None
    with pytest.raises(LastAdmin):
        await commands.set_role(sqlite_database, "carol", Role.MEMBER)
    await commands.add_user(sqlite_database, "dave", "walrus under glass", Role.ADMIN)
    assert (await commands.set_role(sqlite_database, "carol", Role.MEMBER)).role == "member"


async def test_an_unknown_name_is_said(sqlite_database: Database) -> None:
    with pytest.raises(commands.NoSuchUser, match="nobody"):
        await commands.set_password(sqlite_database, "nobody", "walrus under glass")
