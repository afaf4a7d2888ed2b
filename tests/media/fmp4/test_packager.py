"""Cuts, runs and changes of the packager, on synthetic units whose times are chosen freely."""

import itertools
from collections.abc import Iterator

import pytest
from tests.media.fmp4 import clips

from onetake.media.fmp4 import CutRules, Packager, Part
from onetake.media.units import Codec, Track, Unit

VIDEO = Track(1, Codec.H264, 90_000, b"\x01\x42\xc0\x1e\xff\xe1\x00\x00", 320, 180)
AUDIO = Track(2, Codec.AAC, 48_000, b"\x11\x90", sample_rate=48_000, channels=2)
FRAME = 3000
AAC_FRAME = 1024


def video(count: int, *, start: int = 0, every: int = FRAME, gop: int = 60, wall: int = 0) -> Iterator[Unit]:
    for index in range(count):
        dts = start + index * every
        yield Unit(1, dts, dts, index % gop == 0, b"v%d" % index, wall and wall + dts // 90)


def audio(count: int, *, start: int = 0, wall: int = 0) -> Iterator[Unit]:
    for index in range(count):
        dts = start + index * AAC_FRAME
        yield Unit(2, dts, dts, True, b"a%d" % index, wall and wall + dts // 48)


def by_time(*units: Unit) -> list[Unit]:
    return sorted(units, key=lambda unit: unit.dts / (90_000 if unit.track_id == 1 else 48_000))


def run_all(packager: Packager, units: Iterator[Unit] | list[Unit]) -> list[Part]:
    return [part for unit in units for part in packager.push(unit)]


def new(*tracks: Track, rules: CutRules | None = None, first_msn: int = 0) -> Packager:
    names = iter(f"run{index}" for index in range(100))
    packager = Packager(first_msn=first_msn, rules=rules, prefix=lambda: next(names))
    for track in tracks:
        packager.set_track(track)
    return packager


def shape(parts: list[Part]) -> list[tuple[int, int, float]]:
    return [(part.msn, part.index_in_segment, round(part.duration_s, 3)) for part in parts]


class TestCuts:
    def test_a_part_ends_as_soon_as_it_is_full(self) -> None:
        packager = new(VIDEO, AUDIO)
        run_all(packager, [next(audio(1))])
        parts = []
        for index, unit in enumerate(video(13)):
            got = packager.push(unit)
            assert not got or index == 12
            parts += got
        assert shape(parts) == [(0, 0, 0.4)]

    def test_a_segment_ends_at_the_first_keyframe_after_a_second(self) -> None:
        packager = new(VIDEO, rules=CutRules())
        parts = run_all(packager, video(200, gop=20))
        assert {part.msn: round(sum(p.duration_s for p in parts if p.msn == part.msn), 3) for part in parts[:-4]} == {
            0: 1.333, 1: 1.333, 2: 1.333, 3: 1.333,
        }  # fmt: skip
        assert all(part.independent == part.starts_segment for part in parts)

    def test_the_first_segment_does_not_wait_for_a_long_group_of_pictures(self) -> None:
        parts = run_all(new(VIDEO), video(650, gop=300))
        starts = [part.dts_ticks / 90_000 for part in parts if part.starts_segment]
        assert starts == pytest.approx([0, 2, 4, 6, 8, 10, 16, 20])
        assert [part.independent for part in parts if part.starts_segment] == [True, *[False] * 4, True, False, True]

    @pytest.mark.parametrize("every", [3000, 3003, 3600, 1500, 3750])
    def test_groups_of_two_seconds_are_segments_from_the_start(self, every: int) -> None:
        count = round(180_000 / every)
        parts = run_all(new(VIDEO), video(count * 4, every=every, gop=count))
        assert [part.dts_ticks for part in parts if part.starts_segment] == [n * count * every for n in range(4)]

    def test_a_keyframe_soon_after_a_forced_cut_starts_a_segment(self) -> None:
        parts = run_all(new(VIDEO), video(200, gop=75))
        assert [part.dts_ticks for part in parts if part.independent] == [0, 75 * FRAME, 150 * FRAME]

    def test_without_a_keyframe_a_segment_ends_before_six_seconds(self) -> None:
        packager = new(VIDEO)
        parts = run_all(packager, video(500, gop=10_000))
        assert [part.independent for part in parts].count(True) == 1
        assert sum(part.duration_ticks for part in parts if part.msn == 7) == 2 * 90_000
        later = run_all(packager, video(500, start=500 * FRAME, gop=10_000))
        assert sum(part.duration_ticks for part in later if part.msn == later[-1].msn - 1) == 6 * 90_000

    @pytest.mark.parametrize("every", [3003, 3600, 3750, 6000, 1500, 2999, 3001, 7000, 13_000])
    def test_no_part_is_longer_than_the_target(self, every: int) -> None:
        parts = run_all(new(VIDEO), video(400, every=every, gop=97))
        assert max(part.duration_s for part in parts) <= 0.4
        inner = [part for part in parts if not part.ends_segment and not part.independent]
        assert min(part.duration_s for part in inner) >= 0.34 - every / 90_000

    def test_jitter_of_milliseconds_keeps_parts_within_85_percent(self) -> None:
        units = [Unit(1, round(index * 1000 / 30) * 90, 0, index % 60 == 0, b"v") for index in range(600)]
        parts = run_all(new(VIDEO), units)
        inner = [part for part in parts if not part.ends_segment]
        assert all(0.34 <= part.duration_s <= 0.4 for part in inner)

    def test_audio_alone_leads_with_segments_of_two_seconds(self) -> None:
        packager = new(AUDIO)
        parts = run_all(packager, audio(400))
        assert all(part.independent for part in parts)
        first = sum(part.duration_s for part in parts if part.msn == 0)
        assert 2.0 <= first < 2.03
        assert max(part.duration_s for part in parts) <= 0.4

    def test_parts_follow_each_other_without_holes(self) -> None:
        parts = clips.parts_of(clips.clip("vfr"))
        assert all(after.dts_ticks == before.end_ticks for before, after in itertools.pairwise(parts))

    def test_audio_that_runs_ahead_waits_for_its_part(self) -> None:
        packager = new(VIDEO, AUDIO)
        ahead = [*audio(94), *video(40)]
        parts = run_all(packager, ahead)
        assert b"a17" in parts[0].data
        assert b"a20" not in parts[0].data
        assert b"a20" in parts[1].data

    def test_flush_gives_the_last_samples_their_usual_duration(self) -> None:
        packager = new(VIDEO, AUDIO)
        parts = run_all(packager, by_time(*video(30), *audio(47))) + packager.flush()
        assert sum(part.duration_ticks for part in parts) == 30 * FRAME
        assert parts[-1].ends_segment
        assert packager.run is None
        assert b"a46" in parts[-1].data
        assert packager.flush() == []


class TestFreeze:
    def test_waits_for_the_second_track(self) -> None:
        packager = new(VIDEO)
        assert run_all(packager, video(10)) == []
        packager.set_track(AUDIO)
        run_all(packager, audio(1))
        assert packager.run is not None
        assert packager.run.tracks == (VIDEO, AUDIO)

    def test_waits_no_longer_than_a_second_of_media(self) -> None:
        packager = new(VIDEO, AUDIO)
        assert run_all(packager, video(30)) == []
        parts = run_all(packager, video(2, start=30 * FRAME, gop=100))
        assert packager.run is not None
        assert packager.run.tracks == (VIDEO,)
        assert shape(parts) == [(0, 0, 0.4), (0, 1, 0.4), (0, 2, 0.2)]

    def test_waits_no_longer_than_a_second_of_wall_clock(self) -> None:
        packager = new(VIDEO)
        packager.push(Unit(1, 0, 0, True, b"v", 5_000))
        packager.push(Unit(1, 10, 10, False, b"v", 6_000))
        assert packager.run is not None

    def test_an_end_during_the_wait_keeps_the_media(self) -> None:
        packager = new(VIDEO)
        run_all(packager, video(10))
        assert shape(packager.flush()) == [(0, 0, 0.333)]

    def test_nothing_before_the_first_keyframe_but_some_audio(self) -> None:
        packager = new(VIDEO, AUDIO)
        late_key = [Unit(1, i * FRAME, i * FRAME, i in (45, 75), b"v%d" % i) for i in range(90)]
        parts = run_all(packager, by_time(*late_key, *audio(150))) + packager.flush()
        assert parts[0].dts_ticks == 45 * FRAME
        assert parts[0].independent
        assert b"a46" not in parts[0].data
        assert b"a47" in parts[0].data
        assert packager.dropped_units == 45 + 47

    def test_a_stream_without_any_track_is_dropped(self) -> None:
        packager = new()
        assert run_all(packager, video(3)) == []
        assert packager.flush() == []

    def test_the_wait_is_bounded_in_units(self) -> None:
        packager = new(VIDEO)
        run_all(packager, (Unit(1, 0, 0, True, b"v") for _ in range(2000)))
        assert packager.run is not None

    def test_the_media_sequence_goes_on_where_the_caller_says(self) -> None:
        packager = new(VIDEO, first_msn=41)
        assert packager.next_msn == 41
        parts = run_all(packager, video(150))
        assert parts[0].msn == 41
        assert packager.next_msn == 43


class TestChanges:
    def test_a_new_configuration_makes_a_new_run(self) -> None:
        packager = new(VIDEO, AUDIO)
        parts = run_all(packager, by_time(*video(100), *audio(150)))
        bigger = Track(1, Codec.H264, 90_000, VIDEO.config + b"\0", 640, 360)
        packager.set_track(bigger)
        parts += run_all(packager, by_time(*video(100, start=100 * FRAME), *audio(150, start=150 * AAC_FRAME)))
        parts += packager.flush()
        first, second = parts[0].run, parts[-1].run
        assert (first.discontinuity, second.discontinuity) == (False, True)
        assert (first.prefix, second.prefix) == ("run0", "run1")
        assert first.init != second.init
        changed = next(part for part in parts if part.run is second)
        assert changed.starts_segment
        assert changed.dts_ticks == 100 * FRAME
        assert [p.msn for p in parts if p.starts_segment] == list(range(len({p.msn for p in parts})))
        assert sum(part.data.count(b"a") for part in parts) >= 300
        assert packager.dropped_units == 0

    def test_the_same_configuration_again_changes_nothing(self) -> None:
        packager = new(VIDEO)
        parts = run_all(packager, video(60))
        packager.set_track(Track(1, Codec.H264, 90_000, VIDEO.config, 320, 180))
        parts += run_all(packager, video(60, start=60 * FRAME))
        assert len({part.run for part in parts}) == 1

    def test_a_late_audio_track_joins_at_the_next_keyframe(self) -> None:
        packager = new(VIDEO)
        parts = run_all(packager, video(70))
        packager.set_track(AUDIO)
        late = list(audio(300, start=110 * AAC_FRAME))
        parts += run_all(packager, by_time(*video(100, start=70 * FRAME, gop=50), *late)) + packager.flush()
        assert [part.run.tracks for part in parts if part.starts_segment][-1] == (VIDEO, AUDIO)
        second = next(part for part in parts if part.run.tracks == (VIDEO, AUDIO))
        assert second.independent
        assert second.run.discontinuity

    def test_without_keyframes_a_late_track_joins_after_six_seconds(self) -> None:
        packager = new(VIDEO)
        parts = run_all(packager, video(70, gop=10_000))
        packager.set_track(AUDIO)
        silent = [Unit(1, (70 + i) * FRAME, (70 + i) * FRAME, False, b"v") for i in range(300)]
        parts += run_all(packager, by_time(*silent, *audio(600, start=110 * AAC_FRAME)))
        second = next(part for part in parts if part.run.tracks == (VIDEO, AUDIO))
        assert second.dts_ticks == (71 + 180) * FRAME
        assert packager.dropped_units > 0

    def test_video_that_appears_later_takes_the_lead(self) -> None:
        packager = new(AUDIO)
        parts = run_all(packager, audio(200))
        packager.set_track(VIDEO)
        start = 200 * AAC_FRAME * 90_000 // 48_000
        parts += run_all(packager, by_time(*video(90, start=start), *audio(150, start=200 * AAC_FRAME)))
        parts += packager.flush()
        assert [part.run.timescale for part in parts if part.starts_segment][-1] == 90_000
        assert parts[-1].run.discontinuity
        payload = b"".join(part.data for part in parts)
        assert b"a199" in payload
        assert b"v0" in payload
        assert packager.dropped_units == 0

    def test_a_long_sample_ends_low_latency_in_a_new_run(self) -> None:
        packager = new(VIDEO)
        units = [*video(40), *video(100, start=55 * FRAME, gop=1000)]
        parts = run_all(packager, units)
        assert [part.run.low_latency for part in parts].count(True) == 4
        slow = next(part for part in parts if not part.run.low_latency)
        assert slow.starts_segment
        assert not slow.run.discontinuity
        assert (slow.run.init, slow.run.prefix) == (parts[0].run.init, parts[0].run.prefix)
        assert slow.dts_ticks == 39 * FRAME
        assert [part.msn for part in parts if part.starts_segment] == [0, 1, 2]

    def test_low_latency_comes_back_after_a_minute_without_slow_samples(self) -> None:
        packager = new(VIDEO)
        parts = run_all(packager, [*video(40), *video(2100, start=60 * FRAME)])
        slow = [part for part in parts if not part.run.low_latency]
        assert slow[0].starts_segment
        assert 60 <= (slow[-1].end_ticks - slow[0].end_ticks) / 90_000 <= 62
        after = parts[parts.index(slow[-1]) + 1]
        assert after.starts_segment
        assert after.independent
        assert after.run.low_latency
        assert not after.run.discontinuity
        assert {part.run.prefix for part in parts} == {parts[0].run.prefix}

    def test_a_new_configuration_with_slow_frames_is_still_discontinuous(self) -> None:
        packager = new(VIDEO)
        parts = run_all(packager, video(60))
        packager.set_track(Track(1, Codec.H264, 90_000, VIDEO.config + b"\0", 640, 360))
        parts += run_all(packager, video(4, start=60 * FRAME, every=90_000)) + packager.flush()
        slow = next(part for part in parts if not part.run.low_latency)
        assert slow.dts_ticks == 60 * FRAME
        assert slow.run.discontinuity

    def test_a_marked_gap_keeps_low_latency_and_moves_the_clock(self) -> None:
        packager = new(VIDEO)
        parts = run_all(packager, video(20, wall=1_000_000))
        packager.mark_gap()
        parts += run_all(packager, video(100, start=40 * FRAME, wall=1_020_000))
        assert all(part.run.low_latency for part in parts)
        resumed = next(part for part in parts if part.after_gap)
        assert resumed.starts_segment
        assert resumed.dts_ticks == 40 * FRAME
        assert resumed.wall_ms == 1_020_000 + 40 * FRAME // 90
        assert [part.after_gap for part in parts].count(True) == 1

    def test_a_publisher_that_returns_goes_on_in_the_same_run(self) -> None:
        packager = new(VIDEO, AUDIO)
        parts = run_all(packager, by_time(*video(60), *audio(90)))
        packager.begin_session()
        packager.set_track(VIDEO)
        packager.set_track(AUDIO)
        parts += run_all(packager, by_time(*video(60, start=62 * FRAME), *audio(90, start=96 * AAC_FRAME)))
        assert len({part.run for part in parts}) == 1

    def test_a_publisher_that_returns_with_other_tracks_starts_a_run(self) -> None:
        packager = new(VIDEO, AUDIO)
        parts = run_all(packager, by_time(*video(60), *audio(90)))
        packager.begin_session()
        packager.set_track(AUDIO)
        parts += run_all(packager, audio(200, start=96 * AAC_FRAME))
        assert parts[-1].run.tracks == (AUDIO,)
        assert parts[-1].run.discontinuity

    def test_units_of_an_unknown_track_are_counted(self) -> None:
        packager = new(VIDEO)
        run_all(packager, video(60))
        packager.push(Unit(9, 0, 0, True, b"x"))
        assert packager.dropped_units == 1

    def test_one_short_part_ends_its_segment_and_two_end_low_latency(self) -> None:
        stutter = [*range(5), *range(15, 97), *range(108, 300)]
        units = [Unit(1, n * FRAME, n * FRAME, n == 0, b"v") for n in stutter]
        parts = run_all(new(VIDEO), units)
        short = [part for part in parts if part.duration_s < 0.34]
        assert [(part.ends_segment, part.run.low_latency) for part in short] == [(True, True), (True, True)]
        assert parts[-1].run.low_latency is False

    def test_a_gap_ends_the_segment_also_without_a_keyframe(self) -> None:
        packager = new(VIDEO)
        parts = run_all(packager, video(33))
        packager.mark_gap()
        parts += run_all(packager, [unit._replace(keyframe=False) for unit in video(30, start=40 * FRAME)])
        assert [part.starts_segment for part in parts if part.after_gap] == [True]

    def test_a_frame_that_lasts_longer_than_a_segment_leaves_a_hole(self) -> None:
        parts = run_all(new(VIDEO), video(10, every=8 * 90_000, gop=1, wall=1_000_000))
        assert {part.duration_s for part in parts} == {6.0}
        assert all(part.starts_segment and part.ends_segment for part in parts)
        assert [part.after_gap for part in parts] == [False, *[True] * 8]
        assert [part.wall_ms for part in parts] == [1_000_000 + n * 8000 for n in range(9)]

    def test_a_long_frame_behind_short_ones_starts_a_segment(self) -> None:
        parts = run_all(new(VIDEO), [*video(2, every=2 * 90_000), *video(3, start=4 * 90_000, every=5 * 90_000, gop=9)])
        assert max(sum(p.duration_s for p in parts if p.msn == msn) for msn in {p.msn for p in parts}) <= 6


class TestOverdue:
    """A clock that hardly moves must not keep everything in one open part."""

    @staticmethod
    def slow(count: int, every_ms: int, payload: bytes = b"v") -> list[Unit]:
        return [Unit(1, n, n, n == 0, payload, 1_000_000 + n * every_ms) for n in range(count)]

    def test_a_part_to_which_units_come_for_two_seconds_ends(self) -> None:
        parts = run_all(new(VIDEO), self.slow(1000, 40))
        assert len(parts) == 20
        assert {part.frames for part in parts[1:]} == {50}
        assert all(part.starts_segment and part.ends_segment and part.run.low_latency for part in parts)

    def test_a_big_part_ends(self) -> None:
        parts = run_all(new(VIDEO, AUDIO), [*audio(1), *self.slow(100, 0, bytes(1 << 20))])
        assert {part.frames for part in parts} == {8}

    def test_a_pause_of_a_normal_source_cuts_nothing(self) -> None:
        units = [unit._replace(wall_ms=1_000_000 + unit.dts // 90 + unit.dts // 43_200 * 5000) for unit in video(400)]
        parts = run_all(new(VIDEO), units)
        assert [(part.duration_s, part.msn) for part in parts] == [
            (part.duration_s, part.msn) for part in run_all(new(VIDEO), video(400))
        ]


class TestStall:
    def test_both_tracks_may_pause_for_longer_than_a_segment(self) -> None:
        packager = new(VIDEO, AUDIO)
        late = [unit._replace(dts=unit.dts + 9 * 48_000, pts=unit.pts + 9 * 48_000) for unit in audio(200)]
        parts = run_all(packager, [*by_time(*video(60), *audio(110)), *late]) + packager.flush()
        assert max(sum(p.duration_s for p in parts if p.msn == msn) for msn in {p.msn for p in parts}) <= 6
        assert all(after.dts_ticks == before.end_ticks for before, after in itertools.pairwise(parts))
        assert b"a199" in parts[-1].data
        assert sum(part.data.count(b"a") >= 1 for part in parts) > 4

    def test_audio_goes_on_when_the_picture_stops(self) -> None:
        packager = new(VIDEO, AUDIO)
        parts = run_all(packager, by_time(*video(30), *audio(600)))
        assert parts[-1].end_ticks > 10 * 90_000
        assert max(sum(p.duration_s for p in parts if p.msn == msn) for msn in {p.msn for p in parts}) <= 6.4
        assert len(packager._lanes[2].ready) < 60

    def test_the_picture_that_returns_goes_on(self) -> None:
        packager = new(VIDEO, AUDIO)
        parts = run_all(packager, by_time(*video(30), *video(60, start=300 * FRAME), *audio(600))) + packager.flush()
        back = next(part for part in parts if part.dts_ticks == 300 * FRAME)
        assert back.starts_segment
        assert back.independent
        assert all(after.dts_ticks == before.end_ticks for before, after in itertools.pairwise(parts))

    def test_a_picture_that_returns_too_late_waits_for_a_keyframe(self) -> None:
        packager = new(VIDEO, AUDIO)
        parts = run_all(packager, [*by_time(*video(30), *audio(600)), *video(500, start=30 * FRAME, gop=50)])
        parts += packager.flush()
        returned = next(part for part in parts if part.independent and part.dts_ticks > 5 * 90_000)
        assert b"v350" in returned.data
        assert b"v349" not in returned.data
        assert all(after.dts_ticks >= before.end_ticks for before, after in itertools.pairwise(parts))


class TestWallClock:
    def test_jitter_of_arrival_does_not_show(self) -> None:
        units = [
            Unit(1, i * FRAME, i * FRAME, i % 60 == 0, b"v", 1_000_000 + i * FRAME // 90 + (i * 7919) % 300)
            for i in range(600)
        ]
        parts = run_all(new(VIDEO), units)
        assert all(abs(part.wall_ms - 1_000_000 - part.dts_ticks / 90) <= 1 for part in parts)

    def test_a_clock_that_parts_is_followed_within_two_segments(self) -> None:
        units = [*video(150, wall=1_000_000), *video(300, start=150 * FRAME, wall=1_060_000)]
        parts = run_all(new(VIDEO), units)
        assert parts[-1].wall_ms == pytest.approx(1_060_000 + parts[-1].dts_ticks / 90, abs=1)
        assert [part.after_gap for part in parts].count(True) == 1

    def test_without_a_clock_there_is_none(self) -> None:
        assert {part.wall_ms for part in run_all(new(VIDEO), video(100))} == {0}
