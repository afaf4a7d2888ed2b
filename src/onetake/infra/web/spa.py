"""The built web UI: hashed assets for ever, `index.html` never cached, unknown paths fall back to it.

Files are found by looking the request path up in a list made from the folder, so that no path is ever built from what
a client sends.
"""

import asyncio
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from onetake.infra.web.headers import all_values, header
from onetake.infra.web.problems import problem_response, request_language
from onetake.kit.errors import MethodNotAllowed, NotFound, Text

_IMMUTABLE = "public, max-age=31536000, immutable"
_REVALIDATE = "no-cache"
_ASSETS = "/assets/"
_MEDIA = ("/t", "/live", "/vod")
_NEVER_PAGES = ("/api", "/healthz", "/readyz", "/metrics")
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json"}
_NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>OneTake</title></head><body>
<h1>OneTake is running, but its web pages are not built</h1>
<p>Run <code>make web</code> in the source folder, or install the released package, which has them inside.</p>
<h1 lang="zh-CN">OneTake 正在运行，但网页尚未构建</h1>
<p lang="zh-CN">请在源码目录执行 <code>make web</code>，或安装已包含网页的发行包。</p>
</body></html>
"""


class MediaElsewhere(NotFound):
    """A media path at the port of the page: a reverse proxy maps them (DESIGN §3), this process does not."""

    code = "media_elsewhere"
    text = Text(
        en="Media is served on ports of its own: 8080 for what is live, 8081 for recordings, unless set otherwise.",
        zh_cn="媒体由单独的端口提供：直播为 8080，录像为 8081（除非另行设置）。",
        zh_tw="媒體由單獨的連接埠提供：直播為 8080，錄影為 8081（除非另行設定）。",
    )


@dataclass(frozen=True, slots=True)
class _File:
    """One file with its compressed variants."""

    path: Path
    media_type: str
    etag: str
    variants: dict[str, Path]


class WebUi:
    """ASGI application for everything that is not the API. `folder` is looked through again when its index changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, _File] = {}
        self._stamp: int | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD with a file, the page, or a problem."""
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        app = await asyncio.to_thread(self._answer, scope)
        await app(scope, receive, send)

    def _answer(self, scope: Scope) -> ASGIApp:
        path: str = scope["path"]
        if _is_below(path, _NEVER_PAGES):
            return problem_response(NotFound(), request_language(scope))
        if _is_below(path, _MEDIA):
            return problem_response(MediaElsewhere(), request_language(scope))
        if scope["method"] not in ("GET", "HEAD"):
            return problem_response(MethodNotAllowed(headers={"Allow": "GET, HEAD"}), request_language(scope))
        self._look_again()
        found = self._files.get(path)
        if found is None and path.startswith(_ASSETS):
            return problem_response(NotFound(), request_language(scope))
        page = found or self._files.get("/index.html")
        return _file_answer(page, scope, path) if page else _bytes_answer(503, "text/html", _NOT_BUILT.encode(), [])

    def _look_again(self) -> None:
        try:
            stamp = (self._folder / "index.html").stat().st_mtime_ns
        except OSError:
            self._files, self._stamp = {}, None
            return
        if stamp != self._stamp:
            self._files, self._stamp = _scan(self._folder), stamp


def _is_below(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)


def _scan(folder: Path) -> dict[str, _File]:
    root = folder.resolve()
    plain = [path for path in root.rglob("*") if path.is_file() and path.suffix not in (".gz", ".br")]
    inside = [path for path in plain if path.resolve().is_relative_to(root)]  # a link may point elsewhere
    return {f"/{path.relative_to(root).as_posix()}": _describe(path) for path in inside}


def _describe(path: Path) -> _File:
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    stat = path.stat()
    etag = hashlib.sha256(f"{path.name}:{stat.st_size}:{stat.st_mtime_ns}".encode()).hexdigest()[:20]
    variants = {name: path.with_name(path.name + suffix) for name, suffix in _ENCODINGS}
    return _File(path, media_type, etag, {name: file for name, file in variants.items() if file.is_file()})


def _file_answer(file: _File, scope: Scope, path: str) -> ASGIApp:
    encoding = _accepted_encoding(file, all_values(scope, "accept-encoding"))
    etag = f'"{file.etag}{"-" + encoding if encoding else ""}"'
    immutable = path.startswith(_ASSETS) and file.path.name != "index.html"
    headers = [("ETag", etag), ("Cache-Control", _IMMUTABLE if immutable else _REVALIDATE)]
    if file.variants:
        headers.append(("Vary", "Accept-Encoding"))
    if etag in [part.strip().removeprefix("W/") for part in (header(scope, "if-none-match") or "").split(",")]:
        # Its headers replace those of the stored answer (RFC 9111 §3.2): the type tells which policy a page must keep.
        return _bytes_answer(304, file.media_type, b"", headers)
    if encoding:
        headers.append(("Content-Encoding", encoding))
    try:
        content = (file.variants[encoding] if encoding else file.path).read_bytes()
    except OSError:  # rebuilt this very moment
        return problem_response(NotFound(), request_language(scope))
    return _bytes_answer(200, file.media_type, content, headers)


def _accepted_encoding(file: _File, accepted: str) -> str | None:
    """The best stored variant that the client takes (RFC 9110 §12.5.3); `q=0` refuses one."""
    wanted = {}
    for part in accepted.split(",")[:16]:
        name, _, weight = part.partition(";")
        wanted[name.strip().lower()] = weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return next((name for name, _ in _ENCODINGS if name in file.variants and wanted.get(name)), None)


def _bytes_answer(status: int, media_type: str | None, content: bytes, headers: list[tuple[str, str]]) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        fields = [*headers, ("Content-Length", str(len(content)))] if status != 304 else headers
        if media_type:
            text = media_type.startswith("text/")
            fields = [*fields, ("Content-Type", f"{media_type}; charset=utf-8" if text else media_type)]
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in fields]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

    return answer
