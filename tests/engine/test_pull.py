"""Pulled sources against real peers: what comes is what was sent; hostile sources reach nothing and end by name."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from aiohttp import web
from tests.engine.pull_sources import (
    FFMPEG,
    QUIET,
    SITE,
    X264,
    Names,
    Site,
    encode,
    free_port,
    make_certificate,
    nginx_rtmp,
    site,
    srt_listener,
)

from onetake.engine.egress_proxy import EgressProxy
from onetake.engine.pull import CLIP, PATTERN, Item, Puller, PullKit, PullSpec, PullState, PullStatus, literal_url
from onetake.kit.ssrf import (
    PULL_SCHEMES,
    AddressRefused,
    Allow,
    NameNotResolved,
    UrlRefused,
    check_addresses,
    parse_target,
)
from onetake.media.ffmpeg import errors as named
from onetake.media.rtmp import ConnectRequested, PlayRequested, ServerConnection
from onetake.media.units import Codec, Kind, Track, Unit


class Tap:
    """Collects what one puller gives, and lets a test wait for a state or a number of units."""

    def __init__(self, kit: PullKit, url: str, **spec: Any) -> None:
        self.items: list[Item] = []
        self.statuses: list[PullStatus] = []
        self._changed = asyncio.Event()
        self.puller = Puller(PullSpec(url, **spec), kit, self._item, self._status)

    async def __aenter__(self) -> "Tap":
        self.puller.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.puller.stop()

    def _item(self, item: Item) -> None:
        self.items.append(item)
        self._changed.set()

    def _status(self, status: PullStatus) -> None:
        self.statuses.append(status)
        self._changed.set()

    @property
    def tracks(self) -> dict[Kind, Track]:
        return {item.kind: item for item in self.items if isinstance(item, Track)}

    def units(self, kind: Kind) -> list[Unit]:
        track = self.tracks.get(kind)
        return [item for item in self.items if isinstance(item, Unit) and track and item.track_id == track.id]

    async def until(self, condition: Any, timeout_s: float = 40) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_units(self, count: int, kind: Kind = Kind.VIDEO) -> None:
        await self.until(lambda: len(self.units(kind)) >= count)

    async def until_error(self) -> PullStatus:
        await self.until(lambda: any(status.error for status in self.statuses))
        return next(status for status in self.statuses if status.error)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    encode(folder / "clip.mp4", *X264, "-c:a", "aac", "-shortest")
    for name, codecs in {
        "live.flv": ("-c", "copy"),
        "index.m3u8": ("-c", "copy", "-hls_time", "1", "-hls_list_size", "0"),
    }.items():
        command = [FFMPEG, *QUIET, "-i", str(folder / "clip.mp4"), *codecs, str(folder / name)]
        subprocess.run(command, check=True, timeout=60)
    return folder


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
async def kit(tmp_path: Path, names: Names) -> AsyncIterator[PullKit]:
    allow = Allow.parse([SITE])
    proxy = EgressProxy(allow, names)
    await proxy.start()
    yield PullKit(FFMPEG, proxy, tmp_path / "work", allow, names, backoff_min_s=0.05, backoff_max_s=0.2)
    await proxy.close()


@pytest.fixture
async def web_site(clips: Path, tmp_path: Path) -> AsyncIterator[Site]:
    folder = tmp_path / "site"
    shutil.copytree(clips, folder)
    async with site(folder) as made:
        yield made


def packets(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(**{kind: 0}) if packet.size]


@pytest.mark.parametrize("name", ["clip.mp4", "live.flv", "index.m3u8"])
async def test_http_sources_come_unchanged(kit: PullKit, web_site: Site, clips: Path, name: str) -> None:
    async with Tap(kit, f"{web_site.url}/{name}") as tap:
        status = await tap.until_error()
        assert status.error is not None
        assert status.error.code == "source_ended"
        assert status.state is PullState.RETRYING
    assert [s.state for s in tap.statuses[:3]] == [PullState.CONNECTING, PullState.RUNNING, PullState.RETRYING]
    assert tap.tracks[Kind.VIDEO].codec is Codec.H264
    sent_audio = packets(clips / "clip.mp4", "audio")
    assert [unit.payload for unit in tap.units(Kind.AUDIO)][: len(sent_audio)] == sent_audio
    sent_video = packets(clips / "clip.mp4", "video")
    got_video = [unit.payload for unit in tap.units(Kind.VIDEO)][: len(sent_video)]
    assert len(got_video) == len(sent_video)
    if name != "index.m3u8":  # MPEG-TS adds delimiters and repeats parameter sets
        assert got_video[1:] == sent_video[1:]
    assert web_site.seen


async def test_https_hls_by_absolute_addresses(clips: Path, tmp_path: Path, names: Names) -> None:
    certificate = make_certificate(tmp_path, SITE)
    folder = tmp_path / "site"
    shutil.copytree(clips, folder)
    proxy = EgressProxy(Allow.parse([SITE]), names, ssl.create_default_context(cafile=str(certificate)))
    await proxy.start()
    async with site(folder, certificate) as secure:
        text = (folder / "index.m3u8").read_text().replace("index", f"{secure.url}/index")
        (folder / "absolute.m3u8").write_text(text)
        kit = PullKit(FFMPEG, proxy, tmp_path / "work", Allow.parse([SITE]), names)
        async with Tap(kit, f"{secure.url}/absolute.m3u8") as tap:
            await tap.until_units(40)
        assert "/index0.ts" in secure.seen
    await proxy.close()


async def test_a_finished_source_is_looped_when_asked(kit: PullKit, web_site: Site) -> None:
    async with Tap(kit, f"{web_site.url}/live.flv", loop=True) as tap:
        await tap.until_units(76)
        assert all(status.error is None for status in tap.statuses)


@pytest.mark.parametrize(
    ("codecs", "name", "audio"),
    [
        ((*X264, "-c:a", "ac3"), "ac3.ts", Codec.AAC),
        ((*X264, "-c:a", "libmp3lame", "-ar", "48000"), "mp3.ts", Codec.AAC),
        ((*X264, "-c:a", "libmp3lame", "-ar", "44100"), "mp3-44.ts", Codec.MP3),
        ((*X264, "-c:a", "libopus"), "opus.mkv", Codec.OPUS),
        (
            ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-c:a", "aac"),
            "h.mp4",
            Codec.AAC,
        ),
    ],
)
async def test_codecs_are_copied_or_become_aac(
    kit: PullKit, web_site: Site, codecs: tuple[str, ...], name: str, audio: Codec
) -> None:
    encode(web_site.folder / name, *codecs, seconds=2)
    async with Tap(kit, f"{web_site.url}/{name}") as tap:
        await tap.until_units(20)
        await tap.until_units(20, Kind.AUDIO)
    assert tap.tracks[Kind.AUDIO].codec is audio
    assert tap.tracks[Kind.VIDEO].codec in (Codec.H264, Codec.HEVC)


async def test_other_video_is_refused_by_name(kit: PullKit, web_site: Site) -> None:
    encode(web_site.folder / "vp9.webm", "-c:v", "libvpx", "-c:a", "libopus", seconds=1)
    async with Tap(kit, f"{web_site.url}/vp9.webm") as tap:
        status = await tap.until_error()
    assert isinstance(status.error, named.UnsupportedCodec)
    assert "vp8" in str(status.error)
    assert status.state is PullState.FAILED
    assert tap.items == []


async def test_rtmp_by_nginx(kit: PullKit, clips: Path, tmp_path: Path) -> None:
    async with nginx_rtmp(tmp_path, clips / "clip.mp4") as port, Tap(kit, f"rtmp://{SITE}:{port}/live/x") as tap:
        await tap.until_units(30)
        await tap.until_units(30, Kind.AUDIO)


async def test_a_picture_that_is_told_of_only_by_the_next_keyframe_is_waited_for(kit: PullKit, tmp_path: Path) -> None:
    slow = encode(tmp_path / "slow.mp4", *X264, "-g", "225", "-c:a", "aac", "-shortest", seconds=9)
    async with nginx_rtmp(tmp_path, slow) as port, Tap(kit, f"rtmp://{SITE}:{port}/live/x") as tap:
        await tap.until_units(30, Kind.AUDIO)
        await tap.until_units(30)


@asynccontextmanager
async def tls_in_front_of(port: int, certificate: Path) -> AsyncIterator[int]:
    """A port that speaks TLS and passes everything on to `port`."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    tasks: set[asyncio.Task[None] | None] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)
        await asyncio.sleep(0)


