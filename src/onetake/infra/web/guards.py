"""Which hosts and which origins are answered: host list, cross-site writes, CORS (R10, R25, W1, W5)."""

import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from onetake.infra.settings import Settings
from onetake.infra.settings_errors import SettingsError
from onetake.infra.web.headers import header, split_host
from onetake.infra.web.problems import problem_response, request_language
from onetake.infra.web.proxies import parse_address
from onetake.kit.errors import AppError, BadRequest, Forbidden, Text

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


class UnknownHost(BadRequest):
    """The `Host` header names no host of this installation. Parameter: `host`."""

    code = "unknown_host"
    text = Text(
        en="This server does not answer to that host name. Its operator can list it in ONETAKE_ALLOWED_HOSTS.",
        zh_cn="服务器未启用该主机名，管理员可在 ONETAKE_ALLOWED_HOSTS 中添加。",
        zh_tw="伺服器未啟用此主機名稱，管理員可在 ONETAKE_ALLOWED_HOSTS 中加入。",
    )


class CrossSite(Forbidden):
    """A page of another site tried to change something."""

    code = "cross_site"
    text = Text(
        en="Requests from other sites are not allowed.",
        zh_cn="不允许来自其他网站的请求。",
        zh_tw="不允許來自其他網站的請求。",
    )


class HostRule:
    """Which names this installation answers to.

    Listed names, literal addresses, `localhost`, this machine's name and the public URL's host always. Any other name
    only when the list is empty and the server is bound beyond loopback: a loopback server is never reached by a foreign
    name except by DNS rebinding.
    """

    def __init__(self, settings: Settings) -> None:
        self._any = "*" in settings.allowed_hosts or (not settings.allowed_hosts and not _is_loopback(settings.bind))
        own = {"localhost", socket.gethostname().lower(), f"{socket.gethostname().lower()}.local"}
        public = urlsplit(settings.public_url or "").hostname
        self._names = own | {name.lower() for name in settings.allowed_hosts} | ({public} if public else set())

    def allows(self, host: str | None) -> bool:
        """Whether a `Host` value may be answered; malformed ones never."""
        parts = split_host(host)
        if parts is None:
            return False
        name = parts[0]
        return (
            self._any or name in self._names or self._by_wildcard(name) or parse_address(name.strip("[]")) is not None
        )

    def _by_wildcard(self, name: str) -> bool:
        return any(name.endswith(entry[1:]) for entry in self._names if entry.startswith("*."))


class OriginRule:
    """Which pages may write: those of this installation's own origins and the listed ones."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError when the list holds anything but exact origins (R10)."""
        self.listed = tuple(_exact_origin(entry) for entry in settings.cors_origins)
        public = urlsplit(settings.public_url or "")
        self._public = parse_origin(f"{public.scheme}://{public.netloc}")

    def allows_write(self, scope: Scope) -> bool:
        """Whether a changing request may come from where the browser says that it comes from.

        Programs send neither header and pass; they have no cookies to abuse.
        """
        if header(scope, "sec-fetch-site") in ("same-origin", "none"):
            return True
        origin = header(scope, "origin")
        if origin is None:
            return header(scope, "sec-fetch-site") is None
        return self.is_ours(origin, scope)

    def is_ours(self, origin: str | None, scope: Scope) -> bool:
        """Whether `origin` is this installation's own as reached by `scope`, or listed."""
        asked = parse_origin(origin or "")
        if asked is None:
            return False
        return asked in (self._public, *self.listed) or asked[1] == _own_netloc(asked[0], scope)


class Guards:
    """Middleware: refuse foreign hosts, and changing requests from foreign pages."""

    def __init__(self, app: ASGIApp, hosts: HostRule, origins: OriginRule) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a problem, or pass on. A WebSocket's Origin is checked at its own endpoint (R30)."""
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await problem_response(refusal, request_language(scope))(scope, receive, send)

    def _refusal(self, scope: Scope) -> AppError | None:
        if not self._hosts.allows(header(scope, "host")):
            return UnknownHost()
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS and not self._origins.allows_write(scope):
            return CrossSite()
        return None


def _is_loopback(bind: str) -> bool:
    if bind == "localhost":
        return True
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return False


def _exact_origin(entry: str) -> tuple[str, str]:
    origin = parse_origin(entry)
    if origin is None:
        raise SettingsError(f"ONETAKE_CORS_ORIGINS must list exact origins such as https://example.org, not {entry!r}.")
    return origin


def parse_origin(text: str) -> tuple[str, str] | None:
    """Scheme and host with its port spelled out, lower case; None for all that is no http(s) origin (RFC 6454 §6)."""
    scheme, separator, netloc = text.partition("://")
    scheme, parts = scheme.lower(), split_host(netloc)
    if not separator or scheme not in ("http", "https") or parts is None:
        return None
    return scheme, f"{parts[0]}:{parts[1] or _DEFAULT_PORTS[scheme]}"


def _own_netloc(scheme: str, scope: Scope) -> str | None:
    """The request's own host with port, for a page opened by `scheme`.

    The scheme itself is not compared: a TLS proxy in front may not be listed, and a host reached by both is one host.
    """
    parts = split_host(header(scope, "host"))
    return f"{parts[0]}:{parts[1] or _DEFAULT_PORTS[scheme]}" if parts else None
