"""The refresh cookie: `__Host-` and Secure on https, never readable by scripts (S2)."""

from fastapi import Request, Response

from onetake.accounts.errors import CsrfHeaderMissing, SessionEnded
from onetake.infra.web.deps import Client
from onetake.infra.web.headers import header

NAME = "onetake_refresh"
SECURE_NAME = "__Host-onetake_refresh"
CSRF_HEADER = "X-CSRF"
_MAX_CHARS = 256


def set_refresh_cookie(response: Response, client: Client, token: str, max_age_s: int) -> None:
    """Store the refresh token in the browser."""
    response.set_cookie(
        SECURE_NAME if client.https else NAME,
        token,
        max_age=max_age_s,
        path="/",
        secure=client.https,
        httponly=True,
        samesite="lax",
    )


def clear_refresh_cookie(response: Response, client: Client) -> None:
    """Make the browser forget it."""
    name = SECURE_NAME if client.https else NAME
    response.delete_cookie(name, path="/", secure=client.https, httponly=True, samesite="lax")


def read_refresh_cookie(request: Request, client: Client) -> str:
    """The refresh token that the browser sent, on https only from the `__Host-` cookie, which no other host can set.

    Raises `CsrfHeaderMissing` without the header that pages of other sites cannot send, `SessionEnded` without cookie.
    """
    if header(request.scope, CSRF_HEADER) != "1":
        raise CsrfHeaderMissing()
    token = request.cookies.get(SECURE_NAME if client.https else NAME, "")
    if not 0 < len(token) <= _MAX_CHARS:
        raise SessionEnded()
    return token
