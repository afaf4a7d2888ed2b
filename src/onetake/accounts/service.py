"""Accounts and what administrators do with them. Every act leaves an audit row in the same transaction.

Functions that hash a password take the `Database` and own their unit of work, because hashing takes long and must not
happen inside a transaction; all others work in the caller's.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.accounts import repository
from onetake.accounts.errors import EmailTaken, LastAdmin, UsernameTaken, WrongCurrentPassword
from onetake.accounts.models import User
from onetake.accounts.passwords import check_password, generate_password, hash_password, verify_password
from onetake.accounts.principal import Principal
from onetake.accounts.repository import UserFilter
from onetake.accounts.roles import Role
from onetake.accounts.schemas import ProfileUpdate, Register, UserCreate, UserUpdate
from onetake.infra.audit import audit
from onetake.infra.audit_repository import acts_since
from onetake.infra.db import Database
from onetake.infra.settings_errors import SettingsError
from onetake.kit.clock import utc_now
from onetake.kit.errors import Invalid, NotFound, Unauthorized
from onetake.kit.paging import PageRequest, SortKey

UPDATED, DELETED = "users.update", "users.delete"
_REPORTED = ("username", "display_name", "email", "language", "role", "is_active")


async def register(db: Database, wanted: Register) -> User:
    """A stranger's new account, always a member. Raises `UsernameTaken`, `EmailTaken` or a password rule's error."""
    return await _create(db, UserCreate(**wanted.model_dump(), role=Role.MEMBER), action="auth.register")


async def create_user(db: Database, wanted: UserCreate) -> User:
    """A new account with any role. Raises `UsernameTaken`, `EmailTaken` or a password rule's error."""
    return await _create(db, wanted, action="users.create")


async def ensure_admin(db: Database, password: str | None, username: str = "admin") -> str | None:
    """Make the first administrator when there is none (A3).

    Returns the generated password when `password` is None, once; None when nothing had to be made or the password was
    given. Raises SettingsError, naming the variable, when the rules refuse the given name or password.
    """
    async with db.read() as session:
        if await repository.admin_exists(session):
            return None
    chosen = password or generate_password()
    try:
        await _create(db, _first_admin(username, chosen), action="users.create")
    except Invalid as error:
        raise SettingsError(f"ONETAKE_ADMIN_PASSWORD cannot be used. {error.detail('en')}") from None
    except UsernameTaken:
        async with db.read() as session:
            if await repository.admin_exists(session):
                return None  # another process was first
        raise
    return None if password else chosen


def _first_admin(username: str, password: str) -> UserCreate:
    try:
        return UserCreate(
            username=username, password=password, display_name=None, email=None, language=None, role=Role.ADMIN
        )
    except ValidationError as error:
        culprit = str(error.errors()[0]["loc"][0]).upper()
        raise SettingsError(f"ONETAKE_ADMIN_{culprit} has a length or characters that are not allowed.") from None


async def _create(db: Database, wanted: UserCreate, action: str) -> User:
    check_password(wanted.password, (wanted.username, wanted.email, wanted.display_name))
    password_hash = await hash_password(wanted.password)
    try:
        async with db.write() as session:
            await _must_be_free(session, wanted.username, wanted.email)
            user = _new_user(wanted, password_hash)
            session.add(user)
            await session.flush()
            await audit(session, action=action, target=f"user:{user.id}", after=_report(user))
    except IntegrityError as error:  # somebody else took name or address between the look and the insert
        async with db.read() as session:
            await _must_be_free(session, wanted.username, wanted.email)
        raise UsernameTaken(field="username") from error
    return user


async def _must_be_free(session: AsyncSession, username: str, email: str | None) -> None:
    if await repository.username_exists(session, username):
        raise UsernameTaken(field="username")
    if email and await repository.email_exists(session, email):
        raise EmailTaken(field="email")


def _new_user(wanted: UserCreate, password_hash: str) -> User:
    now = utc_now()
    return User(
        username=wanted.username,
        username_key=wanted.username.lower(),
        display_name=wanted.display_name or wanted.username,
        email=wanted.email,
        email_key=wanted.email.lower() if wanted.email else None,
        language=wanted.language,
        role=wanted.role.value,
        is_active=True,
        password_hash=password_hash,
        created_at=now,
        updated_at=now,
        last_login_at=None,
    )


async def get_user(session: AsyncSession, user_id: int) -> User:
    """One account; raises `NotFound`."""
    user = await repository.get_user(session, user_id)
    if user is None:
        raise NotFound()
    return user


async def list_users(
    session: AsyncSession, wanted: UserFilter, order: Sequence[SortKey], page: PageRequest
) -> tuple[Sequence[User], int]:
    """One page of accounts and how many there are in all."""
    return await repository.list_users(session, wanted, order, page)


async def update_profile(session: AsyncSession, principal: Principal, changes: ProfileUpdate) -> User:
    """Change one's own account."""
    return await _update(session, principal.user_id, changes.model_dump(exclude_unset=True), "auth.update_profile")


async def update_user(session: AsyncSession, user_id: int, changes: UserUpdate) -> User:
    """Change an account; a new role or a ban ends its sessions. Raises `NotFound`, `LastAdmin` or `EmailTaken`."""
    return await _update(session, user_id, changes.model_dump(exclude_unset=True), UPDATED)


