"""Playback tokens (DESIGN §3, G1-G3): signed once by whoever authorises, verified locally by whoever serves.

Also the signature of callback bodies between the media server and the control plane (`sign_body`).

A token is `base64url(payload || HMAC-SHA256(key, payload))` without padding. The payload is binary and has exactly one
spelling, so that equal grants give equal URLs and caches work:

    version u8 | key id u8 | method class u8 | expiry u32 (hours since 1970) | limit u32 (seconds, 0 = none)
    | scope kind u8 | scope length u8 | scope | session length u8 | session | viewer length u8 | viewer
"""

import base64
import binascii
import hmac
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from onetake.kit.errors import AppError, Text

VERSION = 1
MAX_TOKEN_CHARS = 512
_HEAD = struct.Struct(">BBBIIB")
_MAC_BYTES = 32
_HOUR_S = 3600
_TEXT = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SIGNATURE = re.compile(r"t=(?P<t>[0-9]{1,12}),v1=(?P<mac>[0-9a-f]{64})")


class Method(IntEnum):
    """What a token permits.

    `PLAY` covers playlists, segments, posters; `DOWNLOAD` the file itself as attachment; `LOOK` nothing but posters and
    storyboards.
    """

    PLAY = 1
    DOWNLOAD = 2
    PUBLISH = 3
    LOOK = 4


class ScopeKind(IntEnum):
    """What a token is about."""

    ASSET = 1
    STREAM = 2


class TokenInvalid(AppError):
    """Not a token of ours, changed on the way, or for something else. One answer for all, so nothing can be probed."""

    status = 403
    code = "token_invalid"
    text = Text(en="This link is not valid.", zh_cn="此链接无效。", zh_tw="此連結無效。")


class TokenExpired(AppError):
    """A true token whose time, or whose session's time, is over."""

    status = 403
    code = "token_expired"
    text = Text(
        en="This link has expired. Please reload the page.",
        zh_cn="此链接已过期，请刷新页面。",
        zh_tw="此連結已過期，請重新整理頁面。",
    )


@dataclass(frozen=True, slots=True)
class Grant:
    """What one token says.

    `scope` is an asset id (UUID text) or a stream (`app/name`, with `:` for the slash: `live:studio`); `session` one
    playback session, `viewer` the person (`user.42`, `guest.ab12…`). `expires_s` is Unix time, a whole hour.
    `limit_s` ends a trial after that many seconds of media; 0 means no limit.
    """

    method: Method
    scope_kind: ScopeKind
    scope: str
    session: str
    viewer: str
    expires_s: int
    limit_s: int = 0


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by id (0-255, at least 16 bytes each); `current` signs, all verify: two are held during a rotation."""

    keys: Mapping[int, bytes]
    current: int

    def __post_init__(self) -> None:
        if self.current not in self.keys:
            raise ValueError("the current key is not in the ring")
        if any(not 0 <= key_id <= 255 or len(key) < 16 for key_id, key in self.keys.items()):
            raise ValueError("key ids are 0-255 and keys have at least 16 bytes")

    @classmethod
    def from_secret(cls, secret: bytes, key_id: int = 0) -> "Keyring":
        """A ring of one key derived from the installation's secret, for this purpose only (R29)."""
        return cls({key_id: derive_key(secret, "media token")}, key_id)


def derive_key(secret: bytes, purpose: str) -> bytes:
    """A key for one purpose from the installation's secret, so that no two uses share a key."""
    return hmac.digest(secret, b"onetake/1 " + purpose.encode(), "sha256")


def round_up_hour(unix_s: float) -> int:
    """Expiry as it is signed: the next whole hour, so that tokens of one session are equal for an hour."""
    return math.ceil(unix_s / _HOUR_S) * _HOUR_S


def sign(grant: Grant, keyring: Keyring) -> str:
    """The token text of `grant`; its expiry is rounded up to the hour.

    Raises:
        ValueError: a field has characters or a length that a token cannot hold.
    """
    for name in ("scope", "session", "viewer"):
        if not _TEXT.fullmatch(getattr(grant, name)):
            raise ValueError(f"{name} must be 1-64 characters of A-Z a-z 0-9 _ . : -")
    if not 0 <= grant.limit_s < 2**32:
        raise ValueError("limit_s is out of range")
    payload = _HEAD.pack(
        VERSION,
        keyring.current,
        grant.method,
        round_up_hour(grant.expires_s) // _HOUR_S,
        grant.limit_s,
        grant.scope_kind,
    ) + b"".join(_pack_text(text) for text in (grant.scope, grant.session, grant.viewer))
    mac = hmac.digest(keyring.keys[keyring.current], payload, "sha256")
    return base64.urlsafe_b64encode(payload + mac).rstrip(b"=").decode()


def verify(token: str, keyring: Keyring) -> Grant:
    """The grant of a true token. Expiry is not judged here: see `onetake.engine.access.Gate`.

    Raises:
        TokenInvalid: anything but a token that `sign` made with a key of the ring, byte for byte.
    """
    raw = _decode(token)
    payload, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if len(payload) < _HEAD.size or payload[0] != VERSION:
        raise TokenInvalid
    key = keyring.keys.get(payload[1])
    if key is None or not hmac.compare_digest(hmac.digest(key, payload, "sha256"), mac):
        raise TokenInvalid
    return _unpack(payload)


def _decode(token: str) -> bytes:
    if len(token) > MAX_TOKEN_CHARS or not token.isascii():
        raise TokenInvalid
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise TokenInvalid from None
    # The last character of base64 has spare bits; only the canonical spelling counts.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        raise TokenInvalid
    return raw


def _unpack(payload: bytes) -> Grant:
    _, _, method, hours, limit_s, kind = _HEAD.unpack_from(payload)
    try:
        scope, at = _unpack_text(payload, _HEAD.size)
        session, at = _unpack_text(payload, at)
        viewer, at = _unpack_text(payload, at)
        grant = Grant(Method(method), ScopeKind(kind), scope, session, viewer, hours * _HOUR_S, limit_s)
    except (IndexError, ValueError):
        raise TokenInvalid from None
    if at != len(payload):
        raise TokenInvalid
    return grant


def _pack_text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode("ascii")


def _unpack_text(payload: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + payload[at]
    if end > len(payload):
        raise TokenInvalid
    return payload[at + 1 : end].decode("ascii"), end


def sign_body(key: bytes, body: bytes, unix_s: int) -> str:
    """Value of the `X-OneTake-Signature` header of a callback: `t=<unix>,v1=<hex HMAC-SHA256 of "<t>." || body>`."""
    return f"t={unix_s},v1={_body_mac(key, body, unix_s)}"


def body_is_signed(key: bytes, body: bytes, header: str, now_s: float, tolerance_s: float = 300) -> bool:
    """Whether `header` is the signature of `body` by a holder of `key`, made within `tolerance_s` of now."""
    match = _SIGNATURE.fullmatch(header)
    if match is None or abs(now_s - int(match["t"])) > tolerance_s:
        return False
    return hmac.compare_digest(_body_mac(key, body, int(match["t"])), match["mac"])


def _body_mac(key: bytes, body: bytes, unix_s: int) -> str:
    return hmac.digest(key, b"%d." % unix_s + body, "sha256").hex()
