"""Signing in and staying signed in: server-side sessions, rotating refresh tokens, tickets.

A session is a row; ending it deletes the row, and every request looks the row up, so that log-out, ban and demotion
act at once (S1, S5). Refresh tokens rotate: a used one that comes back after the grace time means that somebody else
has it, and ends the session (RFC 9700 §4.14.2).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.accounts import repository
from onetake.accounts.access_tokens import AccessClaims
from onetake.accounts.api_tokens import TOUCH_EVERY, token_is_alive
from onetake.accounts.errors import SessionEnded, WrongCredentials
from onetake.accounts.models import RefreshToken, User, UserSession, WsTicket
from onetake.accounts.passwords import verify_password
from onetake.accounts.principal import Principal
from onetake.accounts.roles import Role
from onetake.infra.audit import audit
from onetake.infra.context import bind_user
from onetake.infra.db import Database
from onetake.infra.settings import Settings
from onetake.kit.clock import utc_now
from onetake.kit.ids import random_hex
from onetake.kit.tokens import hash_secret, new_secret

REUSE_GRACE = timedelta(seconds=10)
"""Two tabs that refresh at the same time, or a lost answer that is asked for again, are no theft."""
TICKET_LIFE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How long sessions live."""

    idle: timedelta
    longest: timedelta
    longest_admin: timedelta

    @classmethod
    def from_settings(cls, settings: Settings) -> "SessionPolicy":
        """As configured."""
        seconds = (settings.refresh_token_ttl_s, settings.session_max_age_s, settings.admin_session_max_age_s)
        return cls(*(timedelta(seconds=value) for value in seconds))

    def end(self, role: str, start: datetime) -> datetime:
        """Latest end of a session that starts now."""
        return start + (self.longest_admin if role == Role.ADMIN else self.longest)

    def is_alive(self, session: UserSession, user: User, now: datetime) -> bool:
        """Whether the session still opens anything."""
        return user.is_active and session.expires_at > now and session.last_seen_at + self.idle > now


