"""API tokens: keys for programs, limited to scopes, stored only as a hash."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.accounts import repository
from onetake.accounts.errors import ScopeNotYours, TooManyApiTokens
from onetake.accounts.models import ApiToken, User
from onetake.accounts.principal import Principal
from onetake.accounts.schemas import ApiTokenCreate
from onetake.infra.audit import audit
from onetake.infra.db import Database
from onetake.kit.clock import utc_now
from onetake.kit.errors import NotFound, Unauthorized
from onetake.kit.tokens import hash_secret, new_secret

PREFIX = "ot_"
SHOWN_CHARS = 9
MAX_PER_USER = 50
TOUCH_EVERY = timedelta(minutes=1)
"""How exact a "last used" is; more would be a write per request."""


def token_is_alive(token: ApiToken, user: User, now: datetime) -> bool:
    """Whether the token still opens anything."""
    return user.is_active and (token.expires_at is None or token.expires_at > now)


async def create_api_token(session: AsyncSession, principal: Principal, wanted: ApiTokenCreate) -> tuple[ApiToken, str]:
    """A new token and its secret, which is shown once. Raises `ScopeNotYours` and `TooManyApiTokens`."""
    for scope in wanted.scopes:
        if not principal.may(scope):
            raise ScopeNotYours(field="scopes", scope=scope.value)
    await repository.get_user(session, principal.user_id, lock=True)
    if await repository.count_api_tokens(session, principal.user_id) >= MAX_PER_USER:
        raise TooManyApiTokens(limit=MAX_PER_USER)
    now, secret = utc_now(), new_secret(PREFIX)
    token = ApiToken(
        user_id=principal.user_id,
        name=wanted.name,
        prefix=secret[:SHOWN_CHARS],
        token_hash=hash_secret(secret),
        scopes=sorted({scope.value for scope in wanted.scopes}),
        created_at=now,
        expires_at=now + timedelta(days=wanted.expires_in_days) if wanted.expires_in_days else None,
        last_used_at=None,
    )
    session.add(token)
    await session.flush()
    after = {"name": token.name, "scopes": token.scopes}
    await audit(session, action="api_tokens.create", target=f"api_token:{token.id}", after=after)
    return token, secret


async def list_api_tokens(session: AsyncSession, user_id: int) -> Sequence[ApiToken]:
    """All tokens of a user, the newest first."""
    return await repository.list_api_tokens(session, user_id)


async def delete_api_token(session: AsyncSession, user_id: int, token_id: int) -> None:
    """Revoke one's own token; raises `NotFound` for anybody else's as for a missing one (C2)."""
    token = await repository.get_api_token(session, user_id, token_id)
    if token is None:
        raise NotFound()
    await session.delete(token)
    await audit(session, action="api_tokens.delete", target=f"api_token:{token_id}", before={"name": token.name})


async def resume_api_token(db: Database, secret: str) -> Principal:
    """The caller behind an API token; raises `Unauthorized`."""
    now = utc_now()
    async with db.read() as session:
        found = await repository.api_token_with_user(session, hash_secret(secret))
    if found is None or not token_is_alive(*found, now):
        raise Unauthorized()
    token, user = found
    if token.last_used_at is None or now - token.last_used_at > TOUCH_EVERY:
        async with db.write() as session:
            await repository.touch_api_token(session, token.id, now)
    return Principal.of_api_token(token, user)
