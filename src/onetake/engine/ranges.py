"""HTTP conditional and range requests (RFC 9110 §13, §14) for files that we serve ourselves (R24, L3).

Policy: at most five ranges, ascending and without overlap; the header is at most 1 KB. A `Range` outside this policy,
or one that cannot be read, is ignored and the whole file is sent (200), as RFC 9110 §14.2 allows. Several ranges are
answered as `multipart/byteranges`. Work is linear in the length of the header.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from itertools import pairwise

MAX_RANGES = 5
MAX_HEADER_CHARS = 1024
MAX_DIGITS = 18


class RangeNotSatisfiable(Exception):
    """No requested range lies inside the file: answer 416 with `Content-Range: bytes */<size>`."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `start` … `start + length - 1` of a file; `length` is never 0."""

    start: int
    length: int

    def content_range(self, size: int) -> str:
        """Value of `Content-Range` in a file of `size` bytes."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def parse_range(header: str | None, size: int) -> list[ByteRange] | None:
    """The ranges to send of a file of `size` bytes, or None for the whole file.

    Raises:
        RangeNotSatisfiable: the header is sound but lies wholly outside the file.
    """
    if header is None or len(header) > MAX_HEADER_CHARS:
        return None
    unit, equals, specs = header.partition("=")
    if not equals or unit.strip().lower() != "bytes" or specs.count(",") >= MAX_RANGES:
        return None
    parsed = [_parse_spec(spec.strip(" \t"), size) for spec in specs.split(",")]
    if any(spec is None for spec in parsed):
        return None
    found = [spec for spec in parsed if spec is not None and spec.length > 0]
    if not found:
        raise RangeNotSatisfiable
    ascending = all(a.start + a.length <= b.start for a, b in pairwise(found))
    return found if ascending else None


def etag_matches(header: str | None, etag: str, *, weak: bool = True) -> bool:
    """Whether an `If-None-Match`/`If-Match` list names `etag` (a quoted strong tag), by weak or strong comparison."""
    if header is None:
        return False
    tags = [tag.strip() for tag in header[:MAX_HEADER_CHARS].split(",")]
    return "*" in tags or any((tag.removeprefix("W/") if weak else tag) == etag for tag in tags)


def if_range_holds(header: str | None, etag: str, modified_s: float | None) -> bool:
    """Whether the `Range` of a request with this `If-Range` may be answered (RFC 9110 §13.1.5).

    A date counts only when it equals `Last-Modified` exactly; a growing file has none (`modified_s` None).
    """
    if header is None:
        return True
    value = header.strip()
    if value.startswith(('"', "W/")):
        return value == etag
    return modified_s is not None and _http_date(value) == int(modified_s)


def not_modified(if_none_match: str | None, if_modified_since: str | None, etag: str, modified_s: float | None) -> bool:
    """Whether the answer is 304. `If-None-Match` has precedence over `If-Modified-Since` (RFC 9110 §13.2.2)."""
    if if_none_match is not None:
        return etag_matches(if_none_match, etag)
    if if_modified_since is None or modified_s is None:
        return False
    since = _http_date(if_modified_since)
    return since is not None and int(modified_s) <= since


def http_date(unix_s: float) -> str:
    """IMF-fixdate of a Unix time (RFC 9110 §5.6.7)."""
    return format_datetime(datetime.fromtimestamp(int(unix_s), UTC), usegmt=True)


def multipart_heads(ranges: Sequence[ByteRange], size: int, content_type: str, boundary: str) -> list[bytes]:
    """The text before each part and, as last item, the closing line of a `multipart/byteranges` body."""
    heads = [
        f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {item.content_range(size)}\r\n\r\n"
        for item in ranges
    ]
    return [head.encode("ascii") for head in heads] + [f"\r\n--{boundary}--\r\n".encode("ascii")]


def _parse_spec(spec: str, size: int) -> ByteRange | None:
    """One range clipped to the file (`length` 0 when outside), or None when it cannot be read."""
    first, dash, last = spec.partition("-")
    if not dash or not (first or last) or not (_is_number(first) and _is_number(last)):
        return None
    if not first:
        length = min(int(last), size)
        return ByteRange(size - length, length)
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return None
    return ByteRange(start, max(0, end - start + 1))


def _is_number(text: str) -> bool:
    return text == "" or (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS)


def _http_date(text: str) -> int | None:
    try:
        moment = parsedate_to_datetime(text[:64])
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