@dataclass(frozen=True, slots=True)
class Device:
    """Where somebody signs in from."""

    ip: str | None
    user_agent: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has just been opened or continued. The refresh token exists only here and in the browser."""

    user: User
    session: UserSession
    refresh_token: str


async def log_in(db: Database, policy: SessionPolicy, name: str, password: str, device: Device) -> SignedIn:
    """Open a session for name (or e-mail address) and password; raises `WrongCredentials` for every failure alike.

    The slow hash is computed outside of any transaction. Failures leave an audit row too.
    """
    async with db.read() as session:
        user = await repository.find_user(session, name)
    fits, fresh_hash = await verify_password(password, user.password_hash if user else None)
    async with db.write() as session:
        signed_in = await _open(session, policy, user, fresh_hash, device) if user and fits else None
        if signed_in is None:
            # The name is kept only when it is an account's: people type passwords into the wrong box.
            await audit(session, action="auth.login_failed", target=f"user:{user.id if user else 'unknown'}")
    if signed_in is None:
        raise WrongCredentials()
    return signed_in


async def open_session(session: AsyncSession, policy: SessionPolicy, user: User, device: Device) -> SignedIn:
    """Open a session for a user who has just proved who they are."""
    now = utc_now()
    row = UserSession(
        id=random_hex(128),
        user_id=user.id,
        created_at=now,
        last_seen_at=now,
        expires_at=policy.end(user.role, now),
        ip=device.ip,
        user_agent=device.user_agent,
    )
    session.add(row)
    await session.flush()
    bind_user(user.id, user.username)
    return SignedIn(user, row, await _new_refresh(session, row.id, now))


async def _open(
    session: AsyncSession, policy: SessionPolicy, seen: User, fresh_hash: str | None, device: Device
) -> SignedIn | None:
    """The account is read again under a lock: it may have been disabled or given a new password meanwhile."""
    user = await repository.get_user(session, seen.id, lock=True)
    if user is None or not user.is_active or user.password_hash != seen.password_hash:
        return None
    user.password_hash = fresh_hash or user.password_hash
    user.last_login_at = utc_now()
    signed_in = await open_session(session, policy, user, device)
    await audit(session, action="auth.login", target=f"user:{user.id}")
    return signed_in


async def refresh(db: Database, policy: SessionPolicy, token: str, device: Device) -> SignedIn:
    """Continue a session by its refresh token and give it a new one; raises `SessionEnded`."""
    try:
        async with db.write() as session:
            continued = await _rotate(session, policy, token, device)
    except IntegrityError:  # the session was ended this very moment: its new token has nothing to belong to
        continued = None
    if continued is None:
        raise SessionEnded()
    return continued


async def _rotate(session: AsyncSession, policy: SessionPolicy, token: str, device: Device) -> SignedIn | None:
    now = utc_now()
    link = await repository.get_refresh(session, hash_secret(token))
    found = await repository.session_with_user(session, link.session_id) if link else None
    if link is None or found is None or not policy.is_alive(*found, now):
        return None
    row, user = found
    if link.used_at is not None and now - link.used_at > REUSE_GRACE:
        await repository.delete_session(session, user.id, row.id)
        await audit(session, action="auth.refresh_reused", target=f"user:{user.id}", after={"session": row.id})
        return None
    link.used_at = link.used_at or now
    row.last_seen_at, row.ip = now, device.ip
    return SignedIn(user, row, await _new_refresh(session, row.id, now))


async def _new_refresh(session: AsyncSession, session_id: str, now: datetime) -> str:
    token = new_secret()
    session.add(RefreshToken(token_hash=hash_secret(token), session_id=session_id, created_at=now, used_at=None))
    await session.flush()
    return token


async def log_out(session: AsyncSession, token: str) -> None:
    """End the session that a refresh token belongs to; a token that opens nothing is no error."""
    link = await repository.get_refresh(session, hash_secret(token))
    found = await repository.session_with_user(session, link.session_id) if link else None
    if found is None:
        return
    row, user = found
    bind_user(user.id, user.username)
    await end(session, user.id, row.id)


async def end(session: AsyncSession, user_id: int, session_id: str) -> None:
    """End a session because its user signs out."""
    await repository.delete_session(session, user_id, session_id)
    await audit(session, action="auth.logout", target=f"user:{user_id}")


async def resume(db: Database, policy: SessionPolicy, claims: AccessClaims, ip: str | None) -> Principal:
    """The caller behind a valid access token; raises `SessionEnded` when the session or the account is gone."""
    now = utc_now()
    async with db.read() as session:
        found = await repository.session_with_user(session, claims.session_id)
    if found is None or found[1].id != claims.user_id or not policy.is_alive(*found, now):
        raise SessionEnded()
    if now - found[0].last_seen_at > TOUCH_EVERY:
        async with db.write() as session:
            await repository.touch_session(session, claims.session_id, now, ip)
    return Principal.of_session(*found)


async def issue_ticket(session: AsyncSession, principal: Principal) -> str:
    """A one-use ticket for a WebSocket (K1)."""
    ticket = new_secret()
    session.add(
        WsTicket(
            ticket_hash=hash_secret(ticket),
            session_id=principal.session_id,
            api_token_id=principal.api_token_id,
            expires_at=utc_now() + TICKET_LIFE,
        )
    )
    return ticket


async def redeem_ticket(db: Database, policy: SessionPolicy, ticket: str) -> Principal | None:
    """The caller whose ticket this is; None for an unknown, used or stale one."""
    async with db.write() as session:
        row = await repository.take_ticket(session, hash_secret(ticket))
        if row is None or row.expires_at <= utc_now():
            return None
        session_ids = {row.session_id} if row.session_id else set()
        token_ids = {row.api_token_id} if row.api_token_id else set()
        alive = await _alive(session, policy, session_ids, token_ids)
    return next(iter(alive), None)


async def still_welcome(
    db: Database, policy: SessionPolicy, session_ids: set[str], token_ids: set[int]
) -> list[Principal]:
    """Those of the named sessions and API tokens that are still good, with the permissions of this moment."""
    async with db.read() as session:
        return await _alive(session, policy, session_ids, token_ids)


async def _alive(
    session: AsyncSession, policy: SessionPolicy, session_ids: set[str], token_ids: set[int]
) -> list[Principal]:
    now = utc_now()
    sessions = await repository.sessions_by_id(session, session_ids) if session_ids else []
    tokens = await repository.api_tokens_by_id(session, token_ids) if token_ids else []
    people = [Principal.of_session(row, user) for row, user in sessions if policy.is_alive(row, user, now)]
    programs = [Principal.of_api_token(row, user) for row, user in tokens if token_is_alive(row, user, now)]
    return people + programs
