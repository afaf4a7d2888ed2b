"""Rows as answers."""

from onetake.accounts.models import ApiToken, User, UserSession
from onetake.accounts.principal import Principal
from onetake.accounts.schemas import ApiTokenView, Me, SessionView, UserView


def user_view(user: User) -> UserView:
    """An account as administrators see it."""
    return UserView.model_validate(user)


def me_view(user: User, principal: Principal) -> Me:
    """One's own account with the permissions in force."""
    return Me(**user_view(user).model_dump(), permissions=sorted(principal.permissions))


def session_view(row: UserSession, current_id: str | None) -> SessionView:
    """A session as its owner sees it."""
    return SessionView(
        id=row.id,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        expires_at=row.expires_at,
        ip=row.ip,
        user_agent=row.user_agent,
        current=row.id == current_id,
    )


def api_token_view(token: ApiToken) -> ApiTokenView:
    """An API token without its secret."""
    return ApiTokenView.model_validate(token)
