"""What the child does, called in this process with files of our own making, and how it answers failures."""

import base64
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.engine.recorded import record

from onetake.media import av_child
from onetake.media.av_child import answer
from onetake.media.ffmpeg import binary
from onetake.media.ffmpeg.errors import NotMedia, UnsupportedCodec
from onetake.media.recording import video_files


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("child") / "clip.mkv"
    x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "10"]
    options = ["-f", "lavfi", "-i", "testsrc2=s=66x34:r=10", "-t", "4", *x264, str(path)]
    subprocess.run([binary(), "-v", "error", *options], check=True, timeout=60)
    return path


def told(clip: Path, tmp_path: Path, **changes: Any) -> dict[str, Any]:
    target, vtt = str(tmp_path / "a.jpg"), str(tmp_path / "a.vtt")
    sources = {"paths": [str(clip)], "own": False, "container": "matroska"}
    return {**sources, "target": target, "vtt": vtt, "at_s": None, "interval_s": None, **changes}


def test_probe_poster_and_storyboard_of_another_container(clip: Path, tmp_path: Path) -> None:
    found = answer("probe", {"path": str(clip), "container": "matroska"})
    assert found["ok"]["tracks"][0]["width"] == 66
    assert answer("poster", told(clip, tmp_path))["ok"]["time_s"] == pytest.approx(0.4, abs=0.01)
    assert answer("poster", told(clip, tmp_path, at_s=2.5)) == {"ok": {"time_s": 2.5}}
    board = answer("storyboard", told(clip, tmp_path))["ok"]
    assert (board["tiles"], board["tile_width"], board["tile_height"]) == (4, 66, 34)
    assert (tmp_path / "a.vtt").read_text().count("#xywh=") == 4
    assert (tmp_path / "a.jpg").read_bytes().startswith(b"\xff\xd8")


def test_recordings_are_read_by_their_index(tmp_path: Path) -> None:
    recorded = record(tmp_path, "bframes", rotate_s=2)
    paths = [str(path) for path in video_files(recorded.folder / "source")]
    assert len(paths) > 1
    for at_s in (None, 0.0, 2.1, 5.9, 99.0):
        assert "ok" in answer("poster", told(tmp_path, tmp_path, paths=paths, own=True, container="mov", at_s=at_s))
    assert answer("storyboard", told(tmp_path, tmp_path, paths=paths, own=True, container="mov"))["ok"]["tiles"] == 6


def given(monkeypatch: pytest.MonkeyPatch, media: bytes) -> dict[str, Any]:
    """The answer of the still maker for what it has to read."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(media)))
    return answer("still", {})


def test_a_still_of_what_it_is_given_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = record(tmp_path).parts[0]
    found = given(monkeypatch, part.run.init + part.data)
    assert base64.b64decode(found["ok"]["jpeg"]).startswith(b"\xff\xd8")
    for torn in (b"", part.run.init[:100], part.run.init, part.run.init + part.data[:50]):
        assert given(monkeypatch, torn)["error"] in ("not_media", "no_tracks")


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (NotMedia(), "not_media"),
        (UnsupportedCodec(codec="magicyuv"), "unsupported_codec"),
        (MemoryError(), "media_limit_exceeded"),
        (OSError(28, "full"), "disk_full"),
        (OSError(27, "too large"), "disk_full"),
        (OSError(2, "gone"), "media_tool_failed"),
        (ValueError("nonsense"), "not_media"),
    ],
)
def test_failures_become_codes(monkeypatch: pytest.MonkeyPatch, raised: Exception, code: str) -> None:
    def fail(given: object) -> dict[str, Any]:
        raise raised

    monkeypatch.setitem(av_child.VERBS, "probe", fail)
    assert answer("probe", {})["error"] == code


def test_broken_bytes_and_missing_targets(clip: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(clip.read_bytes()[:300])
    assert answer("probe", {"path": str(broken), "container": "matroska"})["error"] in ("not_media", "no_tracks")
    assert answer("poster", told(clip, tmp_path, target="/nowhere/a.jpg"))["error"] == "media_tool_failed"
