"""Registering, signing in, staying signed in, signing out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response, status
from fastapi.security import APIKeyCookie, APIKeyHeader

from onetake.accounts import service, sessions
from onetake.accounts.access_tokens import AccessTokens
from onetake.accounts.auth import Bearer, Principal, SignedInUser, interactive, signed_in
from onetake.accounts.endpoints import cookies
from onetake.accounts.endpoints.views import me_view
from onetake.accounts.errors import RegistrationClosed, WrongCredentials
from onetake.accounts.schemas import Login, Register, Signed, WsTicket
from onetake.infra.ratelimit import Limit
from onetake.infra.web.deps import Client, ClientDep, DatabaseDep, LimiterDep, SettingsDep, WriteSession
from onetake.infra.web.openapi import answers
from onetake.kit.clock import utc_now

router = APIRouter(prefix="/api/auth", tags=["auth"])

FAILURES_PER_ADDRESS = Limit("login-address", 100, 900)
"""Of any accounts together. Only failures count: a whole school may sign in from one address."""
REGISTRATIONS = Limit("register", 100, 3600)
REFRESHES = Limit("refresh", 1200, 60)
TICKETS = Limit("ws-ticket", 60, 60)

_cookie_scheme = APIKeyCookie(
    name=cookies.NAME,
    scheme_name="refreshCookie",
    description=f"Set by sign-in and refresh. Its name is `{cookies.SECURE_NAME}` on https.",
    auto_error=False,
)
_csrf_scheme = APIKeyHeader(
    name=cookies.CSRF_HEADER,
    scheme_name="csrfHeader",
    description="Must be `1`: pages of other sites cannot send it.",
    auto_error=False,
)
_by_cookie = [Depends(_cookie_scheme), Depends(_csrf_scheme)]


def _device(client: Client) -> sessions.Device:
    return sessions.Device(client.ip, client.user_agent)


async def _refresh_token(request: Request, response: Response, client: ClientDep) -> str:
    return cookies.read_refresh_cookie(request, client)


RefreshCookie = Annotated[str, Depends(_refresh_token)]


def _signed(request: Request, response: Response, client: Client, opened: sessions.SignedIn) -> Signed:
    """The answer to a sign-in; the cookie lives as long as the session may."""
    access_tokens: AccessTokens = request.app.state.access_tokens
    now = utc_now()
    max_age_s = int((opened.session.expires_at - now).total_seconds())
    cookies.set_refresh_cookie(response, client, opened.refresh_token, max_age_s)
    return Signed(
        access_token=access_tokens.issue(opened.user.id, opened.session.id, now),
        token_type="bearer",
        expires_in=access_tokens.ttl_s,
        user=me_view(opened.user, Principal.of_session(opened.session, opened.user)),
    )


@router.post(
    "/register",
    operation_id="register",
    summary="Create an account",
    status_code=status.HTTP_201_CREATED,
    responses=answers(403, 409, 429),
)
async def register(
    body: Register,
    request: Request,
    response: Response,
    db: DatabaseDep,
    settings: SettingsDep,
    limiter: LimiterDep,
    client: ClientDep,
) -> Signed:
    """Makes a new account with the role `member` and signs it in. 403 when registration is closed."""
    if not settings.registration_open:
        raise RegistrationClosed()
    await limiter.check(REGISTRATIONS, client.block)
    user = await service.register(db, body)
    policy = sessions.SessionPolicy.from_settings(settings)
    async with db.write() as session:
        opened = await sessions.open_session(session, policy, user, _device(client))
    return _signed(request, response, client, opened)


@router.post("/login", operation_id="login", summary="Sign in", responses=answers(401, 429))
async def login(
    body: Login,
    request: Request,
    response: Response,
    db: DatabaseDep,
    settings: SettingsDep,
    limiter: LimiterDep,
    client: ClientDep,
) -> Signed:
    """Opens a session. After ten failures for one account from one address, that address waits; others do not (A2)."""
    name = body.username.lower()
    per_account = Limit("login", settings.login_max_failures, settings.login_lockout_s)
    await limiter.check_room(FAILURES_PER_ADDRESS, client.block)
    await limiter.check(per_account, name, client.block)
    policy = sessions.SessionPolicy.from_settings(settings)
    try:
        opened = await sessions.log_in(db, policy, body.username, body.password, _device(client))
    except WrongCredentials:
        await limiter.allow(FAILURES_PER_ADDRESS, client.block)
        raise
    await limiter.forget(per_account, name, client.block)
    return _signed(request, response, client, opened)


@router.post(
    "/refresh",
    operation_id="refresh",
    summary="Continue the session",
    dependencies=_by_cookie,
    responses=answers(401, 403, 429),
)
async def refresh(
    token: RefreshCookie,
    request: Request,
    response: Response,
    db: DatabaseDep,
    settings: SettingsDep,
    limiter: LimiterDep,
    client: ClientDep,
) -> Signed:
    """Takes the refresh cookie, gives an access token and a new cookie. An old cookie used again ends the session."""
    await limiter.check(REFRESHES, client.block)
    policy = sessions.SessionPolicy.from_settings(settings)
    return _signed(request, response, client, await sessions.refresh(db, policy, token, _device(client)))


@router.post(
    "/logout",
    operation_id="logout",
    summary="Sign out",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=_by_cookie,
    responses=answers(401, 403),
)
async def logout(
    request: Request,
    response: Response,
    credentials: Bearer,
    db: DatabaseDep,
    settings: SettingsDep,
    client: ClientDep,
) -> None:
    """Ends a session, here and in every open connection: that of the refresh cookie, and clears the cookie.

    Without the `X-CSRF` header: that of the bearer token, for programs that keep no cookies.
    """
    if credentials is not None and cookies.CSRF_HEADER not in request.headers:
        person = await interactive(await signed_in(request, credentials, db, settings, client))
        async with db.write() as session:
            await sessions.end(session, person.user_id, str(person.session_id))
        return
    token = cookies.read_refresh_cookie(request, client)
    async with db.write() as session:
        await sessions.log_out(session, token)
    cookies.clear_refresh_cookie(response, client)


@router.post("/ws-ticket", operation_id="createWsTicket", summary="Get a WebSocket ticket", responses=answers(429))
async def create_ws_ticket(principal: SignedInUser, limiter: LimiterDep, session: WriteSession) -> WsTicket:
    """A ticket for `/api/ws`, good once within 30 seconds. The socket may what this session or token may."""
    await limiter.check(TICKETS, str(principal.user_id))
    ticket = await sessions.issue_ticket(session, principal)
    return WsTicket(ticket=ticket, expires_in=int(sessions.TICKET_LIFE.total_seconds()))
