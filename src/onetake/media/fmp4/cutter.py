"""Where parts and segments end: the leading track decides every cut. One cutter lives as long as the tracks do."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from onetake.media.fmp4.fragment import Fragment, Sample, write_part
from onetake.media.fmp4.lanes import Lane, WallAnchor
from onetake.media.fmp4.parts import PART_TARGET_S, TARGET_DURATION_S, Part, Run
from onetake.media.units import Kind, Track, Unit

FULL_PART_SHARE = 0.85
"""A part this full may end before the next sample is known (RFC 8216bis §4.4.4.9 asks for at least 85 %)."""
INDEX_BITS = 8
"""Width of the part's place in its segment inside the `mfhd` sequence number."""
MAX_INDEX = (1 << INDEX_BITS) - 1


@dataclass(frozen=True, slots=True)
class CutRules:
    """When to cut, in seconds. The defaults are the product's; other values are for tests and offline packaging.

    `first_gop_segment_s`: until the second keyframe the part that reaches it ends a segment, so that players need not
    wait for a long group of pictures. `stall_s`: how far other tracks may run ahead of the leading one. `restore_s`:
    low latency that a slow sample ended comes back after so long without another. `part_bytes`, `part_wall_s`: a part
    that holds so much, or to which units have been coming for so long, ends and its segment with it, whatever the
    source's clock says.
    """

    part_target_s: float = PART_TARGET_S
    min_segment_s: float = 1.0
    audio_segment_s: float = 2.0
    max_segment_s: float = TARGET_DURATION_S
    first_gop_segment_s: float = 2.0
    stall_s: float = 3.0
    restore_s: float = 60.0
    part_bytes: int = 8 << 20
    part_wall_s: float = 2.0


def leading_track(tracks: Sequence[Track]) -> Track:
    """The track that decides the cuts: video where there is any."""
    return next((track for track in tracks if track.kind is Kind.VIDEO), tracks[0])


def sequence_number(run: Run, msn: int, index_in_segment: int) -> int:
    """`mfhd` sequence number: segment of the run (from 1) in the upper 24 bits, part in the lower 8.

    It rises, as ISO 14496-12 §8.8.5 wants, and lets a scan find the segments again without the index.
    """
    return (msn - run.first_msn + 1) << INDEX_BITS | min(index_in_segment, MAX_INDEX)


