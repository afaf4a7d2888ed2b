"""The timestamp rules, each from a complaint that users of live servers really had."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.media.timestamps import (
    KEYFRAME_WAIT_MS,
    LEAD_MS,
    MAX_REPEATS,
    Drop,
    Gap,
    GapReason,
    MillisecondClock,
    Normalizer,
)
from onetake.media.units import Codec, Track, Unit

VIDEO = Track(1, Codec.H264, 90_000, b"\x01video", width=640, height=360)
AUDIO = Track(2, Codec.AAC, 48_000, bytes.fromhex("1190"), sample_rate=48_000, channels=2)
FRAME = 3600  # 25 fps
HOUR = 3600 * 90_000


def video(dts: int, key: bool = False, offset: int = 0, wall_ms: int = 0) -> Unit:
    return Unit(1, dts, dts + offset, key, b"v", wall_ms)


def audio_ms(time_ms: int, wall_ms: int = 0) -> Unit:
    return Unit(2, time_ms * 48, time_ms * 48, True, b"a", wall_ms)


def source(count: int, start_ms: int = 0, gop: int = 25, wall_ms: int = 0) -> Iterator[Unit]:
    """`count` pictures at 25 fps with sound between them, as an encoder interleaves them; times are FLV's whole ms."""
    sound = 0
    for index in range(count):
        at_ms = start_ms + index * 40
        yield video(at_ms * 90, key=index % gop == 0, wall_ms=wall_ms + index * 40)
        while sound * 1024 * 1000 // 48_000 < (index + 1) * 40:
            yield audio_ms(start_ms + sound * 1024 * 1000 // 48_000, wall_ms + index * 40)
            sound += 1


def units(outputs: Iterable[object], track: int) -> list[Unit]:
    return [each for each in outputs if isinstance(each, Unit) and each.track_id == track]


def gaps(outputs: Iterable[object]) -> list[Gap]:
    return [each for each in outputs if isinstance(each, Gap)]


def started() -> Normalizer:
    normalizer = Normalizer()
    assert normalizer.push(VIDEO) == [VIDEO]
    assert normalizer.push(AUDIO) == [AUDIO]
    return normalizer


def deltas(found: list[Unit]) -> list[int]:
    return [after.dts - before.dts for before, after in pairwise(found)]


class TestCleanSource:
    def test_nothing_is_lost_or_moved(self) -> None:
        sent = list(source(100))
        found = started().push_all(sent)
        assert len(found) == len(sent)
        assert [each.dts for each in units(found, 1)] == [each.dts for each in sent if each.track_id == 1]
        assert gaps(found) == []

    def test_audio_gets_true_frame_durations(self) -> None:
        found = units(started().push_all(source(500)), 2)
        assert set(deltas(found)) == {1024}

    def test_late_start_becomes_zero(self) -> None:
        found = started().push_all(source(50, start_ms=7 * HOUR // 90))
        assert units(found, 1)[0].dts == 0
        assert units(found, 2)[0].dts == 0

    def test_equal_track_is_told_once(self) -> None:
        assert started().push(VIDEO) == []

    def test_unknown_track_is_dropped(self) -> None:
        normalizer = Normalizer()
        assert normalizer.push(video(0, key=True)) == []
        assert normalizer.dropped == {Drop.UNKNOWN_TRACK: 1}


class TestAudioClock:
    def push_audio(self, times_ms: Iterable[int]) -> list[Unit]:
        normalizer = Normalizer()
        normalizer.push(AUDIO)
        return units(normalizer.push_all(audio_ms(each) for each in times_ms), 2)

    def test_jitter_below_half_a_frame_is_smoothed(self) -> None:
        found = self.push_audio([0, 25, 40, 70, 80, 110])
        assert deltas(found) == [1024] * 5

    def test_drift_past_half_a_frame_is_followed(self) -> None:
        found = self.push_audio(range(0, 22 * 100, 22))
        assert abs(found[-1].dts - 99 * 22 * 48) <= 512
        assert len(set(deltas(found))) == 2

    def test_missing_frame_leaves_a_hole(self) -> None:
        found = self.push_audio([0, 21, 64, 85])
        assert [each.dts for each in found] == [0, 1024, 64 * 48, 64 * 48 + 1024]

    def test_mp3_and_opus_durations_are_read_from_the_frames(self) -> None:
        normalizer = Normalizer()
        normalizer.push(Track(2, Codec.OPUS, 48_000, b"\0\x02" + bytes(9), sample_rate=48_000, channels=2))
        sixty_ms = bytes([3 << 3])
        found = [normalizer.push(Unit(2, ms * 48, ms * 48, True, sixty_ms))[0] for ms in (0, 61, 119, 181)]
        assert deltas([each for each in found if isinstance(each, Unit)]) == [2880] * 3


class TestStart:
    def test_video_waits_for_a_keyframe_and_audio_with_it(self) -> None:
        sent = list(source(50, gop=25))[1:]  # joined in the middle of a GOP
        normalizer = started()
        found = normalizer.push_all(sent)
        first = next(each for each in found if isinstance(each, Unit))
        assert units(found, 1)[0].keyframe
        assert first.dts == 0
        assert units(found, 1)[0].dts <= LEAD_MS * 90
        assert normalizer.dropped[Drop.NO_KEYFRAME] == 24

    def test_sound_shortly_before_the_first_picture_is_kept(self) -> None:
        normalizer = started()
        found = normalizer.push_all([audio_ms(0), audio_ms(21), video(50 * 90, key=True), audio_ms(43)])
        assert [each.dts for each in units(found, 2)] == [0, 1024, 2048]
        assert units(found, 1)[0].dts == 50 * 90

    def test_sound_long_before_the_first_picture_is_dropped(self) -> None:
        normalizer = started()
        early = [audio_ms(index * 21) for index in range(100)]
        found = normalizer.push_all([*early, video(2100 * 90, key=True)])
        assert [each.dts for each in units(found, 2)] == [index * 1024 for index in range(LEAD_MS // 21)]
        assert normalizer.dropped[Drop.BEFORE_START] == 100 - len(units(found, 2))

    def test_sound_does_not_wait_for_ever(self) -> None:
        normalizer = started()
        found = normalizer.push_all(audio_ms(index * 21) for index in range(KEYFRAME_WAIT_MS // 21 + 20))
        assert units(found, 2)[0].dts == 0
        late = normalizer.push(video((KEYFRAME_WAIT_MS + 500) * 90, key=True))
        assert isinstance(late[0], Unit)

    def test_sound_alone_starts_at_once(self) -> None:
        normalizer = Normalizer()
        normalizer.push(AUDIO)
        assert len(normalizer.push(audio_ms(5000))) == 1

    def test_picture_a_little_before_the_start_is_clamped(self) -> None:
        normalizer = Normalizer()
        normalizer.push(AUDIO)
        normalizer.push(audio_ms(1000))
        normalizer.push(VIDEO)
        (found,) = normalizer.push(video(950 * 90, key=True, offset=7200))
        assert isinstance(found, Unit)
        assert (found.dts, found.pts) == (0, 7200 - 50 * 90)

    def test_picture_long_before_the_start_waits_for_the_next_keyframe(self) -> None:
        normalizer = Normalizer()
        normalizer.push(AUDIO)
        normalizer.push(audio_ms(5000))
        normalizer.push(VIDEO)
        assert normalizer.push(video(1000 * 90, key=True)) == []
        assert normalizer.dropped[Drop.BEFORE_START] == 1
        assert normalizer.push(video(5040 * 90, key=False)) == []
        (found,) = normalizer.push(video(5080 * 90, key=True))
        assert isinstance(found, Unit)
        assert found.dts == 80 * 90

    def test_tracks_with_clocks_of_their_own_start_together(self) -> None:
        normalizer = started()
        normalizer.push(video(HOUR, key=True))
        (found,) = normalizer.push(audio_ms(500))
        assert isinstance(found, Unit)
        assert found.dts == 0


class TestBrokenTimestamps:
    def test_repeated_dts_rise_by_one_tick(self) -> None:
        normalizer = started()
        found = normalizer.push_all([video(0, key=True), video(0), video(0), video(FRAME)])
        assert [each.dts for each in units(found, 1)] == [0, 1, 2, FRAME]

    @pytest.mark.parametrize("frozen_frames", [50, 1000])
    @pytest.mark.parametrize("catches_up", [True, False])
    def test_a_clock_that_stands_still_goes_on_at_the_usual_pace(self, frozen_frames: int, catches_up: bool) -> None:
        normalizer = started()
        at_ms = 2000
        found = normalizer.push_all(source(50))
        for unit in source(frozen_frames):
            found += normalizer.push(video(at_ms * 90, unit.keyframe) if unit.track_id == 1 else audio_ms(at_ms))
        assert gaps(found) == []
        assert units(found, 1)[-1].dts == pytest.approx((50 + frozen_frames) * FRAME, abs=MAX_REPEATS * FRAME * 1.2)
        assert units(found, 2)[-1].dts == pytest.approx((50 + frozen_frames) * 1920, abs=MAX_REPEATS * 2500)
        end = units(found, 1)[-1].dts
        found += normalizer.push_all(source(50, at_ms + (frozen_frames * 40 if catches_up else 40)))
        assert min(deltas(units(found, 1))) >= 1
        assert max(deltas(units(found, 1))) <= MAX_REPEATS * FRAME * 1.2
        assert units(found, 1)[-1].dts == pytest.approx(end + 50 * FRAME, abs=MAX_REPEATS * FRAME * 1.2)
        assert len(gaps(found)) == (0 if catches_up else 1)

    def test_small_step_back_is_not_lost(self) -> None:
        normalizer = started()
        found = normalizer.push_all([video(0, key=True), video(FRAME), video(FRAME - 900), video(2 * FRAME)])
        assert [each.dts for each in units(found, 1)] == [0, FRAME, FRAME + 1, 2 * FRAME]

    @pytest.mark.parametrize("jump_ms", [3_600_000, -3_600_000, 11_000, -11_000, -1_000])
    def test_jump_of_both_tracks_goes_on_in_step(self, jump_ms: int) -> None:
        """mediamtx #4711, #4188: a jump must not become a duration of hours."""
        start_ms = 10 * 3_600_000
        normalizer = started()
        sent = [*source(100, start_ms), *source(100, start_ms + 4000 + jump_ms)]
        found = normalizer.push_all(sent)
        assert len(found) == len(sent) + 1
        assert [each.reason for each in gaps(found)] == [GapReason.TIMESTAMP_JUMP]
        assert max(deltas(units(found, 1))) <= FRAME + 100 * 90
        assert max(deltas(units(found, 2))) <= 2048 + 1024
        assert min(deltas(units(found, 1))) >= 1
        self.check_in_step(found)

    def check_in_step(self, found: Iterable[object]) -> None:
        outputs = list(found)
        last_video, last_audio = units(outputs, 1)[-1], units(outputs, 2)[-1]
        assert abs(last_video.dts / 90 - last_audio.dts / 48) < 100

    def test_looping_source_stays_in_step(self) -> None:
        normalizer = started()
        found = normalizer.push_all(unit for _ in range(20) for unit in source(75))
        self.check_in_step(found)
        assert len(gaps(found)) == 19
        assert units(found, 1)[-1].dts == pytest.approx(20 * 75 * FRAME, abs=20 * 9000)

    def test_single_outlier_does_not_move_the_rest(self) -> None:
        normalizer = started()
        sent = list(source(100))
        place = next(index for index, unit in enumerate(sent) if unit.track_id == 1 and unit.dts == 50 * FRAME)
        sent[place] = video(sent[place].dts + HOUR)
        found = normalizer.push_all(sent)
        assert units(found, 1)[-1].dts == 99 * FRAME
        self.check_in_step(found)

    def test_one_track_alone_may_jump(self) -> None:
        normalizer = started()
        sent = [*source(100)]
        moved = [
            Unit(2, unit.dts + 3600 * 48_000, unit.pts + 3600 * 48_000, True, b"a") if unit.track_id == 2 else unit
            for unit in source(100, 4000)
        ]
        found = normalizer.push_all([*sent, *moved])
        assert max(deltas(units(found, 1))) == FRAME
        self.check_in_step(found)

    def test_track_left_behind_is_brought_back(self) -> None:
        """One picture 5 s ahead, then back: the picture track keeps the 5 s, the sound follows after 2 s."""
        normalizer = started()
        sent = list(source(200))
        place = next(index for index, unit in enumerate(sent) if unit.track_id == 1 and unit.dts == 50 * FRAME)
        sent[place] = video(sent[place].dts + 5 * 90_000)
        found = normalizer.push_all(sent)
        self.check_in_step(found)
        assert len(found) == len(sent) + 1

    def test_a_track_may_rest_while_the_other_goes_on(self) -> None:
        """Slides: one picture in 15 s, sound all the time."""
        normalizer = started()
        found = normalizer.push_all([video(0, key=True), *(audio_ms(index * 21) for index in range(1000))])
        found += normalizer.push_all([video(21_000 * 90), video(21_040 * 90)])
        assert gaps(found) == []
        assert [each.dts for each in units(found, 1)] == [0, 21_000 * 90, 21_040 * 90]

    def test_a_hole_below_ten_seconds_is_kept(self) -> None:
        normalizer = started()
        found = normalizer.push_all([*source(25), *source(25, 9000)])
        assert gaps(found) == []
        assert max(deltas(units(found, 1))) == 9000 * 90 - 24 * FRAME

    @pytest.mark.parametrize("offset", [11 * 90_000, -11 * 90_000, 1 << 40])
    def test_absurd_composition_offset_is_ignored(self, offset: int) -> None:
        (found,) = units(started().push(video(0, key=True, offset=offset)), 1)
        assert found.pts == found.dts == 0

    def test_negative_composition_offset_moves_the_start(self) -> None:
        found = units(started().push_all([video(0, key=True, offset=-3600), video(FRAME, offset=-3600)]), 1)
        assert [(each.dts, each.pts) for each in found] == [(3600, 0), (7200, 3600)]

    def test_pts_never_falls_behind_a_moved_dts(self) -> None:
        found = units(started().push_all([video(0, key=True), video(FRAME), video(FRAME - 4000, offset=100)]), 1)
        assert found[-1].pts >= found[-1].dts

    def test_24_bit_wrap_goes_on(self) -> None:
        normalizer = started()
        found = normalizer.push_all([*source(25, (1 << 24) - 1000), *source(25, 0)])
        assert len(gaps(found)) == 1
        assert max(deltas(units(found, 1))) <= FRAME + 9000


class TestReconnect:
    """srs #1787, mediamtx #5409: a short drop must not end the recording nor throw viewers out."""

    def test_goes_on_at_the_end_of_the_longest_track(self) -> None:
        normalizer = started()
        before = normalizer.push_all(source(100, wall_ms=1_000_000))
        end = max(units(before, 1)[-1].dts + FRAME, (units(before, 2)[-1].dts + 1024) * 90 // 48)
        normalizer.gap()
        assert normalizer.push(VIDEO) == []
        assert normalizer.push(AUDIO) == []
        after = normalizer.push_all(source(100, start_ms=0, wall_ms=1_010_000))
        assert after[0] == Gap(pytest.approx(end, abs=2), 1_010_000 - 1_003_960, GapReason.RECONNECT)  # type: ignore[arg-type]
        assert units(after, 1)[0].dts == pytest.approx(end, abs=2)
        assert len(after) == 1 + len(list(source(100)))
        assert abs(units(after, 1)[-1].dts / 90 - units(after, 2)[-1].dts / 48) < 100

    def test_needs_a_keyframe_again(self) -> None:
        normalizer = started()
        normalizer.push_all(source(10))
        normalizer.gap()
        normalizer.push(VIDEO)
        assert normalizer.push(video(400 * 90)) == []
        found = normalizer.push(video(440 * 90, key=True))
        assert [type(each) for each in found] == [Gap, Unit]

    def test_reordered_pictures_do_not_overlap(self) -> None:
        normalizer = started()
        normalizer.push_all([video(0, True, 2 * FRAME), video(FRAME, offset=4 * FRAME), video(2 * FRAME, offset=0)])
        normalizer.gap()
        normalizer.push(VIDEO)
        (_, found) = normalizer.push(video(0, True, 0))
        assert isinstance(found, Unit)
        assert found.pts == 6 * FRAME

    def test_source_may_return_without_picture(self) -> None:
        normalizer = started()
        normalizer.push_all(source(10))
        normalizer.gap()
        normalizer.push(AUDIO)
        assert [type(each) for each in normalizer.push(audio_ms(0))] == [Gap, Unit]

    def test_gap_before_anything_is_no_gap(self) -> None:
        normalizer = started()
        normalizer.gap()
        normalizer.push(VIDEO)
        assert gaps(normalizer.push(video(0, key=True))) == []

    def test_several_gaps_in_a_row_are_one(self) -> None:
        normalizer = started()
        normalizer.push_all(source(10))
        normalizer.gap()
        normalizer.push(VIDEO)
        normalizer.push(AUDIO)
        normalizer.push(audio_ms(0))
        normalizer.gap()
        assert len(gaps(normalizer.push_all([VIDEO, video(0, key=True), video(FRAME)]))) == 1
        assert normalizer.dropped[Drop.NO_KEYFRAME] == 1

    def test_a_wall_clock_set_back_gives_no_negative_gap(self) -> None:
        normalizer = started()
        normalizer.push_all(source(10, wall_ms=5_000_000))
        normalizer.gap()
        found = normalizer.push_all([VIDEO, *source(10, wall_ms=1_000_000)])
        assert gaps(found)[0].duration_ms == 0


class TestChange:
    def test_new_configuration_waits_for_its_keyframe(self) -> None:
        normalizer = started()
        normalizer.push_all(source(10))
        other = Track(1, Codec.HEVC, 90_000, b"\x01other", width=1280, height=720)
        assert normalizer.push(other) == [other]
        assert normalizer.push(video(400 * 90)) == []
        (found,) = normalizer.push(video(440 * 90, key=True))
        assert isinstance(found, Unit)
        assert found.dts == 440 * 90

    def test_new_sample_rate_goes_on_at_the_same_time(self) -> None:
        normalizer = started()
        normalizer.push_all(source(50))
        slower = Track(2, Codec.AAC, 44_100, bytes.fromhex("1210"), sample_rate=44_100, channels=2)
        assert normalizer.push(slower) == [slower]
        (found,) = normalizer.push(Unit(2, 2 * 44_100, 2 * 44_100, True, b"a"))
        assert isinstance(found, Unit)
        assert found.dts == pytest.approx(2 * 44_100, abs=1024)

    def test_track_that_appears_later_joins_in_step(self) -> None:
        normalizer = Normalizer()
        normalizer.push(VIDEO)
        normalizer.push_all([video(90_000, key=True), video(90_000 + FRAME)])
        normalizer.push(AUDIO)
        (found,) = normalizer.push(audio_ms(1500))
        assert isinstance(found, Unit)
        assert found.dts == 500 * 48


class TestMillisecondClock:
    def test_wraps_forward(self) -> None:
        clock = MillisecondClock()
        times = [(1 << 31) - 40 + index * 40 for index in range(4)] + [(1 << 32) - 20, 20, 60]
        found = [clock.unwrap(each % (1 << 32)) for each in times]
        assert found[-3:] == [(1 << 32) - 20, (1 << 32) + 20, (1 << 32) + 60]

    def test_back_over_the_wrap(self) -> None:
        clock = MillisecondClock()
        assert [clock.unwrap(each) for each in (5, (1 << 32) - 5, 10)] == [5, -5, 10]

    @given(st.lists(st.integers(-20_000, 20_000), min_size=1, max_size=50), st.integers(0, (1 << 31) - 1))
    def test_steps_survive(self, steps: list[int], start: int) -> None:
        clock, true = MillisecondClock(), start
        base = clock.unwrap(start)
        for step in steps:
            true += step
            assert clock.unwrap(true % (1 << 32)) - base == true - start


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["v", "k", "a", "gap", "track", "config"]),
            st.one_of(st.integers(0, 100_000), st.integers(-(1 << 40), 1 << 40)),
            st.one_of(st.integers(-10_000, 10_000), st.integers(-(1 << 40), 1 << 40)),
        ),
        max_size=80,
    )
)
def test_whatever_comes_in_dts_rise_and_nothing_is_negative(steps: list[tuple[str, int, int]]) -> None:
    normalizer = started()
    last: dict[int, int] = {}
    scale = {1: 90_000, 2: 48_000}
    for what, dts, offset in steps:
        if what == "gap":
            normalizer.gap()
            continue
        if what in ("track", "config"):
            outputs = normalizer.push(VIDEO if what == "track" else Track(1, Codec.H264, 90_000, b"\x01other"))
        else:
            outputs = normalizer.push(Unit(2 if what == "a" else 1, dts, dts + offset, what != "v", b"\x0b", dts))
        for output in outputs:
            if isinstance(output, Unit):
                assert output.dts > last.get(output.track_id, -1)
                assert output.pts >= 0
                assert output.dts - last.get(output.track_id, output.dts) <= 40 * scale[output.track_id]
                last[output.track_id] = output.dts