async def _update(session: AsyncSession, user_id: int, changes: dict[str, Any], action: str) -> User:
    user = await repository.get_user(session, user_id, lock=True)
    if user is None:
        raise NotFound()
    before = _report(user)
    for required in ("display_name", "role", "is_active"):
        if changes.get(required, ...) is None:
            del changes[required]
    await _guard_email(session, user, changes)
    await _guard_last_admin(session, user, changes)
    for name, value in changes.items():
        setattr(user, name, value)
    user.updated_at = utc_now()
    await session.flush()
    after = _report(user)
    if after["role"] != before["role"] or not user.is_active:
        await repository.delete_sessions(session, user.id)
    changed = [name for name in _REPORTED if before[name] != after[name]]
    if changed:
        await audit(
            session, action=action, target=f"user:{user.id}", before=_only(before, changed), after=_only(after, changed)
        )
    return user


async def _guard_email(session: AsyncSession, user: User, changes: dict[str, Any]) -> None:
    if "email" not in changes:
        return
    email = changes["email"]
    if email and await repository.email_exists(session, email, except_id=user.id):
        raise EmailTaken(field="email")
    changes["email_key"] = email.lower() if email else None


async def _guard_last_admin(session: AsyncSession, user: User, changes: Mapping[str, Any]) -> None:
    stays = changes.get("role", user.role) == Role.ADMIN and changes.get("is_active", user.is_active)
    if user.role == Role.ADMIN and user.is_active and not stays and not await repository.other_admins(session, user.id):
        raise LastAdmin()


async def delete_user(session: AsyncSession, user_id: int) -> None:
    """Remove an account with its sessions and tokens. Raises `NotFound` and `LastAdmin`."""
    user = await repository.get_user(session, user_id, lock=True)
    if user is None:
        raise NotFound()
    await _guard_last_admin(session, user, {"is_active": False})
    await repository.delete_user(session, user_id)
    await audit(session, action=DELETED, target=f"user:{user_id}", before=_report(user))


async def change_own_password(db: Database, principal: Principal, current: str, new: str) -> None:
    """Change one's password and end one's other sessions. Raises `WrongCurrentPassword` or a password rule's error."""
    async with db.read() as session:
        user = await get_user(session, principal.user_id)
    fits, _ = await verify_password(current, user.password_hash)
    if not fits:
        raise WrongCurrentPassword(field="current_password")
    await _store_password(db, user, new, keep_session=principal.session_id, action="auth.change_password")


async def set_password(db: Database, user_id: int, new: str) -> None:
    """Give somebody a new password and end all their sessions. Raises `NotFound` or a password rule's error."""
    async with db.read() as session:
        user = await get_user(session, user_id)
    await _store_password(db, user, new, keep_session=None, action="users.set_password")


async def _store_password(db: Database, user: User, new: str, keep_session: str | None, action: str) -> None:
    check_password(new, (user.username, user.email, user.display_name), field="new_password")
    password_hash = await hash_password(new)
    async with db.write() as session:
        stored = await repository.get_user(session, user.id, lock=True)
        if stored is None:
            raise Unauthorized() if keep_session else NotFound()
        stored.password_hash = password_hash
        stored.updated_at = utc_now()
        await repository.delete_sessions(session, user.id, except_id=keep_session)
        await audit(session, action=action, target=f"user:{user.id}")


async def lately_lost(session: AsyncSession, moment: datetime) -> set[tuple[int, Role]]:
    """Who has lost what a role gave since `moment`: who was disabled, deleted, or has a lesser role now."""
    gone, had = set(await repository.disabled_since(session, moment)), set[tuple[int, Role]]()
    for entry in await acts_since(session, (UPDATED, DELETED), moment):
        user_id = int(entry.target.removeprefix("user:"))
        if entry.action == DELETED:
            gone.add(user_id)
        elif "role" in entry.before:
            had.add((user_id, Role(entry.before["role"])))
    present, ranks = await repository.roles_of(session, {user_id for user_id, _ in had}), list(Role)
    lesser = {(who, role) for who, role in had if who in present and ranks.index(role) < ranks.index(present[who])}
    return lesser | {(user_id, role) for user_id in gone for role in Role}


async def revoke_sessions(session: AsyncSession, user_id: int, *, except_id: str | None = None) -> int:
    """End all sessions of a user but one; raises `NotFound` for an unknown user."""
    user = await get_user(session, user_id)
    ended = await repository.delete_sessions(session, user.id, except_id=except_id)
    await audit(session, action="sessions.revoke", target=f"user:{user_id}", after={"ended": ended})
    return ended


async def revoke_session(session: AsyncSession, user_id: int, session_id: str) -> None:
    """End one's own session; raises `NotFound` for anybody else's as for a missing one (C2)."""
    if not await repository.delete_session(session, user_id, session_id):
        raise NotFound()
    await audit(session, action="sessions.revoke", target=f"user:{user_id}", after={"session": session_id})


def _report(user: User) -> dict[str, Any]:
    return {name: getattr(user, name) for name in _REPORTED}


def _only(report: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: report[name] for name in names}
