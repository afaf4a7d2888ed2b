"""What holds for any stream: random frame times, keyframes, audio, arrival order and gaps."""

from itertools import groupby, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.media.fmp4.test_packager import AAC_FRAME, AUDIO, VIDEO, new, run_all

from onetake.media.fmp4 import Packager, Part, init_segment
from onetake.media.fmp4.initreader import parse_init
from onetake.media.fmp4.partreader import parse_moof
from onetake.media.units import Unit

FRAMES = st.lists(st.tuples(st.integers(1, 30_000), st.booleans(), st.integers(-6000, 6000)), min_size=2, max_size=150)
QUICK_FRAMES = st.lists(
    st.tuples(st.integers(1, 5_000), st.booleans(), st.integers(-6000, 6000)), min_size=2, max_size=150
)
SLOW_FRAMES = st.lists(st.tuples(st.integers(1, 200_000), st.booleans(), st.just(0)), min_size=2, max_size=60)


def video_units(frames: list[tuple[int, bool, int]]) -> list[Unit]:
    units, dts = [], 6000
    for number, (step, keyframe, offset) in enumerate(frames):
        units.append(
            Unit(1, dts, dts + offset, keyframe or number == 0, b"v%d;" % number, 1_700_000_000_000 + dts // 90)
        )
        dts += step
    return units


def audio_units(until_s: float) -> list[Unit]:
    count = int(until_s * 48_000 / AAC_FRAME) + 1
    return [Unit(2, n * AAC_FRAME, n * AAC_FRAME, True, b"a%d;" % n) for n in range(count)]


def package(units: list[Unit], *, with_audio: bool) -> list[Part]:
    packager: Packager = new(VIDEO, AUDIO) if with_audio else new(VIDEO)
    return run_all(packager, units) + packager.flush()


def interleaved(video: list[Unit], audio: list[Unit], ahead_s: float) -> list[Unit]:
    """Audio arrives `ahead_s` before the video of the same time, or after it when negative."""
    return sorted(
        [*video, *audio], key=lambda unit: unit.dts / 90_000 if unit.track_id == 1 else unit.dts / 48_000 - ahead_s
    )


def assert_structure(parts: list[Part]) -> None:
    """Parts follow each other; numbers of segments and parts are consecutive; marks agree."""
    assert parts[0].starts_segment
    assert parts[-1].ends_segment
    for before, after in pairwise(parts):
        assert after.dts_ticks == before.end_ticks
        if after.starts_segment:
            assert (after.msn, after.index_in_segment) == (before.msn + 1, 0)
        else:
            assert not before.ends_segment
            assert (after.msn, after.index_in_segment) == (before.msn, before.index_in_segment + 1)


def assert_limits(parts: list[Part]) -> None:
    """TARGETDURATION holds; PART-TARGET and its 85 % hold wherever low latency is promised."""
    assert all(part.duration_s <= 0.4 for part in parts if part.run.low_latency)
    for _, group in groupby(parts, key=lambda part: part.msn):
        segment = list(group)
        assert len({part.run for part in segment}) == 1
        assert sum(part.duration_ticks for part in segment) <= 6 * 90_000
        if segment[0].run.low_latency:
            assert all(part.duration_ticks >= 30_600 for part in segment[:-1])


def samples_of(parts: list[Part], track_id: int) -> list[tuple[int, int]]:
    """(dts, duration) of every sample, read back from the boxes."""
    info = parse_init(init_segment((VIDEO, AUDIO)))
    found = []
    for part in parts:
        size = int.from_bytes(part.data[:4], "big")
        for track in parse_moof(part.data[:size], info).tracks:
            if track.track.id == track_id:
                dts = track.dts
                for duration in track.durations:
                    found.append((dts, duration))
                    dts += duration
    return found


@settings(max_examples=200, deadline=None)
@given(FRAMES, st.booleans(), st.floats(-1.0, 0.9))  # further ahead than the packager waits, audio has a run of its own
def test_nothing_is_lost_doubled_or_out_of_bounds(
    frames: list[tuple[int, bool, int]], with_audio: bool, ahead_s: float
) -> None:
    video = video_units(frames)
    audio = audio_units(video[-1].dts / 90_000) if with_audio else []
    parts = package(interleaved(video, audio, ahead_s), with_audio=with_audio)
    assert_structure(parts)
    assert_limits(parts)
    sent = {unit.payload for unit in video}
    written = b"".join(part.data for part in parts)
    assert all(written.count(payload) == 1 for payload in sent)
    assert [dts for dts, _ in samples_of(parts, 1)] == [unit.dts for unit in video]
    assert all(dts + duration == after for (dts, duration), (after, _) in pairwise(samples_of(parts, 1)))
    heard = [dts for dts, _ in samples_of(parts, 2)]
    assert heard == [unit.dts for unit in audio][len(audio) - len(heard) :]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(1, 12))
def test_any_frame_rate_keeps_to_the_limits(fps: int, gop_s: int) -> None:
    steps = [(90_000 // fps, number % (fps * gop_s) == 0, 0) for number in range(fps * 20)]
    parts = package(video_units(steps), with_audio=False)
    assert_structure(parts)
    assert_limits(parts)
    full = any(0.34 <= count / fps <= 0.4 for count in range(1, 25))
    assert parts[-1].run.low_latency is full


@settings(max_examples=100, deadline=None)
@given(SLOW_FRAMES)
def test_slow_frames_end_low_latency_once(frames: list[tuple[int, bool, int]]) -> None:
    video = video_units(frames)
    parts = package(video, with_audio=False)
    assert_structure(parts)
    assert_limits(parts)
    promises = [part.run.low_latency for part in parts]
    assert promises == sorted(promises, reverse=True)
    assert len({part.run for part in parts}) <= 2
    assert [dts for dts, _ in samples_of(parts, 1)] == [unit.dts for unit in video]


@settings(max_examples=100, deadline=None)
@given(QUICK_FRAMES, st.sets(st.integers(1, 140), max_size=4), st.integers(0, 400_000))
def test_gaps_never_end_low_latency(frames: list[tuple[int, bool, int]], gaps: set[int], jump: int) -> None:
    packager, parts, shift = new(VIDEO), [], 0
    for number, unit in enumerate(video_units(frames)):
        if number in gaps:
            shift += jump
            packager.mark_gap()
        dts = unit.dts + shift
        parts += packager.push(Unit(1, dts, dts, unit.keyframe or number in gaps, unit.payload, unit.wall_ms))
    parts += packager.flush()
    assert all(part.run.low_latency for part in parts)
    assert all(part.duration_s <= 0.4 for part in parts)
    assert all(after.dts_ticks >= before.end_ticks for before, after in pairwise(parts))
    assert sum(part.data.count(b";") for part in parts) >= len(frames)