async def test_rtmps_checks_the_name_although_it_connects_to_the_address(
    kit: PullKit, names: Names, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path, SITE)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    names.answers["other.example"] = ["127.0.0.1"]
    kit = replace(kit, allow=Allow.parse([SITE, "other.example"]))
    async with nginx_rtmp(tmp_path, clips / "clip.mp4") as plain, tls_in_front_of(plain, certificate) as port:
        async with Tap(kit, f"rtmps://{SITE}:{port}/live/x") as tap:
            await tap.until_units(10)
        async with Tap(kit, f"rtmps://other.example:{port}/live/x") as tap:
            status = await tap.until_error()
        assert isinstance(status.error, named.TlsFailed), status.error


@pytest.mark.slow
async def test_srt(kit: PullKit, clips: Path) -> None:
    async with srt_listener(clips / "clip.mp4") as port, Tap(kit, f"srt://{SITE}:{port}") as tap:
        await tap.until_units(30)
        await tap.until_units(30, Kind.AUDIO)


@pytest.mark.parametrize("url", [PATTERN, CLIP])
async def test_built_in_sources(kit: PullKit, url: str) -> None:
    async with Tap(kit, url) as tap:
        await tap.until_units(30)
        await tap.until_units(30, Kind.AUDIO)
    assert tap.tracks[Kind.VIDEO].width == 640
    assert tap.tracks[Kind.AUDIO].sample_rate == 48_000