class Cutter:
    """Turns the units of the tracks of one run into parts.

    The leading track is behind by one unit, so a sample is placed when its true duration is known. When other tracks
    run more than `stall_s` ahead of it, it has stalled: its last sample ends there and time goes on without it.

    A listed part of less than `FULL_PART_SHARE` must end its segment. Where frames come so that full parts cannot be
    made of them (at 12 per second, say), low latency ends.
    """

    def __init__(self, run: Run, lanes: Sequence[Lane], rules: CutRules, *, after_gap: bool = False) -> None:
        self.run = run
        self.msn = run.first_msn
        self._lanes = {lane.track.id: lane for lane in lanes}
        self._lead = self._lanes[self.run.leading_id]
        self._others = [lane for lane in lanes if lane is not self._lead]
        self._wall = WallAnchor(self.run.timescale)
        self._set_limits(rules)
        self._samples: list[Sample] = []
        self._part_start: int | None = None
        self._segment_start = 0
        self._index = 0
        self._front: int | None = None
        self._calm_since = 0
        self._short_at: int | None = None
        self._open_bytes = 0
        self._open_ms = self._last_ms = 0
        self._gap = self._stalled = self._needs_keyframe = self._independent = False
        self._after_gap = after_gap

    def _set_limits(self, rules: CutRules) -> None:
        scale = self.run.timescale
        is_video = self._lead.track.kind is Kind.VIDEO
        min_segment_s = rules.min_segment_s if is_video else rules.audio_segment_s
        self._in_first_gop = is_video and not self.run.discontinuity
        self._target = int(rules.part_target_s * scale)
        self._full = round(rules.part_target_s * FULL_PART_SHARE * scale)
        self._min_segment = int(min_segment_s * scale)
        self._max_segment = int(rules.max_segment_s * scale)
        self._first_gop_segment = int(rules.first_gop_segment_s * scale)
        self._stall = int(rules.stall_s * scale)
        self._restore = int(rules.restore_s * scale)
        self._most_bytes = rules.part_bytes
        self._target_ms, self._most_ms = int(rules.part_target_s * 1000), int(rules.part_wall_s * 1000)

    @property
    def gap(self) -> bool:
        """Whether media is missing before the next leading unit."""
        return self._gap

    def mark_gap(self) -> None:
        """Media is missing before the next leading unit: a segment ends there and the wall clock starts anew."""
        self._gap = True

    def push(self, unit: Unit) -> list[Part]:
        """Take in a unit of one of the tracks; the parts that it finishes."""
        lane = self._lanes[unit.track_id]
        if lane is self._lead:
            return self._push_leading(unit)
        sample = lane.push(unit)
        if sample is not None:
            lane.ready.append(sample)
        return self._watch_stall(unit.dts * self.run.timescale // lane.track.timescale)

    def finish(self) -> list[Part]:
        """The end of the session: everything goes out, the last samples with their usual durations."""
        return self._finish(self._lead.release(), last=True)

    def leave(self, end_dts: int, *, staying: Collection[Track], keep_lead: bool) -> list[Part]:
        """End the run because the next one starts at `end_dts`.

        What tracks that are `staying` have from there on stays in their lanes. `keep_lead`: also the leading track's,
        which goes on without leading.
        """
        for lane in self._others:
            if lane.track not in staying and (sample := lane.release()):
                lane.ready.append(sample)
        if keep_lead:
            self._hand_back(end_dts)
            return self._finish(None)
        return self._finish(self._lead.release(end_dts, cap_ticks=self._target), until=end_dts)

    def _hand_back(self, from_dts: int) -> None:
        """What the leading track has in the open part from `from_dts` on belongs to the next run."""
        kept = [sample for sample in self._samples if sample.dts < from_dts]
        self._lead.ready.extend(self._samples[len(kept) :])
        self._samples = kept

    def _finish(self, sample: Sample | None, *, last: bool = False, until: int = 0) -> list[Part]:
        """The last parts. The others go on up to `until` when the leading track, with `sample`, does not reach it."""
        parts = self._add(sample) if sample is not None else []
        end = self._samples[-1].dts + self._samples[-1].duration if self._samples else self._front
        if end is not None:
            parts += self._close(end, ends_segment=not self._has_samples(end, until), last=last)
        while self._front is not None and self._has_samples(self._front, until):
            end = min(until, self._front + self._target)
            parts += self._go_on(end, ends_segment=not self._has_samples(end, until))
        if self._index:
            self._next_segment()
        return parts

    def _has_samples(self, start: int, end: int) -> bool:
        """Whether another track than the leading one has finished samples from `start` to `end`."""
        scale = self.run.timescale
        return any(
            start <= sample.dts * scale // lane.track.timescale < end for lane in self._others for sample in lane.ready
        )

    def _push_leading(self, unit: Unit) -> list[Part]:
        parts: list[Part] = []
        if self._stalled or self._needs_keyframe:
            if not self._may_resume(unit):
                return parts
            parts += self._resume(unit.dts)
        sample = self._lead.push(unit, cap_ticks=self._target if self._gap else None)
        if sample is not None:
            parts += self._add(sample)
            parts += self._cut_before(unit, sample)
        if sample is not None and (self._gap or sample.dts + sample.duration < unit.dts):
            self._after_gap = True
        if self._gap:
            self._wall.reset()
            self._gap = False
        self._wall.observe(unit.dts, unit.wall_ms)
        return parts

    def _add(self, sample: Sample) -> list[Part]:
        """Place a finished leading sample, closing the open part first where the sample would overshoot."""
        parts: list[Part] = []
        end = sample.dts + sample.duration
        is_slow = sample.duration > self._target
        if self._part_start is not None and end - self._part_start > self._target:
            is_short = sample.dts - self._part_start < self._full
            is_slow |= is_short and self._is_short_again(sample.dts)
            must_end = self.run.low_latency and (is_slow or is_short)
            parts += self._close(sample.dts, ends_segment=must_end or self._is_full(sample.dts, sample.duration))
        if is_slow:
            self._calm_since = end
        if self._index and (end - self._segment_start > self._max_segment or (is_slow and self.run.low_latency)):
            self._next_segment()
        if is_slow and self.run.low_latency:
            self._promise(low_latency=False)
        self._open_part(sample.dts)
        if not self._index and not self._samples:
            self._independent = sample.sync
        self._samples.append(sample)
        self._open_bytes += len(sample.payload)
        return parts

    def _is_short_again(self, at: int) -> bool:
        """Note a part that ends short at `at`; whether one did within the length of a segment before."""
        last, self._short_at = self._short_at, at
        return last is not None and at - last <= self._max_segment

    def _open_part(self, start: int) -> int:
        """The start of the open part, which is opened at `start` if there is none."""
        if self._part_start is None:
            self._part_start = start
            if self._index == 0:
                self._segment_start = start
        return self._part_start

    def _promise(self, *, low_latency: bool) -> None:
        """From here on the run keeps or gives up low latency; its names, init and file stay."""
        unused = self._front is None
        self.run = replace(self.run, low_latency=low_latency, discontinuity=self.run.discontinuity and unused)

    def _cut_before(self, unit: Unit, sample: Sample) -> list[Part]:
        """The cut that `unit`, the one after `sample`, asks for."""
        end = sample.dts + sample.duration
        self._in_first_gop &= not unit.keyframe
        is_due = self._gap or not self._independent or end - self._segment_start >= self._min_segment
        if unit.keyframe and is_due:
            parts = self._close(end, ends_segment=True)
            if not self.run.low_latency and end - self._calm_since >= self._restore:
                self._promise(low_latency=True)
            return parts
        part = end - (self._part_start if self._part_start is not None else end)
        must_end = self._gap or self._is_overdue(unit.wall_ms)
        if must_end or part >= self._target or (part >= self._full and part + sample.duration > self._target):
            return self._close(end, ends_segment=must_end or self._is_full(end, sample.duration))
        return []

    def _is_overdue(self, wall_ms: int) -> bool:
        """Whether the open part is too big, or has been open for too long; a pause between two units counts little."""
        self._open_ms += min(max(0, wall_ms - self._last_ms), self._target_ms)
        self._last_ms = wall_ms
        return self._open_bytes >= self._most_bytes or self._open_ms >= self._most_ms

    def _is_full(self, end: int, sample_ticks: int) -> bool:
        """Whether a segment that reaches `end` has no room for one more part."""
        length = end - self._segment_start
        if self._in_first_gop and length >= self._first_gop_segment:
            return True
        return length + max(self._target, sample_ticks) > self._max_segment

    def _watch_stall(self, now: int) -> list[Part]:
        """Another track has come to `now`: go on without the leading one if that is too far ahead."""
        front = self._lead.held.dts if self._lead.held else self._front
        if front is None or (now - front <= self._stall and not self._stalled):
            return []
        if not self._stalled:
            return self._stall_at(front, now)
        start = self._open_part(front)
        if now - start < self._target:
            return []
        return self._go_on(min(now, start + self._max_segment))

    def _stall_at(self, front: int, now: int) -> list[Part]:
        """The leading track has stalled: its last sample lasts until `now`, or as long as a segment may."""
        self._stalled = True
        end = min(now, front + self._max_segment)
        sample = self._lead.release(end)
        parts = self._add(sample) if sample is not None else []
        return parts + self._go_on(end)

    def _go_on(self, end: int, *, ends_segment: bool = False) -> list[Part]:
        """A part without the leading track, up to `end`; time goes on also when there is nothing for it."""
        parts = self._close(end, ends_segment=ends_segment or self._is_full(end, self._target))
        self._front = end
        return parts

    def _may_resume(self, unit: Unit) -> bool:
        """After a stall: a unit that comes too late is lost, and then only a keyframe can go on."""
        if self._front is not None and unit.dts < self._front:
            self._needs_keyframe = True
            return False
        return unit.keyframe or not self._needs_keyframe

    def _resume(self, dts: int) -> list[Part]:
        """The leading track is back at `dts`: what the others had until then is one more part."""
        self._stalled = self._needs_keyframe = False
        if self._part_start is None or dts <= self._part_start:
            self._part_start = None
            return []
        return self._close(dts, ends_segment=True)

    def _close(self, end: int, *, ends_segment: bool, last: bool = False) -> list[Part]:
        """The open part, ending at `end`; nothing when it is empty. `last`: other tracks give all they have."""
        fragments = [Fragment(self._lead.track.id, self._samples)] if self._samples else []
        for lane in self._others:
            samples = lane.take_all() if last else lane.take_until(end, self.run.timescale)
            if samples:
                fragments.append(Fragment(lane.track.id, samples))
        if not fragments:
            self._part_start = None
            return []
        part = self._part(self._open_part(self._front or 0), end, fragments, ends_segment=ends_segment)
        self._samples, self._part_start, self._front, self._after_gap = [], None, end, False
        self._open_bytes = self._open_ms = 0
        self._index += 1
        if ends_segment:
            self._next_segment()
        return [part]

    def _part(self, start: int, end: int, fragments: list[Fragment], *, ends_segment: bool) -> Part:
        return Part(
            run=self.run, msn=self.msn, index_in_segment=self._index,
            starts_segment=self._index == 0, ends_segment=ends_segment,
            independent=bool(self._samples) and self._samples[0].sync,
            dts_ticks=start, duration_ticks=end - start,
            wall_ms=self._wall.at(start), after_gap=self._after_gap,
            data=write_part(sequence_number(self.run, self.msn, self._index), fragments),
            frames=len(self._samples),
        )  # fmt: skip

    def _next_segment(self) -> None:
        self.msn += 1
        self._index = 0
        self._after_gap = self._wall.end_segment()
