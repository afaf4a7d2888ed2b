"""One's own account and sessions."""

from typing import Annotated

from fastapi import APIRouter, Path, status

from onetake.accounts import repository, service
from onetake.accounts.auth import Interactive, SignedInUser
from onetake.accounts.endpoints.views import me_view, session_view
from onetake.accounts.schemas import Me, PasswordChange, ProfileUpdate, Revoked, SessionList
from onetake.accounts.sessions import SessionPolicy
from onetake.infra.ratelimit import Limit
from onetake.infra.web.deps import DatabaseDep, LimiterDep, ReadSession, SettingsDep, WriteSession
from onetake.infra.web.openapi import answers
from onetake.kit.clock import utc_now

router = APIRouter(prefix="/api/auth", tags=["auth"])

PASSWORD_CHANGES = Limit("password", 10, 900)
SessionId = Annotated[
    str, Path(pattern=r"^[0-9a-f]{32}$", description="Id of the session, from the list.", examples=["0" * 32])
]


@router.get("/me", operation_id="getMe", summary="Who am I")
async def get_me(principal: SignedInUser, session: ReadSession) -> Me:
    """One's own account with the permissions of this session or API token."""
    return me_view(await service.get_user(session, principal.user_id), principal)


@router.put("/me", operation_id="updateMe", summary="Change my profile", responses=answers(409))
async def update_me(body: ProfileUpdate, principal: Interactive, session: WriteSession) -> Me:
    """Changes display name, e-mail address or language. Fields left out stay as they are."""
    return me_view(await service.update_profile(session, principal, body), principal)


@router.post(
    "/password",
    operation_id="changePassword",
    summary="Change my password",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=answers(429),
)
async def change_password(body: PasswordChange, principal: Interactive, db: DatabaseDep, limiter: LimiterDep) -> None:
    """Asks for the present password and ends all other sessions."""
    await limiter.check(PASSWORD_CHANGES, str(principal.user_id))
    await service.change_own_password(db, principal, body.current_password, body.new_password)


@router.get("/sessions", operation_id="listSessions", summary="Where I am signed in")
async def list_sessions(principal: Interactive, session: ReadSession, settings: SettingsDep) -> SessionList:
    """All living sessions, the most recently used first."""
    now = utc_now()
    seen_after = now - SessionPolicy.from_settings(settings).idle
    rows = await repository.list_sessions(session, principal.user_id, now, seen_after)
    return SessionList(items=[session_view(row, principal.session_id) for row in rows])


@router.delete(
    "/sessions/{session_id}",
    operation_id="revokeSession",
    summary="End one of my sessions",
    status_code=status.HTTP_204_NO_CONTENT,
)
async def revoke_session(session_id: SessionId, principal: Interactive, session: WriteSession) -> None:
    """Signs that device out at once."""
    await service.revoke_session(session, principal.user_id, session_id)


@router.post("/sessions/revoke-others", operation_id="revokeOtherSessions", summary="End my other sessions")
async def revoke_other_sessions(principal: Interactive, session: WriteSession) -> Revoked:
    """Signs out everywhere but here."""
    ended = await service.revoke_sessions(session, principal.user_id, except_id=principal.session_id)
    return Revoked(revoked=ended)
