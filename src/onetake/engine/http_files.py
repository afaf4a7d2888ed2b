"""The file process (:8081): on-demand playlists, segments, MP4s, posters, and time-shift that has left the RAM.

URLs, each also below `/t/<token>`:

    /vod/<id>/index.m3u8[?form=range]    /vod/<id>/master.m3u8    /vod/<id>/s/<prefix>/<name>
    /vod/<id>/video.mp4[?download=name]  /vod/<id>/video-000.mp4  /vod/<id>/poster.jpg  storyboard.jpg  storyboard.vtt
    /vod/<id>/subtitles/<name>.vtt       /vod/<id>/<rendition>/… the same for another rendition than `source`

A rendition without an index (`compatible`) is a plain file: its MP4 can be fetched, playlists and segments have none.
"""

import asyncio
import contextlib
import logging
import re
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from aiohttp import web

from onetake.engine.access import Gate
from onetake.engine.assets import SOURCE, Asset, Assets, OpenFile, Rendition, opened_file, plain_video
from onetake.engine.file_send import Piece, attachment, send_piece, send_text
from onetake.engine.files_control import FilesControl
from onetake.engine.listener import listening, note_request
from onetake.engine.options import MediaOptions
from onetake.engine.srs_api import ControlGuard
from onetake.engine.trial import Trial, shorten
from onetake.engine.viewers import Protocol, Viewers
from onetake.engine.web import PREFLIGHT, allow_any_origin, answer_errors, client_ip, name_server, problem
from onetake.kit.errors import Conflict, NotFound, Text
from onetake.kit.lifeline import Lifeline
from onetake.kit.signing import Grant, Keyring, Method, ScopeKind, TokenInvalid
from onetake.media.fmp4.parts import TARGET_DURATION_S
from onetake.media.hls import CONTENT_TYPE as PLAYLIST_TYPE
from onetake.media.hls import add_query, parse_name
from onetake.media.hls.vod import Form

log = logging.getLogger(__name__)

SWEEP_S = 5.0
MAX_TRIALS = 256
VIEWER_WINDOW_S = 3.0 * TARGET_DURATION_S
MP4 = "video/mp4"
FIRST_FILE = "video-000.mp4"
GROWING = "no-store"
SIDE_FILES = {
    "poster.jpg": "image/jpeg",
    "storyboard.jpg": "image/jpeg",
    "storyboard.vtt": "text/vtt; charset=utf-8",
}
MAX_AGE_S = {"segment": 31_536_000, "playlist": 60, "mp4": 3600, "side": 300}
_VIDEO = re.compile(r"video-\d{3,6}\.mp4")
_SUBTITLES = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}\.vtt")


class SeveralFiles(Conflict):
    """The recording has no single MP4; the answer lists those that it has."""

    code = "several_files"
    text = Text(
        en="This recording consists of several files.",
        zh_cn="该录像由多个文件组成。",
        zh_tw="該錄影由多個檔案組成。",
    )


@dataclass(frozen=True, slots=True)
class _Visit:
    """One admitted request: what it is about, by which right, and who counts what is sent."""

    request: web.Request
    asset: Asset
    grant: Grant | None
    sent: Callable[[int], None]

    def caching(self, kind: str, *, growing: bool = False) -> str:
        """`Cache-Control` for a kind of content; what a token opened is for nobody else's cache."""
        if growing:
            return GROWING
        scope = "private" if self.grant else "public"
        immutable = ", immutable" if kind == "segment" else ""
        return f"{scope}, max-age={MAX_AGE_S[kind]}{immutable}"


