"""The rules for time from outside, in one place (docs/adr/0021).

Timestamps of encoders, cameras and relays are never trusted. `Normalizer` turns them into one continuous timeline
that starts at 0 and whose DTS rise strictly on each track. Only at a start is anything held back:

- Nothing starts before the first random access point. Audio is held for it, at most `KEYFRAME_WAIT_MS`; of what was
  held, the last `LEAD_MS` before the picture are kept.
- Both tracks keep the distance in time that the source gave them. The timeline starts at the first unit let out;
  what the other track sent from before is dropped.
- A DTS that does not rise is moved one tick behind the last one, up to `MAX_BACK_MS` back.
- A clock that stands still for more than `MAX_REPEATS` units gets the usual frame duration, until it moves again.
- A DTS further back, or more than `MAX_JUMP_MS` ahead of all that came, is a jump: time goes on at the end of the
  longest track. The other track follows the same correction when it jumps too; a single outlier gets the old
  correction back.
- A jump that only one track made shifts sound against picture. After `RESYNC_MS` the track that stayed behind is moved
  to the newest correction, if that leads forward.
- After `gap()` (the publisher was lost) the next unit starts at the end of the longest track, at a random access point.
- A composition offset over `MAX_COMPOSITION_MS` is absurd: PTS becomes DTS. A small negative one is kept, as encoders
  send it on purpose, and the start is moved so that no PTS is below 0.
- Audio in whole milliseconds (FLV, RTMP) gets true frame durations, anchored anew only when the sender's clock is more
  than half a frame away. This belongs here and not into the FLV demuxer, as it is about trust and needs the state
  that a jump or a gap resets; exact clocks (RTP) pass it unchanged.

32-bit wraps are undone before, by `MillisecondClock`, which the FLV demuxer owns; a wrap at 24 bits, from encoders that
know no extended timestamp, is an ordinary jump.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from onetake.media.codecs import frame_ticks
from onetake.media.units import VIDEO_TIMESCALE, Codec, Kind, Track, Unit

MAX_JUMP_MS: Final = 10_000
MAX_BACK_MS: Final = 500
MAX_COMPOSITION_MS: Final = 10_000
KEYFRAME_WAIT_MS: Final = 10_000
LEAD_MS: Final = 200
RESYNC_MS: Final = 2_000
MAX_REPEATS: Final = 10

_TICKS_PER_MS: Final = VIDEO_TIMESCALE // 1000
_FOLLOW_BACK_MS: Final = 2_000
_MAX_HELD_UNITS: Final = 2_000
_DEFAULT_FRAME_TICKS: Final = VIDEO_TIMESCALE // 30
_WRAP_MS: Final = 1 << 32
_HALF_WRAP_MS: Final = 1 << 31


class MillisecondClock:
    """Unwraps the 32-bit millisecond clock of FLV and RTMP: each value is taken as the one nearest to the last."""

    def __init__(self) -> None:
        self._last_ms = 0

    def unwrap(self, value_ms: int) -> int:
        """The 64-bit time of a 32-bit one; shortly before the first wrap it is negative."""
        delta = (value_ms - self._last_ms + _HALF_WRAP_MS) % _WRAP_MS - _HALF_WRAP_MS
        self._last_ms += delta
        return self._last_ms


class GapReason(StrEnum):
    """Why the source's time and ours part."""

    RECONNECT = "reconnect"
    TIMESTAMP_JUMP = "timestamp_jump"


class Drop(StrEnum):
    """Why a unit was left out."""

    UNKNOWN_TRACK = "unknown_track"
    NO_KEYFRAME = "no_keyframe"
    BEFORE_START = "before_start"


@dataclass(frozen=True, slots=True)
class Gap:
    """A break in the source, told just before the unit behind it.

    `at_ticks` is the place on the continuous timeline, 90 000 per second whatever the track; `duration_ms` is the wall
    time between the units around it, which the timeline does not contain.
    """

    at_ticks: int
    duration_ms: int
    reason: GapReason


Output: TypeAlias = Track | Unit | Gap


