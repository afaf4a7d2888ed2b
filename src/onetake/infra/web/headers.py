"""Reading and writing headers of raw ASGI messages."""

import re
from collections.abc import Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
RawHeaders = list[tuple[bytes, bytes]]

_HOST = re.compile(
    r"(?P<name>[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])\.?(?::(?P<port>\d{1,5}))?\Z"
)


def header(scope: Scope, name: str) -> str | None:
    """The first value of a request header, None when absent."""
    wanted = name.lower().encode()
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == wanted), None)


def all_values(scope: Scope, name: str) -> str:
    """All values of a list header, joined by commas (RFC 9110 §5.3)."""
    wanted = name.lower().encode()
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == wanted)


def replace_header(scope: Scope, name: str, value: str) -> None:
    """Give the request exactly this one value of a header."""
    wanted = name.lower().encode()
    kept = [(key, old) for key, old in scope["headers"] if key != wanted]
    scope["headers"] = [*kept, (wanted, value.encode("latin-1"))]


def add_missing(headers: RawHeaders, extra: Iterable[tuple[str, str]]) -> None:
    """Add answer headers that the endpoint has not set itself."""
    present = {key.lower() for key, _ in headers}
    headers.extend((n.encode(), v.encode("latin-1")) for n, v in extra if n.lower().encode() not in present)


def split_host(host: str | None) -> tuple[str, str | None] | None:
    """Name (lower case, IPv6 in brackets) and port of a `Host` value; None for anything that is no host."""
    found = _HOST.match(host or "")
    return (found["name"].lower(), found["port"]) if found else None
