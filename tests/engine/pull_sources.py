"""Real sources for the pull tests: files over http, HLS, RTMP by nginx, SRT by ffmpeg, and hostile servers."""

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from tests.media.fmp4.clips import missing

from onetake.media.ffmpeg import binary

FFMPEG = binary()
QUIET = ("-nostdin", "-hide_banner", "-loglevel", "error")
SITE = "site.example"
PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=192x108:rate=25")
TONE = ("-f", "lavfi", "-i", "sine=sample_rate=48000")
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p")
NGINX = shutil.which("nginx")
RTMP_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Names:
    """DNS of the tests. `site.example` is this machine; other names as told, in rounds."""

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {SITE: ["127.0.0.1"]}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        if host not in self.answers:
            raise OSError("unknown host")
        return self.answers[host]


def encode(path: Path, *codecs: str, seconds: float = 3) -> Path:
    """A clip with picture and tone in the given codecs; the container follows the name."""
    command = [FFMPEG, *QUIET, *PICTURE, *TONE, "-t", str(seconds), *codecs, "-y", str(path)]
    subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL)
    return path


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Site:
    """A web site of files, with scripted pages; remembers which paths were asked for."""

    def __init__(self, folder: Path, scheme: str) -> None:
        self.folder = folder
        self.scheme = scheme
        self.pages: dict[str, Handler] = {}
        self.seen: list[str] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://{SITE}:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.path)
        page = self.pages.get(request.path)
        if page is not None:
            return await page(request)
        path = self.folder / request.path.lstrip("/")
        return web.FileResponse(path) if path.is_file() else web.Response(status=404)


def make_certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate for `name`, with its key in the same file; skips the test without openssl."""
    if shutil.which("openssl") is None:
        missing("openssl is not installed")
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test")
    files = ("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"))
    names = ("-addext", f"subjectAltName=DNS:{name}")
    subprocess.run(["openssl", *request, *names, *files], check=True, capture_output=True, timeout=60)
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return both


@asynccontextmanager
async def site(folder: Path, certificate: Path | None = None) -> AsyncIterator[Site]:
    """Serve `folder`, by https when there is a certificate."""
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    made = Site(folder, "https" if tls else "http")
    app = web.Application()
    app.router.add_get("/{tail:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def process(*argv: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A peer that is surely gone afterwards."""
    child = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def listening(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def nginx_rtmp(folder: Path, clip: Path) -> AsyncIterator[int]:
    """Debian's nginx with its RTMP module, publishing `clip` over and over as live/x."""
    if NGINX is None or not RTMP_MODULE.exists():
        missing("nginx with the RTMP module is not installed")
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        f"load_module {RTMP_MODULE};\ndaemon off;\nuser root;\nworker_processes 1;\npid {folder}/pid;\n"
        f"error_log {folder}/error.log;\nevents {{}}\n"
        f"rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; }} }} }}\n"
    )
    push = (FFMPEG, *QUIET, "-re", "-stream_loop", "-1", "-i", str(clip), "-c", "copy", "-f", "flv")
    async with process(str(NGINX), "-p", str(folder), "-c", str(config)):
        await listening(port)
        async with process(*push, f"rtmp://127.0.0.1:{port}/live/x"):
            yield port


@asynccontextmanager
async def srt_listener(clip: Path) -> AsyncIterator[int]:
    """ffmpeg as SRT listener; it serves one caller at a time, so it is started again for the next."""
    port = free_port(socket.SOCK_DGRAM)
    argv = (FFMPEG, *QUIET, "-re", "-stream_loop", "-1", "-i", str(clip), "-c", "copy", "-f", "mpegts")

    async def again() -> None:
        while True:
            async with process(*argv, f"srt://127.0.0.1:{port}?mode=listener") as child:
                await child.wait()

    task = asyncio.create_task(again())
    try:
        yield port
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
