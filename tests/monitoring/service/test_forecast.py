"""When a disk will be full."""

import random

from hypothesis import given
from hypothesis import strategies as st

from onetake.monitoring.service.forecast import MIN_POINTS, MIN_SPAN_S, forecast
from onetake.monitoring.service.history import KEPT, SPACE_STEP_S

GB = 1_000_000_000
STEP_S = SPACE_STEP_S


def falling(rate: float, count: int = KEPT, start: int = 100 * GB) -> list[tuple[float, int]]:
    """Free space at each step while `rate` bytes per second are written."""
    return [(float(STEP_S * index), int(start - rate * STEP_S * index)) for index in range(count)]


def test_steady_writing() -> None:
    found = forecast(falling(1_000_000))
    assert found is not None
    assert found.fill_bytes_per_s == 1_000_000
    assert found.full_in_hours == round((100 * GB - (KEPT - 1) * STEP_S * 1_000_000) / 1_000_000 / 3600, 1)


def test_less_than_six_hours_of_samples_say_nothing() -> None:
    assert forecast([]) is None
    assert forecast(falling(1000, 1)) is None
    assert forecast(falling(1_000_000, int(MIN_SPAN_S / STEP_S))) is None
    assert forecast(falling(1_000_000, int(MIN_SPAN_S / STEP_S) + 1)) is not None


def test_a_long_pause_does_not_make_a_few_samples_many() -> None:
    points = [*falling(1_000_000, 10), *((at + 2 * MIN_SPAN_S, free) for at, free in falling(1_000_000, 10))]
    assert points[-1][0] - points[0][0] > MIN_SPAN_S
    assert len(points) < MIN_POINTS
    assert forecast(points) is None


def test_emptying_and_idle_disks_never_fill() -> None:
    for rate in (-5_000_000.0, 0.0):
        found = forecast(falling(rate))
        assert found is not None
        assert found.full_in_hours is None


def test_one_large_deletion_does_not_hide_the_trend() -> None:
    points = [(at, free + (20 * GB if at > 12_000 else 0)) for at, free in falling(1_000_000)]
    found = forecast(points)
    assert found is not None
    assert 900_000 <= found.fill_bytes_per_s <= 1_100_000


def test_noise_does_not_hide_the_trend() -> None:
    noise = random.Random(7)
    points = [(at, free + noise.randint(-50_000_000, 50_000_000)) for at, free in falling(2_000_000)]
    found = forecast(points)
    assert found is not None
    assert 1_800_000 <= found.fill_bytes_per_s <= 2_200_000


def test_years_are_not_a_forecast() -> None:
    found = forecast(falling(10))
    assert found is not None
    assert found.full_in_hours is None


@given(st.lists(st.tuples(st.floats(0, 1e10), st.integers(0, 10**15)), max_size=400))
def test_any_samples_give_an_answer(points: list[tuple[float, int]]) -> None:
    found = forecast(sorted(points))
    assert found is None or found.full_in_hours is None or found.full_in_hours >= 0
