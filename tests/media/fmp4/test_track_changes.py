"""Tracks that come and go between runs: numbers go on, and no sample is lost, doubled or out of its time."""

from dataclasses import replace
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.media.fmp4.test_packager import AAC_FRAME, AUDIO, FRAME, VIDEO, audio, by_time, new, run_all, video

from onetake.media.fmp4 import Packager, Part
from onetake.media.fmp4.initreader import parse_init
from onetake.media.fmp4.partreader import parse_moof
from onetake.media.units import Track, Unit

SESSIONS = st.lists(
    st.tuples(st.sampled_from([(VIDEO,), (AUDIO,), (VIDEO, AUDIO)]), st.integers(40, 150), st.integers(60, 250)),
    min_size=1,
    max_size=5,
)


def assert_numbers(parts: list[Part]) -> None:
    """Segments are numbered without a hole and none twice; parts within them too."""
    for before, after in pairwise(parts):
        goes_on = (before.msn, before.index_in_segment + 1)
        assert (after.msn, after.index_in_segment) == ((before.msn + 1, 0) if after.starts_segment else goes_on)
        assert after.run is before.run or after.starts_segment


def audio_times(parts: list[Part]) -> list[tuple[int, int]]:
    """(start, end) of every audio sample."""
    found: list[tuple[int, int]] = []
    for part in parts:
        moof = part.data[: int.from_bytes(part.data[:4], "big")]
        for track in parse_moof(moof, parse_init(part.run.init)).tracks:
            if track.track.id == AUDIO.id:
                ends = list(accumulate(track.durations, initial=track.dts))
                found += pairwise(ends)
    return found


def session(packager: Packager, tracks: tuple[Track, ...], start_s: float, frames: int, sounds: int) -> list[Part]:
    """A publisher with `tracks` comes (back) at `start_s`; video and audio need not last equally long."""
    units: list[Unit] = []
    if VIDEO in tracks:
        units += video(frames, start=round(start_s * 90_000), gop=30)
    if AUDIO in tracks:
        units += audio(sounds, start=round(start_s * 48_000))
    packager.begin_session()
    for track in tracks:
        packager.set_track(track)
    return run_all(packager, by_time(*units))


@settings(max_examples=80, deadline=None)
@given(SESSIONS)
def test_whatever_tracks_the_next_publisher_brings(sessions: list[tuple[tuple[Track, ...], int, int]]) -> None:
    packager, parts, at_s, sounds_sent = new(), list[Part](), 0.0, 0
    for tracks, frames, sounds in sessions:
        parts += session(packager, tracks, at_s, frames, sounds)
        lasts = [frames * FRAME / 90_000] * (VIDEO in tracks) + [sounds * AAC_FRAME / 48_000] * (AUDIO in tracks)
        at_s += max(lasts) + 0.1
        sounds_sent += sounds * (AUDIO in tracks)
    parts += packager.flush()
    assert_numbers(parts)
    assert all(after >= end for (_, end), (after, _) in pairwise(audio_times(parts)))
    assert len(audio_times(parts)) + packager.dropped_units == sounds_sent


@pytest.mark.parametrize("sounds", [73, 74, 91, 100, 113])
def test_a_picture_that_joins_at_the_end_of_a_part(sounds: int) -> None:
    packager = new(AUDIO)
    parts = run_all(packager, audio(sounds))
    packager.set_track(VIDEO)
    start = sounds * AAC_FRAME * 90_000 // 48_000
    parts += run_all(packager, by_time(*video(60, start=start), *audio(100, start=sounds * AAC_FRAME)))
    assert_numbers(parts + packager.flush())


def test_sound_that_the_picture_joins_late_stays_with_it() -> None:
    packager = new(AUDIO)
    parts = run_all(packager, audio(200))
    packager.set_track(VIDEO)
    start = 200 * AAC_FRAME * 90_000 // 48_000 - 18_000  # encoders send sound ahead of its picture
    parts += run_all(packager, by_time(*video(60, start=start), *audio(100, start=200 * AAC_FRAME)))
    parts += packager.flush()
    first = next(part for part in parts if part.run.timescale == 90_000)
    before = parts[parts.index(first) - 1]
    assert first.dts_ticks == start
    assert abs(start / 90_000 - before.end_ticks / 48_000) < AAC_FRAME / 48_000
    assert all(after == end for (_, end), (after, _) in pairwise(audio_times(parts)))


