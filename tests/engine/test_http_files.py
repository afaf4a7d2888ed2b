"""The file process over real sockets: playlists, segments, MP4s, ranges, tokens, growth, hostile paths, players."""

import asyncio
import contextlib
import re
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.engine.recorded import Recorded, mark_window, record
from tests.media.fmp4 import clips

from onetake.engine import assets as assets_module
from onetake.engine import file_send as send_module
from onetake.engine import listener as listener_module
from onetake.engine.http_files import FileServer, running
from onetake.engine.options import MediaOptions
from onetake.kit.ids import uuid7
from onetake.kit.signing import Grant, Keyring, Method, ScopeKind, sign

SECRET = b"k" * 32
CONTROL = "control secret"
RING = Keyring.from_secret(SECRET)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Files:
    """A running file server and a client for it."""

    def __init__(self, server: FileServer, port: int, session: aiohttp.ClientSession, data_dir: Path) -> None:
        self.server = server
        self.port = port
        self.session = session
        self.data_dir = data_dir

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.origin + path, headers=named) as response:
            return Answer(response.status, response.headers.copy(), await response.read())


def _client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(auto_decompress=False, headers={"Accept-Encoding": "identity"})


@contextlib.asynccontextmanager
async def serve(options: MediaOptions) -> AsyncIterator[Files]:
    server = FileServer(options)
    async with running(options, server) as port, _client() as session:
        yield Files(server, port, session, options.data_dir)


@pytest.fixture
def options(tmp_path: Path) -> MediaOptions:
    return MediaOptions(tmp_path, files_port=0, control_secret=CONTROL)


@pytest.fixture
async def files(options: MediaOptions) -> AsyncIterator[Files]:
    async with serve(options) as made:
        yield made


@pytest.fixture
async def gated(options: MediaOptions) -> AsyncIterator[Files]:
    async with serve(replace(options, token_secret=SECRET)) as made:
        yield made


def uris(playlist: str) -> list[str]:
    return [line for line in playlist.splitlines() if line and not line.startswith("#")]


def token(asset: uuid.UUID, method: Method = Method.PLAY, limit_s: int = 0, **changes: Any) -> str:
    expires_s = int(time.time()) + 3600
    grant = Grant(method, ScopeKind.ASSET, str(asset), uuid7().hex, "user.1", expires_s, limit_s)
    return sign(replace(grant, **changes), RING)


# -- playlists and segments --------------------------------------------------------------------------------------


async def test_virtual_segments_are_the_recording_byte_for_byte(files: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    playlist = await files.get(f"/vod/{recorded.id}/index.m3u8")
    assert playlist.status == 200
    assert playlist.headers["Content-Type"] == "application/vnd.apple.mpegurl"
    assert "#EXT-X-ENDLIST" in playlist.text
    init = re.search(r'#EXT-X-MAP:URI="([^"]+)"', playlist.text)
    assert init is not None
    head = await files.get(f"/vod/{recorded.id}/{init[1]}")
    body = b""
    for uri in uris(playlist.text):
        segment = await files.get(f"/vod/{recorded.id}/{uri}")
        assert segment.status == 200
        assert segment.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert segment.headers["Content-Type"] == "video/mp4"
        body += segment.body
    assert head.body == recorded.parts[0].run.init
    assert body == b"".join(part.data for part in recorded.parts)


async def test_playlist_is_compressed_cached_and_revalidated(files: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    path = f"/vod/{recorded.id}/index.m3u8"
    plain = await files.get(path, Accept_Encoding="identity")
    packed = await files.get(path, Accept_Encoding="gzip, br")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert __import__("gzip").decompress(packed.body) == plain.body
    assert plain.headers["Cache-Control"] == "public, max-age=60"
    for answer in (plain, packed):
        again = await files.get(path, If_None_Match=answer.headers["ETag"])
        assert (again.status, again.body) == (304, b"")
    head = await files.get(path, "HEAD", Accept_Encoding="identity")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(plain.body)), b"")


