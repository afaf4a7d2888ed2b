"""Tickets and permissions for the WebSocket hub."""

from collections.abc import Mapping

from onetake.accounts.principal import Principal
from onetake.accounts.sessions import SessionPolicy, redeem_ticket, still_welcome
from onetake.infra.db import Database
from onetake.infra.settings import Settings
from onetake.infra.web.websocket import SocketIdentity


class AccountsGate:
    """Answers the hub's questions from the accounts' tables."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._policy = SessionPolicy.from_settings(settings)

    async def redeem(self, ticket: str) -> SocketIdentity | None:
        """Whose ticket this is; it is worthless afterwards."""
        principal = await redeem_ticket(self._db, self._policy, ticket)
        return SocketIdentity(principal.user_id, _grant(principal), _texts(principal)) if principal else None

    async def still_welcome(self, grants: set[str]) -> Mapping[str, frozenset[str]]:
        """Permissions of this moment for those sessions and API tokens that are still good."""
        sessions = {grant.removeprefix("session:") for grant in grants if grant.startswith("session:")}
        tokens = {int(grant.removeprefix("token:")) for grant in grants if grant.startswith("token:")}
        alive = await still_welcome(self._db, self._policy, sessions, tokens)
        return {_grant(principal): _texts(principal) for principal in alive}


def _grant(principal: Principal) -> str:
    return f"session:{principal.session_id}" if principal.session_id else f"token:{principal.api_token_id}"


def _texts(principal: Principal) -> frozenset[str]:
    return frozenset(permission.value for permission in principal.permissions)
