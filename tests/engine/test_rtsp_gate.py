"""The RTSP gate: real media passes, redirects do not, whatever is sent."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.peers import FFMPEG5, HAS_FFMPEG5
from tests.engine.pull_sources import FFMPEG, QUIET, SITE, X264, Names, encode, make_certificate, process

from onetake.engine.egress_proxy import EgressProxy
from onetake.engine.pull import Item, Puller, PullKit, PullSpec, PullState, PullStatus
from onetake.engine.rtsp_gate import AnswerWatch, rtsp_gate
from onetake.kit.ssrf import PULL_SCHEMES, Allow, Pinned, check_addresses, parse_target
from onetake.media.ffmpeg.errors import TlsFailed
from onetake.media.pull_errors import NotRtsp, RedirectRefused
from onetake.media.units import Unit

needs_ffmpeg5 = pytest.mark.skipif(not HAS_FFMPEG5, reason="Debian's ffmpeg is not installed")
OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 5\r\n\r\nhello"


def feed(watch: AnswerWatch, stream: bytes, size: int) -> None:
    for at in range(0, len(stream), size):
        watch.feed(stream[at : at + size])


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_answers_bodies_and_frames_are_told_apart(size: int) -> None:
    body = b"RTSP/1.0 302 inside a body"
    frame = b"$\x00" + len(body).to_bytes(2, "big") + body
    stream = OK + frame * 3 + OK + b"ANNOUNCE rtsp://x RTSP/1.0\r\nCSeq: 2\r\n\r\n" + frame
    watch = AnswerWatch()
    feed(watch, stream, size)
    with pytest.raises(RedirectRefused):
        watch.feed(b"RTSP/1.0 301 Moved\r\nLocation: rtsp://127.0.0.1/\r\n\r\n")


@pytest.mark.parametrize("line", [b"RTSP/1.0 302 Found", b"RTSP/1.0 300", b"RTSP/2.0 399 x\r\nNever: ending"])
def test_a_redirect_is_refused_before_its_head_ends(line: bytes) -> None:
    with pytest.raises(RedirectRefused):
        AnswerWatch().feed(line)


HIDDEN = b"RTSP/1.0 302 Found\r\nLocation: rtsp://127.0.0.1/\r\n\r\n"


@pytest.mark.parametrize(
    "stream",
    [
        b"RTSP/1.0 200 OK\nCSeq: 1\n\n" + HIDDEN,
        b"RTSP/1.0 200 OK\r\nCSeq: 1\n\r\n" + HIDDEN,
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\r\n" + HIDDEN,
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\0\r\n" + HIDDEN,
        b"RTSP/1.0 200 OK\r\nContent-Length: 90\r\nContent-Length: 0\r\n\r\n" + HIDDEN.ljust(90),
        b"RTSP/1.0 200 OK\r\nContent-Length: +0\r\n\r\n" + HIDDEN,
        b"RTSP/1.0 200 OK\r\nContent-Length: 123456789\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n$\0\0\4abcd\r\n\r\n",
        b"RTSP/1.0  302 Found\r\n\r\n",
        b" RTSP/1.0 302 Found\r\n\r\n",
        b"RTSP/1 302 Found\r\n\r\n",
        b"\r\n" + HIDDEN,
        b"$\0\0\4abcd" + OK,
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_ffmpeg_reads_otherwise_is_refused(stream: bytes, size: int) -> None:
    with pytest.raises(NotRtsp):
        feed(AnswerWatch(), stream, size)


def test_endless_heads_end() -> None:
    watch = AnswerWatch()
    watch.feed(b"x" * 32_000)
    with pytest.raises(NotRtsp):
        watch.feed(b"x" * 1000)


@given(st.lists(st.binary(max_size=200) | st.just(OK) | st.just(b"$\x00\x00\x04abcd")))
def test_any_bytes_are_passed_or_refused(pieces: list[bytes]) -> None:
    watch = AnswerWatch()
    with contextlib.suppress(RedirectRefused, NotRtsp):
        for piece in pieces:
            watch.feed(piece)


# -- with a real client ------------------------------------------------------------------------------------------


@dataclass
class Camera:
    """A small RTSP server of one H.264 track over TCP; the RTP packets come from ffmpeg."""

    sdp: str
    rtp_port: int
    redirect_to: str = ""
    redirect_at: str = "DESCRIBE"
    port: int = 0
    seen: list[str] = field(default_factory=list)
    tasks: list[asyncio.Task[None] | None] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, sequence = head.split(" ")[0], head.partition("CSeq: ")[2].split("\r\n")[0]
                self.seen.append(method)
                writer.write(self.answer(method, sequence).encode())
                if method == "PLAY":
                    await self.play(writer)
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    def answer(self, method: str, sequence: str) -> str:
        if self.redirect_to and method == self.redirect_at:
            return f"RTSP/1.0 302 Found\r\nCSeq: {sequence}\r\nLocation: {self.redirect_to}\r\n\r\n"
        head = f"RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\nSession: 7\r\n"
        if method == "DESCRIBE":
            return f"{head}Content-Type: application/sdp\r\nContent-Length: {len(self.sdp)}\r\n\r\n{self.sdp}"
        if method == "SETUP":
            return f"{head}Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
        return f"{head}Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n"

    async def play(self, writer: asyncio.StreamWriter) -> None:
        class Forward(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                writer.write(b"$\x00" + len(data).to_bytes(2, "big") + data)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            Forward, local_addr=("127.0.0.1", self.rtp_port), reuse_port=True
        )
        try:
            await writer.wait_closed()
        finally:
            transport.close()


@asynccontextmanager
async def camera(clip: Path, folder: Path, tls: ssl.SSLContext | None = None) -> AsyncIterator[Camera]:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        rtp_port = probe.getsockname()[1]
    sdp = folder / "camera.sdp"
    argv = ("-re", "-stream_loop", "-1", "-i", str(clip), "-an", "-c:v", "copy", "-f", "rtp", "-sdp_file", str(sdp))
    async with process(FFMPEG, *QUIET, *argv, f"rtp://127.0.0.1:{rtp_port}?rtcpport={rtp_port + 1}"):
        async with asyncio.timeout(20):
            while not (sdp.exists() and "m=video" in sdp.read_text()):  # noqa: ASYNC110  # another process writes it
                await asyncio.sleep(0.02)
        text = "".join(f"{line}\r\n" for line in sdp.read_text().splitlines() if not line.startswith("SDP:"))
        made = Camera(text.replace(f"m=video {rtp_port}", "m=video 0"), rtp_port)
        server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
        made.port = server.sockets[0].getsockname()[1]
        try:
            yield made
        finally:
            server.close()
            await asyncio.gather(*(task for task in made.tasks if task is not None))
            await server.wait_closed()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("rtsp") / "clip.mp4", *X264, "-an", seconds=2)


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[PullKit]:
    allow, names = Allow.parse([SITE]), Names()
    proxy = EgressProxy(allow, names)
    await proxy.start()
    yield PullKit(FFMPEG, proxy, tmp_path / "work", allow, names, backoff_min_s=0.05, backoff_max_s=0.2)
    await proxy.close()


async def watch(kit: PullKit, url: str, units: int) -> tuple[list[Unit], list[PullStatus]]:
    """Pull until there are so many units, or the first error."""
    got: list[Unit] = []
    statuses: list[PullStatus] = []
    enough = asyncio.Event()

    def item(one: Item) -> None:
        if isinstance(one, Unit):
            got.append(one)
            if len(got) >= units:
                enough.set()

    def status(one: PullStatus) -> None:
        statuses.append(one)
        if one.error is not None:
            enough.set()

    puller = Puller(PullSpec(url), kit, item, status)
    puller.start()
    try:
        async with asyncio.timeout(40):
            await enough.wait()
    finally:
        await puller.stop()
    return got, statuses


async def test_a_gate_is_shut_while_media_flows(caplog: pytest.LogCaptureFixture) -> None:
    arrived = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    target = parse_target(f"rtsp://{SITE}:{port}/cam", PULL_SCHEMES)
    pinned = Pinned(target, (ip_address("127.0.0.1"),))
    async with server, rtsp_gate(pinned) as gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        await asyncio.wait_for(arrived.wait(), 10)
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    assert caplog.records == [], "what is our own doing is no trouble"


async def test_rtsp_media_comes_through_the_gate(kit: PullKit, clip: Path, tmp_path: Path) -> None:
    async with camera(clip, tmp_path) as source:
        got, statuses = await watch(kit, f"rtsp://user:pw@{SITE}:{source.port}/cam", 30)
    assert len(got) >= 30
    assert statuses[1].state is PullState.RUNNING
    assert source.seen[:4] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]


@pytest.mark.parametrize("at", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
async def test_a_redirect_reaches_nothing_and_is_named(kit: PullKit, clip: Path, tmp_path: Path, at: str) -> None:
    hits = 0

    async def trap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal hits
        hits += 1
        writer.close()

    server = await asyncio.start_server(trap, "127.0.0.1", 0)
    trap_port = server.sockets[0].getsockname()[1]
    async with camera(clip, tmp_path) as source:
        source.redirect_to, source.redirect_at = f"rtsp://127.0.0.1:{trap_port}/x", at
        _, statuses = await watch(kit, f"rtsp://{SITE}:{source.port}/cam", 1)
    server.close()
    await server.wait_closed()
    error = next(status.error for status in statuses if status.error)
    assert isinstance(error, RedirectRefused)
    assert hits == 0


EVASIONS = {
    "plain": b"",
    "bare_lf": b"RTSP/1.0 200 OK\nCSeq: %s\nPublic: DESCRIBE\n\n",
    "two_lengths": b"RTSP/1.0 200 OK\r\nCSeq: %s\r\nContent-Length: 5000\r\nContent-Length: 0\r\n\r\n",
    "two_spaces": b"",
}


@pytest.mark.parametrize("ffmpeg", [FFMPEG, pytest.param(FFMPEG5, marks=needs_ffmpeg5)], ids=["ffmpeg9", "ffmpeg5"])
@pytest.mark.parametrize("way", EVASIONS)
async def test_no_client_of_ours_is_led_elsewhere(ffmpeg: str, way: str) -> None:
    """A hostile server hides a redirect; ffmpeg would follow it to whatever listens on loopback."""
    hits: list[bytes] = []
    gone = asyncio.Event()

    async def trap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hits.append(await reader.read(100))
        writer.close()

    async def hostile(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ways = [EVASIONS[way]] if EVASIONS[way] else []
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                sequence = head.partition(b"CSeq: ")[2].split(b"\r\n")[0]
                spaces = b"  " if way == "two_spaces" else b" "
                found = b"RTSP/1.0%b302 Found\r\nCSeq: %b\r\nLocation: rtsp://127.0.0.1:%d/x\r\n\r\n"
                writer.write(ways.pop() % sequence if ways else found % (spaces, sequence, trap_port))
        writer.close()
        gone.set()

    async with await asyncio.start_server(trap, "127.0.0.1", 0) as inner:
        trap_port = inner.sockets[0].getsockname()[1]
        async with await asyncio.start_server(hostile, "127.0.0.1", 0) as outer:
            port = outer.sockets[0].getsockname()[1]
            target = parse_target(f"rtsp://{SITE}:{port}/cam", PULL_SCHEMES)
            async with rtsp_gate(check_addresses(target, ["127.0.0.1"], Allow.parse([SITE]))) as gate:
                url = f"rtsp://127.0.0.1:{gate.port}/cam"
                argv = ("-rtsp_transport", "tcp", "-i", url, "-f", "null", "-")
                async with process(ffmpeg, *QUIET, *argv) as client, asyncio.timeout(30):
                    await client.wait()
                    await gone.wait()
            assert isinstance(gate.refusal, RedirectRefused | NotRtsp)
    assert hits == []


def pinned_to(port: int, name: str) -> Pinned:
    target = parse_target(f"rtsps://{name}:{port}/cam", PULL_SCHEMES)
    return check_addresses(target, ["127.0.0.1"], Allow.parse([name]))


@pytest.mark.parametrize(("name", "works"), [(SITE, True), ("other.example", False)])
async def test_rtsps_is_done_by_the_gate_with_its_certificate_checked(
    clip: Path, tmp_path: Path, name: str, works: bool
) -> None:
    certificate = make_certificate(tmp_path, SITE)
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with camera(clip, tmp_path, server_tls) as source, rtsp_gate(pinned_to(source.port, name), trusting) as gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(b"OPTIONS rtsp://x RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        answer = b""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        writer.close()
        assert answer.startswith(b"RTSP/1.0 200") is works
        assert isinstance(gate.refusal, TlsFailed) is not works
