"""Sniffing and probing: every container that is taken, what must be refused, and hostile files inside limits."""

import asyncio
import os
import random
import struct
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.recorded import record
from tests.media.fmp4 import clips

from onetake.media.ffmpeg import ToolError, binary
from onetake.media.ffmpeg import errors as named
from onetake.media.probe import PROBE_LIMITS, Probe, probe_file, probe_own
from onetake.media.sniff import Container, sniff

PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25"]
TONE = ["-f", "lavfi", "-i", "sine=sample_rate=44100"]
X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
EXPECTED = (named.NotMedia, named.NoTracks, named.FormatNotAllowed, named.LimitExceeded, named.UnsupportedCodec)
FILES: dict[str, tuple[Container, list[str]]] = {
    "a.mp4": (Container.MP4, [*PICTURE, *TONE, *X264, "-c:a", "aac"]),
    "a.mov": (Container.MP4, [*PICTURE, *TONE, *X264, "-c:a", "pcm_s16le"]),
    "a.mkv": (Container.MATROSKA, [*PICTURE, *TONE, *X264, "-c:a", "flac"]),
    "a.webm": (Container.MATROSKA, [*PICTURE, *TONE, "-c:v", "libvpx", "-c:a", "libopus"]),
    "a.flv": (Container.FLV, [*PICTURE, *TONE, *X264, "-c:a", "aac"]),
    "a.ts": (Container.MPEG_TS, [*PICTURE, *TONE, *X264, "-c:a", "ac3"]),
    "a.m2ts": (Container.MPEG_TS, [*PICTURE, *TONE, *X264, "-c:a", "ac3"]),
    "a.avi": (Container.AVI, [*PICTURE, *TONE, "-c:v", "mpeg4", "-c:a", "libmp3lame"]),
    "a.ogv": (Container.OGG, [*PICTURE, *TONE, "-c:v", "libtheora", "-c:a", "libvorbis"]),
    "a.wav": (Container.WAV, TONE),
    "a.mp3": (Container.MP3, [*TONE, "-c:a", "libmp3lame"]),
    "b.mp3": (Container.MP3, [*TONE, "-c:a", "libmp3lame", "-id3v2_version", "0", "-write_xing", "0"]),
    "a.aac": (Container.AAC, [*TONE, "-c:a", "aac", "-f", "adts"]),
    "a.flac": (Container.FLAC, [*TONE, "-c:a", "flac"]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("probe")
    for name, (_, options) in FILES.items():
        command = [binary(), "-nostdin", "-v", "error", *options, "-t", "1", "-y", str(made / name)]
        subprocess.run(command, check=True, timeout=60)
    return made


@pytest.mark.parametrize("name", FILES)
async def test_every_container_that_is_taken(folder: Path, name: str) -> None:
    container, options = FILES[name]
    found = await probe_file(folder / name)
    assert found.container == container
    assert found.duration_s == pytest.approx(1, abs=0.15)
    assert found.size_bytes == (folder / name).stat().st_size
    video, audio = found.first("video"), found.first("audio")
    assert audio is not None
    assert audio.sample_rate in (44_100, 48_000)
    assert audio.channels == 1
    assert (video is not None) is (PICTURE[3] in options)
    assert (found.upright_size == (0, 0)) is (video is None)
    if video is not None:
        assert (video.width, video.height, video.fps) == (160, 90, 25.0)
    assert Probe.from_dict(found.as_dict()) == found


async def test_rotation_makes_an_upright_size(folder: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    command = [
        binary(),
        "-v",
        "error",
        "-display_rotation",
        "90",
        "-i",
        str(folder / "a.mp4"),
        "-c",
        "copy",
        str(turned),
    ]
    subprocess.run(command, check=True, timeout=60)
    found = await probe_file(turned)
    video = found.first("video")
    assert video is not None
    assert video.rotation in (90, 270)
    assert found.upright_size == (90, 160)


async def test_our_own_recordings_in_this_process_and_in_a_child(tmp_path: Path) -> None:
    recorded = record(tmp_path)
    inside = probe_own(recorded.video)
    assert inside == await probe_file(recorded.video)
    assert [track.codec for track in inside.tracks] == ["h264", "aac"]
    assert inside.duration_s == pytest.approx(5, abs=0.3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("playlist.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"),
        ("list.mp4", b"ffconcat version 1.0\nfile 'secret.mp4'\n"),
        ("sdp.mp4", b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n"),
        ("dash.mp4", b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>'),
        ("page.mp4", b"<!doctype html><script>alert(1)</script>"),
        ("picture.mp4", b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"),
        ("sub.mp4", b"WEBVTT\n\n00:00.000 --> 99:00.000\nhello\n"),
        ("png.mp4", b"\x89PNG\r\n\x1a\n" + b"\0" * 400),
        ("jpeg.mp4", b"\xff\xd8\xff\xe0" + b"\0" * 400),
        ("image.webp", b"RIFF\x10\0\0\0WEBPVP8 " + b"\0" * 400),
        ("empty.mp4", b""),
        ("short.mp4", b"\0\0"),
        ("zip.mp4", b"PK\x03\x04" + b"\0" * 400),
        ("gif.mp4", b"GIF89a" + b"\0" * 400),
        ("text.mp4", b"hello" * 1000),
    ],
)
async def test_what_is_not_taken_never_reaches_a_decoder(
    tmp_path: Path, name: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def started(*args: object, **kwargs: object) -> bytes:
        raise AssertionError("a child was started")

    monkeypatch.setattr("onetake.media.probe.read_output", started)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(named.FormatNotAllowed):
        await probe_file(tmp_path / name)


async def test_links_and_folders_are_not_opened(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(folder / "a.mp4")
    os.mkfifo(tmp_path / "fifo.mp4")
    for name in ("link.mp4", "missing.mp4", "fifo.mp4", "."):
        with pytest.raises((OSError, named.FormatNotAllowed)):
            await probe_file(tmp_path / name)


@pytest.mark.parametrize(
    "head",
    [b"\0\0\0\x18ftypisom" + b"\0" * 12, b"FLV\x01\x05\0\0\0\x09\0\0\0\0", b"\x1a\x45\xdf\xa3" + b"\xff" * 60, b"OggS"],
)
async def test_right_magic_and_rubbish_behind_it(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(head + random.Random(1).randbytes(50_000))
    with pytest.raises((named.NotMedia, named.NoTracks)):
        await probe_file(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
async def test_damaged_files_end_as_typed_errors(folder: Path, tmp_path: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    chance = random.Random(name)

    async def one(number: int) -> None:
        damaged = bytearray(data[: chance.randrange(len(data))] if number % 2 else data)
        for _ in range(40):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path = tmp_path / f"{number}-{name}"
        path.write_bytes(damaged)
        try:
            assert (await probe_file(path)).tracks
        except EXPECTED:
            return

    for start in range(0, 8, 2):
        await asyncio.gather(*(one(start + number) for number in range(2)))


def box(kind: bytes, *body: bytes) -> bytes:
    content = b"".join(body)
    return struct.pack(">I4s", len(content) + 8, kind) + content


async def test_a_thousand_tracks_are_too_many(tmp_path: Path) -> None:
    init = clips.parts_of(clips.clip("video_only"))[0].run.init
    at = init.index(b"trak") - 4
    size = int.from_bytes(init[at : at + 4], "big")
    track = init[at : at + size]
    moov = init.index(b"moov") - 4
    path = tmp_path / "many.mp4"
    path.write_bytes(init[:moov] + box(b"moov", init[moov + 8 : at], track * 1000))
    with pytest.raises((named.NotMedia, named.LimitExceeded)):
        await probe_file(path)


async def test_limits_of_the_child_have_a_name(folder: Path) -> None:
    small = replace(PROBE_LIMITS, address_space_bytes=64 << 20)
    with pytest.raises(ToolError):
        await probe_file(folder / "a.mp4", limits=small)
    with pytest.raises(named.LimitExceeded):
        await probe_file(folder / "a.mp4", timeout_s=0.01)


async def test_a_picture_larger_than_any_screen_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.avi"
    picture = ["-f", "lavfi", "-i", "color=s=8192x4624:r=1", "-frames:v", "1", "-c:v", "mjpeg"]
    subprocess.run([binary(), "-nostdin", "-v", "error", *picture, str(path)], check=True, timeout=60)
    with pytest.raises(named.LimitExceeded):
        await probe_file(path)


async def test_a_child_that_says_nothing_has_met_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*args: object, **kwargs: object) -> bytes:
        return b""

    monkeypatch.setattr("onetake.media.probe.read_output", silent)
    with pytest.raises(named.LimitExceeded):
        await probe_file(folder / "a.mp4")


async def test_a_zip_bomb_in_mp4_clothes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.mp4"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.m3u8", "#EXTM3U")
    with pytest.raises(named.FormatNotAllowed):
        await probe_file(path)


@given(st.binary(max_size=600))
def test_any_bytes_are_a_container_or_none(head: bytes) -> None:
    assert sniff(head) is None or isinstance(sniff(head), Container)


@given(st.text(max_size=500))
def test_no_text_is_ever_taken(text: str) -> None:
    raw = text.encode("utf-8", "replace")
    magic = (b"OggS", b"FLV\x01", b"fLaC", b"ID3")
    assert (
        sniff(raw) is None
        or raw.startswith(magic)
        or raw[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
    )
