"""Redaction of credentials in URLs and free text (R17): used on every log, event, error and stderr path."""

import re
from collections.abc import Mapping

MASK = "***"
MAX_VALUE_CHARS = 8192
_SECRET_NAMES = ("password", "passwd", "secret", "token", "authorization", "cookie", "stream_key", "api_key")
_USERINFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s@?#]+@", re.IGNORECASE)
_QUERY = re.compile(r"(?P<url>[a-z][a-z0-9+.-]*://[^\s?#\"'<>]*)\?[^\s#\"'<>]*", re.IGNORECASE)
_RTMP_KEY = re.compile(r"(?P<head>rtmps?://[^/\s]+/[^/\s?\"'<>]+/)[^\s?#\"'<>]+", re.IGNORECASE)
_NAMED = re.compile(
    r"(?P<name>(?:password|passwd|secret|token|authorization|stream_key|key|cookie)[\"']?\s*[=:]\s*[\"']?(?:bearer\s+)?)"
    r"[^\s\"',&;]+",
    re.IGNORECASE,
)
_TICKET = re.compile(r"\bticket\.[A-Za-z0-9_-]{16,}")  # sub-protocol of a WebSocket, which debug logs show
_PATH_TOKEN = re.compile(r"/t/[A-Za-z0-9_.~-]{16,}")


def redact(text: str) -> str:
    """`text` with userinfo, query strings, RTMP stream names, path tokens, tickets and named secrets masked."""
    text = _USERINFO.sub(rf"\g<scheme>{MASK}@", text)
    text = _QUERY.sub(rf"\g<url>?{MASK}", text)
    text = _RTMP_KEY.sub(rf"\g<head>{MASK}", text)
    text = _PATH_TOKEN.sub(f"/t/{MASK}", text)
    text = _TICKET.sub(f"ticket.{MASK}", text)
    return _NAMED.sub(rf"\g<name>{MASK}", text)


def redact_tree(value: object, *, depth: int = 5) -> object:
    """JSON-able `value` with secrets masked by the name of their field and by their shape; long texts are cut.

    What lies deeper than `depth` becomes `…`, so that cycles end.
    """
    if isinstance(value, str):
        return redact(value if len(value) <= MAX_VALUE_CHARS else value[:MAX_VALUE_CHARS] + "…")
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return {str(name): redact_field(str(name), inner, depth=depth - 1) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact_tree(item, depth=depth - 1) for item in value]
    return redact_tree(str(value), depth=depth)


def redact_field(name: str, value: object, *, depth: int = 5) -> object:
    """`value` of the field `name`: masked whole when the name says that it is a secret."""
    lowered = name.lower()
    if value is not None and any(secret in lowered for secret in _SECRET_NAMES):
        return MASK
    return redact_tree(value, depth=depth)