async def test_range_form_names_ranges_that_are_served(files: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    text = (await files.get(f"/vod/{recorded.id}/index.m3u8?form=range")).text
    places = re.findall(r"#EXT-X-BYTERANGE:(\d+)@(\d+)\n(\S+)", text)
    body = b""
    for size, offset, uri in places:
        wanted = f"bytes={offset}-{int(offset) + int(size) - 1}"
        answer = await files.get(f"/vod/{recorded.id}/{uri}", Range=wanted)
        assert answer.status == 206
        body += answer.body
    assert body == b"".join(part.data for part in recorded.parts)
    assert len({uri for *_, uri in places}) == len(places)


@pytest.mark.parametrize("form", ["", "?form=range"])
@pytest.mark.parametrize("player", [clips.ffmpeg9, clips.ffmpeg5])
async def test_ffmpeg_gets_every_packet(files: Files, tmp_path: Path, form: str, player: Callable[[], str]) -> None:
    recorded = record(tmp_path, "bframes")
    command = [player(), "-v", "error", "-i", f"{files.origin}/vod/{recorded.id}/index.m3u8{form}"]
    command += ["-map", "0:v", "-map", "0:a", "-c", "copy", "-f", "framecrc", "-"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    got = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    assert len(got) == len(clips.clip("bframes").units), done.stderr


async def test_segments_answer_ranges_and_conditions(files: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    text = (await files.get(f"/vod/{recorded.id}/index.m3u8")).text
    path = f"/vod/{recorded.id}/{uris(text)[1]}"
    whole = await files.get(path)
    part = await files.get(path, Range="bytes=10-19")
    assert (part.status, part.body) == (206, whole.body[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole.body)}"
    assert (await files.get(path, If_None_Match=whole.headers["ETag"])).status == 304
    assert (await files.get(path, Range=f"bytes={len(whole.body)}-")).status == 416


@pytest.mark.parametrize("limit", ["0", "x", "-1", "9" * 30])
async def test_odd_queries_change_nothing(files: Files, tmp_path: Path, limit: str) -> None:
    recorded = record(tmp_path)
    text = (await files.get(f"/vod/{recorded.id}/index.m3u8?_HLS_msn={limit}&CMCD=bl%3D1")).text
    answer = await files.get(f"/vod/{recorded.id}/{uris(text)[0]}?CMCD=x&f={limit}")
    assert answer.status in (200, 404)
    assert answer.status == 200 or limit == "9" * 30 or limit == "-1" or limit == "x"


async def test_several_renditions_make_a_master(files: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path, "bframes")
    record(tmp_path, "short_gop", rendition="180p", asset_id=recorded.id)
    text = (await files.get(f"/vod/{recorded.id}/index.m3u8")).text
    assert uris(text) == ["index.m3u8?media=1", "180p/index.m3u8"]
    assert 'CODECS="avc1.' in text
    assert "mp4a.40.2" in text
    assert re.findall(r"RESOLUTION=320x180,FRAME-RATE=(\S+)", text) == ["25.000", "30.000"]
    for uri in uris(text):
        media = await files.get(f"/vod/{recorded.id}/{uri}")
        folder = uri.rpartition("/")[0]
        segment = f"{folder}/{uris(media.text)[0]}".lstrip("/")
        assert (await files.get(f"/vod/{recorded.id}/{segment}")).status == 200
    single = record(tmp_path)
    assert len(uris((await files.get(f"/vod/{single.id}/master.m3u8")).text)) == 1


async def test_a_title_without_a_source_plays_its_only_rendition(files: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path, rendition="720p")
    text = (await files.get(f"/vod/{recorded.id}/index.m3u8")).text
    assert (await files.get(f"/vod/{recorded.id}/{uris(text)[0]}")).status == 200
    assert (await files.get(f"/vod/{recorded.id}/video.mp4")).status == 200
    assert (await files.get(f"/vod/{recorded.id}/source/index.m3u8")).status == 404
    shutil.rmtree(recorded.folder / "720p")
    files.server.assets.forget(recorded.id)
    (recorded.folder / "poster.jpg").write_bytes(b"x")
    assert (await files.get(f"/vod/{recorded.id}/poster.jpg")).status == 200
    for name in ("index.m3u8", "master.m3u8", "video.mp4"):
        assert (await files.get(f"/vod/{recorded.id}/{name}")).status == 404


# -- growing -----------------------------------------------------------------------------------------------------


async def test_a_recording_in_progress_plays_and_is_never_cached(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets_module, "LOOK_AGAIN_S", 0)
    recorded = record(tmp_path, upto=8, finish=False)
    base = f"/vod/{recorded.id}"
    first = await files.get(f"{base}/index.m3u8")
    assert "#EXT-X-ENDLIST" not in first.text
    assert first.headers["Cache-Control"] == "no-store"
    mp4 = await files.get(f"{base}/video.mp4")
    assert mp4.headers["Cache-Control"] == "no-store"
    assert "Last-Modified" not in mp4.headers
    unfinished = f"{base}/s/{recorded.parts[0].run.prefix}/{recorded.parts[7].msn}.m4s"
    assert (await files.get(unfinished)).status == 404, "an open segment must not be cached as if complete"
    for part in recorded.parts[8:]:
        recorded.writer.append(part)
    grown = await files.get(f"{base}/index.m3u8")
    assert grown.text.startswith(first.text)
    assert len(uris(grown.text)) > len(uris(first.text))
    resumed = await files.get(f"{base}/video.mp4", Range=f"bytes={len(mp4.body)}-", If_Range=mp4.headers["ETag"])
    assert resumed.status == 206
    assert mp4.body + resumed.body == recorded.video.read_bytes()
    assert (await files.get(f"{base}/video.mp4", If_None_Match=mp4.headers["ETag"])).status == 200
    recorded.finish()
    done = await files.get(f"{base}/index.m3u8")
    assert "#EXT-X-ENDLIST" in done.text
    final = await files.get(f"{base}/video.mp4")
    assert final.headers["ETag"] != mp4.headers["ETag"], "the end has put a sidx in front"
    assert (await files.get(f"{base}/video.mp4", If_None_Match=final.headers["ETag"])).status == 304
    late = await files.get(f"{base}/video.mp4", Range=f"bytes={len(mp4.body)}-", If_Range=mp4.headers["ETag"])
    assert late.status == 200
    assert final.headers["Cache-Control"] == "public, max-age=3600"
    assert "Last-Modified" in final.headers


async def test_a_rolling_window_loses_its_back(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets_module, "LOOK_AGAIN_S", 0)
    recorded = record(tmp_path, "short_gop", finish=False, rotate_s=1)
    mark_window(recorded)
    (tmp_path / "open" / f"{recorded.id}.json").unlink()
    base, prefix = f"/vod/{recorded.id}", recorded.parts[0].run.prefix
    assert (await files.get(f"{base}/s/{prefix}/0.m4s")).status == 200
    assert recorded.writer.keep_last(2.5)
    assert (await files.get(f"{base}/s/{prefix}/0.m4s")).status == 404
    text = (await files.get(f"{base}/index.m3u8")).text
    assert uris(text)[0].endswith(f"/{re.findall(r'MEDIA-SEQUENCE:([0-9]+)', text)[0]}.m4s")
    assert "PLAYLIST-TYPE" not in text
    last = recorded.parts[-1].msn
    assert (await files.get(f"{base}/s/{prefix}/{last - 1}.m4s")).status == 200
    assert (await files.get(f"{base}/s/{prefix}/{last}.m4s")).status == 404
    recorded.finish()


async def test_a_deleted_recording_is_gone_and_its_files_are_closed(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = record(tmp_path)
    path = f"/vod/{recorded.id}/video.mp4"
    assert (await files.get(path)).status == 200
    shutil.rmtree(recorded.folder)
    told = await files.session.post(
        f"{files.origin}/control/forget",
        json={"asset": str(recorded.id)},
        headers={"Authorization": f"Bearer {CONTROL}"},
    )
    assert told.status == 200
    assert len(files.server.assets) == 0
    assert (await files.get(path)).status == 404
    other = record(tmp_path)
    assert (await files.get(f"/vod/{other.id}/video.mp4")).status == 200
    shutil.rmtree(other.folder)
    await files.server.assets.sweep()
    assert len(files.server.assets) == 0


async def test_open_assets_are_bounded(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets_module, "MAX_OPEN", 2)
    made = [record(tmp_path) for _ in range(4)]
    for recorded in [*made, *made]:
        assert (await files.get(f"/vod/{recorded.id}/index.m3u8")).status == 200
        assert len(files.server.assets) <= 2


# -- whole files -------------------------------------------------------------------------------------------------


async def test_mp4_with_ranges_multipart_and_head(files: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    data = recorded.video.read_bytes()
    path = f"/vod/{recorded.id}/video.mp4"
    head = await files.get(path, "HEAD")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(data)), b"")
    assert head.headers["Accept-Ranges"] == "bytes"
    assert head.headers["X-Content-Type-Options"] == "nosniff"
    assert (await files.get(path)).body == data
    assert (await files.get(path, Range="bytes=-7")).body == data[-7:]
    several = await files.get(path, Range="bytes=0-4,100-104")
    boundary = several.headers["Content-Type"].partition("boundary=")[2]
    assert several.status == 206
    assert several.headers["Content-Length"] == str(len(several.body))
    bodies = [part.partition(b"\r\n\r\n")[2] for part in several.body.split(f"\r\n--{boundary}".encode())[1:3]]
    assert bodies == [data[:5], data[100:105]]
    assert (await files.get(path, Range="bytes=0-4", If_Range='"other"')).body == data
    assert (await files.get(path, Range="bytes=0-4", If_Range=head.headers["ETag"])).body == data[:5]
    assert (await files.get(path, Range="bytes=0-4", If_Range=head.headers["Last-Modified"])).body == data[:5]
    assert (await files.get(path, If_Modified_Since=head.headers["Last-Modified"])).status == 304
    assert (await files.get(path, Range=f"bytes={len(data)}-")).headers["Content-Range"] == f"bytes */{len(data)}"


async def test_several_files_are_listed_instead_of_joined(files: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path, "short_gop", rotate_s=1)
    answer = await files.get(f"/vod/{recorded.id}/video.mp4")
    assert answer.status == 409
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem = __import__("json").loads(answer.body)
    assert problem["code"] == "several_files"
    names = [item["name"] for item in problem["files"]]
    assert names[:2] == ["video-000.mp4", "video-001.mp4"]
    for item in problem["files"]:
        assert len((await files.get(f"/vod/{recorded.id}/{item['name']}")).body) == item["size_bytes"]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("My video", 'filename="My video.mp4"'),
        ("我的录像", 'filename="____.mp4"'),
        ("../../etc/passwd", 'filename="etcpasswd.mp4"'),
        ('a"b\r\nX: y', 'filename="abX y.mp4"'),
        ("", 'filename="video.mp4"'),
        ("x" * 300, f'filename="{"x" * 120}.mp4"'),
        ("\u202egpj.exe", 'filename="gpj.exe.mp4"'),
    ],
)
async def test_downloads_have_safe_names(files: Files, tmp_path: Path, name: str, plain: str) -> None:
    recorded = record(tmp_path)
    async with files.session.get(f"{files.origin}/vod/{recorded.id}/video.mp4", params={"download": name}) as response:
        assert response.status == 200
        value = response.headers["Content-Disposition"]
    assert value.startswith(f"attachment; {plain}; filename*=UTF-8''")
    assert "X: y" not in dict(response.headers)


def add_plain_file(recorded: Recorded, data: bytes = b"one plain file") -> Path:
    """A rendition that is only there to be downloaded: an MP4 without an index."""
    made = recorded.folder / "compatible" / "video-000.mp4"
    made.parent.mkdir(exist_ok=True)
    made.write_bytes(data)
    return made


async def test_a_plain_file_is_fetched_like_any_other(files: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path, rotate_s=1)
    made = add_plain_file(recorded)
    path = f"/vod/{recorded.id}/compatible/video.mp4"
    head = await files.get(path, "HEAD")
    assert (head.status, head.headers["Content-Length"], head.headers["Content-Type"]) == (200, "14", "video/mp4")
    assert (await files.get(path)).body == (await files.get(path.replace(".mp4", "-000.mp4"))).body == b"one plain file"
    part = await files.get(path, Range="bytes=4-8", If_Range=head.headers["ETag"])
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, b"plain", "bytes 4-8/14")
    assert (await files.get(path, If_None_Match=head.headers["ETag"])).status == 304
    named = await files.get(f"{path}?download=a/b%22")
    assert named.headers["Content-Disposition"] == "attachment; filename=\"ab.mp4\"; filename*=UTF-8''ab.mp4"
    for name in ("index.m3u8", "video-001.mp4", f"s/{recorded.parts[0].run.prefix}/0.m4s"):
        assert (await files.get(f"/vod/{recorded.id}/compatible/{name}")).status == 404
    made.unlink()
    assert (await files.get(path)).status == 404, "a removed file must not be served from an open descriptor"
    add_plain_file(recorded, b"another plain file")
    assert (await files.get(path, If_None_Match=head.headers["ETag"])).body == b"another plain file"


