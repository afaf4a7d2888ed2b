"""A clock that does not blame others for the time in which the process stood still."""

import pytest

from onetake.kit.clock import AwakeClock


class Time:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def real() -> Time:
    return Time()


def test_it_runs_with_the_real_one(real: Time) -> None:
    clock = AwakeClock(0.5, real)
    for _ in range(10):
        real.now_s += 0.6
        clock.tick()
    assert clock() == pytest.approx(real.now_s)


def test_time_without_a_tick_does_not_count(real: Time) -> None:
    clock = AwakeClock(0.5, real)
    before = clock()
    real.now_s += 60
    assert clock() == pytest.approx(before + 0.5), "seen by whoever asks first"
    clock.tick()
    real.now_s += 0.5
    clock.tick()
    assert clock() == pytest.approx(before + 1.0)


def test_it_never_goes_back(real: Time) -> None:
    clock, seen = AwakeClock(0.5, real), 0.0
    for step_s in (0.1, 0.4, 1.2, 0.0, 30.0, 0.2, 0.5, 2.0, 0.1):
        real.now_s += step_s
        assert clock() >= seen
        seen = clock()
        clock.tick()
        assert clock() >= seen
