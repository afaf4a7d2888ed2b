"""Helpers of the packager: a lane per track, which gives samples their true durations, and a smoothed wall clock."""

from collections import deque
from collections.abc import Callable

from onetake.kit.clock import clock_step_ms
from onetake.media.fmp4.fragment import Sample
from onetake.media.fmp4.parts import TARGET_DURATION_S
from onetake.media.units import Kind, Track, Unit

_DEFAULT_DURATION_S = 0.02
REANCHOR_MS = 1000
GIVEN_UP_MS = 10_000
PATIENCE_S = 60


class Lane:
    """One track of a run: holds back one unit, because its duration is only known from the next one.

    No sample lasts longer than a segment may: behind one that would, the time line has a hole.
    """

    def __init__(self, track: Track) -> None:
        self.track = track
        self.held: Unit | None = None
        self.ready: deque[Sample] = deque()
        self._always_sync = track.kind is Kind.AUDIO
        self._usual = max(1, int(track.timescale * _DEFAULT_DURATION_S))
        self._longest = TARGET_DURATION_S * track.timescale

    def push(self, unit: Unit, *, cap_ticks: int | None = None) -> Sample | None:
        """Take `unit` in; the sample that it completes, None for the first one.

        `cap_ticks`: media is missing before `unit`, so a longer duration would be a guess; the usual one stands.
        """
        sample = self.release(unit.dts, cap_ticks=cap_ticks)
        self.held = unit
        return sample

    def release(self, end_dts: int | None = None, *, cap_ticks: int | None = None) -> Sample | None:
        """The held unit as a sample that lasts until `end_dts`, or as long as the one before it."""
        held, self.held = self.held, None
        if held is None:
            return None
        duration = self._usual if end_dts is None else min(max(0, end_dts - held.dts), self._longest)
        if cap_ticks is not None and duration > cap_ticks:
            duration = min(self._usual, cap_ticks)
        self._usual = duration or self._usual
        return Sample(held.dts, duration, held.pts - held.dts, held.keyframe or self._always_sync, held.payload)

    def take_until(self, at_ticks: int, timescale: int) -> list[Sample]:
        """Ready samples that start before `at_ticks` of `timescale`; the rest stays for the next part."""
        limit = at_ticks * self.track.timescale
        taken = []
        while self.ready and self.ready[0].dts * timescale < limit:
            taken.append(self.ready.popleft())
        return taken

    def take_all(self) -> list[Sample]:
        """Every ready sample, and the held one with the usual duration."""
        last = self.release()
        taken = [*self.ready, last] if last else list(self.ready)
        self.ready.clear()
        return taken


class WallAnchor:
    """Maps media time to wall clock without the jitter of arrival (for EXT-X-PROGRAM-DATE-TIME).

    A unit can arrive late but never early, so the least late unit of a segment shows the true offset. The anchor moves
    when even that one is off by more than a second: at once when it came early, or so late that a connection would have
    been given up; otherwise, as a network that stood still catches up, only when none was less late for a minute.
    `wall_ms` of units is steady; that somebody set the clock meanwhile is told by `step_ms`. A unit with `wall_ms` 0
    has no clock.
    """

    def __init__(self, timescale: int, step_ms: Callable[[], int] = clock_step_ms) -> None:
        self._timescale = timescale
        self._offset_ms: float | None = None
        self._least_ms: float | None = None
        self._dts = 0
        self._late_since: int | None = None
        self._late_ms = 0.0
        self._read_step_ms = step_ms
        self._step_ms = 0
        self._take_step()

    def observe(self, dts: int, wall_ms: int) -> None:
        """A unit with this decode time arrived at this wall clock."""
        if not wall_ms:
            return
        offset = wall_ms - dts * 1000 / self._timescale
        if self._offset_ms is None:
            self._offset_ms = offset
        self._dts = dts
        late = offset - self._offset_ms
        self._least_ms = late if self._least_ms is None else min(self._least_ms, late)

    def end_segment(self) -> bool:
        """A segment ends: re-anchor if it showed that the clocks parted. True when media is missing before the next."""
        self._take_step()
        least, self._least_ms = self._least_ms, None
        if least is None or self._offset_ms is None:
            return False
        late = self._missing(least)
        self._offset_ms += least if least < -REANCHOR_MS else late
        return late > 0

    def _missing(self, least: float) -> float:
        """How much media is missing, in milliseconds, now that a segment was at least so late."""
        if least <= REANCHOR_MS:
            self._late_since = None
            return 0.0
        if self._late_since is None:
            self._late_since, self._late_ms = self._dts, least
        self._late_ms = min(self._late_ms, least)
        if least < GIVEN_UP_MS and self._dts - self._late_since < PATIENCE_S * self._timescale:
            return 0.0
        self._late_since = None
        return least if least >= GIVEN_UP_MS else self._late_ms

    def _take_step(self) -> None:
        step_ms = self._read_step_ms()
        if abs(step_ms - self._step_ms) > REANCHOR_MS:
            self._step_ms = step_ms

    def reset(self) -> None:
        """Forget the anchor: the next unit sets it anew."""
        self._take_step()
        self._offset_ms = self._least_ms = self._late_since = None

    def at(self, dts: int) -> int:
        """Wall clock in Unix milliseconds at decode time `dts`; 0 when nothing is known."""
        return 0 if self._offset_ms is None else round(self._offset_ms + self._step_ms + dts * 1000 / self._timescale)
