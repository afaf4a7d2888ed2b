"""Redaction of credentials in URLs and free text (R17): used on every log, event, error and stderr path."""

import re

MASK = "***"
_USERINFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s@?#]+@", re.IGNORECASE)
_QUERY = re.compile(r"(?P<url>[a-z][a-z0-9+.-]*://[^\s?#\"'<>]*)\?[^\s#\"'<>]*", re.IGNORECASE)
_RTMP_KEY = re.compile(r"(?P<head>rtmps?://[^/\s]+/[^/\s?\"'<>]+/)[^\s?#\"'<>]+", re.IGNORECASE)
_NAMED = re.compile(
    r"(?P<name>(?:password|passwd|secret|token|authorization|stream_key|key|cookie)[\"']?\s*[=:]\s*[\"']?(?:bearer\s+)?)"
    r"[^\s\"',&;]+",
    re.IGNORECASE,
)
_PATH_TOKEN = re.compile(r"/t/[A-Za-z0-9_.~-]{16,}")


def redact(text: str) -> str:
    """`text` with userinfo, query strings, RTMP stream names, path tokens and named secrets masked."""
    text = _USERINFO.sub(rf"\g<scheme>{MASK}@", text)
    text = _QUERY.sub(rf"\g<url>?{MASK}", text)
    text = _RTMP_KEY.sub(rf"\g<head>{MASK}", text)
    text = _PATH_TOKEN.sub(f"/t/{MASK}", text)
    return _NAMED.sub(rf"\g<name>{MASK}", text)
