"""One life of a stream: what goes in as FLV comes out as FLV and as parts, also over a reconnect."""

import asyncio
import itertools
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engine.peers import FFMPEG9, QUIET
from tests.media.fmp4.test_packager import video

from onetake.engine.access import Gate
from onetake.engine.fanout import Encoder, Viewer, encode_flv, encode_flv_clocked
from onetake.engine.options import Limits, LiveOptions
from onetake.engine.pipeline import Life
from onetake.engine.players import Players
from onetake.engine.sequence import Start
from onetake.engine.viewers import Protocol, Viewers
from onetake.kit.clock import wall_ms
from onetake.media import amf
from onetake.media.flv import FlvDemuxer, FlvReader, FlvTag, Metadata
from onetake.media.flv.demuxer import Output
from onetake.media.flv.tags import TagKind
from onetake.media.fmp4 import Part
from onetake.media.units import Kind, Track, Unit

ClipMaker = Callable[[str, float], Path]


class Wire(asyncio.Transport):
    """A transport that keeps what is written; `backlog` plays the write buffer of a slow peer."""

    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray()
        self.backlog = 0
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data += data

    def get_write_buffer_size(self) -> int:
        return self.backlog

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True


def flv_tags(clip: Path) -> list[FlvTag]:
    """The tags of a clip, remuxed to FLV by ffmpeg."""
    command = [FFMPEG9, *QUIET, "-i", str(clip), "-c", "copy", "-f", "flv", "-"]
    data = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
    return FlvReader().feed(data)


class Bench:
    """A life with an injected clock."""

    def __init__(self, **live: float) -> None:
        self.now_s = 0.0
        self.parts: list[Part] = []
        self.limits = Limits(viewer_buffer_bytes=1000, viewer_slow_s=5)
        self.life = Life(
            "cam",
            LiveOptions(batch_ms=int(live.get("batch_ms", 100))),
            self.limits,
            start=Start(7, 0),
            on_part=self.parts.append,
            now_s=lambda: self.now_s,
        )
        self.ended: list[Viewer] = []
        self.start_s = 0.0
        self._demuxer = self._new_demuxer()

    def _new_demuxer(self) -> FlvDemuxer:
        return FlvDemuxer(now_ms=lambda: 1_700_000_000_000 + int(self.now_s * 1000))

    def feed(self, tags: list[FlvTag]) -> None:
        """Push tags of one publisher, in real time by the injected clock."""
        for tag in tags:
            self.now_s = max(self.now_s, self.start_s + tag.timestamp_ms / 1000)
            self.life.push(self._demuxer.push(tag))

    def reconnect(self, reason: str, after_s: float) -> None:
        """Another publisher comes after a pause."""
        self.now_s += after_s
        self.start_s = self.now_s
        self._demuxer = self._new_demuxer()
        self.life.begin(reason)

    def viewer(self, encoder: Encoder = encode_flv) -> tuple[Viewer, Wire]:
        """A viewer that joins now."""
        wire = Wire()
        viewer = Viewer(wire, encoder, bytes, closed=lambda: self.ended.append(viewer))
        self.life.fanout.join(viewer)
        return viewer, wire

    def fallen_behind(self, tags: list[FlvTag]) -> tuple[Viewer, Wire]:
        """A viewer of the first fifty tags that is too slow for the others."""
        viewer, wire = self.viewer()
        self.feed(tags[:50])
        wire.backlog = 2000
        self.feed(tags[50:])
        self.life.fanout.flush()
        return viewer, wire


def outputs_of(flv: bytes | bytearray) -> list[Output]:
    """Everything in FLV bytes."""
    demuxer = FlvDemuxer()
    return [item for tag in FlvReader().feed(bytes(flv)) for item in demuxer.push(tag)]


def units_of(flv: bytes | bytearray) -> list[Unit]:
    """The units in FLV bytes."""
    return [item for item in outputs_of(flv) if isinstance(item, Unit)]


def clocks_of(flv: bytes | bytearray) -> list[dict[str, amf.Value]]:
    """What FLV bytes say about when keyframes came."""
    found = [item for item in outputs_of(flv) if isinstance(item, Metadata)]
    return [item.values for item in found if item.name == "onWallClock"]


