"""Recordings of a live server: what is listed can be had, people's orders hold, a crash loses no history."""

import asyncio
import json
import os
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engine.rtmp_client import RtmpPublisher, flv_tags
from tests.engine.servers import SMALL_DISK, Live, live, until
from tests.media.fmp4 import clips

from onetake.engine.assets import Assets
from onetake.engine.disk import MARKER
from onetake.engine.options import LiveOptions
from onetake.engine.sessions import PushState
from onetake.engine.sheets import Sheet
from onetake.engine.state import RecordMode, StateStore, StreamConfig, hash_key
from onetake.kit.clock import wall_ms
from onetake.kit.ids import uuid7
from onetake.media.hls import parse_name
from onetake.media.recording import RecordingWriter, WriterOptions, recording_place, video_files

ClipMaker = Callable[..., Path]
SHORT_RING = LiveOptions(ring_s=2.0)
AUTO = StreamConfig("cam", key_hashes=(hash_key("k"),), record=RecordMode.AUTO)
MANUAL = replace(AUTO, record=RecordMode.MANUAL)


class Camera:
    """A publisher that sends a clip again and again as if time flew."""

    def __init__(self, server: Live, clip: Path) -> None:
        self.server = server
        self.tags = flv_tags(clip)
        self.sent = 0
        self.publisher: RtmpPublisher | None = None

    async def __aenter__(self) -> "Camera":
        self.publisher = await RtmpPublisher.open(self.server.rtmp("cam", "?key=k"))
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self.publisher
        await self.publisher.stop()

    async def send(self) -> int:
        """Send the clip once more and wait until it has arrived; the newest segment."""
        assert self.publisher
        media = [tag for tag in self.tags if self.sent == 0 or tag.body[1:2] != b"\0"]
        before = self.newest_msn
        await self.publisher.send(media, self.sent * 4000)
        self.sent += 1
        await until(lambda: self.newest_msn >= before + 3)
        return self.newest_msn

    @property
    def newest_msn(self) -> int:
        life = self.server.server.hub.life("cam")
        return life.ring.segments[-1].msn if life is not None and life.ring.segments else -1


async def listed(server: Live) -> list[tuple[str, bool]]:
    """The URIs of the whole window; whether each is a gap."""
    _, body = await server.get("/live/cam/live.m3u8?dvr=1")
    found = re.findall(r"(#EXT-X-GAP\n)?#EXTINF:[\d.]+,\n(s/\w+/\d+\.m4s)", body.decode())
    return [(uri, bool(gap)) for gap, uri in found]


async def can_be_had(server: Live, uri: str) -> bool:
    """Whether a listed segment is in memory, or in the recording that the live port names."""
    async with server.http.get(server.url(f"/live/cam/{uri}"), allow_redirects=False) as answer:
        if answer.status != 302:
            return answer.status == 200
        place = re.search(r"/vod/([^/]+)/s/(\w+)/(\d+\.m4s)$", answer.headers["Location"])
    assert place
    name = parse_name(place[2], place[3])
    assert name
    assets = Assets(server.server.options.data_dir)
    async with assets.opened(uuid.UUID(place[1])) as asset:
        rendition = await assets.rendition(asset, "source")
        found = rendition.find(name, None) is not None
    assets.close()
    return found


async def written(server: Live) -> None:
    """Wait until what the recording of the stream was given is on disk and in the index."""
    thread = server.server.recordings.active["cam"].thread

    def safe() -> bool:
        pair = thread._writer._pair
        return thread.write_lag_ms == 0 and not (pair and pair.pending)

    await until(safe)


class TestWindow:
    async def test_every_listed_segment_can_be_had_after_stop_and_start(self, clip: ClipMaker, tmp_path: Path) -> None:
        quick = replace(SMALL_DISK, fsync_interval_s=0.0)
        async with live(tmp_path, live=SHORT_RING, recording=quick) as server:
            await server.server.store.put_stream(AUTO)
            async with Camera(server, clip("h264_aac", 4)) as camera:
                await camera.send()
                await server.call("POST", "/control/record/stop", {"stream": "cam"})
                await server.call("POST", "/control/record/start", {"stream": "cam"})
                for _ in range(2):
                    await camera.send()
                await written(server)
                found = await listed(server)
                assert len(found) > 8
                assert [uri for uri, gap in found if not gap and not await can_be_had(server, uri)] == []
                assert [uri for uri, gap in found if gap] == []

    async def test_what_a_full_disk_has_cost_is_listed_as_a_gap(self, clip: ClipMaker, tmp_path: Path) -> None:
        quick = replace(SMALL_DISK, fsync_interval_s=0.01, resume_check_s=0.0)
        async with live(tmp_path, live=SHORT_RING, recording=quick) as server:
            await server.server.store.put_stream(AUTO)
            disk, real = server.server.disk, os.statvfs
            async with Camera(server, clip("h264_aac", 4)) as camera:
                await camera.send()
                await written(server)
                progress = server.server.recordings.active["cam"].thread.progress
                disk._statvfs = lambda path: os.statvfs_result((*real(path)[:3], 0, 0, *real(path)[5:10]))
                await until(lambda: progress.state == "paused")
                await camera.send()
                await written(server)
                disk._statvfs = real
                for _ in range(2):
                    await camera.send()
                await written(server)
                found = await listed(server)
                assert [uri for uri, gap in found if not gap and not await can_be_had(server, uri)] == []
                gaps = [uri for uri, gap in found if gap]
                assert len(gaps) >= 3
                for uri in gaps:
                    assert (await server.get(f"/live/cam/{uri}"))[0] == 404


