"""What the command line does with accounts: by user name, with passwords made up when none is given."""

from collections.abc import Sequence

from onetake.accounts import repository, service
from onetake.accounts.models import User
from onetake.accounts.passwords import generate_password
from onetake.accounts.roles import Role
from onetake.accounts.schemas import UserCreate, UserUpdate
from onetake.infra.db import Database
from onetake.kit.errors import NotFound, Text


class NoSuchUser(NotFound):
    """Parameter: `username`."""

    code = "no_such_user"
    text = Text(en="There is no user “{username}”.", zh_cn="没有用户“{username}”。", zh_tw="沒有使用者「{username}」。")


async def add_user(
    db: Database, username: str, password: str | None = None, role: Role = Role.MEMBER, email: str | None = None
) -> tuple[User, str | None]:
    """A new account, and its password when that was made up here.

    Raises pydantic's ValidationError for a malformed name or address, `UsernameTaken`, or a password rule's error.
    """
    chosen = password or generate_password()
    wanted = UserCreate(username=username, password=chosen, display_name=None, email=email, language=None, role=role)
    return await service.create_user(db, wanted), None if password else chosen


async def list_users(db: Database) -> Sequence[User]:
    """Every account, by number."""
    async with db.read() as session:
        return await repository.all_users(session)


async def set_password(db: Database, username: str, password: str | None = None) -> str | None:
    """A new password for an account, returned when it was made up here; ends the sessions. Raises `NoSuchUser`."""
    chosen = password or generate_password()
    await service.set_password(db, (await _find(db, username)).id, chosen)
    return None if password else chosen


async def set_role(db: Database, username: str, role: Role) -> User:
    """A new role for an account; ends its sessions. Raises `NoSuchUser` and `LastAdmin`."""
    user = await _find(db, username)
    async with db.write() as session:
        return await service.update_user(session, user.id, UserUpdate.model_validate({"role": role}))


async def _find(db: Database, username: str) -> User:
    async with db.read() as session:
        user = await repository.find_user(session, username)
    if user is None:
        raise NoSuchUser(username=username)
    return user
