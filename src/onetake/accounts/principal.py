"""Who acts: a user by a session or by an API token, with the permissions in force now."""

from dataclasses import dataclass

from onetake.accounts.models import ApiToken, User, UserSession
from onetake.accounts.roles import Permission, Role, permissions_of


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in caller. Exactly one of `session_id` and `api_token_id` is set."""

    user_id: int
    username: str
    role: Role
    language: str | None
    permissions: frozenset[Permission]
    session_id: str | None = None
    api_token_id: int | None = None

    def may(self, permission: Permission) -> bool:
        """Whether this caller has `permission`."""
        return permission in self.permissions

    @classmethod
    def of_session(cls, session: UserSession, user: User) -> "Principal":
        """The user of a browser session."""
        permissions = permissions_of(user.role)
        return cls(user.id, user.username, Role(user.role), user.language, permissions, session_id=session.id)

    @classmethod
    def of_api_token(cls, token: ApiToken, user: User) -> "Principal":
        """The user of an API token: never more than its scopes, never more than its owner."""
        permissions = permissions_of(user.role, token.scopes)
        return cls(user.id, user.username, Role(user.role), user.language, permissions, api_token_id=token.id)
