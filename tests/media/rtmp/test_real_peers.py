"""Real players and publishers on a socket: what the recorded vectors cannot show is that our answers please them."""

import asyncio
import hashlib
import os
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import imageio_ffmpeg
import pytest
from tests.media.test_vectors import demux, split, tags_of

from onetake.media.flv import FlvTag, TagKind
from onetake.media.rtmp import (
    ClientConnection,
    ConnectRequested,
    PlayRequested,
    PublishRequested,
    Refused,
    ServerConnection,
    ServerEvent,
    Started,
    Unpublished,
    encode_media,
    parse_url,
)
from onetake.media.units import Kind

FFMPEG_9 = imageio_ffmpeg.get_ffmpeg_exe()
FFMPEG_5 = "/usr/bin/ffmpeg"
COPY = ["-v", "error", "-i", "URL", "-c", "copy"]


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")
    return found


class Service:
    """A small RTMP server: collects what is published, plays `tags` to whoever asks, refuses the name `closed`."""

    def __init__(self, tags: Sequence[FlvTag] = ()) -> None:
        self.tags = tags
        self.events: list[ServerEvent] = []
        self.ended = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = ServerConnection()
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                self._answer(connection, connection.receive(data), writer)
                await writer.drain()
        self.ended.set()
        writer.close()

    def _answer(self, connection: ServerConnection, events: list[ServerEvent], writer: asyncio.StreamWriter) -> None:
        while events:
            self.events += events
            request = events[-1]
            if not isinstance(request, ConnectRequested | PublishRequested | PlayRequested):
                break
            if isinstance(request, PublishRequested) and request.name == "closed":
                connection.reject(request, "This stream is closed.")
            else:
                connection.accept(request)
            if isinstance(request, PlayRequested):
                writer.write(connection.data_to_send() + b"".join(encode_media(tag) for tag in self.tags))
                connection.end_play(request.stream_id)
            events = connection.receive(b"")
        writer.write(connection.data_to_send())


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[str]:
    server = await asyncio.start_server(service.handle, "127.0.0.1", 0)
    async with server:
        yield f"rtmp://127.0.0.1:{server.sockets[0].getsockname()[1]}/live"


