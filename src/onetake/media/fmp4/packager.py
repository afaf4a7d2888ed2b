"""The packager: units in, parts out. It decides when the init is known, when it must change, and names the runs."""

from collections.abc import Callable
from itertools import chain

from onetake.kit.ids import random_hex
from onetake.media.fmp4.cutter import CutRules, Cutter, leading_track
from onetake.media.fmp4.init import init_segment
from onetake.media.fmp4.lanes import Lane
from onetake.media.fmp4.parts import Part, Run
from onetake.media.fmp4.waiting import WAIT_FOR_SECOND_TRACK_S, WaitingRoom
from onetake.media.units import Kind, Track, Unit

AUDIO_LEAD_S = 0.5
"""Audio this much older than the first keyframe is kept; what is older has no picture and is dropped."""
SWITCH_AFTER_S = 6.0
"""A new track waits this long for a keyframe of the leading one, then the run changes without."""


def new_prefix() -> str:
    """A random name for a run: 12 hex digits."""
    return random_hex(48)


class Packager:
    """Turns the units of one live session (at most one video and one audio track) into parts.

    Tracks are told by `set_track` before their first unit. Units come in the order of arrival, with rising decode
    times per track, never negative, on one continuous time line. One object is used by one thread or loop at a time.

    `first_msn`: where the media sequence goes on after a restart. `dropped_units` counts what could not be placed:
    before the first keyframe, of a new track before the run could change, or of one that changed while it waited.
    """

    def __init__(
        self, *, first_msn: int = 0, rules: CutRules | None = None, prefix: Callable[[], str] = new_prefix
    ) -> None:
        self.dropped_units = 0
        self._rules = rules or CutRules()
        self._first_msn = first_msn
        self._prefix = prefix
        self._known: dict[Kind, Track] = {}
        self._seen: set[Kind] = set()
        self._waiting: WaitingRoom | None = WaitingRoom()
        self._lanes: dict[int, Lane] = {}
        self._cutter: Cutter | None = None
        self._wanted: tuple[Track, ...] = ()
        self._switch_since: int | None = None
        self._had_run = False

    @property
    def run(self) -> Run | None:
        """The present run; None until the tracks are known."""
        return self._cutter.run if self._cutter else None

    @property
    def tracks(self) -> tuple[Track, ...] | None:
        """The tracks that take part; None while it is open whether there is a second one."""
        return None if self._waiting is not None else self._wanted

    @property
    def next_msn(self) -> int:
        """The media sequence number of the segment being filled: persist it to go on after a restart (plus one)."""
        return self._cutter.msn if self._cutter else self._first_msn

    def set_track(self, track: Track) -> None:
        """Announce a track, or a new configuration of one; it holds for the units that follow.

        A track takes part from its first unit on.
        """
        self._known[track.kind] = track
        if self._waiting is None:
            self._want_seen()
        else:
            self.dropped_units += self._waiting.announce(track)

    def mark_gap(self) -> None:
        """Media is missing before the next unit (a reconnect, a jump): the wall clock is taken anew there."""
        if self._waiting is not None:
            self._waiting.mark_gap()
        elif self._cutter:
            self._cutter.mark_gap()

    def begin_session(self) -> None:
        """The publisher came back: a gap, and its tracks are learnt anew. The run goes on when they are the same."""
        self.mark_gap()
        self._known, self._seen = {}, set()
        self._waiting = WaitingRoom() if self._waiting is None else self._waiting
        self._waiting.begin_session()

    def push(self, unit: Unit) -> list[Part]:
        """Take in one unit; the parts that are finished by it, mostly none."""
        if self._waiting is None:
            return self._place(unit)
        self._waiting.add(unit)
        self._see(unit)
        return self._freeze() if len(self._seen) == len(Kind) or self._waiting.is_over() else []

    def flush(self) -> list[Part]:
        """The end: everything that is held, with the last durations guessed from the ones before."""
        parts = self._freeze() if self._waiting else []
        if self._cutter:
            parts += self._cutter.finish()
            self._first_msn = self._cutter.msn
            self._cutter = None
        return parts

    def _freeze(self) -> list[Part]:
        """The tracks are known: make the run, or go on with the present one, and place what has waited."""
        units, self._waiting = self._waiting.leave() if self._waiting else [], None
        self._want_seen()
        return list(chain.from_iterable(self._replay(unit, after_gap) for unit, after_gap in units))

    def _replay(self, unit: Unit, after_gap: bool) -> list[Part]:
        if after_gap and self._cutter:
            self._cutter.mark_gap()
        return self._place(unit)

    def _see(self, unit: Unit) -> bool:
        """Note the kind of a unit; whether it is the first of a known track."""
        kind = next((track.kind for track in self._known.values() if track.id == unit.track_id), None)
        if kind is None or kind in self._seen:
            return False
        self._seen.add(kind)
        return True

    def _want_seen(self) -> None:
        self._wanted = tuple(self._known[kind] for kind in Kind if kind in self._seen)
        self._switch_since = None

    def _place(self, unit: Unit) -> list[Part]:
        if not self._wanted:
            self.dropped_units += 1
            return []
        if self._cutter is None:
            return self._start(unit)
        if self._cutter.run.tracks == self._wanted:
            return self._push(unit)
        return self._switch(unit)

    def _push(self, unit: Unit) -> list[Part]:
        assert self._cutter
        if unit.track_id in self._lanes:
            return self._cutter.push(unit)
        if self._see(unit):
            self._want_seen()
            return self._switch(unit)
        self.dropped_units += 1
        return []

    def _start(self, unit: Unit) -> list[Part]:
        """Before the first keyframe of the leading track: audio waits in its lane, anything else is of no use."""
        lead = leading_track(self._wanted)
        if unit.track_id == lead.id and (unit.keyframe or lead.kind is Kind.AUDIO):
            self._drop_old_audio(unit.dts / lead.timescale - AUDIO_LEAD_S)
            self._new_cutter(self._first_msn)
            return self._push(unit)
        for track in self._wanted:
            if track.id == unit.track_id and track is not lead:
                lane = self._lanes.setdefault(track.id, Lane(track))
                sample = lane.push(unit)
                if sample is not None:
                    lane.ready.append(sample)
                self._drop_old_audio(unit.dts / track.timescale - WAIT_FOR_SECOND_TRACK_S - AUDIO_LEAD_S)
                return []
        self.dropped_units += 1
        return []

    def _drop_old_audio(self, before_s: float) -> None:
        for lane in self._lanes.values():
            while lane.ready and lane.ready[0].dts < before_s * lane.track.timescale:
                lane.ready.popleft()
                self.dropped_units += 1

    def _switch(self, unit: Unit) -> list[Part]:
        """The tracks have changed: the new run starts at a keyframe of the new leading track.

        Until then units of unchanged tracks still go into the old run; the others have no place and are dropped.
        """
        assert self._cutter
        lead = leading_track(self._wanted)
        unchanged = {track.id for track in self._cutter.run.tracks if track in self._wanted}
        if unit.track_id == lead.id and (unit.keyframe or lead.kind is Kind.AUDIO or self._is_overdue(unit, unchanged)):
            old = self._cutter.run
            keep_lead = old.leading_id != lead.id and old.leading_id in unchanged
            self._let_go(lead)
            end_dts = unit.dts * old.timescale // lead.timescale
            parts = self._cutter.leave(end_dts, staying=self._wanted, keep_lead=keep_lead)
            self._new_cutter(self._cutter.msn)
            return parts + self._push(unit)
        if unit.track_id in unchanged:
            return self._push(unit)
        self.dropped_units += 1
        return []

    def _let_go(self, lead: Track) -> None:
        """What the lane of a track holds that did not lead belongs to the old run: media is missing behind it."""
        assert self._cutter
        lane = self._lanes.get(lead.id)
        if lane is None or lane.track != lead or lead.id == self._cutter.run.leading_id:
            return
        sample = lane.release()
        if sample is not None:
            lane.ready.append(sample)

    def _is_overdue(self, unit: Unit, unchanged: set[int]) -> bool:
        """A leading track that did not change may go on without a keyframe once the others have waited long enough."""
        if unit.track_id not in unchanged:
            return False
        if self._switch_since is None:
            self._switch_since = unit.dts
        lead = leading_track(self._wanted)
        return unit.dts - self._switch_since >= SWITCH_AFTER_S * lead.timescale

    def _new_cutter(self, msn: int) -> None:
        """Start a run with the wanted tracks; lanes of unchanged tracks keep what they hold."""
        tracks = self._wanted
        old = {lane.track: lane for lane in self._lanes.values()}
        self._lanes = {track.id: old.get(track) or Lane(track) for track in tracks}
        lead = leading_track(tracks)
        run = Run(
            prefix=self._prefix(), init=init_segment(tracks), tracks=tracks, leading_id=lead.id,
            timescale=lead.timescale, first_msn=msn, discontinuity=self._had_run,
        )  # fmt: skip
        self._had_run = True
        after_gap = self._cutter is not None and self._cutter.gap
        self._cutter = Cutter(run, list(self._lanes.values()), self._rules, after_gap=after_gap)
