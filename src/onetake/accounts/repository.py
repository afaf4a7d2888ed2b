"""All SQL of accounts. Every function takes the caller's session and never commits."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.base import Executable

from onetake.accounts.models import ApiToken, RefreshToken, User, UserSession, WsTicket
from onetake.accounts.roles import Role
from onetake.kit.paging import PageRequest, SortKey

USER_SORTS = ("id", "username", "display_name", "role", "created_at", "last_login_at")


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users a list holds; None means any."""

    q: str | None = None
    role: Role | None = None
    is_active: bool | None = None


async def _affected(session: AsyncSession, statement: Executable) -> int:
    result = await session.execute(statement)
    return result.rowcount if isinstance(result, CursorResult) else 0


# --- users --------------------------------------------------------------------------------------------------------


async def get_user(session: AsyncSession, user_id: int, *, lock: bool = False) -> User | None:
    """The account, locked against changes by others until the end of the transaction when `lock`."""
    statement = select(User).where(User.id == user_id)
    return await session.scalar(statement.with_for_update() if lock else statement)


async def find_user(session: AsyncSession, name: str) -> User | None:
    """The account with this user name or e-mail address, letter case aside."""
    key = name.lower()
    found = await session.scalar(select(User).where(User.username_key == key))
    return found or await session.scalar(select(User).where(User.email_key == key))


async def username_exists(session: AsyncSession, username: str) -> bool:
    """Whether somebody has this name."""
    return await session.scalar(select(User.id).where(User.username_key == username.lower())) is not None


async def email_exists(session: AsyncSession, email: str, *, except_id: int | None = None) -> bool:
    """Whether somebody other than `except_id` has this address."""
    owner = await session.scalar(select(User.id).where(User.email_key == email.lower()))
    return owner is not None and owner != except_id


async def list_users(
    session: AsyncSession, wanted: UserFilter, order: Sequence[SortKey], page: PageRequest
) -> tuple[Sequence[User], int]:
    """One page of accounts and how many there are in all."""
    conditions = _conditions(wanted)
    statement = select(User).where(*conditions)
    total = await session.scalar(select(func.count(User.id)).where(*conditions)) or 0
    columns = [getattr(User, "username_key" if key.name == "username" else key.name) for key in order]
    sorting = [column.desc() if key.descending else column.asc() for column, key in zip(columns, order, strict=True)]
    rows = await session.scalars(statement.order_by(*sorting, User.id).offset(page.offset).limit(page.per_page))
    return rows.all(), total


