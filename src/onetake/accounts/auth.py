"""Who may call an endpoint.

Deny by default: every route asks for `require(Permission.X)`, `signed_in` or `interactive`, or stands on `PUBLIC`; a
test fails for any other (C1).
"""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from onetake.accounts.access_tokens import AccessTokens
from onetake.accounts.api_tokens import PREFIX, resume_api_token
from onetake.accounts.errors import InteractiveOnly
from onetake.accounts.principal import Principal
from onetake.accounts.roles import ROLE_PERMISSIONS, Permission, Role
from onetake.accounts.sessions import SessionPolicy, resume
from onetake.infra.context import bind_user
from onetake.infra.web.deps import ClientDep, DatabaseDep, SettingsDep
from onetake.kit.errors import Forbidden, Unauthorized

__all__ = [
    "PUBLIC",
    "ROLE_PERMISSIONS",
    "Interactive",
    "MaybeSignedIn",
    "Permission",
    "Principal",
    "Role",
    "SignedInUser",
    "interactive",
    "maybe_signed_in",
    "require",
    "signed_in",
]

PUBLIC = frozenset(
    {
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /api/config",
        "POST /api/auth/register",
        "POST /api/auth/login",
        "POST /api/auth/refresh",
        "POST /api/auth/logout",
        "GET /api/live",
        "GET /api/live/{id}",
        "GET /api/sources/{id}/play",
        "GET /api/videos",
        "GET /api/videos/sources",
        "GET /api/videos/{id}/compatible",
        "GET /api/videos/{id}",
        "GET /api/videos/{id}/play",
        "POST /api/videos/views",
        "POST /api/internal/media/callbacks",
    }
)
"""Routes that need no sign-in. /metrics asks for its own token; refresh asks for the refresh cookie, logout for that or
a bearer token; videos and live sources are shown by their visibility; callbacks carry the media server's signature."""

_bearer = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="JWT or API token",
    description="The access token of a sign-in (a JWT), or an API token (`ot_…`).",
    auto_error=False,
)


Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
"""The bearer token of a request, if it has one."""


async def signed_in(
    request: Request,
    credentials: Bearer,
    db: DatabaseDep,
    settings: SettingsDep,
    client: ClientDep,
) -> Principal:
    """The caller, by access token or API token; raises `Unauthorized` (401).

    The session or token and its owner are read at every request, so that whatever ends them acts at once.
    """
    if credentials is None:
        raise Unauthorized()
    token = credentials.credentials
    if token.startswith(PREFIX):
        principal = await resume_api_token(db, token)
    else:
        access_tokens: AccessTokens = request.app.state.access_tokens
        policy = SessionPolicy.from_settings(settings)
        principal = await resume(db, policy, access_tokens.check(token), client.ip)
    bind_user(principal.user_id, principal.username, kind="token" if principal.api_token_id else "user")
    request.state.language = principal.language
    return principal


SignedInUser = Annotated[Principal, Depends(signed_in)]


async def maybe_signed_in(
    request: Request,
    credentials: Bearer,
    db: DatabaseDep,
    settings: SettingsDep,
    client: ClientDep,
) -> Principal | None:
    """The caller, or None for a visitor. A token that is given must be good (401), so that a page notices its end."""
    if credentials is None:
        return None
    return await signed_in(request, credentials, db, settings, client)


MaybeSignedIn = Annotated[Principal | None, Depends(maybe_signed_in)]


async def interactive(principal: SignedInUser) -> Principal:
    """A person with a session; raises `InteractiveOnly` (403) for an API token, which must not make more of itself."""
    if principal.session_id is None:
        raise InteractiveOnly()
    return principal


Interactive = Annotated[Principal, Depends(interactive)]


class require:
    """Dependency that lets only callers with `permission` pass; raises `Forbidden` (403) for the others."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, principal: SignedInUser) -> Principal:
        """The caller, who has the permission."""
        if not principal.may(self.permission):
            raise Forbidden()
        return principal
