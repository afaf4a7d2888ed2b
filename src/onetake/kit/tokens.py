"""Secrets that we hand out: random ones stored only as a hash, and signed ones that are checked without a look-up.

A signed token is `v1.<key id>.<payload>.<mac>`: the payload is compact JSON in base64url without padding (RFC 4648
§5), the mac is HMAC-SHA256 over everything before it, with the purpose mixed in, so that a token made for one use is
worthless for another (G1). `exp` is Unix seconds and has no clock-skew allowance (G2).
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

VERSION = "v1"
MAX_TOKEN_CHARS = 2048
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,16}\Z")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+\Z")

Claims = dict[str, str | int]


class BadToken(ValueError):
    """A token that is malformed, forged, for another purpose or expired."""


def derive_key(master: bytes, purpose: str, length_bytes: int = 32) -> bytes:
    """An independent key for one purpose by HKDF-SHA256 with an empty salt (RFC 5869); `length_bytes` ≤ 8160."""
    pseudo_random_key = hmac.digest(bytes(32), master, "sha256")
    output, block = b"", b""
    for counter in range(1, -(-length_bytes // 32) + 1):
        block = hmac.digest(pseudo_random_key, block + purpose.encode() + bytes([counter]), "sha256")
        output += block
    return output[:length_bytes]


def new_secret(prefix: str = "", bits: int = 256) -> str:
    """A fresh random secret in URL-safe letters, behind a recognisable `prefix`."""
    return prefix + secrets.token_urlsafe(bits // 8)


def hash_secret(secret: str) -> str:
    """What the database keeps of a random secret: SHA-256 as 64 hex digits.

    Enough for secrets of 128 random bits and more, which nobody can guess; passwords need a slow hash instead.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by id: the current one signs, all of them verify, so that two are valid during a rotation."""

    keys: Mapping[str, bytes]
    current: str

    def __post_init__(self) -> None:
        if self.current not in self.keys or not all(_KEY_ID.match(key_id) for key_id in self.keys):
            raise ValueError("the current key id must be one of the ring's, in letters, digits, _ and -")


def sign(ring: KeyRing, purpose: str, claims: Claims, exp_s: int) -> str:
    """A token for `purpose` that carries `claims` until `exp_s` (Unix seconds)."""
    payload = json.dumps({**claims, "exp": exp_s}, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    head = f"{VERSION}.{ring.current}.{_encode(payload.encode())}"
    return f"{head}.{_encode(_mac(ring.keys[ring.current], purpose, head))}"


def verify(ring: KeyRing, purpose: str, token: str, now_s: float) -> Claims:
    """The claims of a token (with `exp`); raises `BadToken`, and nothing else, for any other text."""
    if len(token) > MAX_TOKEN_CHARS or token.count(".") != 3:
        raise BadToken("not a token")
    head, _, mac = token.rpartition(".")
    version, key_id, payload = head.split(".")
    key = ring.keys.get(key_id)
    if version != VERSION or key is None:
        raise BadToken("unknown version or key")
    if not hmac.compare_digest(_decode(mac), _mac(key, purpose, head)):
        raise BadToken("wrong signature")
    return _claims(_decode(payload), now_s)


def _claims(payload: bytes, now_s: float) -> Claims:
    try:
        claims = json.loads(payload)
        expires_s = claims["exp"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadToken("payload is not ours") from error
    if not isinstance(expires_s, int) or expires_s <= now_s:
        raise BadToken("expired")
    return dict(claims)


def _mac(key: bytes, purpose: str, head: str) -> bytes:
    return hmac.digest(key, f"{purpose}\n{head}".encode("utf-8", "surrogatepass"), "sha256")


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Strict base64url: one text per value, so that no altered token passes as the same one."""
    if not _BASE64URL.match(text):
        raise BadToken("not base64url")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise BadToken("not base64url") from error
    if _encode(raw) != text:
        raise BadToken("not base64url")
    return raw