def _conditions(wanted: UserFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.q:
        columns = (User.username, User.display_name, User.email)
        found.append(or_(*(column.icontains(wanted.q, autoescape=True) for column in columns)))
    if wanted.role is not None:
        found.append(User.role == wanted.role.value)
    if wanted.is_active is not None:
        found.append(User.is_active == wanted.is_active)
    return found


async def all_users(session: AsyncSession) -> Sequence[User]:
    """Every account, by number."""
    return (await session.scalars(select(User).order_by(User.id))).all()


async def disabled_since(session: AsyncSession, moment: datetime) -> list[int]:
    """Users that may not sign in, and were changed since `moment`."""
    statement = select(User.id).where(User.is_active.is_(False), User.updated_at >= moment)
    return list(await session.scalars(statement))


async def roles_of(session: AsyncSession, user_ids: Collection[int]) -> dict[int, Role]:
    """The present roles of users, as far as they exist."""
    rows = await session.execute(select(User.id, User.role).where(User.id.in_(user_ids)))
    return {user_id: Role(role) for user_id, role in rows}


async def other_admins(session: AsyncSession, user_id: int) -> int:
    """How many active administrators there are besides `user_id`.

    Locks all of them, so that two who demote each other at the same time cannot both succeed.
    """
    statement = select(User.id).where(User.role == Role.ADMIN.value, User.is_active.is_(True)).order_by(User.id)
    admins = (await session.scalars(statement.with_for_update())).all()
    return sum(admin != user_id for admin in admins)


async def admin_exists(session: AsyncSession) -> bool:
    """Whether there is any administrator at all."""
    return await session.scalar(select(User.id).where(User.role == Role.ADMIN.value).limit(1)) is not None


async def delete_user(session: AsyncSession, user_id: int) -> None:
    """Remove the account with everything that hangs on it."""
    await session.execute(delete(User).where(User.id == user_id))


# --- sessions -----------------------------------------------------------------------------------------------------


async def session_with_user(session: AsyncSession, session_id: str) -> tuple[UserSession, User] | None:
    """A session and its owner."""
    statement = select(UserSession, User).join(User, User.id == UserSession.user_id)
    row = (await session.execute(statement.where(UserSession.id == session_id))).first()
    return (row[0], row[1]) if row else None


async def touch_session(session: AsyncSession, session_id: str, at: datetime, ip: str | None) -> None:
    """Note the last use."""
    await session.execute(update(UserSession).where(UserSession.id == session_id).values(last_seen_at=at, ip=ip))


async def list_sessions(
    session: AsyncSession, user_id: int, now: datetime, seen_after: datetime
) -> Sequence[UserSession]:
    """The sessions that still open something, the most recently used first."""
    statement = select(UserSession).where(
        UserSession.user_id == user_id, UserSession.expires_at > now, UserSession.last_seen_at > seen_after
    )
    return (await session.scalars(statement.order_by(UserSession.last_seen_at.desc(), UserSession.id))).all()


async def delete_session(session: AsyncSession, user_id: int, session_id: str) -> bool:
    """End one session of this user; False when there is none such."""
    statement = delete(UserSession).where(UserSession.id == session_id, UserSession.user_id == user_id)
    return await _affected(session, statement) > 0


async def delete_sessions(session: AsyncSession, user_id: int, *, except_id: str | None = None) -> int:
    """End all sessions of this user but one; returns how many ended."""
    statement = delete(UserSession).where(UserSession.user_id == user_id)
    if except_id is not None:
        statement = statement.where(UserSession.id != except_id)
    return await _affected(session, statement)


async def get_refresh(session: AsyncSession, token_hash: str) -> RefreshToken | None:
    """A refresh token, locked, so that two uses of it come one after the other."""
    statement = select(RefreshToken).where(RefreshToken.token_hash == token_hash).with_for_update()
    return await session.scalar(statement)


# --- API tokens -----------------------------------------------------------------------------------------------------


async def api_token_with_user(session: AsyncSession, token_hash: str) -> tuple[ApiToken, User] | None:
    """An API token by its hash, with its owner."""
    statement = select(ApiToken, User).join(User, User.id == ApiToken.user_id)
    row = (await session.execute(statement.where(ApiToken.token_hash == token_hash))).first()
    return (row[0], row[1]) if row else None


async def touch_api_token(session: AsyncSession, token_id: int, at: datetime) -> None:
    """Note the last use."""
    await session.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=at))


async def list_api_tokens(session: AsyncSession, user_id: int) -> Sequence[ApiToken]:
    """All tokens of a user, the newest first."""
    statement = select(ApiToken).where(ApiToken.user_id == user_id)
    return (await session.scalars(statement.order_by(ApiToken.id.desc()))).all()


async def count_api_tokens(session: AsyncSession, user_id: int) -> int:
    """How many tokens a user has."""
    return await session.scalar(select(func.count()).where(ApiToken.user_id == user_id)) or 0


async def get_api_token(session: AsyncSession, user_id: int, token_id: int) -> ApiToken | None:
    """One token of this user."""
    return await session.scalar(select(ApiToken).where(ApiToken.id == token_id, ApiToken.user_id == user_id))


# --- WebSocket tickets, and who is still welcome ------------------------------------------------------------------


async def take_ticket(session: AsyncSession, ticket_hash: str) -> WsTicket | None:
    """Take a ticket out; of several takers exactly one gets it."""
    ticket = await session.scalar(select(WsTicket).where(WsTicket.ticket_hash == ticket_hash))
    if ticket is None:
        return None
    taken = await _affected(session, delete(WsTicket).where(WsTicket.ticket_hash == ticket_hash))
    return ticket if taken else None


async def sessions_by_id(session: AsyncSession, ids: Collection[str]) -> Sequence[tuple[UserSession, User]]:
    """Those of the named sessions that exist, with their owners."""
    statement = select(UserSession, User).join(User, User.id == UserSession.user_id)
    rows = await session.execute(statement.where(UserSession.id.in_(ids)))
    return [(row[0], row[1]) for row in rows]


async def api_tokens_by_id(session: AsyncSession, ids: Collection[int]) -> Sequence[tuple[ApiToken, User]]:
    """Those of the named API tokens that exist, with their owners."""
    statement = select(ApiToken, User).join(User, User.id == ApiToken.user_id)
    rows = await session.execute(statement.where(ApiToken.id.in_(ids)))
    return [(row[0], row[1]) for row in rows]


async def purge(session: AsyncSession, now: datetime, seen_before: datetime) -> int:
    """Drop what opens nothing any more: ended sessions and stale tickets. Returns the number of sessions."""
    await session.execute(delete(WsTicket).where(WsTicket.expires_at <= now))
    ended = or_(UserSession.expires_at <= now, UserSession.last_seen_at <= seen_before)
    return await _affected(session, delete(UserSession).where(ended))