async def test_a_broken_source_is_retried_and_comes_back(kit: PullKit, web_site: Site) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write((web_site.folder / "live.flv").read_bytes()[:40_000])
        assert request.transport is not None
        request.transport.abort()
        return response

    web_site.pages["/live.flv"] = cut
    async with Tap(kit, f"{web_site.url}/live.flv") as tap:
        await tap.until(lambda: tap.puller.status.attempts >= 2)
        del web_site.pages["/live.flv"]
        await tap.until(lambda: tap.puller.status.state is PullState.RUNNING)
        assert tap.puller.status.error is None


async def test_a_fault_in_the_receiver_is_retried_not_the_end(kit: PullKit) -> None:
    tap = Tap(kit, PATTERN)
    take, calls = tap._item, 0

    def stumble(item: Item) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("a fault of ours")
        take(item)

    tap.puller._on_item = stumble
    async with tap:
        status = await tap.until_error()
        assert status.state is PullState.RETRYING
        seen = len(tap.items)
        await tap.until(lambda: len(tap.items) > seen + 5)


async def test_stopping_leaves_nothing(kit: PullKit, web_site: Site) -> None:
    tap = Tap(kit, PATTERN)
    tap.puller.start()
    await tap.until_units(5)
    await tap.puller.stop()
    assert tap.puller.status == PullStatus(source=PATTERN)
    seen = len(tap.items)
    await asyncio.sleep(0)
    assert len(tap.items) == seen


# -- hostile and broken sources --------------------------------------------------------------------------------


class Trap:
    """A local service that must never be reached."""

    def __init__(self) -> None:
        self.hits = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.hits += 1
        writer.close()


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    made = Trap()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    await server.wait_closed()


