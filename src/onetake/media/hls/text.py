"""Playlist text: how values are written (RFC 8216bis §4.2), bodies that are packed once, and text that only grows."""

import gzip
import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime

CONTENT_TYPE = "application/vnd.apple.mpegurl"
GZIP_LEVEL = 5
_GZIP_WINDOW_BITS = 31
_URI_ATTRIBUTE = re.compile(rb'(URI=")([^"]+)(")')


def seconds(value: float) -> str:
    """A decimal-floating-point with five digits."""
    return f"{value:.5f}"


def date_time(wall_ms: float) -> str:
    """An ISO 8601 time in UTC with milliseconds, as EXT-X-PROGRAM-DATE-TIME wants."""
    moment = datetime.fromtimestamp(round(wall_ms) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Body:
    """A playlist ready to send. `gzipped` is made once and shared by everyone who asks."""

    __slots__ = ("_gzipped", "_pack", "plain")

    def __init__(self, plain: bytes, pack: Callable[[], bytes] | None = None) -> None:
        self.plain = plain
        self._pack = pack
        self._gzipped: bytes | None = None

    @property
    def gzipped(self) -> bytes:
        """The body with Content-Encoding gzip; the same bytes for the same text."""
        if self._gzipped is None:
            self._gzipped = self._pack() if self._pack else gzip.compress(self.plain, GZIP_LEVEL, mtime=0)
        return self._gzipped


class GrowingText:
    """Text that only grows at its end, with a tail that changes: each byte is encoded and compressed once.

    A playlist of 24 hours that gains a line every two seconds costs as little as one of a minute.
    """

    def __init__(self, head: str) -> None:
        self._plain = bytearray()
        self._packed = bytearray()
        self._compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW_BITS)
        self.append(head)

    def append(self, text: str) -> None:
        """Add text for good."""
        data = text.encode()
        self._plain += data
        self._packed += self._compressor.compress(data)

    def body(self, tail: str = "") -> Body:
        """Everything so far and `tail`, which is not kept."""
        data = tail.encode()
        compressor, packed = self._compressor.copy(), bytes(self._packed)

        def pack() -> bytes:
            return packed + compressor.compress(data) + compressor.flush()

        return Body(bytes(self._plain) + data, pack)


def add_query(playlist: bytes, query: str) -> bytes:
    """Every URI of `playlist` with `query` added, for players that were given `?token=` instead of a path token.

    `query` must already be percent-encoded.
    """
    extra = query.encode()

    def extended(uri: bytes) -> bytes:
        return uri + (b"&" if b"?" in uri else b"?") + extra

    lines = [
        _URI_ATTRIBUTE.sub(lambda match: match[1] + extended(match[2]) + match[3], line)
        if line.startswith(b"#")
        else extended(line) if line else line
        for line in playlist.split(b"\n")
    ]  # fmt: skip
    return b"\n".join(lines)
