"""Short-lived access tokens: JWT (RFC 7519) with one key and one algorithm (R29)."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from onetake.accounts.errors import SessionEnded
from onetake.infra.secrets import derive_key, secret_key
from onetake.infra.settings import Settings
from onetake.kit.errors import Unauthorized

ISSUER = "onetake"
AUDIENCE = "onetake-api"
MAX_TOKEN_CHARS = 4096
CLOCK_SKEW_S = 60
"""Another machine's clock may run ahead when it issues a token; nothing is given on the expiry (G2)."""
_REQUIRED = ["exp", "iat", "aud", "iss", "sub", "sid"]


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a valid access token says: whose it is and which session it belongs to."""

    user_id: int
    session_id: str


class AccessTokens:
    """Makes and checks access tokens."""

    def __init__(self, key: bytes, ttl_s: int) -> None:
        self._key = key
        self.ttl_s = ttl_s

    @classmethod
    def from_settings(cls, settings: Settings) -> "AccessTokens":
        """With the installation's own key for this one purpose."""
        return cls(derive_key(secret_key(settings.data_dir), "access-token"), settings.access_token_ttl_s)

    def issue(self, user_id: int, session_id: str, now: datetime) -> str:
        """A token for this session, valid for `ttl_s` seconds."""
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": session_id,
            "iat": now,
            "exp": now + timedelta(seconds=self.ttl_s),
        }
        return jwt.encode(claims, self._key, algorithm="HS256")

    def check(self, token: str) -> AccessClaims:
        """The claims of a valid token; raises `Unauthorized`, and nothing else, for any other text (R18, S4)."""
        if len(token) > MAX_TOKEN_CHARS:
            raise Unauthorized()
        try:
            claims = self._decode(token)
            return AccessClaims(int(claims["sub"]), str(claims["sid"]))
        except jwt.ExpiredSignatureError:
            raise SessionEnded() from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise Unauthorized() from None

    def _decode(self, token: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            self._key,
            algorithms=["HS256"],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": _REQUIRED, "verify_iat": False},
        )
        if float(claims["iat"]) > time.time() + CLOCK_SKEW_S:
            raise jwt.ImmatureSignatureError("issued in the future")
        return claims
