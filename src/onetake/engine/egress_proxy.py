"""Our guarding forward proxy on loopback for the http(s) traffic of ffmpeg children (DESIGN §10).

A public playlist can name 127.0.0.1, a redirect can lead there, and ffmpeg's HLS reader even opens
`httpproxy://127.0.0.1/` as a segment wherever CONNECT is possible. So a child may speak only plain http, and only to
this proxy: each request is parsed, resolved, judged, and made from here to the judged address. TLS is done here, with
the certificate checked. `https://` in redirects and playlists becomes `http://` with a port that this account is known
to mean TLS for. A child presents its own token; a request without one gets 407.
"""

import asyncio
import base64
import binascii
import contextlib
import hmac
import logging
import re
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from yarl import URL

from onetake.kit.errors import AppError
from onetake.kit.ids import random_hex
from onetake.kit.ssrf import (
    DEFAULT_PORTS,
    HTTP_SCHEMES,
    AddressRefused,
    Allow,
    NameNotResolved,
    Pinned,
    Resolver,
    UrlRefused,
    parse_target,
    resolve,
    system_resolver,
)
from onetake.media.ffmpeg.errors import TlsFailed

log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 16 << 10
MAX_PLAYLIST_BYTES = 8 << 20
MAX_CONNECTIONS = 32
HEAD_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 8.0
IDLE_TIMEOUT_S = 60.0
CHUNK_BYTES = 64 << 10
_PLAYLIST_MAGIC = b"#EXTM3U"
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_URI_ATTRIBUTE = re.compile(r'(URI=")([^"]*)(")')


@dataclass(slots=True)
class Account:
    """One child's right to use the proxy. `refusal` is why the newest refused request was refused."""

    token: str
    proxy_url: str
    refusal: AppError | None = None
    received_bytes: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _tls_hosts: set[str] = field(default_factory=set)

    def plain_url(self, url: str) -> str:
        """`url` as the child must ask for it: https becomes http, and its host and port are remembered as TLS.

        Raises:
            UrlRefused: it is neither http nor https.
        """
        target = parse_target(url, HTTP_SCHEMES, userinfo=True)
        if target.scheme == "http":
            return url
        parts = urlsplit(url)
        netloc = parts.netloc if parts.port else f"{parts.netloc.rstrip(':')}:{DEFAULT_PORTS['https']}"
        self._tls_hosts.add(f"{target.host}:{target.port}")
        return urlunsplit(("http", netloc, parts.path, parts.query, parts.fragment))

    def means_tls(self, pinned: Pinned) -> bool:
        """Whether plain http to this host and port stands for https."""
        return f"{pinned.target.host}:{pinned.target.port}" in self._tls_hosts


@dataclass(frozen=True, slots=True)
class _Head:
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


class _Refused(Exception):
    """The request is answered with this status and nothing else."""

    def __init__(self, status: str, header: str = "") -> None:
        super().__init__(status)
        self.status, self.header = status, header


