"""When a disk will be full: from measured free space, robust against one large deletion or copy."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

MIN_SPAN_S = 6 * 3600.0
MIN_POINTS = 144
MAX_POINTS = 60
BAND = 10
FORECAST_LIMIT_H = 24 * 365.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """`fill_bytes_per_s` is negative while the disk empties; `full_in_hours` is None unless it fills within a year."""

    fill_bytes_per_s: float
    full_in_hours: float | None


def forecast(points: Sequence[tuple[float, int]]) -> Forecast | None:
    """From `(time in seconds, free bytes)`, oldest first; None for less than six hours or too few points in them.

    A copy or an upload of some minutes says nothing about the hours to come; six hours of samples do.
    The slope is the median of the slopes between neighbours of up to ten steps (Theil-Sen on a band), out of at most
    60 evenly chosen points: noise cancels out, and a single deletion or copy touches only the few pairs across it.
    """
    if len(points) < MIN_POINTS or points[-1][0] - points[0][0] < MIN_SPAN_S:
        return None
    step = max(1, -(-len(points) // MAX_POINTS))
    chosen = [*points[::step], points[-1]] if (len(points) - 1) % step else list(points[::step])
    pairs = ((a, b) for index, a in enumerate(chosen) for b in chosen[index + 1 : index + 1 + BAND])
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs if b[0] > a[0]]
    fill = -median(slopes) if slopes else 0.0
    hours = points[-1][1] / fill / 3600 if fill > 0 else None
    within = hours is not None and hours <= FORECAST_LIMIT_H
    return Forecast(round(fill, 1), round(hours, 1) if hours is not None and within else None)