async def run(*command: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, error = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, out.decode(), error.decode(errors="replace")


def digests(framemd5: str, stream: int) -> list[str]:
    lines = [line.split(",") for line in framemd5.splitlines() if line and not line.startswith("#")]
    return [fields[5].strip() for fields in lines if int(fields[0]) == stream]


@pytest.mark.parametrize(
    ("player", "name"),
    [
        (FFMPEG_9, "ffmpeg9-h264-aac-bframes"),
        (FFMPEG_5, "ffmpeg9-h264-aac-bframes"),
        (FFMPEG_9, "ffmpeg9-hevc-aac"),
        (FFMPEG_9, "ffmpeg9-av1-opus"),
        (FFMPEG_9, "ffmpeg9-aac51-only"),  # 5.1 warns of its own reading of six channels
        (FFMPEG_5, "ffmpeg5-h264-aac"),
    ],
)
async def test_ffmpeg_plays_every_packet(player: str, name: str) -> None:
    tags = tags_of(name)
    _, units = split(demux(tags))
    async with serving(Service(tags)) as url:
        arguments = [part.replace("URL", f"{url}/camera?token=t") for part in COPY]
        code, out, error = await run(needs(player), *arguments, "-f", "framemd5", "-")
    assert (code, error) == (0, "")
    kinds = [kind for kind in (Kind.VIDEO, Kind.AUDIO) if kind in units]
    for stream, kind in enumerate(kinds):
        assert digests(out, stream) == [hashlib.md5(unit.payload).hexdigest() for unit in units[kind]]


@pytest.mark.parametrize(
    "command",
    [
        ["rtmpdump", "-q", "-v", "-r", "URL", "-o", "FILE"],
        ["gst-launch-1.0", "-q", "rtmp2src", "location=URL", "!", "filesink", "location=FILE"],
    ],
)
async def test_other_players_get_it_too(command: list[str], tmp_path: Path) -> None:
    needs(command[0])
    target = tmp_path / "played.flv"
    async with serving(Service(tags_of("ffmpeg5-h264-aac"))) as url:
        await run(*[part.replace("URL", f"{url}/camera").replace("FILE", str(target)) for part in command])
    _, out, _ = await run(FFMPEG_9, "-v", "error", "-i", str(target), "-c", "copy", "-f", "framemd5", "-")
    _, units = split(demux(tags_of("ffmpeg5-h264-aac")))
    assert digests(out, 0) == [hashlib.md5(unit.payload).hexdigest() for unit in units[Kind.VIDEO]]


SOURCE = ["-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=1,format=yuv420p", "-c:v", "libx264", "-preset", "ultrafast"]


@pytest.mark.parametrize("encoder", [FFMPEG_9, FFMPEG_5])
async def test_ffmpeg_publishes_and_ends_cleanly(encoder: str) -> None:
    service = Service()
    async with serving(service) as url:
        code, _, _ = await run(needs(encoder), "-v", "error", *SOURCE, "-f", "flv", f"{url}/camera?key=1")
        await asyncio.wait_for(service.ended.wait(), 10)
    assert code == 0
    assert service.events[1] == PublishRequested(1, "live", "camera", "key=1", "live")
    assert service.events[-1] == Unpublished(1)
    _, units = split(demux([event for event in service.events if isinstance(event, FlvTag)]))
    assert len(units[Kind.VIDEO]) == 25


@pytest.mark.parametrize("encoder", [FFMPEG_9, FFMPEG_5])
async def test_ffmpeg_is_told_why_it_is_refused(encoder: str) -> None:
    async with serving(Service()) as url:
        code, _, error = await run(needs(encoder), "-v", "error", *SOURCE, "-f", "flv", f"{url}/closed")
    assert code != 0
    assert "This stream is closed." in error


async def talk(client: ClientConnection, url: str, tags: Sequence[FlvTag]) -> list[object]:
    """Publish `tags` with our own client over a socket."""
    parts = parse_url(url)
    reader, writer = await asyncio.open_connection(parts.host, parts.port)
    events: list[object] = []
    while not any(isinstance(event, Started | Refused) for event in events):
        writer.write(client.data_to_send())
        events += client.receive(await reader.read(65_536))
    for tag in tags:
        client.send_tag(tag)
    client.close()
    writer.write(client.data_to_send())
    await writer.drain()
    writer.close()
    return events


async def test_our_client_publishes_to_our_server() -> None:
    tags = tags_of("ffmpeg9-hevc-aac")
    service = Service()
    async with serving(service) as url:
        address = f"{url}/camera"
        events = await talk(ClientConnection(parse_url(address), "publish"), address, tags)
        await asyncio.wait_for(service.ended.wait(), 10)
    assert events == [Started("NetStream.Publish.Start")]
    assert [event for event in service.events if isinstance(event, FlvTag)] == tags
    assert service.events[-1] == Unpublished(1)


NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
NGINX = """
load_module {module};
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ }}
rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; }} }} }}
"""


@asynccontextmanager
async def nginx(folder: Path) -> AsyncIterator[str]:
    """An RTMP server that is not ours."""
    program = needs("nginx")
    if not NGINX_MODULE.exists():
        pytest.skip("nginx has no RTMP module here")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(module=NGINX_MODULE, folder=folder, port=port))
    process = await asyncio.create_subprocess_exec(program, "-c", str(config), "-e", str(folder / "start.log"))
    try:
        yield f"rtmp://127.0.0.1:{port}/live"
    finally:
        process.terminate()
        await process.wait()


async def connect(url: str, client: ClientConnection) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A socket to `url` once it listens, and the client behind its `Started`."""
    parts = parse_url(url)
    for _ in range(200):
        with suppress(ConnectionError):
            reader, writer = await asyncio.open_connection(parts.host, parts.port)
            break
        await asyncio.sleep(0.02)
    events: list[object] = []
    while Started("NetStream.Publish.Start") not in events and Started("NetStream.Play.Start") not in events:
        writer.write(client.data_to_send())
        events += client.receive(await asyncio.wait_for(reader.read(65_536), 10))
    writer.write(client.data_to_send())
    return reader, writer


async def test_our_client_publishes_to_nginx_and_plays_from_it(tmp_path: Path) -> None:
    tags = tags_of("ffmpeg5-h264-aac")
    media = [tag for tag in tags if tag.kind is not TagKind.SCRIPT]
    async with nginx(tmp_path) as server:
        url = parse_url(f"{server}/camera")
        publisher, player = ClientConnection(url, "publish"), ClientConnection(url, "play")
        _, upload = await connect(f"{server}/camera", publisher)
        download, control = await connect(f"{server}/camera", player)
        for tag in tags:
            publisher.send_tag(tag)
        upload.write(publisher.data_to_send())
        played: list[FlvTag] = []
        while sum(tag.body[1] for tag in played) < sum(tag.body[1] for tag in media):  # 1 = coded, 0 = header
            events = player.receive(await asyncio.wait_for(download.read(65_536), 10))
            played += [event for event in events if isinstance(event, FlvTag) and event.kind is not TagKind.SCRIPT]
            control.write(player.data_to_send())
        for each in (upload, control):
            each.close()
    _, sent = split(demux(media))
    _, received = split(demux(played))  # nginx sends its own copy of the sequence headers first
    for kind, units in sent.items():
        assert [unit.payload for unit in received[kind]] == [unit.payload for unit in units]
        assert [unit.pts for unit in received[kind]] == [unit.pts for unit in units]