class EgressProxy:
    """Start with `start`, end with `close`; `account` opens a right for as long as a block runs."""

    def __init__(
        self,
        allow: Allow | None = None,
        resolver: Resolver = system_resolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow = allow or Allow()
        self._resolver = resolver
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._session: aiohttp.ClientSession | None = None
        self._accounts: dict[str, Account] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT_S, sock_read=IDLE_TIMEOUT_S)
        self._tls = self._tls or ssl.create_default_context()
        self._session = aiohttp.ClientSession(
            timeout=timeout,
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        )
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=MAX_HEAD_BYTES)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and break every connection."""
        if self._server is not None:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def account(self) -> AsyncIterator[Account]:
        """A token for one child; leaving the block breaks what is still open under it."""
        token = random_hex(128)
        made = Account(token, f"http://{token}:x@127.0.0.1:{self._port}")
        self._accounts[token] = made
        try:
            yield made
        finally:
            del self._accounts[token]
            for task in made.tasks:
                task.cancel()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await self._answer(reader, writer)
        except _Refused as refused:
            with contextlib.suppress(OSError):
                writer.write(_response_head(refused.status, [refused.header] if refused.header else [], 0))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, aiohttp.ClientError) as error:
            log.debug("egress connection ended: %s", type(error).__name__)
        except asyncio.CancelledError:
            # The end of this task: asyncio's server would report a cancelled one as an error.
            writer.transport.abort()
        finally:
            writer.close()

    async def _answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        async with asyncio.timeout(HEAD_TIMEOUT_S):
            head = await _read_head(reader)
        account = self._account_of(head)
        if len(account.tasks) >= MAX_CONNECTIONS:
            raise _Refused("503 Too Many Connections")
        task = asyncio.current_task()
        assert task is not None
        account.tasks.add(task)
        task.add_done_callback(account.tasks.discard)
        await self._forward(account, head, writer)

    def _account_of(self, head: _Head) -> Account:
        presented = _basic_user(head.get("proxy-authorization"))
        for token, account in self._accounts.items():
            if hmac.compare_digest(token.encode(), presented):
                return account
        raise _Refused("407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="onetake"')

    async def _judge(self, account: Account, head: _Head) -> Pinned:
        try:
            return await resolve(parse_target(head.target, frozenset({"http"})), self._allow, self._resolver)
        except (UrlRefused, AddressRefused) as error:
            account.refusal = error
            raise _Refused("403 Forbidden") from None
        except NameNotResolved as error:
            account.refusal = error
            raise _Refused("502 Bad Gateway") from None

    async def _forward(self, account: Account, head: _Head, writer: StreamWriter) -> None:
        pinned = await self._judge(account, head)
        tls = account.means_tls(pinned)
        try:
            response = await self._request(head, pinned, tls)
        except aiohttp.ClientSSLError:
            account.refusal = TlsFailed()
            raise _Refused("502 Bad Gateway") from None
        except (aiohttp.ClientError, OSError, TimeoutError):
            raise _Refused("504 Gateway Timeout") from None
        async with response:
            await _pass_on(_Answer(account, response, tls), head.method, writer)

    async def _request(self, head: _Head, pinned: Pinned, tls: bool) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("the proxy is not started")
        kept = [(name, value) for name, value in head.headers if name.lower() not in _HOP_BY_HOP]
        return await self._session.request(
            head.method,
            _literal_url(head.target, pinned, tls),
            headers=[("Host", urlsplit(head.target).netloc), *kept],
            allow_redirects=False,
            ssl=self._tls or True,
            server_hostname=pinned.target.host if tls else None,
        )


async def _read_head(reader: StreamReader) -> _Head:
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise _Refused("431 Request Header Fields Too Large") from None
    first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[0] not in ("GET", "HEAD") or not words[2].startswith("HTTP/1."):
        raise _Refused("405 Method Not Allowed")
    headers = [line.partition(":") for line in lines]
    if any(not colon or not name or name != name.strip() or "\n" in value for name, colon, value in headers):
        raise _Refused("400 Bad Request")
    return _Head(words[0], words[1], tuple((name, value.strip()) for name, _, value in headers))


def _basic_user(header: str) -> bytes:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(value, validate=True).partition(b":")[0]
    except (binascii.Error, ValueError):
        return b""


def _literal_url(target: str, pinned: Pinned, tls: bool) -> URL:
    """The URL with the judged address for a host; path and query exactly as the child wrote them."""
    parts = urlsplit(target)
    address = pinned.addresses[0]
    host = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return URL(f"{'https' if tls else 'http'}://{host}:{pinned.target.port}{path}", encoded=True)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the far side said to one request of an account, and whether it said so over TLS."""

    account: Account
    response: aiohttp.ClientResponse
    tls: bool

    def headers(self) -> Iterable[str]:
        """The header lines that go on to the child."""
        for name, value in self.response.headers.items():
            if name.lower() == "location":
                yield f"{name}: {self.rewrite_uri(value)}"
            elif name.lower() not in _HOP_BY_HOP and value.isprintable():
                yield f"{name}: {value}"

    def rewrite_playlist(self, text: str) -> str:
        """The playlist with every https URI as the child must ask for it; other schemes are refused."""
        lines = []
        for line in text.splitlines():
            if line.startswith("#"):
                lines.append(_URI_ATTRIBUTE.sub(lambda m: m[1] + self.rewrite_uri(m[2]) + m[3], line))
            else:
                lines.append(self.rewrite_uri(line.strip()))
        return "\n".join([*lines, ""])

    def rewrite_uri(self, uri: str) -> str:
        """A reference as the child must use it; what it may not open becomes a name that leads nowhere."""
        if uri.startswith("//"):  # takes the scheme of what refers to it
            uri = f"{'https' if self.tls else 'http'}:{uri}"
        if not _ABSOLUTE.match(uri) or uri[:5].lower() == "data:":
            return uri
        try:
            return self.account.plain_url(uri)
        except UrlRefused as error:
            self.account.refusal = error
            return "refused:"


async def _pass_on(answer: _Answer, method: str, writer: StreamWriter) -> None:
    account, response = answer.account, answer.response
    first = b"" if method == "HEAD" else await _first_bytes(response, len(_PLAYLIST_MAGIC))
    if first.startswith(_PLAYLIST_MAGIC):
        body = answer.rewrite_playlist(await _rest_of_playlist(response, first)).encode()
        writer.write(_response_head(_status(response), answer.headers(), len(body)) + body)
        await writer.drain()
        account.received_bytes += len(body)
        return
    writer.write(_response_head(_status(response), answer.headers(), response.content_length) + first)
    account.received_bytes += len(first)
    async for data in response.content.iter_chunked(CHUNK_BYTES):
        account.received_bytes += len(data)
        writer.write(data)
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            await writer.drain()


async def _first_bytes(response: aiohttp.ClientResponse, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := await response.content.read(count - len(data))):
        data += more
    return data


async def _rest_of_playlist(response: aiohttp.ClientResponse, first: bytes) -> str:
    data = bytearray(first)
    async for more in response.content.iter_chunked(CHUNK_BYTES):
        data += more
        if len(data) > MAX_PLAYLIST_BYTES:
            raise _Refused("502 Bad Gateway")
    return data.decode("utf-8", "replace")


def _status(response: aiohttp.ClientResponse) -> str:
    return f"{response.status} {response.reason if response.reason and response.reason.isprintable() else '-'}"


def _response_head(status: str, headers: Iterable[str], length: int | None) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, "Connection: close"]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")
