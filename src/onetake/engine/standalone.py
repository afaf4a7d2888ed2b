"""The plain page of a stand-alone server. Its files are read once at start; players come from the web build, if any."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from onetake.engine.srs_api import ControlGuard

_PAGE = Path(__file__).parent / "page"
_PLAYERS = Path(__file__).parent.parent / "webui" / "players"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
PLAYERS = ("hls.min.js", "mpegts.js")


def page_files() -> dict[str, tuple[bytes, str]]:
    """Path → content and type of everything that the page consists of."""
    files = {"/": _PAGE / "index.html"} | {f"/page/{name}": _PAGE / name for name in ("app.js", "style.css")}
    files |= {f"/page/players/{name}": _PLAYERS / name for name in PLAYERS}
    return {path: (file.read_bytes(), _TYPES[file.suffix]) for path, file in files.items() if file.is_file()}


def add_page(app: web.Application, guard: ControlGuard, files_port: Callable[[], int]) -> None:
    """Register the page; it is shown to whoever may control the server."""
    for path, (content, kind) in page_files().items():
        app.router.add_get(path, _serve(content, kind, guard, files_port))


def _serve(
    content: bytes, kind: str, guard: ControlGuard, files_port: Callable[[], int]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def get(request: web.Request) -> web.Response:
        guard.require(request)
        files = f"{request.scheme}://{request.url.host}:{files_port()}"
        policy = f"default-src 'self'; connect-src 'self' {files}; media-src 'self' blob: {files}; worker-src blob:"
        headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
        return web.Response(body=content, content_type=kind, charset="utf-8", headers=headers)

    return get