@dataclass(slots=True)
class _State:
    """One track on its way; ticks are the track's own. `shift` is None and `started` false until its first unit
    after a gap.
    """

    track: Track
    is_video: bool
    needs_keyframe: bool
    started: bool = False
    shift: int | None = None
    last_in: int | None = None
    repeats: int = 0
    last_dts: int = -1
    last_ticks: int = 0
    end_pts: int = 0
    frame_ticks: int = 0
    expected_in: int | None = None
    apart_since: int | None = None

    def to_90k(self, ticks: int) -> int:
        return ticks * VIDEO_TIMESCALE // self.track.timescale

    def from_90k(self, ticks: int) -> int:
        return (ticks * self.track.timescale + VIDEO_TIMESCALE // 2) // VIDEO_TIMESCALE

    @property
    def stands_still(self) -> bool:
        """The source's clock has stopped for this track."""
        return self.repeats > MAX_REPEATS

    @property
    def end_90k(self) -> int:
        """Where the track ends in decoding time, 90 kHz."""
        return self.to_90k(self.last_dts + self.last_ticks) if self.last_dts >= 0 else 0


@dataclass(slots=True)
class _Timeline:
    """The corrections in use: `shift` is added to the source's time, all in 90 kHz."""

    start: int = 0
    shift: int | None = None
    previous_shift: int | None = None
    reason: GapReason | None = None
    newest_in: int = 0
    newest_out: int = 0
    wall_ms: int = 0
    held: list[Unit] = field(default_factory=list)
    declared: set[int] = field(default_factory=set)


class Normalizer:
    """One live session, over all its connections: tracks and raw units in, tracks, clean units and gaps out.

    `dropped` counts units left out, by reason.
    """

    def __init__(self) -> None:
        self._states: dict[int, _State] = {}
        self._line = _Timeline()
        self.dropped: Counter[Drop] = Counter()

    def gap(self, reason: GapReason = GapReason.RECONNECT) -> None:
        """The source was lost: whatever comes next follows behind a gap. The new source declares its tracks again."""
        line = self._line
        started = line.shift is not None or line.reason is not None
        self.dropped[Drop.NO_KEYFRAME] += len(line.held)
        self._line = _Timeline(start=self._end(), wall_ms=line.wall_ms, reason=reason if started else None)
        for state in self._states.values():
            state.shift = state.expected_in = state.apart_since = None
            state.started = False
            state.needs_keyframe = state.is_video

    def push_all(self, items: Iterable[Track | Unit]) -> list[Output]:
        """`push` for several items."""
        return [output for item in items for output in self.push(item)]

    def push(self, item: Track | Unit) -> list[Output]:
        """What becomes of one track or unit, in order. An equal track is not repeated, also not after a gap."""
        return self._take_track(item) if isinstance(item, Track) else self._take_unit(item)

    def _end(self) -> int:
        """Where the longest track ends so far in decoding time, 90 kHz."""
        return max((state.end_90k for state in self._states.values()), default=0)

    def _take_track(self, track: Track) -> list[Output]:
        self._line.declared.add(track.id)
        old = self._states.get(track.id)
        if old and old.track == track:
            return []
        is_video = track.kind is Kind.VIDEO
        state = _State(track, is_video, needs_keyframe=is_video, frame_ticks=_constant_frame_ticks(track))
        if old and old.last_dts >= 0:
            state.last_dts = state.from_90k(old.to_90k(old.last_dts))
            state.last_ticks = state.from_90k(old.to_90k(old.last_ticks))
            state.end_pts = state.from_90k(old.to_90k(old.end_pts))
            state.shift, state.started = old.shift, old.started
        self._states[track.id] = state
        return [track]

    def _take_unit(self, unit: Unit) -> list[Output]:
        state = self._states.get(unit.track_id)
        if state is None:
            return self._drop(Drop.UNKNOWN_TRACK)
        if not state.is_video:
            return [] if self._hold(state, unit) else self._place(state, unit, self._smoothed(state, unit))
        if state.needs_keyframe and not unit.keyframe:
            return self._drop(Drop.NO_KEYFRAME)
        return self._place(state, unit, unit.dts)

    def _place(self, state: _State, unit: Unit, dts: int) -> list[Output]:
        """Correct, check and let out one unit, behind what was held for it."""
        state.repeats = state.repeats + 1 if unit.dts == state.last_in else 0
        state.last_in = unit.dts
        offset = unit.pts - unit.dts
        if abs(offset) * 1000 > MAX_COMPOSITION_MS * state.track.timescale:
            offset = 0
        place = state.to_90k(dts)
        held = self._release(place) if self._line.held else []
        earliest = min(place, *map(self._place_of, held)) if held else place
        self._correct(state, place, state.to_90k(offset), earliest)
        released = [output for each in held for output in self._take_unit(each)]
        if not self._reaches_start(state, place):
            return [*released, *self._drop(Drop.BEFORE_START)]
        gap = self._gap_before(unit)
        return [*released, *gap, self._emit(state, unit, dts, offset)]

    def _drop(self, reason: Drop) -> list[Output]:
        self.dropped[reason] += 1
        return []

    # -- start ---------------------------------------------------------------------------------------------------

    def _hold(self, state: _State, unit: Unit) -> bool:
        """Audio is kept until the first picture shows where the timeline starts, but not for ever."""
        line = self._line
        if line.shift is not None or not any(self._is_due(other) for other in self._states.values()):
            return False
        first = line.held[0] if line.held else unit
        waited_ms = (unit.dts - first.dts) * 1000 // state.track.timescale
        if 0 <= waited_ms < KEYFRAME_WAIT_MS and len(line.held) < _MAX_HELD_UNITS:
            line.held.append(unit)
            return True
        self.dropped[Drop.NO_KEYFRAME] += len(line.held)
        line.held = []
        return False

    def _release(self, place: int) -> list[Unit]:
        """The held units that are near enough to the first picture at `place`."""
        first = place - LEAD_MS * _TICKS_PER_MS
        held, self._line.held = self._line.held, []
        kept = [each for each in held if self._place_of(each) >= first]
        self.dropped[Drop.BEFORE_START] += len(held) - len(kept)
        return kept

    def _place_of(self, unit: Unit) -> int:
        return self._states[unit.track_id].to_90k(unit.dts)

    def _is_due(self, state: _State) -> bool:
        return state.is_video and state.needs_keyframe and state.track.id in self._line.declared

    def _reaches_start(self, state: _State, place: int) -> bool:
        """Whether a track's first unit lies on the timeline; video may be clamped to it, a little."""
        if state.started:
            return True
        missing = self._line.start - (place + (state.shift or 0))
        allowed = MAX_BACK_MS * _TICKS_PER_MS if state.is_video else 0
        if missing > allowed:
            state.shift = None
            return False
        return True

    def _gap_before(self, unit: Unit) -> list[Output]:
        line = self._line
        reason, line.reason = line.reason, None
        silence_ms = unit.wall_ms - line.wall_ms if line.wall_ms and unit.wall_ms else 0
        line.wall_ms = unit.wall_ms
        return [Gap(line.start, max(0, silence_ms), reason)] if reason else []

    # -- corrections ---------------------------------------------------------------------------------------------

    def _correct(self, state: _State, place: int, offset: int, earliest: int) -> None:
        """Choose the track's shift for a unit at `place` with a composition `offset` (90 kHz, source's time)."""
        if self._line.shift is None:
            self._anchor(state, place, offset, earliest)
        elif state.shift is None:
            self._join(state, place)
        elif not state.stands_still and self._jumped(state, place + state.shift):
            if not self._follow(state, place):
                self._line.reason = GapReason.TIMESTAMP_JUMP
                self._anchor(state, place, offset, place)
        else:
            self._resync(state, place)

    def _anchor(self, state: _State, place: int, offset: int, earliest: int) -> None:
        """A new correction: `earliest` goes to the end of the longest track, no picture before one already shown."""
        line = self._line
        shown = state.to_90k(state.end_pts) - offset - (place - earliest)
        line.start = max(line.start, self._end(), shown)
        line.shift, line.previous_shift = line.start - earliest, line.shift
        line.newest_in, line.newest_out = earliest, line.start
        state.shift, state.apart_since = line.shift, None

    def _join(self, state: _State, place: int) -> None:
        """A track's first unit on a running timeline; one with a clock of its own starts where the other one is."""
        line = self._line
        same_clock = abs(place - line.newest_in) <= MAX_JUMP_MS * _TICKS_PER_MS
        state.shift = line.shift if same_clock else line.newest_out - place

    def _jumped(self, state: _State, out: int) -> bool:
        """Far back, or far ahead of both this track and the other: a track may rest for as long as it likes."""
        behind = state.to_90k(state.last_dts) - out
        ahead = out - max(self._line.newest_out, state.to_90k(state.last_dts + state.last_ticks))
        return ahead > MAX_JUMP_MS * _TICKS_PER_MS or behind > MAX_BACK_MS * _TICKS_PER_MS

    def _follow(self, state: _State, place: int) -> bool:
        """Take a known correction that lets the track go on: the other track's jump, or the one before an outlier."""
        line = self._line
        for shift in (line.shift, line.previous_shift):
            if shift is not None and shift != state.shift and self._goes_on(state, place + shift):
                if shift == line.previous_shift:
                    line.shift, line.previous_shift = line.previous_shift, line.shift
                state.shift, state.apart_since = shift, None
                return True
        return False

    def _goes_on(self, state: _State, out: int) -> bool:
        ahead = out - state.to_90k(state.last_dts + state.last_ticks)
        return -_FOLLOW_BACK_MS * _TICKS_PER_MS <= ahead <= MAX_JUMP_MS * _TICKS_PER_MS

    def _resync(self, state: _State, place: int) -> None:
        """Leave a correction that only this track still uses, when the newest one leads forward."""
        if state.shift == self._line.shift or self._line.shift is None:
            state.apart_since = None
            return
        if state.apart_since is None:
            state.apart_since = place
        if place - state.apart_since < RESYNC_MS * _TICKS_PER_MS:
            return
        state.apart_since = place
        ahead = place + self._line.shift - state.to_90k(state.last_dts)
        if 0 < ahead <= MAX_JUMP_MS * _TICKS_PER_MS:
            state.shift = self._line.shift

    # -- output --------------------------------------------------------------------------------------------------

    def _smoothed(self, state: _State, unit: Unit) -> int:
        """The DTS by true frame durations as long as the sender's is within half a frame of it."""
        frame = state.frame_ticks or frame_ticks(state.track, unit.payload)
        expected, dts = state.expected_in, unit.dts
        if expected is not None and abs(dts - expected) * 2 <= frame:
            dts = expected
        state.expected_in = dts + frame if frame else None
        return dts

    def _emit(self, state: _State, unit: Unit, source_dts: int, offset: int) -> Unit:
        line = self._line
        place = state.to_90k(source_dts)
        wanted = source_dts + state.from_90k(state.shift or 0)
        if state.stands_still:
            wanted = max(wanted, state.last_dts + state.last_ticks)
        dts = max(wanted, state.last_dts + 1, 0)
        pts = max(wanted + offset, 0)
        if offset >= 0:
            pts = max(pts, dts)
        self._advance(state, unit, dts)
        state.end_pts = max(state.end_pts, pts + state.last_ticks)
        state.needs_keyframe, state.started = False, True
        line.newest_in, line.newest_out = place, state.to_90k(dts)
        return Unit(unit.track_id, dts, pts, unit.keyframe, unit.payload, unit.wall_ms)

    def _advance(self, state: _State, unit: Unit, dts: int) -> None:
        """Remember the unit and how long it lasts: audio says so, video is taken to last as the one before."""
        if not state.is_video:
            state.last_ticks = state.frame_ticks or frame_ticks(state.track, unit.payload)
        elif state.last_dts < 0:
            state.last_ticks = _DEFAULT_FRAME_TICKS
        elif 1 < dts - state.last_dts <= VIDEO_TIMESCALE:
            state.last_ticks = dts - state.last_dts
        state.last_dts = dts


def _constant_frame_ticks(track: Track) -> int:
    """The frame duration that is the same for all of a track's units, 0 when each says its own."""
    return frame_ticks(track, b"") if track.codec is Codec.AAC else 0
