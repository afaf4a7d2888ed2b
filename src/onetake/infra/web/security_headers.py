"""Headers that tell browsers to be strict: CSP, HSTS, nosniff and their kin (W2, W3)."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onetake.infra.settings import Settings
from onetake.infra.web.headers import add_missing, header, split_host

HSTS = "max-age=31536000"
_API_CSP = "default-src 'none'; frame-ancestors 'none'"
_PERMISSIONS = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=(), browsing-topics=()"
_FIXED = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("Permissions-Policy", _PERMISSIONS),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


class SecurityHeaders:
    """Middleware: adds what the endpoint has not set itself; answers of the API are never stored."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with headers added to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_missing(message["headers"], self.headers(scope, _is_html(message)))
            await send(message)

        await self._app(scope, receive, with_headers)

    def headers(self, scope: Scope, html: bool) -> list[tuple[str, str]]:
        """The headers for an answer to `scope`."""
        policy = page_policy(self._settings, scope) if html else _API_CSP
        extra = [*_FIXED, ("Content-Security-Policy", policy)]
        if not self._settings.frame_ancestors:
            extra.append(("X-Frame-Options", "DENY"))
        if is_https(scope, self._settings):
            extra.append(("Strict-Transport-Security", HSTS))
            extra.append(("Cross-Origin-Opener-Policy", "same-origin"))  # browsers complain about it on plain http
        if scope["path"].startswith("/api/"):
            extra.append(("Cache-Control", "no-store"))
        return extra


def is_https(scope: Scope, settings: Settings) -> bool:
    """Whether the browser reached us by TLS: directly, by a trusted proxy's word, or at the https public URL."""
    if scope["scheme"] in ("https", "wss"):
        return True
    public = urlsplit(settings.public_url or "")
    return public.scheme == "https" and split_host(header(scope, "host")) == split_host(public.netloc)


def media_origins(settings: Settings, scope: Scope) -> list[str]:
    """Origins that media come from, as the page of this request reaches them; empty for the page's own.

    With `auto`: the host that the page was opened by, with the media ports; the page's own origin behind https, where
    one proxy serves everything. The host has been checked before (`HostRule`), so echoing it is safe.
    """
    if settings.media_url != "auto":
        parts = urlsplit(settings.media_url)
        return [f"{parts.scheme}://{parts.netloc}"]
    if is_https(scope, settings) or (settings.public_url or "").startswith("https:"):
        return []
    host = split_host(header(scope, "host"))
    return [f"http://{host[0]}:{port}" for port in (settings.media_port, settings.files_port)] if host else []


def page_policy(settings: Settings, scope: Scope) -> str:
    """The Content-Security-Policy of a page (CSP level 3): no inline script, no eval, nothing from elsewhere."""
    media = media_origins(settings, scope)
    host = header(scope, "host") or ""
    socket = f"{'wss' if is_https(scope, settings) else 'ws'}://{host}"  # older Safari: 'self' does not cover ws
    directives: dict[str, Sequence[str]] = {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "style-src-attr": ["'unsafe-inline'"],  # chart tooltips set style attributes; those cannot run anything
        "img-src": ["'self'", "data:", "blob:", *media],
        "font-src": ["'self'", "data:"],
        "media-src": ["'self'", "blob:", *media],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'", socket, *media, *(origin.replace("http", "ws", 1) for origin in media)],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": settings.frame_ancestors or ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(values)}" for name, values in directives.items())


def _is_html(message: Message) -> bool:
    kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
    return bool(kinds) and kinds[0].startswith(b"text/html")