def tracks_of(flv: bytes | bytearray) -> list[Track]:
    """The tracks in FLV bytes."""
    return [item for item in outputs_of(flv) if isinstance(item, Track)]


@pytest.fixture
def tags(clip: ClipMaker) -> list[FlvTag]:
    return flv_tags(clip("h264_aac", 4))


class TestOut:
    async def test_a_viewer_from_the_start_gets_every_unit_unchanged(self, tags: list[FlvTag]) -> None:
        bench = Bench()
        _, wire = bench.viewer()
        bench.feed(tags)
        bench.life.fanout.flush()
        demuxer = FlvDemuxer()
        sent = [item for tag in tags for item in demuxer.push(tag) if isinstance(item, Unit)]
        first = next(index for index, unit in enumerate(sent) if unit.track_id == 1)
        got = units_of(wire.data)
        assert first <= 2, "only priming audio may stand before the first picture"
        assert [(unit.track_id, unit.payload) for unit in got] == [
            (unit.track_id, unit.payload) for unit in sent[first:]
        ]
        assert wire.data.startswith(b"FLV\x01\x05")

    async def test_who_asks_is_told_when_every_keyframe_came(self, tags: list[FlvTag]) -> None:
        bench = Bench()
        _, wire = bench.viewer(encode_flv_clocked)
        _, plain = bench.viewer()
        before_ms = wall_ms()
        bench.feed(tags)
        bench.life.end()
        clocks = clocks_of(wire.data)
        keyframes = [unit for unit in units_of(wire.data) if unit.track_id == 1 and unit.keyframe]
        assert [clock["dts_ms"] for clock in clocks] == [round(unit.dts / 90) for unit in keyframes]
        came = [clock["unix_ms"] for clock in clocks]
        assert all(isinstance(unix_ms, float) and before_ms <= unix_ms <= wall_ms() for unix_ms in came)
        assert clocks_of(plain.data) == []
        assert [unit.payload for unit in units_of(plain.data)] == [unit.payload for unit in units_of(wire.data)]

    async def test_parts_hold_the_same_bytes_that_the_ring_lists(self, tags: list[FlvTag]) -> None:
        bench = Bench()
        bench.feed(tags)
        bench.life.end()
        assert bench.parts[0].msn == 7
        assert sum(part.duration_s for part in bench.parts) == pytest.approx(4, abs=0.05)
        assert [part for segment in bench.life.ring.segments for part in segment.parts] == bench.parts

    async def test_a_late_viewer_starts_at_a_keyframe(self, tags: list[FlvTag]) -> None:
        bench = Bench()
        bench.feed(tags[: len(tags) * 3 // 4])
        bench.life.fanout.flush()
        _, wire = bench.viewer()
        bench.life.fanout.flush()
        video = [unit for unit in units_of(wire.data) if unit.track_id == 1]
        assert video[0].keyframe
        assert len(video) < 60

    async def test_the_end_sends_viewers_home(self, tags: list[FlvTag]) -> None:
        bench = Bench()
        viewer, _ = bench.viewer()
        bench.feed(tags)
        bench.life.end()
        assert bench.ended == [viewer]
        assert bench.life.ring.closed


class TestSlowViewer:
    async def test_it_misses_units_up_to_a_keyframe_and_the_others_do_not(self, tags: list[FlvTag]) -> None:
        bench = Bench(batch_ms=0)
        slow, slow_wire = bench.viewer()
        _, quick_wire = bench.viewer()
        for index, tag in enumerate(tags):
            slow_wire.backlog = 2000 if 100 < index < 150 else 0
            bench.feed([tag])
            bench.life.fanout.flush()
        assert slow.skipped > 0
        assert bench.life.fanout.skipped == slow.skipped
        lost = len(units_of(quick_wire.data)) - len(units_of(slow_wire.data))
        assert lost == slow.skipped
        assert bench.ended == []

    async def test_it_is_cut_off_when_it_stays_behind(self, tags: list[FlvTag]) -> None:
        bench = Bench()
        viewer, wire = bench.viewer()
        bench.feed(tags[:50])
        wire.backlog = 2000
        bench.life.fanout.flush()
        bench.feed(tags[50:100])
        bench.life.fanout.flush()
        assert bench.ended == []
        bench.now_s += 6
        bench.feed(tags[100:])
        bench.life.fanout.flush()
        assert bench.ended == [viewer]
        assert len(bench.life.fanout) == 0

    @pytest.mark.parametrize(("backlog", "is_back"), [(900, False), (125, True)])
    async def test_it_comes_back_when_it_has_caught_up_not_with_a_full_buffer(
        self, tags: list[FlvTag], backlog: int, is_back: bool
    ) -> None:
        bench = Bench(batch_ms=0)
        slow, wire = bench.fallen_behind(tags[:100])
        wire.backlog = backlog
        bench.feed(tags[100:])
        bench.life.fanout.flush()
        assert slow.waiting is not is_back

    async def test_it_is_not_cut_off_while_it_waits_for_a_keyframe(self, tags: list[FlvTag]) -> None:
        bench = Bench(batch_ms=0)
        _, wire = bench.fallen_behind(tags[:55])
        wire.backlog = 0
        bench.now_s += 6
        bench.feed(tags[55:60])
        bench.life.fanout.flush()
        assert bench.ended == []

    async def test_it_gets_the_sequence_headers_that_it_missed(self, tags: list[FlvTag], clip: ClipMaker) -> None:
        bench = Bench()
        slow, wire = bench.viewer()
        bench.feed(tags)
        bench.life.fanout.flush()
        wire.backlog = 2000
        bench.reconnect("taken_over", after_s=0)
        later = flv_tags(clip("hevc", 4))
        bench.feed(later[: len(later) // 4])
        bench.life.fanout.flush()
        assert slow.headers_due
        wire.backlog = 0
        bench.feed(later[len(later) // 4 :])
        bench.life.end()
        found = [track.codec.value for track in tracks_of(wire.data)]
        assert "hevc" in found
        assert not slow.headers_due

    async def test_a_gop_without_end_is_not_kept_for_newcomers(self, tags: list[FlvTag]) -> None:
        bench = Bench()
        bench.feed(tags[:40])
        bench.life.fanout.flush()
        bench.now_s += 31
        bench.feed([tag for tag in tags[40:] if tag.kind is TagKind.AUDIO])
        bench.life.fanout.flush()
        viewer, wire = bench.viewer()
        assert viewer.waiting
        assert not units_of(wire.data)


class TestUnread:
    async def test_all_viewers_together_are_bounded_also_while_the_stream_rests(self, tags: list[FlvTag]) -> None:
        bench = Bench()
        players = Players(Viewers(), Gate(None), Limits(unsent_bytes=10_000))
        bench.feed(tags[:40])
        wires = [Wire() for _ in range(4)]
        with ExitStack() as stack:
            for wire in wires:
                viewer = Viewer(wire, encode_flv, bytes, closed=lambda: None)
                stack.enter_context(players.watching("cam", Protocol.FLV, bench.life.fanout, viewer, "", None))
            for backlog, wire in zip((1000, 6000, 0, 4000), wires, strict=True):
                wire.backlog = backlog
            players.account()
        assert [wire.closing for wire in wires] == [False, True, False, False]


class TestReconnect:
    async def test_time_goes_on_and_the_gap_is_listed(self, tags: list[FlvTag]) -> None:
        bench = Bench()
        _, wire = bench.viewer()
        bench.feed(tags)
        bench.reconnect("reconnected", after_s=10)
        bench.feed(tags)
        bench.life.end()
        video = [unit for unit in units_of(wire.data) if unit.track_id == 1]
        steps = [b.dts - a.dts for a, b in itertools.pairwise(video)]
        assert len(video) == 240
        assert min(steps) > 0
        assert max(steps) < 0.1 * 90_000
        assert [gap.reason for gap in bench.life.gaps] == ["reconnected"]
        assert bench.life.gaps[0].duration_ms == pytest.approx(10_000, abs=100)
        assert len({part.run.prefix for part in bench.parts}) == 1

    async def test_frames_that_no_header_fits_are_not_sent(self, tags: list[FlvTag]) -> None:
        bench = Bench()
        _, wire = bench.viewer()
        demuxer = FlvDemuxer()
        found = [item for tag in tags[:10] for item in demuxer.push(tag) if isinstance(item, Track)]
        early = next(track for track in found if track.kind is Kind.VIDEO)
        late = replace(early, config=early.config[:3] + b"\x28" + early.config[4:])
        bench.life.push([early, *video(10), late, *video(60, start=30_000)])
        bench.life.end()
        sent = [
            tag for tag in FlvReader().feed(bytes(wire.data)) if tag.kind is TagKind.VIDEO and tag.body[1:2] == b"\1"
        ]
        assert len(sent) == sum(part.frames for part in bench.parts) == 60

    async def test_another_codec_makes_a_new_run_and_new_sequence_headers(
        self, tags: list[FlvTag], clip: ClipMaker
    ) -> None:
        bench = Bench()
        _, wire = bench.viewer()
        bench.feed(tags)
        bench.reconnect("taken_over", after_s=0)
        bench.feed(flv_tags(clip("hevc", 2)))
        bench.life.end()
        codecs = [track.codec.value for track in tracks_of(wire.data)]
        assert codecs[:2] in (["h264", "aac"], ["aac", "h264"])
        assert "hevc" in codecs
        assert [part.run.discontinuity for part in bench.parts[-1:]] == [True]

    async def test_video_that_does_not_return_is_forgotten(self, tags: list[FlvTag], clip: ClipMaker) -> None:
        bench = Bench()
        _, wire = bench.viewer()
        bench.feed(tags)
        bench.life.fanout.flush()
        bench.reconnect("reconnected", after_s=1)
        before = len(wire.data)
        bench.feed(flv_tags(clip("audio_only", 3)))
        bench.life.fanout.flush()
        _, late = bench.viewer()
        bench.feed(flv_tags(clip("audio_only", 3)))
        bench.life.end()
        assert [track.kind for track in bench.life.tracks] == [Kind.AUDIO]
        assert [track.kind for track in bench.parts[-1].run.tracks] == [Kind.AUDIO]
        assert late.data[4] == 4
        for data in (b"FLV\x01\x05\0\0\0\x09\0\0\0\0" + wire.data[before:], late.data):
            assert len(units_of(data)) > 50

    async def test_the_same_tracks_again_need_no_new_headers(self, tags: list[FlvTag]) -> None:
        bench = Bench()
        _, wire = bench.viewer()
        bench.feed(tags)
        bench.reconnect("reconnected", after_s=1)
        bench.feed(tags)
        bench.life.end()
        assert wire.data.count(b"onMetaData") == 1


class TestLateTrack:
    async def test_sound_that_is_announced_at_once_but_comes_late_is_taken(self, tags: list[FlvTag]) -> None:
        bench = Bench()
        _, wire = bench.viewer()
        is_sound = [tag.kind is TagKind.AUDIO and tag.body[1] == 1 for tag in tags]
        bench.feed([tag for tag, sound in zip(tags, is_sound, strict=True) if not sound or tag.timestamp_ms > 2000])
        bench.life.end()
        assert [track.kind for track in bench.parts[0].run.tracks] == [Kind.VIDEO]
        assert [track.kind for track in bench.parts[-1].run.tracks] == [Kind.VIDEO, Kind.AUDIO]
        assert {unit.track_id for unit in units_of(wire.data)} == {1, 2}


class TestOneTrack:
    @pytest.mark.parametrize(("name", "flags"), [("video_only", 1), ("audio_only", 4)])
    async def test_a_missing_track_is_waited_for_a_second_only(self, clip: ClipMaker, name: str, flags: int) -> None:
        bench = Bench()
        _, wire = bench.viewer()
        bench.feed(flv_tags(clip(name, 3)))
        bench.life.end()
        assert wire.data[4] == flags
        assert bench.parts
