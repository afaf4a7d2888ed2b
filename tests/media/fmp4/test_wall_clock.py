"""The wall clock of parts: steady through jitter, stalls and clocks that are set; moved where media is missing."""

from collections.abc import Callable

import pytest
from tests.media.fmp4.test_packager import FRAME, VIDEO, new, run_all, video

from onetake.media.fmp4 import Part
from onetake.media.fmp4.lanes import PATIENCE_S, WallAnchor
from onetake.media.units import Unit

START_MS = 1_000_000
FPS = 90_000 // FRAME


def arriving(seconds: int, late_ms: Callable[[float], float]) -> list[Unit]:
    """Pictures that come `late_ms(seconds from the start)` after their time."""
    units = video(seconds * FPS, wall=START_MS)
    return [unit._replace(wall_ms=round(unit.wall_ms + late_ms(unit.dts / 90_000))) for unit in units]


def drift_ms(part: Part) -> float:
    """How far the wall clock of a part is from its media time."""
    return part.wall_ms - START_MS - part.dts_ticks / 90


def test_a_network_that_stood_still_and_caught_up_is_no_gap() -> None:
    def stalled(at_s: float) -> float:
        return max(0.0, 6000 - (at_s - 10) * 2000) if at_s >= 10 else 0.0

    parts = run_all(new(VIDEO), arriving(30, stalled))
    assert not any(part.after_gap for part in parts)
    assert all(abs(drift_ms(part)) <= 1 for part in parts)


def test_media_that_stays_away_is_missing_after_a_minute() -> None:
    parts = run_all(new(VIDEO), arriving(120, lambda at_s: 3000 if at_s >= 10 else 0))
    assert [part.after_gap for part in parts].count(True) == 1
    gap = next(part for part in parts if part.after_gap)
    assert PATIENCE_S + 10 <= gap.dts_ticks / 90_000 <= PATIENCE_S + 16
    assert drift_ms(parts[-1]) == pytest.approx(3000, abs=1)


def test_more_than_a_connection_survives_is_missing_at_once() -> None:
    parts = run_all(new(VIDEO), arriving(30, lambda at_s: 15_000 if at_s >= 10 else 0))
    gap = next(part for part in parts if part.after_gap)
    assert gap.dts_ticks / 90_000 < 20


def test_a_burst_at_the_start_does_not_stay() -> None:
    parts = run_all(new(VIDEO), arriving(30, lambda at_s: max(0.0, 3000 - at_s * 1000)))
    assert abs(drift_ms(parts[-1])) <= 1
    assert not any(part.after_gap for part in parts)


@pytest.mark.parametrize("step_ms", [3_600_000, -3_600_000, 1500])
def test_a_clock_that_is_set_is_followed_at_the_next_segment(step_ms: int) -> None:
    steps = [0]
    anchor = WallAnchor(90_000, lambda: steps[0])
    anchor.observe(0, START_MS)
    assert not anchor.end_segment()
    steps[0] = step_ms
    anchor.observe(90_000, START_MS + 1000)
    assert anchor.at(90_000) == START_MS + 1000, "a segment keeps its clock"
    assert not anchor.end_segment(), "nothing is missing"
    assert anchor.at(180_000) == START_MS + 2000 + step_ms


def test_a_clock_that_is_pushed_a_little_shows_nothing() -> None:
    steps = iter(range(0, 1000, 10))
    anchor = WallAnchor(90_000, lambda: next(steps))
    anchor.observe(0, START_MS)
    for second in range(1, 50):
        anchor.end_segment()
        assert anchor.at(second * 90_000) == START_MS + second * 1000
