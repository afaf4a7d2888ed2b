"""Files that open but hold less than they promise: each ends by name, in the child's code called in this process."""

import subprocess
from pathlib import Path
from typing import Any

from tests.engine.recorded import record

from onetake.media.av_child import answer
from onetake.media.ffmpeg import binary
from onetake.media.index import HEADER_BYTES

PICTURE = ["-f", "lavfi", "-i", "testsrc2=s=64x64:r=10:d=1"]
TONE = ["-f", "lavfi", "-i", "sine=d=1"]
X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]


def encode(path: Path, *options: str) -> Path:
    subprocess.run([binary(), "-nostdin", "-v", "error", *options, "-y", str(path)], check=True, timeout=60)
    return path


def probe(path: Path, container: str) -> dict[str, Any]:
    return answer("probe", {"path": str(path), "container": container})


def still(verb: str, folder: Path, container: str, *paths: Path, at_s: float | None = None) -> dict[str, Any]:
    own = container == "own"
    told = {"paths": list(map(str, paths)), "own": own, "container": "mov" if own else container, "at_s": at_s}
    return answer(verb, {**told, "interval_s": None, "target": str(folder / "a.jpg"), "vtt": str(folder / "a.vtt")})


def changed(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert data.count(old) >= 1
    path.write_bytes(data.replace(old, new))
    return path


def with_blank_pictures(path: Path) -> Path:
    """The MP4 with zeros in place of all its media."""
    data = path.read_bytes()
    start = data.index(b"mdat") + 4
    size = int.from_bytes(data[start - 8 : start - 4]) - 8
    path.write_bytes(data[:start] + bytes(size) + data[start + size :])
    return path


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    cover = ["-map", "0:a", "-map", "1:v", "-frames:v", "1", "-c:v", "png", "-disposition:v", "attached_pic"]
    song = encode(tmp_path / "song.mp3", *TONE, *PICTURE, *cover)
    assert [track["kind"] for track in probe(song, "mp3")["ok"]["tracks"]] == ["audio"]
    assert still("poster", tmp_path, "mp3", song)["error"] == "no_tracks"


def test_subtitles_are_named_and_alone_are_nothing_to_play(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    words = ["-i", str(tmp_path / "a.srt")]
    film = encode(tmp_path / "film.mkv", *PICTURE, *words, *X264, "-c:s", "srt", "-metadata:s:s:0", "language=chi")
    tracks = probe(film, "matroska")["ok"]["tracks"]
    assert [(track["kind"], track["language"]) for track in tracks] == [("video", ""), ("subtitle", "chi")]
    assert probe(encode(tmp_path / "words.mkv", *words), "matroska")["error"] == "no_tracks"


def test_a_time_code_track_is_left_out(tmp_path: Path) -> None:
    film = encode(tmp_path / "film.mov", *PICTURE, *X264, "-timecode", "00:00:00:00")
    assert b"tmcd" in film.read_bytes()
    assert [track["kind"] for track in probe(film, "mov")["ok"]["tracks"]] == ["video"]


def test_a_codec_that_nobody_knows(tmp_path: Path) -> None:
    film = changed(encode(tmp_path / "film.mp4", *PICTURE, *X264), b"avc1", b"zz9q")
    assert probe(film, "mov")["error"] == "unsupported_codec"
    assert still("poster", tmp_path, "mov", film)["error"] == "unsupported_codec"
    both = changed(encode(tmp_path / "both.mp4", *PICTURE, *TONE, *X264, "-c:a", "libopus"), b"Opus", b"zz9q")
    assert [track["codec"] for track in probe(both, "mov")["ok"]["tracks"]] == ["h264", "unknown"]


def test_a_codec_that_is_not_on_our_list(tmp_path: Path) -> None:
    film = encode(tmp_path / "film.mkv", *PICTURE, "-c:v", "ffv1")
    assert probe(film, "matroska") == {"error": "unsupported_codec", "codec": "ffv1"}
    for verb in ("poster", "storyboard"):
        assert still(verb, tmp_path, "matroska", film) == {"error": "unsupported_codec", "codec": "ffv1"}


def test_media_of_which_no_picture_comes_out(tmp_path: Path) -> None:
    film = with_blank_pictures(encode(tmp_path / "film.mp4", *PICTURE, *X264))
    assert probe(film, "mov")["error"] == "not_media"
    for verb in ("poster", "storyboard"):
        assert still(verb, tmp_path, "mov", film)["error"] == "not_media"
    assert not (tmp_path / "a.jpg").exists()


def test_the_search_for_a_first_picture_ends(tmp_path: Path) -> None:
    long = ["-f", "lavfi", "-i", "testsrc2=s=16x16:r=50:d=80"]
    film = with_blank_pictures(encode(tmp_path / "film.mp4", *long, *X264))
    assert probe(film, "mov")["error"] == "not_media"
    assert still("poster", tmp_path, "mov", film, at_s=79)["error"] == "not_media"


def test_recordings_without_a_part_or_without_a_picture(tmp_path: Path) -> None:
    empty = record(tmp_path / "empty", upto=3).video
    empty.with_suffix(".idx").write_bytes(empty.with_suffix(".idx").read_bytes()[:HEADER_BYTES])
    assert still("poster", tmp_path, "own", empty)["error"] == "not_media"
    sound = record(tmp_path / "sound", "audio_only").video
    assert still("poster", tmp_path, "own", sound)["error"] == "no_tracks"
