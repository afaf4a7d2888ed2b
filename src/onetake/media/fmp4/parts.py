"""What the packager hands on: runs and parts. Made once, shared by ring, recorder and every viewer."""

from dataclasses import dataclass, field

from onetake.media.units import Track

PART_TARGET_S = 0.4
"""PART-TARGET of every low-latency playlist; never changed while a stream runs."""
TARGET_DURATION_S = 6
"""EXT-X-TARGETDURATION of every live playlist; never changed while a stream runs."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A stretch of parts under one init segment.

    `prefix` is random, so that no name of one run is ever reused by another. `first_msn` is its first segment.
    `timescale` is that of the leading track `leading_id`, which decides where parts and segments end.
    `discontinuity`: the init differs from that of the run before. `low_latency` false: parts may be longer than
    PART-TARGET and must not be listed; it changes within a run by a second object that is equal in all else but
    `discontinuity`.
    """

    prefix: str
    init: bytes = field(repr=False)
    tracks: tuple[Track, ...]
    leading_id: int
    timescale: int
    first_msn: int
    discontinuity: bool = False
    low_latency: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One `moof` + `mdat`.

    `dts_ticks` and `duration_ticks` count in `run.timescale`. `independent`: it starts with a keyframe. `wall_ms` is
    the wall clock (Unix) of its first sample, smoothed; `after_gap`: media is missing before it, the wall clock jumps.
    `frames` counts the samples of the leading track.
    """

    run: Run
    msn: int
    index_in_segment: int
    starts_segment: bool
    ends_segment: bool
    independent: bool
    dts_ticks: int
    duration_ticks: int
    wall_ms: int
    after_gap: bool
    data: bytes = field(repr=False)
    frames: int = 0

    @property
    def size_bytes(self) -> int:
        """Length of `data`."""
        return len(self.data)

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return self.duration_ticks / self.run.timescale

    @property
    def end_ticks(self) -> int:
        """Decode time at which the next part starts."""
        return self.dts_ticks + self.duration_ticks
