"""Posters and storyboards: the right picture, of our recordings and of other files, also growing and several files."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import av
import pytest
from tests.engine.recorded import record

from onetake.media.ffmpeg import ToolError, binary
from onetake.media.ffmpeg import errors as named
from onetake.media.recording import video_files
from onetake.media.stills import (
    STILL_LIMITS,
    Storyboard,
    make_poster,
    make_still,
    make_storyboard,
    tile_interval_s,
    webvtt,
)

X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25"]


def encode(path: Path, *options: str) -> Path:
    subprocess.run([binary(), "-nostdin", "-v", "error", *options, "-y", str(path)], check=True, timeout=60)
    return path


def size_of(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as image:
        frame = next(image.decode(video=0))
        return frame.width, frame.height


def luma_at(path: Path, x: int, y: int, width: int, height: int) -> float:
    """Mean brightness of a part of a picture, 0-255."""
    with av.open(str(path)) as image:
        frame = next(image.decode(video=0)).reformat(format="gray")
    plane = frame.planes[0]
    rows = [bytes(plane)[row * plane.line_size :][x : x + width] for row in range(y, y + height)]
    return sum(map(sum, rows)) / (width * height)


@pytest.fixture(scope="module")
def stairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds; in second n the whole picture has brightness 20 + 20 n."""
    path = tmp_path_factory.mktemp("stairs") / "stairs.mp4"
    graph = "color=c=black:s=320x180:r=25,geq=lum='20+20*floor(T)':cb=128:cr=128"
    return encode(path, "-f", "lavfi", "-i", graph, "-t", "10", *X264)


async def test_poster_of_a_recording_is_small_and_of_its_first_tenth(tmp_path: Path) -> None:
    recorded = record(tmp_path)
    target = recorded.folder / "poster.jpg"
    time_s = await make_poster([recorded.video], target)
    assert 0.3 < time_s < 0.8
    assert size_of(target) == (320, 180)
    assert [path.name for path in recorded.folder.iterdir() if path.suffix == ".part"] == []


@pytest.mark.parametrize("clip", ["short_gop", "bframes"])
async def test_a_still_is_the_first_picture_of_a_part(clip: str, tmp_path: Path) -> None:
    parts = record(tmp_path, clip).parts
    first = next(part for part in reversed(parts) if part.independent)
    target = tmp_path / "still.jpg"
    target.write_bytes(await make_still(first.run.init + first.data))
    assert size_of(target) == (320, 180)


@pytest.mark.parametrize("media", [b"", b"\0" * 4096, b"RIFF" + bytes(200), b"<html>" * 100])
async def test_what_is_no_media_gives_no_still(media: bytes) -> None:
    with pytest.raises(named.NotMedia):
        await make_still(media)


async def test_a_still_of_sound_alone_is_refused(tmp_path: Path) -> None:
    part = record(tmp_path, "audio_only").parts[0]
    with pytest.raises(named.NoTracks):
        await make_still(part.run.init + part.data)


async def test_poster_at_an_exact_time_is_the_very_picture(stairs: Path, tmp_path: Path) -> None:
    target = tmp_path / "poster.jpg"
    for at_s in (0.0, 3.5, 7.96, 9.9):
        assert await make_poster([stairs], target, at_s=at_s) == at_s
        expected = 20 + 20 * int(at_s)
        full_range = (expected - 16) * 255 / 219
        assert luma_at(target, 10, 10, 100, 100) == pytest.approx(full_range, abs=6)


async def test_exact_time_in_our_own_recording_is_found_inside_a_gop(tmp_path: Path) -> None:
    recorded = record(tmp_path, "bframes")
    target = tmp_path / "poster.jpg"
    pictures = []
    for at_s in (2.0, 2.6, 3.6):
        await make_poster([recorded.video], target, at_s=at_s)
        pictures.append(target.read_bytes())
    assert len(set(pictures)) == 3


async def test_a_black_beginning_is_passed_over(tmp_path: Path) -> None:
    dark = "color=c=black:s=160x90:r=25:d=4[a];testsrc2=s=160x90:r=25:d=6[b];[a][b]concat"
    source = encode(tmp_path / "dark.mp4", "-filter_complex", dark, *X264)
    target = tmp_path / "poster.jpg"
    assert await make_poster([source], target) >= 4.5
    assert luma_at(target, 0, 0, 160, 90) > 40


async def test_a_slow_fade_from_black_is_waited_out(tmp_path: Path) -> None:
    graph = "testsrc2=s=160x90:r=25,fade=in:0:150"
    source = encode(tmp_path / "fade.mp4", "-f", "lavfi", "-i", graph, "-t", "10", *X264)
    target = tmp_path / "poster.jpg"
    assert await make_poster([source], target) >= 3
    assert luma_at(target, 0, 0, 160, 90) > 60