def test_sound_that_outlasts_the_picture_is_kept_when_it_goes_on_alone() -> None:
    packager = new(VIDEO, AUDIO)
    parts = run_all(packager, by_time(*video(60), *audio(200)))
    packager.begin_session()
    packager.set_track(AUDIO)
    parts += run_all(packager, audio(200, start=200 * AAC_FRAME))
    packager.begin_session()
    packager.set_track(VIDEO)
    packager.set_track(AUDIO)
    start = 400 * AAC_FRAME
    parts += run_all(packager, by_time(*video(60, start=start * 90_000 // 48_000), *audio(100, start=start)))
    parts += packager.flush()
    times = audio_times(parts)
    assert (times[0][0], times[-1][1]) == (0, 500 * AAC_FRAME)
    assert all(after == end for (_, end), (after, _) in pairwise(times))
    assert all(part.duration_s <= 0.4 for part in parts)


@pytest.mark.parametrize("tracks", [(VIDEO,), (AUDIO,)])
def test_a_run_behind_a_gap_says_so(tracks: tuple[Track, ...]) -> None:
    packager = new(VIDEO, AUDIO)
    parts = run_all(packager, by_time(*video(60), *audio(94)))
    parts += session(packager, tracks, 3.0, 60, 100) + packager.flush()
    assert [part.run.tracks for part in parts if part.after_gap] == [tracks]


@pytest.mark.parametrize("sounds", [60, 94, 200])
@pytest.mark.parametrize("return_s", [5.0, 26.0])
def test_sound_that_returns_alone_begins_at_its_time(sounds: int, return_s: float) -> None:
    packager = new(VIDEO, AUDIO)
    parts = run_all(packager, by_time(*video(61, wall=1_000_000), *audio(sounds, wall=1_000_000)))
    packager.begin_session()
    packager.set_track(AUDIO)
    start, wall_ms = round(return_s * 48_000), 1_000_000 + round(return_s * 1000)
    parts += run_all(packager, audio(100, start=start, wall=1_000_000)) + packager.flush()
    alone = [part for part in parts if part.run.tracks == (AUDIO,)]
    assert (alone[0].dts_ticks, alone[0].wall_ms, alone[0].after_gap) == (start, wall_ms, True)
    assert all(part.duration_ticks > 0 for part in parts)
    assert len(audio_times(parts)) == sounds + 100


class TestWhileTheTracksAreOpen:
    """Nothing has been made yet: less than a second came, and of one track only."""

    BIGGER = replace(VIDEO, config=VIDEO.config + b"\0", width=640, height=360)

    def test_a_publisher_that_returns_has_a_second_of_its_own(self) -> None:
        packager = new(VIDEO)
        assert run_all(packager, video(10, wall=1_000)) == []
        packager.begin_session()
        packager.set_track(VIDEO)
        packager.set_track(AUDIO)
        parts = run_all(packager, by_time(*video(60, start=30_000, wall=20_000), *audio(100, start=16_000)))
        parts += packager.flush()
        assert {part.run.tracks for part in parts} == {(VIDEO, AUDIO)}
        assert [part.after_gap for part in parts].count(True) == 1

    def test_what_no_longer_fits_the_init_is_dropped(self) -> None:
        packager = new(VIDEO)
        assert run_all(packager, video(10)) == []
        packager.set_track(self.BIGGER)
        parts = run_all(packager, video(60, start=30_000)) + packager.flush()
        assert {part.run.tracks for part in parts} == {(self.BIGGER,)}
        assert parts[0].dts_ticks == 30_000
        assert packager.dropped_units == 10

    def test_sound_that_waits_stays_when_the_picture_changes(self) -> None:
        packager = new(AUDIO)
        assert run_all(packager, audio(20)) == []
        packager.begin_session()
        packager.set_track(VIDEO)
        assert run_all(packager, video(5, start=38_400)) == []
        packager.set_track(self.BIGGER)
        packager.set_track(AUDIO)
        parts = run_all(packager, by_time(*video(60, start=53_400), *audio(90, start=29 * AAC_FRAME)))
        parts += packager.flush()
        assert {part.run.tracks for part in parts} == {(self.BIGGER, AUDIO)}
        assert packager.dropped_units == 5 + 5
        assert audio_times(parts)[0] == (5 * AAC_FRAME, 6 * AAC_FRAME)

    def test_a_gap_in_what_is_dropped_stays_a_gap(self) -> None:
        packager = new(VIDEO, AUDIO)
        parts = run_all(packager, by_time(*video(60, wall=1_000), *audio(94)))
        packager.begin_session()
        packager.set_track(VIDEO)
        parts += run_all(packager, video(5, start=200_000, wall=9_000))
        packager.set_track(AUDIO)
        packager.set_track(self.BIGGER)
        parts += run_all(packager, by_time(*video(60, start=230_000, wall=9_000), *audio(94, start=122_700)))
        parts += packager.flush()
        assert_numbers(parts)
        assert packager.dropped_units == 5
        assert [part.after_gap for part in parts].count(True) == 1
        resumed = next(part for part in parts if part.run.tracks == (self.BIGGER, AUDIO))
        assert resumed.after_gap
        assert (resumed.dts_ticks, resumed.wall_ms) == (230_000, 9_000 + 230_000 // 90)
