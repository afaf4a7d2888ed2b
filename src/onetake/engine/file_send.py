"""Sends pieces of open files by `sendfile`: whole, one range, several ranges; conditional requests; slow clients.

At most 1 MiB per system call, so that one fast client does not hold the loop; a client that takes nothing for two
minutes is cut off.
"""

import asyncio
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from onetake.engine.ranges import (
    ByteRange,
    RangeNotSatisfiable,
    http_date,
    if_range_holds,
    multipart_heads,
    not_modified,
    parse_range,
)

CALL_BYTES = 1 << 20
COPY_BYTES = 256 << 10
CALL_TIMEOUT_S = 120.0
_SAFE_ASCII = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-()[]")
MAX_NAME_CHARS = 120


@dataclass(frozen=True, slots=True)
class Piece:
    """`size_bytes` bytes at `offset` of an open file, as one HTTP resource.

    `modified_s` None: it has no date. `headers` go with every answer about it. `growing`: who has some of it does not
    have all of it, so it is never "not modified".
    """

    fd: int
    offset: int
    size_bytes: int
    content_type: str
    etag: str
    modified_s: float | None
    headers: Mapping[str, str]
    growing: bool = False


async def send_piece(request: web.Request, piece: Piece, sent: Callable[[int], None]) -> web.StreamResponse:
    """Answer GET or HEAD for `piece`; `sent` is told the number of body bytes as they go out."""
    headers = {
        "Content-Type": piece.content_type,
        "ETag": piece.etag,
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        **piece.headers,
    }
    if piece.modified_s is not None:
        headers["Last-Modified"] = http_date(piece.modified_s)
    if not piece.growing and _is_known(request, piece):
        del headers["Content-Type"]
        return web.Response(status=304, headers=headers)
    try:
        ranges = _wanted(request, piece)
    except RangeNotSatisfiable:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{piece.size_bytes}", **piece.headers})
    if ranges is None:
        return await _send(request, 200, headers, piece, [(b"", ByteRange(0, piece.size_bytes))], sent)
    if len(ranges) == 1:
        headers["Content-Range"] = ranges[0].content_range(piece.size_bytes)
        return await _send(request, 206, headers, piece, [(b"", ranges[0])], sent)
    boundary = os.urandom(12).hex()
    heads = multipart_heads(ranges, piece.size_bytes, piece.content_type, boundary)
    headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
    parts = [*zip(heads, ranges, strict=False), (heads[-1], ByteRange(0, 0))]
    return await _send(request, 206, headers, piece, parts, sent)


async def send_text(
    request: web.Request, plain: bytes, gzipped: bytes | None, headers: Mapping[str, str], sent: Callable[[int], None]
) -> web.StreamResponse:
    """Answer GET or HEAD with a small body, compressed when the client takes it; 304 by its own ETag."""
    etag = f'"{len(plain):x}-{zlib.crc32(plain):08x}"'
    packed = gzipped is not None and "gzip" in request.headers.get("Accept-Encoding", "")
    all_headers = {"ETag": etag, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff", **headers}
    if not_modified(request.headers.get("If-None-Match"), None, etag, None):
        return web.Response(status=304, headers=all_headers)
    if packed:
        # A weak tag, because the compressed bytes are another representation (RFC 9110 §8.8.3).
        all_headers |= {"Content-Encoding": "gzip", "ETag": f"W/{etag}"}
    body = gzipped if packed and gzipped is not None else plain
    if request.method != "HEAD":
        sent(len(body))
    return web.Response(body=body, headers=all_headers)


def attachment(name: str, extension: str) -> str:
    """Value of `Content-Disposition` for a download (RFC 6266 §4), with a plain ASCII name for old clients (U4)."""
    shown = "".join(char for char in name if char.isprintable() and char not in '/\\:*?"<>|').strip(" .")
    shown = (shown[:MAX_NAME_CHARS].strip(" .") or "video").removesuffix(extension) + extension
    plain = "".join(char if char in _SAFE_ASCII else "_" for char in shown)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(shown, safe='')}"


def _is_known(request: web.Request, piece: Piece) -> bool:
    asked = request.headers
    return not_modified(asked.get("If-None-Match"), asked.get("If-Modified-Since"), piece.etag, piece.modified_s)


def _wanted(request: web.Request, piece: Piece) -> list[ByteRange] | None:
    if not if_range_holds(request.headers.get("If-Range"), piece.etag, piece.modified_s):
        return None
    return parse_range(request.headers.get("Range"), piece.size_bytes)


async def _send(
    request: web.Request,
    status: int,
    headers: Mapping[str, str],
    piece: Piece,
    parts: list[tuple[bytes, ByteRange]],
    sent: Callable[[int], None],
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = sum(len(head) + part.length for head, part in parts)
    await response.prepare(request)
    if request.method != "HEAD":
        for head, part in parts:
            if head:
                await response.write(head)
                sent(len(head))
            await _send_file(request, response, piece.fd, piece.offset + part.start, part.length, sent)
    await response.write_eof()
    return response


async def _send_file(
    request: web.Request, response: web.StreamResponse, fd: int, offset: int, left: int, sent: Callable[[int], None]
) -> None:
    """Bytes of a file onto the connection, by the kernel.

    `loop.sendfile` sets the transport up anew for each call, which costs more than the call. So its descriptor is
    duplicated, and waited for by itself; the transport keeps watching for the end of the connection. What must go
    through the transport (TLS, or bytes that it still holds) does.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError
    tls = transport.get_extra_info("sslcontext") is not None
    try:
        while left and (tls or transport.get_write_buffer_size()):
            count = min(COPY_BYTES, left)
            await _write_copy(response, fd, offset, count)
            sent(count)
            offset, left = offset + count, left - count
        await _send_calls(transport, fd, offset, left, sent)
    except (TimeoutError, ConnectionResetError):
        transport.abort()
        raise ConnectionResetError from None


async def _send_calls(
    transport: asyncio.Transport, fd: int, offset: int, left: int, sent: Callable[[int], None]
) -> None:
    out = os.dup(transport.get_extra_info("socket").fileno())
    try:
        while left:
            try:
                count = os.sendfile(out, fd, offset, min(CALL_BYTES, left))
            except BlockingIOError:
                await _writable(out)
                continue
            if not count:  # the file is shorter than promised: the length cannot be kept
                raise ConnectionResetError
            offset, left = offset + count, left - count
            sent(count)
            if left:
                await asyncio.sleep(0)
    finally:
        os.close(out)


async def _writable(out: int) -> None:
    """Wait until the client has taken something. Raises `TimeoutError` when it does not."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(out, _set, ready)
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await ready
    finally:
        loop.remove_writer(out)


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


async def _write_copy(response: web.StreamResponse, fd: int, offset: int, size_bytes: int) -> None:
    """Send a copy of the bytes the ordinary way."""
    data = await asyncio.to_thread(os.pread, fd, size_bytes, offset)
    if len(data) < size_bytes:
        raise ConnectionResetError
    async with asyncio.timeout(CALL_TIMEOUT_S):
        await response.write(data)