async def test_only_black_still_gives_a_poster(tmp_path: Path) -> None:
    source = encode(tmp_path / "black.mp4", "-f", "lavfi", "-i", "color=c=black:s=64x64:r=5", "-t", "2", *X264)
    await make_poster([source], tmp_path / "poster.jpg")
    assert size_of(tmp_path / "poster.jpg") == (64, 64)


async def test_storyboard_tiles_are_in_order_and_named_by_the_vtt(stairs: Path, tmp_path: Path) -> None:
    board = await make_storyboard([stairs], tmp_path)
    assert board == Storyboard(10, 10, 160, 90, 1.0)
    text = (tmp_path / "storyboard.vtt").read_text()
    cues = re.findall(r"(\S+) --> (\S+)\nstoryboard\.jpg#xywh=(\d+),(\d+),(\d+),(\d+)", text)
    assert len(cues) == 10
    assert cues[3] == ("00:00:03.000", "00:00:04.000", "480", "0", "160", "90")
    for number, (_, _, *place) in enumerate(cues):
        x, y, width, height = map(int, place)
        expected = (20 + 20 * number - 16) * 255 / 219
        assert luma_at(tmp_path / "storyboard.jpg", x + 8, y + 8, width - 16, height - 16) == pytest.approx(
            expected, abs=8
        )


async def test_storyboard_of_several_files_and_of_a_growing_recording(tmp_path: Path) -> None:
    several = record(tmp_path, "short_gop", rotate_s=1)
    videos = video_files(several.folder / "source")
    assert len(videos) > 2
    board = await make_storyboard(videos, several.folder)
    assert board.tiles == 5
    growing = record(tmp_path, "short_gop", upto=10, finish=False)
    assert (await make_storyboard([growing.video], growing.folder)).tiles in (2, 3, 4)
    growing.finish()


async def test_tall_pictures_and_odd_sizes_fit(tmp_path: Path) -> None:
    source = encode(tmp_path / "tall.mp4", "-f", "lavfi", "-i", "testsrc2=s=202x402:r=5", "-t", "3", *X264)
    board = await make_storyboard([source], tmp_path)
    assert (board.tile_width, board.tile_height) == (80, 160)
    assert size_of(tmp_path / "storyboard.jpg") == (board.columns * 80, 160)


async def test_other_containers_without_an_index(tmp_path: Path) -> None:
    for name in ("a.mkv", "a.ts", "a.flv"):
        source = encode(tmp_path / name, "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25", "-t", "3", *X264)
        await make_poster([source], tmp_path / "poster.jpg")
        assert (await make_storyboard([source], tmp_path)).tiles == 3


async def test_failures_are_named_and_leave_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "poster.jpg"
    target.write_bytes(b"old")
    audio = encode(tmp_path / "a.mp3", "-f", "lavfi", "-i", "sine", "-t", "1")
    with pytest.raises(named.NoTracks):
        await make_poster([audio], target)
    playlist = tmp_path / "x.mp4"
    playlist.write_text("#EXTM3U\n")
    with pytest.raises(named.FormatNotAllowed):
        await make_poster([playlist], target)
    rubbish = tmp_path / "y.mp4"
    rubbish.write_bytes(b"\0\0\0\x18ftypisom" + b"\x55" * 5000)
    with pytest.raises(named.NotMedia):
        await make_storyboard([rubbish], tmp_path)
    good = encode(tmp_path / "z.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25", "-t", "1", *X264)
    with pytest.raises(ToolError):
        await make_poster([good], target, limits=replace(STILL_LIMITS, address_space_bytes=64 << 20))
    assert target.read_bytes() == b"old"
    assert not list(tmp_path.glob(".*.part"))


def test_interval_is_bounded() -> None:
    assert tile_interval_s(30, None) == 1
    assert tile_interval_s(7200, None) == 72
    assert tile_interval_s(600, 10) == 10
    assert tile_interval_s(10_800, 10) == 108


def test_vtt_of_a_long_title_reaches_its_end() -> None:
    text = webvtt(Storyboard(100, 10, 160, 90, 108.0), 10_800)
    assert text.startswith("WEBVTT\n\n00:00:00.000 --> 00:01:48.000\nstoryboard.jpg#xywh=0,0,160,90\n")
    assert "02:58:12.000 --> 03:00:00.000\nstoryboard.jpg#xywh=1440,810,160,90" in text
