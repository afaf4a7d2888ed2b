"""Open recordings while their files come, go and grow: no descriptor is closed under a reader."""

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
from tests.engine.recorded import Recorded, mark_window, record

from onetake.engine import assets as assets_module
from onetake.engine.assets import Assets
from onetake.media.hls.vod import Form
from onetake.media.recording import RecordingWriter, WriterOptions, recording_place


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Assets:
    monkeypatch.setattr(assets_module, "LOOK_AGAIN_S", 0)
    monkeypatch.setattr(assets_module, "STILL_THERE_S", 0)
    return Assets(tmp_path)


def window(data_dir: Path) -> Recorded:
    """A rolling window of several files."""
    made = record(data_dir, "short_gop", finish=False, rotate_s=1)
    mark_window(made)
    (data_dir / "open" / f"{made.id}.json").unlink()
    return made


def open_files() -> list[str]:
    """What the descriptors of this process stand for."""
    found = []
    for link in list(Path("/proc/self/fd").iterdir()):
        with suppress(FileNotFoundError):
            found.append(str(link.readlink()))
    return found


async def playlist(assets: Assets, recorded: Recorded) -> str:
    """The playlist that a request gets now."""
    async with assets.opened(recorded.id) as asset:
        rendition = await assets.rendition(asset, "source")
        return (await assets.playlist(asset, rendition, Form.VIRTUAL))[0].decode()


async def test_a_file_that_left_the_window_is_open_until_its_last_reader_has_gone(
    assets: Assets, tmp_path: Path
) -> None:
    recorded = window(tmp_path)
    content = recorded.video.read_bytes()
    async with assets.opened(recorded.id) as asset:
        rendition = await assets.rendition(asset, "source")
        sending = rendition.open(rendition.videos[0])
        assert recorded.writer.keep_last(2.5)
        assert f"/{recorded.parts[0].msn}.m4s" not in await playlist(assets, recorded)
        other = tmp_path / "other"
        other.write_bytes(b"of another asset")
        reused = [os.open(other, os.O_RDONLY) for _ in range(8)]
        assert os.pread(sending.fd, len(content), 0) == content
        assert sending.fd not in reused
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(sending.fd)
    for fd in reused:
        os.close(fd)
    recorded.finish()
    assets.close()


async def test_many_requests_and_a_window_that_moves_get_along(assets: Assets, tmp_path: Path) -> None:
    recorded = window(tmp_path)
    names = [path.name for path in sorted(recorded.video.parent.glob("*.mp4"))]

    async def read() -> None:
        async with assets.opened(recorded.id) as asset:
            rendition = await assets.rendition(asset, "source")
            for _ in range(3):
                file = rendition.open(rendition.videos[0])
                await asyncio.sleep(0)
                shown = str(Path(f"/proc/self/fd/{file.fd}").readlink())
                assert shown.removesuffix(" (deleted)").endswith(".mp4")

    for name in names[:-1]:
        await asyncio.gather(*(read() for _ in range(20)))
        (recorded.video.parent / name).unlink()
        (recorded.video.parent / name).with_suffix(".idx").unlink()
    await asyncio.gather(*(read() for _ in range(20)))
    assert not [path for path in open_files() if str(recorded.folder) in path and path.endswith("(deleted)")]
    recorded.finish()
    assets.close()


async def test_a_stream_called_time_shift_ends_like_any_other(assets: Assets, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    sheet = {"name": "time_shift", "trigger": "auto", "state": "finished"}
    (recorded.folder / "recording.json").write_text(json.dumps(sheet))
    async with assets.opened(recorded.id) as asset:
        assert not asset.growing
    assets.close()


@pytest.mark.parametrize("content", ["[]", "{", "[" * 100_000, '"time_shift"'])
async def test_a_broken_sheet_is_no_obstacle(assets: Assets, tmp_path: Path, content: str) -> None:
    recorded = record(tmp_path)
    (recorded.folder / "recording.json").write_text(content)
    assert "#EXT-X-ENDLIST" in await playlist(assets, recorded)
    assets.close()


async def test_an_interrupted_recording_is_not_over(assets: Assets, tmp_path: Path) -> None:
    recorded = record(tmp_path)
    sheet = recorded.folder / "recording.json"
    sheet.write_text(json.dumps({"trigger": "auto", "state": "interrupted"}))
    assert "#EXT-X-ENDLIST" not in await playlist(assets, recorded)
    sheet.write_text(json.dumps({"trigger": "auto", "state": "finished"}))
    assert "#EXT-X-ENDLIST" in await playlist(assets, recorded)
    assets.close()


async def test_a_recording_that_goes_on_after_its_end_is_served_as_growing(assets: Assets, tmp_path: Path) -> None:
    recorded = record(tmp_path, upto=10)
    before = await playlist(assets, recorded)
    assert "#EXT-X-ENDLIST" in before
    writer = RecordingWriter(recording_place(tmp_path, recorded.id), WriterOptions(0))
    for part in recorded.parts[10:]:
        writer.append(part)
    assert "#EXT-X-ENDLIST" not in await playlist(assets, recorded)
    writer.close()
    after = await playlist(assets, recorded)
    assert after.endswith("#EXT-X-ENDLIST\n")
    assert after.count("#EXTINF") > before.count("#EXTINF")
    assets.close()