async def test_redirect_into_the_private_network_is_refused_by_name(kit: PullKit, web_site: Site, trap: Trap) -> None:
    async def redirect(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{trap.port}/live.flv"})

    web_site.pages["/moved.flv"] = redirect
    async with Tap(kit, f"{web_site.url}/moved.flv") as tap:
        status = await tap.until_error()
    assert isinstance(status.error, AddressRefused)
    assert status.state is PullState.FAILED
    assert trap.hits == 0


@pytest.mark.parametrize(
    "line",
    [
        "http://127.0.0.1:{port}/a.ts",
        "https://127.0.0.1:{port}/a.ts",
        "tcp://127.0.0.1:{port}",
        "rtmp://127.0.0.1:{port}/live/x",
        "file:///etc/passwd",
        "/etc/passwd",
        "concat:http://127.0.0.1:{port}/a.ts",
        "crypto+http://127.0.0.1:{port}/a.ts",
        "httpproxy://127.0.0.1:{port}/a.ts",
        "tls://127.0.0.1:{port}",
    ],
)
async def test_a_playlist_cannot_name_what_is_here(kit: PullKit, web_site: Site, trap: Trap, line: str) -> None:
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{line.format(port=trap.port)}\n#EXT-X-ENDLIST\n"
    (web_site.folder / "evil.m3u8").write_text(text)
    async with Tap(replace(kit, probe_timeout_s=8), f"{web_site.url}/evil.m3u8") as tap:
        await tap.until_error()
    assert trap.hits == 0
    assert tap.items == []


async def test_a_name_that_turns_private_is_refused(kit: PullKit, names: Names, trap: Trap) -> None:
    names.answers["two-faced.example"] = ["127.0.0.1"]
    for scheme in ("rtmp", "rtsp", "srt", "http"):
        async with Tap(kit, f"{scheme}://two-faced.example:{trap.port}/live/x") as tap:
            status = await tap.until_error()
        assert isinstance(status.error, AddressRefused)
    assert trap.hits == 0


@pytest.mark.slow
async def test_silent_and_endless_sources_end_by_name(kit: PullKit, web_site: Site) -> None:
    released = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write((web_site.folder / "live.flv").read_bytes()[:20_000])
        await released.wait()
        return response

    async def garbage(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not released.is_set():
            await response.write(b"\x01garbage" * 4096)
        return response

    web_site.pages |= {"/silent.flv": silent, "/endless.flv": garbage}
    async with Tap(replace(kit, silence_s=1.5, probe_timeout_s=6), f"{web_site.url}/silent.flv") as tap:
        status = await tap.until_error()
        assert isinstance(status.error, named.SourceTimedOut), status.error
    async with Tap(kit, f"{web_site.url}/endless.flv") as tap:
        status = await tap.until_error()
        assert isinstance(status.error, named.NotMedia), status.error
    released.set()


async def test_a_web_page_is_no_media_however_it_is_sent(kit: PullKit, web_site: Site) -> None:
    page = b"<!doctype html><title>Live</title>" + b"<p>Sign in to watch this live stream.</p>" * 40

    async def at_once(request: web.Request) -> web.StreamResponse:
        return web.Response(body=page, content_type="text/html")

    async def in_chunks(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        await response.write(page)
        return response

    web_site.pages |= {"/at-once": at_once, "/in-chunks": in_chunks}
    for path in ("/at-once", "/in-chunks"):
        async with Tap(kit, web_site.url + path) as tap:
            status = await tap.until_error()
            assert isinstance(status.error, named.NotMedia), (path, status.error)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, named.SourceUnauthorized),
        (403, named.SourceUnauthorized),
        (404, named.SourceNotFound),
        (500, named.SourceServerError),
    ],
)
async def test_answers_of_the_far_side_are_named(
    kit: PullKit, web_site: Site, status: int, error: type[named.ToolError]
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    web_site.pages["/live.flv"] = answer
    async with Tap(kit, f"{web_site.url}/live.flv?key=SECRET") as tap:
        shown = await tap.until_error()
    assert isinstance(shown.error, error), shown.error
    assert shown.state is (PullState.FAILED if status in (401, 403) else PullState.RETRYING)
    assert "SECRET" not in shown.source
    assert "SECRET" not in str(shown.error)


ADOBE = "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : "


@pytest.mark.parametrize(
    ("request_kind", "sentence", "error"),
    [
        (ConnectRequested, ADOBE, named.SourceUnauthorized),
        (ConnectRequested, "Members only.", named.SourceUnauthorized),
        (PlayRequested, "Members only.", named.SourceUnauthorized),
        (PlayRequested, "This stream is not live.", named.SourceNotFound),
        (PlayRequested, "No such stream", named.SourceNotFound),
    ],
)
async def test_what_an_rtmp_server_refuses_is_named(
    kit: PullKit, request_kind: type[object], sentence: str, error: type[named.ToolError]
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            await answer_rtmp(ServerConnection(), reader, writer, request_kind, sentence)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Tap(kit, f"rtmp://{SITE}:{port}/live/x") as tap:
            status = await tap.until_error()
    assert type(status.error) is error, status.error


async def answer_rtmp(
    protocol: ServerConnection,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    refused: type[object],
    sentence: str,
) -> None:
    """Accept every request until one of the kind `refused`."""
    while data := await reader.read(1 << 16):
        events = protocol.receive(data)
        while events:
            event = events.pop(0)
            if isinstance(event, refused) and isinstance(event, ConnectRequested | PlayRequested):
                protocol.reject(event, sentence)
            elif isinstance(event, ConnectRequested | PlayRequested):
                protocol.accept(event)
            events += protocol.receive(b"")
        writer.write(protocol.data_to_send())
        await writer.drain()


async def test_a_camera_that_wants_a_password_is_named(kit: PullKit) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                number = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"cseq:"))
                challenge = b'WWW-Authenticate: Basic realm="camera"'
                writer.write(b"\r\n".join((b"RTSP/1.0 401 Unauthorized", number, challenge, b"", b"")))
                await writer.drain()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Tap(kit, f"rtsp://admin:wrong@{SITE}:{port}/stream1") as tap:
            status = await tap.until_error()
    assert type(status.error) is named.SourceUnauthorized, status.error
    assert "wrong" not in f"{status.error}{status.source}"