class FileServer:
    """The routes of the file process and what they share."""

    def __init__(self, options: MediaOptions) -> None:
        keyring = Keyring.from_secret(options.token_secret) if options.token_secret and not options.standalone else None
        self.assets = Assets(options.data_dir)
        self.viewers = Viewers()
        self.gate = Gate(keyring)
        self._guard = ControlGuard(options.control_secret, options.standalone)
        self._trials: dict[tuple[uuid.UUID, str, int], Trial] = {}

    def app(self) -> web.Application:
        """The application."""
        app = web.Application(middlewares=[note_request, answer_errors], client_max_size=1 << 16)
        for prefix in ("", "/t/{token}"):
            self._add_media(app, f"{prefix}/vod/{{id}}")
            app.router.add_route("OPTIONS", prefix + "/vod/{path:.*}", _preflight)
            app.router.add_get(prefix + "/vod/{path:.*}", _nothing)
        FilesControl(self._guard, self.viewers, self.gate, self._forget).add_to(app)
        app.on_response_prepare.append(allow_any_origin)
        app.on_response_prepare.append(name_server)
        app.cleanup_ctx.append(self._housekeeping)
        return app

    def _add_media(self, app: web.Application, base: str) -> None:
        app.router.add_get(f"{base}/master.m3u8", self._media(self._master))
        for folder in ("", "/{rendition}"):
            app.router.add_get(f"{base}{folder}/index.m3u8", self._media(self._playlist))
            app.router.add_get(f"{base}{folder}/s/{{prefix}}/{{name}}", self._media(self._segment))
            app.router.add_get(f"{base}{folder}/video.mp4", self._media(self._whole))
        app.router.add_get(f"{base}/subtitles/{{name}}", self._media(self._subtitles))
        app.router.add_get(f"{base}/{{name}}", self._media(self._by_name))
        app.router.add_get(f"{base}/{{rendition}}/{{name}}", self._media(self._by_name))

    # -- admission -----------------------------------------------------------------------------------------------

    def _media(self, handler: Callable[[_Visit], Awaitable[web.StreamResponse]]) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            asset_id = _asset_id(request)
            grant = self._admit(request, asset_id)
            async with self.assets.opened(asset_id) as asset:
                visit = self._visit(request, asset, grant)
                try:
                    return await handler(visit)
                except (ConnectionError, TimeoutError):
                    # The viewer has gone; there is nobody to tell.
                    return web.Response(status=499)

        return answer

    def _admit(self, request: web.Request, asset_id: uuid.UUID) -> Grant | None:
        token = _token(request)
        methods: tuple[Method, ...] = (Method.PLAY, Method.DOWNLOAD)
        if "download" in request.query:
            methods = (Method.DOWNLOAD,)
        elif request.match_info.get("name") in SIDE_FILES:
            methods += (Method.LOOK,)
        return self.gate.admit(token, methods, ScopeKind.ASSET, str(asset_id))

    def _visit(self, request: web.Request, asset: Asset, grant: Grant | None) -> _Visit:
        """Count the viewer, unless this is a picture or text beside the media: a list of posters is nobody watching."""
        name = request.match_info.get("name", "")
        if name in SIDE_FILES or name.endswith(".vtt"):
            return _Visit(request, asset, grant, lambda size_bytes: None)
        scope, ip = f"asset:{asset.id}", client_ip(request)
        session = grant.session if grant else self.viewers.anonymous(ip, request.headers.get("User-Agent", ""), scope)
        protocol = Protocol.DOWNLOAD if "download" in request.query else Protocol.VOD
        viewer = grant.viewer if grant else ""
        found = self.viewers.touch(scope, protocol, session, viewer=viewer, ip=ip, window_s=VIEWER_WINDOW_S)
        return _Visit(request, asset, grant, partial(self.viewers.sent, found))

    # -- playlists and segments ----------------------------------------------------------------------------------

    async def _playlist(self, visit: _Visit) -> web.StreamResponse:
        request, asset = visit.request, visit.asset
        top = "rendition" not in request.match_info and "media" not in request.query
        if top and len(asset.names) > 1:
            return await self._master(visit)
        rendition = await self._rendition(visit)
        form = Form.RANGE if request.query.get("form") == Form.RANGE else Form.VIRTUAL
        plain: bytes
        packed: bytes | None
        plain, packed = await self.assets.playlist(asset, rendition, form)
        if visit.grant and visit.grant.limit_s:
            if form is Form.RANGE:
                raise TokenInvalid
            plain, packed = (await self._trial(visit, rendition)).playlist, None
        caching = visit.caching("playlist", growing=rendition.growing)
        return await self._send_playlist(visit, plain, packed, caching)

    async def _master(self, visit: _Visit) -> web.StreamResponse:
        plain = await self.assets.master(visit.asset)
        return await self._send_playlist(visit, plain, None, visit.caching("playlist", growing=visit.asset.growing))

    async def _send_playlist(
        self, visit: _Visit, plain: bytes, packed: bytes | None, caching: str
    ) -> web.StreamResponse:
        token = visit.request.query.get("token")
        if token and visit.grant:
            plain, packed = add_query(plain, f"token={quote(token, safe='')}"), None
        headers = {"Content-Type": PLAYLIST_TYPE, "Cache-Control": caching}
        return await send_text(visit.request, plain, packed, headers, visit.sent)

    async def _segment(self, visit: _Visit) -> web.StreamResponse:
        request = visit.request
        name = parse_name(request.match_info["prefix"], request.match_info["name"])
        if name is None or name.part is not None:
            raise NotFound
        rendition = await self._rendition(visit)
        file_number = _whole_number(request.query.get("f"))
        place = rendition.find(name, file_number)
        if place is None:
            raise NotFound
        if visit.grant and visit.grant.limit_s:
            shown = f"s/{request.match_info['prefix']}/{request.match_info['name']}"
            query = "" if file_number is None else f"?f={file_number}"
            if shown + query not in (await self._trial(visit, rendition)).names:
                raise TokenInvalid
        file = _open_video(rendition, place.path.name)
        headers = {"Cache-Control": visit.caching("segment")}
        etag = f'"{file.version}-{place.offset:x}-{place.size_bytes:x}"'
        # A segment never changes, but its file may still grow: it has no date of its own.
        piece = Piece(file.fd, place.offset, place.size_bytes, MP4, etag, None, headers)
        return await send_piece(request, piece, visit.sent)

    async def _trial(self, visit: _Visit, rendition: Rendition) -> Trial:
        limit_s = visit.grant.limit_s if visit.grant else 0
        key = (visit.asset.id, rendition.folder.name, limit_s)
        found = self._trials.get(key)
        if found is None:
            plain, _ = await self.assets.playlist(visit.asset, rendition, Form.VIRTUAL)
            found = await asyncio.to_thread(shorten, plain, limit_s)
            if rendition.growing:
                return found
            if len(self._trials) >= MAX_TRIALS:
                self._trials.clear()
            self._trials[key] = found
        return found

    # -- whole files ---------------------------------------------------------------------------------------------

    async def _whole(self, visit: _Visit) -> web.StreamResponse:
        if _is_plain(visit):
            return await self._plain(visit, FIRST_FILE)
        rendition = await self._unlimited(visit)
        if len(rendition.videos) > 1:
            return _several_files(visit.request, rendition)
        return await self._mp4(visit, rendition, rendition.videos[0].name)

    async def _by_name(self, visit: _Visit) -> web.StreamResponse:
        name = visit.request.match_info["name"]
        if name in SIDE_FILES and "rendition" not in visit.request.match_info:
            return await self._side_file(visit, name, SIDE_FILES[name])
        if not _VIDEO.fullmatch(name):
            raise NotFound
        if _is_plain(visit):
            return await self._plain(visit, name)
        return await self._mp4(visit, await self._unlimited(visit), name)

    async def _plain(self, visit: _Visit, name: str) -> web.StreamResponse:
        """A file that was made to be downloaded. It is opened anew each time, because it may be removed any time."""
        _refuse_trial(visit)
        async with opened_file(plain_video(visit.asset, visit.request.match_info["rendition"], name)) as file:
            caching = visit.caching("mp4", growing=visit.asset.growing)
            headers = {"Cache-Control": caching, **_disposition(visit.request)}
            etag = f'"{file.version}-{file.modified_s:.6f}"'
            piece = Piece(file.fd, 0, file.size_bytes, MP4, etag, file.modified_s, headers)
            return await send_piece(visit.request, piece, visit.sent)

    async def _unlimited(self, visit: _Visit) -> Rendition:
        """The rendition asked for, unless this is a trial."""
        _refuse_trial(visit)
        return await self._rendition(visit)

    async def _rendition(self, visit: _Visit) -> Rendition:
        """The rendition that the URL names, else the source, else the only one there is."""
        name = visit.request.match_info.get("rendition") or next(iter(visit.asset.names), SOURCE)
        return await self.assets.rendition(visit.asset, name)

    async def _mp4(self, visit: _Visit, rendition: Rendition, name: str) -> web.StreamResponse:
        file = _open_video(rendition, name)
        headers = {"Cache-Control": visit.caching("mp4", growing=rendition.growing), **_disposition(visit.request)}
        if rendition.growing and name == rendition.videos[-1].name:
            # The tag stays while the file grows, so that a download goes on; the end changes bytes at the front.
            piece = Piece(file.fd, 0, file.size_bytes, MP4, f'"{file.version}"', None, headers, growing=True)
        else:
            etag = f'"{file.version}-{file.modified_s:.6f}"'
            piece = Piece(file.fd, 0, file.size_bytes, MP4, etag, file.modified_s, headers)
        return await send_piece(visit.request, piece, visit.sent)

    async def _subtitles(self, visit: _Visit) -> web.StreamResponse:
        name = visit.request.match_info["name"]
        if not _SUBTITLES.fullmatch(name):
            raise NotFound
        return await self._side_file(visit, f"subtitles/{name}", SIDE_FILES["storyboard.vtt"])

    async def _side_file(self, visit: _Visit, name: str, content_type: str) -> web.StreamResponse:
        async with opened_file(visit.asset.folder / name) as file:
            etag = f'"{file.version}-{file.modified_s:.6f}"'
            headers = {"Cache-Control": visit.caching("side")}
            piece = Piece(file.fd, 0, file.size_bytes, content_type, etag, file.modified_s, headers)
            return await send_piece(visit.request, piece, visit.sent)

    def _forget(self, asset_id: uuid.UUID) -> None:
        """An asset is about to be deleted, or was replaced."""
        self.assets.forget(asset_id)
        self._trials = {key: trial for key, trial in self._trials.items() if key[0] != asset_id}

    # -- housekeeping --------------------------------------------------------------------------------------------

    async def _housekeeping(self, app: web.Application) -> AsyncIterator[None]:
        async def run() -> None:
            while True:
                await asyncio.sleep(SWEEP_S)
                self.viewers.sweep()
                await self.assets.sweep()

        task = asyncio.create_task(run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.assets.close()


async def serve_files(options: MediaOptions) -> int:
    """Run the file process until SIGINT or SIGTERM; the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with running(options) as port:
            log.info("files on http://%s:%d/vod/", options.bind, port)
            async with Lifeline().beating() as lifeline:
                lifeline.ready()
                await stop.wait()
    except OSError as error:
        log.error("cannot listen on port %d: %s", options.files_port, error.strerror)
        return 1
    return 0


@contextlib.asynccontextmanager
async def running(options: MediaOptions, server: FileServer | None = None) -> AsyncIterator[int]:
    """The file server for as long as the block runs; gives its port."""
    app = (server or FileServer(options)).app()
    async with listening(app, options.bind, options.files_port, options.limits) as port:
        yield port


def _asset_id(request: web.Request) -> uuid.UUID:
    """The asset of a URL, in its one canonical spelling (G1)."""
    text = request.match_info["id"]
    try:
        asset_id = uuid.UUID(text)
    except ValueError:
        raise NotFound from None
    if str(asset_id) != text:
        raise NotFound
    return asset_id


def _token(request: web.Request) -> str | None:
    return request.match_info.get("token") or request.query.get("token")


def _is_plain(visit: _Visit) -> bool:
    """Whether the URL names a rendition that cannot be streamed."""
    name = visit.request.match_info.get("rendition")
    return name is not None and name not in visit.asset.names


def _refuse_trial(visit: _Visit) -> None:
    """Whole files cannot be cut at a second. Raises `TokenInvalid`."""
    if visit.grant and visit.grant.limit_s:
        raise TokenInvalid


def _disposition(request: web.Request) -> dict[str, str]:
    """The header that makes a download of an answer, when the URL asks for one."""
    name = request.query.get("download")
    return {} if name is None else {"Content-Disposition": attachment(name, ".mp4")}


def _open_video(rendition: Rendition, name: str) -> OpenFile:
    """One of the rendition's MP4s; the name is looked up, never joined to a path."""
    for path in rendition.videos:
        if path.name == name:
            with contextlib.suppress(OSError):
                return rendition.open(path)
    raise NotFound


def _several_files(request: web.Request, rendition: Rendition) -> web.Response:
    """409 with the list of the files (RFC 9457 with a member of our own)."""
    files = [{"name": path.name, "size_bytes": rendition.open(path).size_bytes} for path in rendition.videos]
    return problem(request, SeveralFiles(), more={"files": files})


def _whole_number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else None


async def _nothing(request: web.Request) -> web.Response:
    raise NotFound


async def _preflight(request: web.Request) -> web.Response:
    return web.Response(status=204, headers=PREFLIGHT)
