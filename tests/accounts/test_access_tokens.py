"""Access tokens: ours pass, everything else is a 401 (S4, R18, R29)."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.accounts.access_tokens import AUDIENCE, ISSUER, AccessClaims, AccessTokens
from onetake.infra.secrets import derive_key
from onetake.infra.settings import Settings
from onetake.kit.clock import utc_now
from onetake.kit.errors import Unauthorized

KEY = b"k" * 32
SESSION = "5" * 32
TOKENS = AccessTokens(KEY, ttl_s=900)


def claims(**changes: Any) -> dict[str, Any]:
    now = utc_now()
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "7",
        "sid": SESSION,
        "iat": now,
        "exp": now + timedelta(seconds=60),
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def forged(payload: dict[str, Any], header: dict[str, Any], key: bytes = KEY) -> str:
    """A token with any header, signed by HMAC-SHA256 all the same."""

    def part(value: dict[str, Any]) -> str:
        return (
            base64.urlsafe_b64encode(json.dumps(value, default=lambda d: int(d.timestamp())).encode())
            .decode()
            .rstrip("=")
        )

    head = f"{part(header)}.{part(payload)}"
    mac = base64.urlsafe_b64encode(hmac.digest(key, head.encode(), hashlib.sha256)).decode().rstrip("=")
    return f"{head}.{mac}"


def test_round_trip() -> None:
    assert TOKENS.check(TOKENS.issue(7, SESSION, utc_now())) == AccessClaims(7, SESSION)


def test_a_clock_that_runs_ahead_a_little_is_forgiven() -> None:
    ahead = claims(iat=utc_now() + timedelta(seconds=30))
    assert TOKENS.check(jwt.encode(ahead, KEY, algorithm="HS256")) == AccessClaims(7, SESSION)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"sid": None},
        {"aud": None},
        {"iss": None},
        {"aud": "onetake-media"},
        {"aud": ["other"]},
        {"iss": "somebody"},
        {"sub": "seven"},
        {"exp": utc_now() - timedelta(seconds=1)},
        {"iat": utc_now() + timedelta(hours=1)},
        {"iat": "yesterday"},
        {"iat": [1]},
        {"nbf": utc_now() + timedelta(hours=1)},
    ],
)
def test_every_claim_counts(changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        TOKENS.check(jwt.encode(claims(**changes), KEY, algorithm="HS256"))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "typ": "JWT"},
        {"alg": "None"},
        {"alg": "HS512"},
        {"alg": "RS256"},
        {"alg": "HS256", "crit": ["exp", "unknown"], "unknown": 1},
        {},
    ],
)
def test_only_our_algorithm_without_extensions(header: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        TOKENS.check(forged(claims(), header))


def test_an_unsigned_token_is_refused() -> None:
    head, payload, _ = forged(claims(), {"alg": "none", "typ": "JWT"}).split(".")
    with pytest.raises(Unauthorized):
        TOKENS.check(f"{head}.{payload}.")


def test_a_key_carried_by_the_token_itself_is_ignored() -> None:
    own = b"attacker" * 4
    jwk = {"kty": "oct", "k": base64.urlsafe_b64encode(own).decode()}
    with pytest.raises(Unauthorized):
        TOKENS.check(forged(claims(), {"alg": "HS256", "jwk": jwk, "kid": "x"}, own))


def test_keys_of_other_purposes_open_nothing(settings: Settings) -> None:
    ours = AccessTokens.from_settings(settings)
    root = bytes.fromhex((settings.data_dir / "secret.key").read_text().strip())
    for purpose in ("media", "webhook", "playback"):
        with pytest.raises(Unauthorized):
            ours.check(jwt.encode(claims(), derive_key(root, purpose), algorithm="HS256"))
    assert ours.check(jwt.encode(claims(), derive_key(root, "access-token"), algorithm="HS256")).user_id == 7


@given(position=st.integers(0, 400), flip=st.integers(1, 255))
def test_any_changed_character_spoils_it(position: int, flip: int) -> None:
    token = TOKENS.issue(7, SESSION, utc_now())
    at = position % len(token)
    changed = token[:at] + chr((ord(token[at]) ^ flip) & 0x7F) + token[at + 1 :]
    if changed == token or base64_equal(changed, token):
        return
    with pytest.raises(Unauthorized):
        TOKENS.check(changed)


def base64_equal(one: str, other: str) -> bool:
    """The last character of a base64 text has unused bits: those spell the same bytes."""

    def decoded(token: str) -> list[bytes] | None:
        try:
            return [base64.b64decode(p + "=" * (-len(p) % 4), b"-_", validate=True) for p in token.split(".")]
        except ValueError:
            return None

    return decoded(one) is not None and decoded(one) == decoded(other)


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300).map(lambda raw: raw.decode("latin-1"))))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(Unauthorized):
        TOKENS.check(text)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.dictionaries(st.text(max_size=5), inner),
        max_leaves=8,
    )
)
def test_any_signed_payload_that_is_not_ours_is_refused(payload: Any) -> None:
    with pytest.raises(Unauthorized):
        TOKENS.check(forged(payload, {"alg": "HS256", "typ": "JWT"}))


def test_a_very_long_token_is_not_even_parsed() -> None:
    with pytest.raises(Unauthorized):
        TOKENS.check("a" * 5000)