async def test_nobody_there_and_unknown_names(kit: PullKit) -> None:
    async with Tap(kit, f"rtmp://{SITE}:{free_port()}/live/x") as tap:
        assert isinstance((await tap.until_error()).error, named.SourceRefused)
        await tap.until(lambda: tap.puller.status.attempts >= 3)
        assert tap.puller.status.next_try_s is None or tap.puller.status.next_try_s > 0
    async with Tap(kit, "rtsp://nowhere.example/cam") as tap:
        status = await tap.until_error()
        assert isinstance(status.error, NameNotResolved)
        assert status.state is PullState.RETRYING


FAKE = """#!{python}
import os, signal, sys, time
if "framecrc" in sys.argv:
    print("#media_type 0: video\\n#codec_id 0: h264\\n#dimensions 0: 64x64\\n0, 0, 0, 1, 1, 0x1", flush=True)
    time.sleep(600)
{behaviour}
"""
BAD_TAGS = r"b'FLV\x01\x05\0\0\0\x09\0\0\0\0' + b'\x63' * 5000"


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("pass", "source_ended"),
        ("sys.stdout.buffer.write(b'not flv at all' * 1000)", "media_tool_failed"),
        (f"sys.stdout.buffer.write({BAD_TAGS})", "media_tool_failed"),
        ("time.sleep(600)", "source_timed_out"),
        ("sys.stderr.write('noise ' * 200_000 + 'Connection refused'); sys.exit(1)", "source_refused"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "media_limit_exceeded"),
    ],
)
async def test_an_ffmpeg_gone_mad_ends_by_name(
    kit: PullKit, web_site: Site, tmp_path: Path, behaviour: str, error: str
) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text(FAKE.format(python=sys.executable, behaviour=behaviour))
    fake.chmod(0o755)
    async with Tap(replace(kit, ffmpeg=str(fake), silence_s=1.0), f"{web_site.url}/live.flv") as tap:
        status = await tap.until_error()
    assert status.error is not None
    assert status.error.code == error, status.error
    assert tap.items == []


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "lavfi:testsrc", "exec:/bin/sh", "builtin:else", "", "-i x", "pipe:0"]
)
def test_only_listed_schemes_can_be_asked_for(url: str) -> None:
    with pytest.raises(UrlRefused):
        PullSpec.parse({"url": url})


def test_credentials_are_allowed_but_never_shown() -> None:
    spec = PullSpec.parse({"url": "rtsp://admin:hunter2@203.0.114.9:554/cam?token=abc"})
    assert "hunter2" not in spec.shown
    assert "abc" not in spec.shown


@pytest.mark.parametrize(
    ("url", "address", "expected"),
    [
        ("rtmp://h.example/live/x?k=1", "198.41.0.4", "rtmp://198.41.0.4:1935/live/x?k=1"),
        ("rtsp://u:p@h.example:8554/c", "2606:4700::1", "rtsp://u:p@[2606:4700::1]:8554/c"),
        ("srt://h.example?streamid=a", "198.41.0.4", "srt://198.41.0.4:9000?streamid=a"),
    ],
)
def test_the_name_is_replaced_by_the_judged_address(url: str, address: str, expected: str) -> None:
    target = parse_target(url, PULL_SCHEMES, userinfo=True)
    assert literal_url(check_addresses(target, [address])) == expected