class TestOrders:
    async def test_what_was_stopped_stays_so_whatever_is_configured(self, clip: ClipMaker, tmp_path: Path) -> None:
        async with live(tmp_path, standalone=False, control_secret="s" * 32) as server:
            recordings, store = server.server.recordings, server.server.store
            await store.put_stream(AUTO)
            async with Camera(server, clip("h264_aac", 4)) as camera:
                await camera.send()
                await recordings.stop("cam")
                await store.put_stream(replace(AUTO, key_hashes=(hash_key("k"), hash_key("new"))))
                assert recordings.active == {}
                started = await recordings.start("cam", AUTO)
                await recordings.stop("cam")
                await store.put_stream(AUTO)
                assert recordings.active == {}
            await server.state("cam", PushState.OFFLINE)
            async with Camera(server, clip("h264_aac", 4)) as camera:
                await camera.send()
                assert recordings.active["cam"].sheet.id != started.id

    async def test_a_stream_that_becomes_automatic_is_recorded_whatever_was_stopped_before(
        self, clip: ClipMaker, tmp_path: Path
    ) -> None:
        async with live(tmp_path, standalone=False, control_secret="s" * 32) as server:
            recordings, store = server.server.recordings, server.server.store
            await store.put_stream(MANUAL)
            async with Camera(server, clip("h264_aac", 4)) as camera:
                await camera.send()
                by_hand = await recordings.start("cam", MANUAL)
                await recordings.stop("cam")
                await store.put_stream(AUTO)
                assert recordings.active["cam"].sheet.id != by_hand.id
                automatic = await recordings.stop("cam")
                await store.put_stream(MANUAL)
                await store.put_stream(AUTO)
                assert recordings.active["cam"].sheet.id != automatic.id

    async def test_stop_settles_a_recording_that_waits_for_its_publisher(self, clip: ClipMaker, tmp_path: Path) -> None:
        crashed = Crashed(tmp_path)
        async with live(tmp_path, standalone=False, control_secret="s" * 32) as server:
            await server.server.store.put_stream(AUTO)
            assert [sheet.state for sheet in server.server.recordings.sheets("cam")] == ["interrupted"]
            auth = {"Authorization": "Bearer " + "s" * 32}
            status, sheet = await server.call("POST", "/control/record/stop", {"stream": "cam"}, **auth)
            assert (status, sheet["id"], sheet["state"]) == (200, crashed.sheet.id, "finished")
            assert (sheet["reason"], sheet["ended_ms"]) == ("", crashed.ended_ms)
            assert (await server.call("POST", "/control/record/stop", {"stream": "cam"}, **auth))[0] == 409
            async with Camera(server, clip("h264_aac", 4)) as camera:
                await camera.send()
                assert server.server.recordings.active == {}
            await server.state("cam", PushState.OFFLINE)
            async with Camera(server, clip("h264_aac", 4)) as camera:
                await camera.send()
                assert server.server.recordings.active["cam"].sheet.id != crashed.sheet.id

    async def test_a_thread_that_dies_is_not_shown_as_recording(
        self, clip: ClipMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with live(tmp_path) as server, Camera(server, clip("h264_aac", 4)) as camera:
            await camera.send()
            recording = server.server.recordings.active["cam"]
            monkeypatch.setattr(recording.thread, "_next_item", lambda: 1 / 0)
            await camera.send()
            await until(lambda: "cam" not in server.server.recordings.active)
            [sheet] = server.server.recordings.sheets("cam")
            assert (sheet.state, sheet.reason) == ("finished", "recording_failed")


class Crashed:
    """A recording of `cam` as a killed server leaves it: two files with a gap between them, a damage, a marker."""

    def __init__(self, data_dir: Path, *, age_s: float = 0.0) -> None:
        place = recording_place(data_dir, uuid7())
        self.folder = place.folder
        parts = clips.parts_of(clips.clip("short_gop"))
        middle = next(number for number, part in enumerate(parts) if part.starts_segment and number > len(parts) / 2)
        shift_ms = wall_ms() - 20_000 - parts[0].wall_ms
        moved = [replace(part, wall_ms=part.wall_ms + shift_ms) for part in parts]
        writer = RecordingWriter(place, WriterOptions(0))
        for part in moved[:middle]:
            writer.append(part)
        writer.rotate()
        for part in moved[middle:]:
            writer.append(replace(part, wall_ms=part.wall_ms + 5000, after_gap=part is moved[middle]))
        self.gaps = [{"start_ms": gap.start_ms, "end_ms": gap.end_ms} for gap in writer.summary().gaps]
        self.duration_s = writer.summary().duration_s
        self.ended_ms = round(moved[-1].wall_ms + 5000 + moved[-1].duration_s * 1000)
        damage = {"file": "video-000.mp4", "offset": 1, "code": "disk_error", "at_ms": 2, "saved": True}
        self.sheet = Sheet(place.recording_id, "cam", "session", "auto", wall_ms() - 20_000, damages=[damage])
        self.folder.with_name("recording.json").write_text(json.dumps(self.sheet.as_dict()))
        (data_dir / "open" / f"{place.recording_id}.unsettled").touch()
        for path in (data_dir / "media" / MARKER, data_dir / "media-volume"):
            path.write_bytes(b"the same")
        newest = video_files(self.folder)[-1]
        os.utime(newest, (time.time() - age_s, time.time() - age_s))


class TestCrash:
    async def test_a_continued_recording_keeps_its_history(self, clip: ClipMaker, tmp_path: Path) -> None:
        crashed = Crashed(tmp_path)
        async with live(tmp_path, standalone=False, control_secret="s" * 32) as server:
            await server.server.store.put_stream(AUTO)
            [waiting] = server.server.recordings.sheets("cam")
            assert (waiting.state, waiting.gaps, waiting.ended_ms) == ("interrupted", crashed.gaps, crashed.ended_ms)
            async with Camera(server, clip("h264_aac", 4)) as camera:
                await camera.send()
                [running] = server.server.recordings.sheets("cam")
                assert (running.id, running.state, running.ended_ms) == (crashed.sheet.id, "recording", 0)
            await server.recorded("cam")
            [sheet] = server.server.recordings.sheets("cam")
        assert sheet.damages == crashed.sheet.damages
        assert sheet.gaps[:1] == crashed.gaps
        assert [gap["start_ms"] for gap in sheet.gaps] == [crashed.gaps[0]["start_ms"], crashed.ended_ms]
        assert (sheet.files, len(video_files(crashed.folder))) == (3, 3)
        assert sheet.duration_s == pytest.approx(crashed.duration_s + 4, abs=0.2)
        assert sheet.ended_ms >= sheet.gaps[-1]["end_ms"]

    @pytest.mark.parametrize(("grace_s", "age_s", "state"), [(0.0, 0.0, "finished"), (600.0, 100.0, "interrupted")])
    async def test_the_grace_time_of_the_stream_holds(
        self, tmp_path: Path, grace_s: float, age_s: float, state: str
    ) -> None:
        Crashed(tmp_path, age_s=age_s)
        store = StateStore(tmp_path / "media-state.json")
        await store.put_stream(replace(AUTO, grace_s=grace_s))
        async with live(tmp_path, standalone=False, control_secret="s" * 32) as server:
            [sheet] = server.server.recordings.sheets("cam")
            assert (sheet.state, sheet.reason) == (state, "interrupted" if state == "finished" else "")
            server.server.recordings.tick()
            assert server.server.recordings.sheets("cam")[0].state == state

    async def test_the_file_process_is_told_that_more_may_come(self, tmp_path: Path) -> None:
        crashed = Crashed(tmp_path)
        sheet = crashed.folder.with_name("recording.json")
        async with live(tmp_path):
            await until(lambda: json.loads(sheet.read_bytes())["state"] == "interrupted")

    async def test_a_strange_file_among_the_open_ones_is_no_obstacle(self, tmp_path: Path) -> None:
        (tmp_path / "open").mkdir()
        for name in ("01234567-x", "not-an-id", str(uuid.uuid4())):
            (tmp_path / "open" / f"{name}.unsettled").touch()
        async with live(tmp_path) as server:
            assert server.server.recordings.sheets() == []

    async def test_two_that_wait_for_one_publisher_do_not_get_lost(self, tmp_path: Path) -> None:
        first, second = Crashed(tmp_path), Crashed(tmp_path)
        async with live(tmp_path) as server:
            states = {sheet.id: sheet.state for sheet in server.server.recordings.sheets("cam")}
        assert set(states) == {first.sheet.id, second.sheet.id}
        assert sorted(states.values()) == ["finished", "interrupted"]


async def test_stop_during_shutdown_is_still_a_stop(clip: ClipMaker, tmp_path: Path) -> None:
    async with live(tmp_path) as server, Camera(server, clip("h264_aac", 4)) as camera:
        await camera.send()
        stopping = asyncio.create_task(server.server.recordings.stop("cam"))
        await asyncio.sleep(0)
        server.server.recordings.begin_stop()
        sheet = await stopping
        await until(lambda: sheet.ended_ms > 0)
        assert sheet.state == "finished"
