"""A disk that fails, lies or dawdles under a real live process: faults F10, F11 and F12, injected by strace."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.engine.node import Node, eventually, node, tracing, wait_for_record
from tests.engine.peers import pushing
from tests.engine.rtmp_client import RtmpPublisher, flv_tags
from tests.media.fmp4 import clips

from onetake.media.index import HEADER_BYTES
from onetake.media.recording import check_file

ClipMaker = Callable[..., Path]
SECONDS, FPS = 10, 30
QUEUE_BYTES = 300_000
SMALL_QUEUE = f"""
import functools, sys
from onetake.engine import __main__ as program
program.RecordingOptions = functools.partial(program.RecordingOptions, queue_bytes={QUEUE_BYTES}, resume_check_s=0.5)
sys.exit(program.main())
"""


async def first_file(server: Node) -> Path:
    """The file that `cam` is being recorded to, once some of its media is safe on disk."""

    async def synced() -> bool:
        sheets = await server.sheets()
        files = server.files(sheets[0]["id"]) if sheets and sheets[0]["size_bytes"] else []
        return bool(files) and files[0].with_suffix(".idx").stat().st_size > HEADER_BYTES

    await eventually(synced)
    return server.files((await server.sheets())[0]["id"])[0]


@asynccontextmanager
async def recording_with(server: Node, source: Path, inject: str) -> AsyncIterator[tuple[Path, Path, RtmpPublisher]]:
    """A recording whose first file is tampered with in its second half: the file, the trace, the publisher."""
    tags = flv_tags(source)
    async with await RtmpPublisher.open(server.rtmp("cam")) as publisher:
        await publisher.send(tags[: len(tags) // 2])
        file = await first_file(server)
        async with tracing(server, [file], inject) as trace:
            await publisher.send(tags[len(tags) // 2 :])
            yield file, trace, publisher


async def assert_nothing_lost(server: Node, code: str) -> list[Path]:
    """The whole of what was sent is in sound files, and the recording says what happened; its files."""
    [sheet] = await server.sheets()
    files = server.files(sheet["id"])
    assert [(one["file"], one["code"], one["saved"]) for one in sheet["damages"]] == [("video-000.mp4", code, True)]
    # PyAV, because ffmpeg leaves out what a file that starts without a keyframe has before its first one.
    assert sum(len(clips.read_packets(path)["video"]) for path in files) == SECONDS * FPS
    assert all(check_file(path).is_sound for path in files), [check_file(path) for path in files]
    assert sheet["duration_s"] == pytest.approx(SECONDS, abs=0.1)
    assert not list((server.data_dir / "open").glob("*.json")), "a recording that has ended must not look unfinished"
    return files


def injected(trace: Path) -> list[str]:
    """The calls that were made to fail."""
    return [line for line in trace.read_text().splitlines() if "(INJECTED)" in line]


class TestF10:
    async def test_a_failed_write_goes_to_a_new_file(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with node(tmp_path / "data") as server:
            async with recording_with(server, clip("h264_aac", SECONDS), "write:error=EIO:when=3") as (file, trace, _):
                await eventually(lambda: damaged(server))
            await wait_for_record(server, "finished", "")
            files = await assert_nothing_lost(server, "disk_error")
            assert len(files) == 2
            assert len(injected(trace)) == 1
            assert "EIO" in trace.read_text().splitlines()[-1], "no write to the broken file after the failed one"
            assert files[0] == file


class TestF11:
    async def test_a_failed_sync_is_not_asked_again(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with node(tmp_path / "data") as server:
            inject = "fdatasync:error=EIO:when=1"
            async with recording_with(server, clip("h264_aac", SECONDS), inject) as (_, trace, _):
                await eventually(lambda: damaged(server))
            await wait_for_record(server, "finished", "")
            files = await assert_nothing_lost(server, "sync_failed")
            assert len(files) == 2
            calls = [line for line in trace.read_text().splitlines() if "fdatasync(" in line]
            assert calls == injected(trace), "the same descriptor was asked again"
            assert len(calls) == 1


async def damaged(server: Node) -> bool:
    """Whether the recording has told of a damage."""
    [sheet] = await server.sheets()
    return bool(sheet["damages"])


class TestF12:
    @pytest.mark.slow
    @pytest.mark.parametrize("call", ["fdatasync", "write"])
    async def test_a_slow_disk_delays_nobody_and_ends_in_a_pause(
        self, clip: ClipMaker, tmp_path: Path, call: str
    ) -> None:
        """One call takes 15 s. Meanwhile the stream goes on in memory; what waits for the disk is bounded."""
        async with (
            node(tmp_path / "data", program=SMALL_QUEUE) as server,
            pushing(clip("h264_aac", SECONDS), server.rtmp("cam")),
        ):
            file = await first_file(server)
            # The machine's own disk may be slow enough for a pause, and another file, before strace is there.
            files = [file.with_name(f"video-{number:03}.mp4") for number in range(20)]
            async with tracing(server, files, f"{call}:delay_enter=15000000:when=1"):
                before = pauses(server)
                await eventually(lambda: is_held(server))
                held = await newest(server)
                await eventually(lambda: has_come_to(server, held + 3))
                assert await is_held(server), "the disk was back before the stream had gone on"
                await eventually(lambda: has_paused_since(server, before))
                await wait_for_record(server, "recording", "")
            [sheet] = await server.sheets()
            await eventually(lambda: has_another_file(server, sheet["id"]))
            assert check_file(file).is_sound


async def is_held(server: Node) -> bool:
    """Whether a part has been waiting for the disk for more than two seconds."""
    return await server.metric("onetake_record_write_lag_ms") > 2000


def pauses(server: Node) -> int:
    """How often the recording has paused because of a slow disk. It may go on at once, so its state does not tell."""
    return server.log.read_text().count("pauses: disk_slow")


async def has_paused_since(server: Node, before: int) -> bool:
    """Whether it has paused more than `before` times."""
    return pauses(server) > before


async def has_another_file(server: Node, recording: str) -> bool:
    """Whether the recording goes on in a second file."""
    return len(server.files(recording)) > 1


async def newest(server: Node) -> int:
    """Media sequence number of the segment being made."""
    text = await server.get("/live/cam/live.m3u8")
    first = next(int(line.split(":")[1]) for line in text.splitlines() if line.startswith("#EXT-X-MEDIA-SEQUENCE"))
    return first + text.count("#EXTINF")


async def has_come_to(server: Node, msn: int) -> bool:
    """Whether the live playlist lists everything before segment `msn`."""
    return await newest(server) >= msn