async def test_a_plain_file_is_no_variant_of_the_stream(files: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    before = await files.get(f"/vod/{recorded.id}/index.m3u8")
    add_plain_file(recorded)
    files.server.assets.forget(recorded.id)
    assert (await files.get(f"/vod/{recorded.id}/index.m3u8")).body == before.body
    assert len(uris((await files.get(f"/vod/{recorded.id}/master.m3u8")).text)) == 1


async def test_a_plain_file_needs_a_token_for_downloading(gated: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    add_plain_file(recorded)
    path = f"/vod/{recorded.id}/compatible/video.mp4?download=x"
    assert (await gated.get(path)).status == 403
    assert (await gated.get(f"/t/{token(recorded.id)}{path}")).status == 403
    assert (await gated.get(f"/t/{token(uuid7(), Method.DOWNLOAD)}{path}")).status == 403
    assert (await gated.get(f"/t/{token(recorded.id, Method.DOWNLOAD, limit_s=5)}{path}")).status == 403
    assert (await gated.get(f"/t/{token(recorded.id, Method.DOWNLOAD)}{path}")).body == b"one plain file"


async def test_files_beside_the_media(files: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    (recorded.folder / "poster.jpg").write_bytes(b"\xff\xd8jpeg")
    (recorded.folder / "storyboard.vtt").write_text("WEBVTT\n")
    (recorded.folder / "subtitles").mkdir()
    (recorded.folder / "subtitles" / "zh-CN.vtt").write_text("WEBVTT\n")
    poster = await files.get(f"/vod/{recorded.id}/poster.jpg")
    assert (poster.status, poster.body, poster.headers["Content-Type"]) == (200, b"\xff\xd8jpeg", "image/jpeg")
    assert (await files.get(f"/vod/{recorded.id}/storyboard.vtt")).headers["Content-Type"] == "text/vtt; charset=utf-8"
    assert (await files.get(f"/vod/{recorded.id}/subtitles/zh-CN.vtt")).status == 200
    assert (await files.get(f"/vod/{recorded.id}/storyboard.jpg")).status == 404
    assert (await files.get(f"/vod/{recorded.id}/poster.jpg", If_None_Match=poster.headers["ETag"])).status == 304


# -- hostile requests --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/vod/../../etc/passwd",
        "/vod/{id}/../{id}/index.m3u8/..",
        "/vod/{id}/recording.json",
        "/vod/{id}/source/video-000.idx",
        "/vod/{id}/video-000.idx",
        "/vod/{id}/s/..%2f..%2f/0.m4s",
        "/vod/{id}/s/x/..%2fvideo-000.mp4",
        "/vod/{id}/..%2f..%2fopen/index.m3u8",
        "/vod/{id}/subtitles/..%2fposter.jpg",
        "/vod/{id}/subtitles/.hidden.vtt",
        "/vod/{upper}/index.m3u8",
        "/vod/%7B{id}%7D/index.m3u8",
        "/vod/urn:uuid:{id}/index.m3u8",
        "/vod/{hex}/index.m3u8",
        "/vod/00000000-0000-4000-8000-000000000000/index.m3u8",
        "/vod/{id}/nosuch/index.m3u8",
        "/vod/{id}/video-999.mp4",
        "/vod/{id}/s/AAAAAAAAAAAA/0.m4s",
        "/vod/{id}/s/{prefix}/999999.m4s",
        "/vod/{id}/s/{prefix}/0.0.m4s",
        "/vod/{id}/s/{prefix}/00.m4s",
        "/vod/{id}/subtitles/" + "a" * 300 + ".vtt",
    ],
)
async def test_paths_that_are_none_of_ours_do_not_exist(files: Files, tmp_path: Path, path: str) -> None:
    recorded = record(tmp_path)
    prefix = recorded.parts[0].run.prefix
    filled = path.format(id=recorded.id, upper=str(recorded.id).upper(), hex=recorded.id.hex, prefix=prefix)
    reader, writer = await asyncio.open_connection("127.0.0.1", files.port)
    writer.write(f"GET {filled} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    status = (await reader.read(-1)).split(b" ")[1]
    writer.close()
    assert status in (b"404", b"400")


async def test_links_are_not_followed(files: Files, tmp_path: Path) -> None:
    secret = tmp_path / "secret.key"
    secret.write_bytes(b"secret")
    recorded = record(tmp_path)
    (recorded.folder / "poster.jpg").symlink_to(secret)
    assert (await files.get(f"/vod/{recorded.id}/poster.jpg")).status == 404
    recorded.video.rename(tmp_path / "moved.mp4")
    recorded.video.symlink_to(tmp_path / "moved.mp4")
    assert (await files.get(f"/vod/{recorded.id}/video.mp4")).status == 404
    (recorded.folder / "storyboard.jpg").mkdir()
    assert (await files.get(f"/vod/{recorded.id}/storyboard.jpg")).status == 404


@pytest.mark.parametrize("damage", ["index gone", "index garbage", "video gone"])
async def test_damaged_recordings_are_not_found_instead_of_failing(files: Files, tmp_path: Path, damage: str) -> None:
    recorded = record(tmp_path)
    index = recorded.video.with_suffix(".idx")
    if damage == "index gone":
        index.unlink()
    elif damage == "index garbage":
        index.write_bytes(b"garbage" * 100)
    else:
        recorded.video.unlink()
    for name in ("index.m3u8", "video.mp4", "video-000.mp4"):
        assert (await files.get(f"/vod/{recorded.id}/{name}")).status == 404


async def test_a_viewer_that_reads_nothing_is_cut_off_and_costs_nothing(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send_module, "CALL_TIMEOUT_S", 0.2)
    recorded = record(tmp_path)
    with recorded.video.open("ab") as video:
        video.truncate(64 << 20)
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(lazy, ("127.0.0.1", files.port))
        await loop.sock_sendall(lazy, f"GET /vod/{recorded.id}/video-000.mp4 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        asset = files.server.assets._open
        async with asyncio.timeout(20):
            while not any(one.users for one in asset.values()):  # noqa: ASYNC110  # the server has no listeners
                await asyncio.sleep(0.005)
            while any(one.users for one in asset.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        got = 0
        with contextlib.suppress(ConnectionError):
            while data := await loop.sock_recv(lazy, 1 << 20):
                got += len(data)
        assert got < 32 << 20, "the connection was cut, not served to its end"
    assert (await files.get(f"/vod/{recorded.id}/index.m3u8")).status == 200


@pytest.mark.parametrize("sent", [b"", b"GET /vod/", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_slow_heads_are_cut_off(options: MediaOptions, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(listener_module, "FIRST_REQUEST_S", 0.3)
    async with serve(options) as files:
        reader, writer = await asyncio.open_connection("127.0.0.1", files.port)
        writer.write(sent)
        async with asyncio.timeout(20):
            assert b" 200 " not in await reader.read(-1)
        writer.close()


async def test_one_connection_serves_many_requests(files: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    reader, writer = await asyncio.open_connection("127.0.0.1", files.port)
    size = recorded.video.stat().st_size
    for start in range(0, 50, 10):
        request = f"GET /vod/{recorded.id}/video.mp4 HTTP/1.1\r\nHost: x\r\nRange: bytes={start}-{start + 9}\r\n\r\n"
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"Content-Range: bytes {start}-{start + 9}/{size}".encode() in head
        await reader.readexactly(10)
    writer.close()


# -- tokens ------------------------------------------------------------------------------------------------------


async def test_gated_media_needs_a_token_for_every_byte(gated: Files, tmp_path: Path) -> None:
    recorded, other = record(tmp_path), record(tmp_path)
    (recorded.folder / "poster.jpg").write_bytes(b"x")
    good = token(recorded.id)
    playlist = await gated.get(f"/t/{good}/vod/{recorded.id}/index.m3u8")
    names = ["index.m3u8", "index.m3u8?form=range", "master.m3u8", "video.mp4", "video-000.mp4", "poster.jpg"]
    for name in [*names, uris(playlist.text)[0]]:
        answer = await gated.get(f"/t/{good}/vod/{recorded.id}/{name}")
        assert answer.status == 200, name
        assert answer.headers["Cache-Control"].startswith("private")
        for refused in (
            f"/vod/{recorded.id}/{name}",
            f"/t/{token(other.id)}/vod/{recorded.id}/{name}",
            f"/t/{good[:-1]}/vod/{recorded.id}/{name}",
            f"/t/{good}/vod/{other.id}/{name}",
            f"/t/{token(recorded.id, expires_s=int(time.time()) - 7200)}/vod/{recorded.id}/{name}",
            f"/t/{token(recorded.id, Method.PUBLISH)}/vod/{recorded.id}/{name}",
        ):
            denied = await gated.get(refused)
            assert denied.status == 403, refused
            assert denied.headers["Content-Type"].startswith("application/problem+json")


async def test_who_may_look_gets_pictures_and_nothing_else(gated: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    look = token(recorded.id, Method.LOOK)
    for name in ("poster.jpg", "storyboard.jpg", "storyboard.vtt"):
        (recorded.folder / name).write_bytes(b"x")
        assert (await gated.get(f"/t/{look}/vod/{recorded.id}/{name}")).status == 200, name
    refused = ["index.m3u8", "master.m3u8", "video.mp4", "video-000.mp4", "poster.jpg?download=x", "subtitles/en.vtt"]
    for name in refused:
        assert (await gated.get(f"/t/{look}/vod/{recorded.id}/{name}")).status == 403, name


async def test_query_tokens_reach_every_line(gated: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    good = token(recorded.id)
    for form in ("", "&form=range"):
        text = (await gated.get(f"/vod/{recorded.id}/index.m3u8?token={good}{form}")).text
        assert all(f"token={good}" in uri for uri in uris(text))
        answer = await gated.get(f"/vod/{recorded.id}/{uris(text)[0]}")
        assert answer.status == 200


async def test_play_tokens_do_not_download(gated: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    play, download = token(recorded.id), token(recorded.id, Method.DOWNLOAD)
    for given, status in ((play, 403), (download, 200)):
        assert (await gated.get(f"/t/{given}/vod/{recorded.id}/video.mp4?download=x")).status == status


async def test_a_trial_ends_at_its_second_whatever_is_asked_for(gated: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    whole = uris((await gated.get(f"/t/{token(recorded.id)}/vod/{recorded.id}/index.m3u8")).text)
    base = f"/t/{token(recorded.id, limit_s=2)}/vod/{recorded.id}"
    text = (await gated.get(f"{base}/index.m3u8")).text
    shown = uris(text)
    assert text.endswith("#EXT-X-ENDLIST\n")
    assert shown == whole[: len(shown)]
    assert 0 < len(shown) < len(whole)
    init = re.search(r'URI="([^"]+)"', text)
    assert init is not None
    assert (await gated.get(f"{base}/{init[1]}")).status == 200
    for uri in whole:
        assert (await gated.get(f"{base}/{uri}")).status == (200 if uri in shown else 403)
    for name in ("video.mp4", "video-000.mp4", "index.m3u8?form=range", "source/video-000.mp4"):
        assert (await gated.get(f"{base}/{name}", Range="bytes=0-10")).status == 403


async def test_revocation_acts_on_a_running_session(gated: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    path = f"/t/{token(recorded.id)}/vod/{recorded.id}/index.m3u8"
    assert (await gated.get(path)).status == 200
    url, auth = f"{gated.origin}/control/revoke", {"Authorization": f"Bearer {CONTROL}"}
    for body, status in (({"what": "viewer", "value": "user.1"}, 200), ({"what": "ip", "value": "x"}, 400), ([], 400)):
        assert (await gated.session.post(url, json=body, headers=auth)).status == status
    assert (await gated.get(path)).status == 403
    restored = {"what": "viewer", "value": "user.1", "restore": True}
    assert (await gated.session.post(url, json=restored, headers=auth)).status == 200
    assert (await gated.get(path)).status == 200


# -- counting, control, CORS ---------------------------------------------------------------------------------------


async def test_viewers_bytes_and_last_reads_are_counted(gated: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    good = token(recorded.id, session="s1")
    first = await gated.get(f"/t/{good}/vod/{recorded.id}/video.mp4", Range="bytes=0-999")
    second = await gated.get(f"/t/{good}/vod/{recorded.id}/index.m3u8")
    await gated.get(f"/t/{token(recorded.id, session='s2')}/vod/{recorded.id}/index.m3u8", "HEAD")
    (recorded.folder / "poster.jpg").write_bytes(b"x")
    assert (await gated.get(f"/t/{token(recorded.id, session='s3')}/vod/{recorded.id}/poster.jpg")).status == 200
    auth = {"Authorization": f"Bearer {CONTROL}"}
    async with gated.session.get(f"{gated.origin}/control/viewers", headers=auth) as response:
        viewers = {one["session"]: one for one in (await response.json())["viewers"]}
    assert set(viewers) == {"s1", "s2"}
    assert viewers["s1"]["sent_bytes"] == len(first.body) + len(second.body)
    assert viewers["s2"]["sent_bytes"] == 0
    async with gated.session.get(f"{gated.origin}/control/figures", headers=auth) as response:
        figures = await response.json()
    assert figures["viewers"] == {"vod": 2}
    assert figures["sent_bytes"] >= viewers["s1"]["sent_bytes"]
    async with gated.session.get(f"{gated.origin}/control/reads", headers=auth) as response:
        reads = (await response.json())["reads"]
    assert reads[str(recorded.id)] == pytest.approx(time.time(), abs=60)
    metrics = await gated.get("/metrics", Authorization=f"Bearer {CONTROL}")
    assert 'onetake_live_viewers{proto="vod",stream="other"} 2.0' in metrics.text


@pytest.mark.parametrize(
    "path", ["/control/viewers", "/control/figures", "/control/reads", "/control/revoked", "/metrics"]
)
async def test_control_needs_the_secret(files: Files, path: str) -> None:
    assert (await files.get(path)).status == 401
    assert (await files.get(path, Authorization=f"Bearer {CONTROL}")).status == 200


async def test_cors_and_preflight_for_media_only(files: Files, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    answer = await files.get(f"/vod/{recorded.id}/index.m3u8", Origin="http://page.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    preflight = await files.get(f"/vod/{recorded.id}/video.mp4", "OPTIONS", Origin="http://page.example")
    assert preflight.status == 204
    assert "Range" in preflight.headers["Access-Control-Allow-Headers"]
    assert answer.headers["Server"] == "OneTake"
    control = await files.get("/control/viewers", Origin="http://page.example")
    assert "Access-Control-Allow-Origin" not in control.headers
    assert (await files.get("/healthz")).status == 200


def test_nothing_here_reads_like_a_static_folder(tmp_path: Path, options: MediaOptions) -> None:
    routes = [str(route.resource) for route in FileServer(options).app().router.routes()]
    assert not any("Static" in route for route in routes)
