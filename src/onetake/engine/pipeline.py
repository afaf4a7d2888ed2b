"""One life of a live stream: units in; FLV messages to viewers and parts to ring and recorder out (DESIGN §2).

A life outlasts its publishers: `begin` is called for each one that returns, and time goes on. Loop only.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from onetake.engine.fanout import Fanout
from onetake.engine.options import Limits, LiveOptions
from onetake.engine.ring import Ring
from onetake.engine.sequence import Start
from onetake.kit.clock import clock_step_ms
from onetake.kit.ids import uuid7
from onetake.media.flv import FlvMuxer, Unsupported
from onetake.media.flv.demuxer import Output
from onetake.media.fmp4 import Packager, Part
from onetake.media.hls import LivePlaylist, RateMeter
from onetake.media.stats import Snapshot, StreamStats
from onetake.media.timestamps import Gap as SourceGap
from onetake.media.timestamps import Normalizer
from onetake.media.units import Kind, Track, Unit

log = logging.getLogger(__name__)

MAX_GAPS = 10_000


@dataclass(slots=True)
class Gap:
    """Time without media inside the session."""

    wall_ms: int
    duration_ms: int
    reason: str


class Life:
    """Everything that is made of the media of one session.

    `on_part` gets each part (after the ring has it). `session_id` names the session in events and recordings.
    """

    def __init__(
        self,
        name: str,
        live: LiveOptions,
        limits: Limits,
        *,
        start: Start,
        on_part: Callable[[Part], None],
        window_s: Callable[[], float] = lambda: 0.0,
        asset_of: Callable[[int], str | None] = lambda msn: None,
        on_its_way: Callable[[int], bool] = lambda msn: False,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.session_id = str(uuid7())
        self.started_ms = time.time_ns() // 1_000_000
        self.fanout = Fanout(live, limits, now_s)
        self.playlist = LivePlaylist(discontinuity_sequence=start.discontinuity)
        self.ring = Ring(live.ring_s, window_s, asset_of, self.playlist.mark_gap, live.ring_bytes, on_its_way)
        self.rate = RateMeter()
        self.stats = StreamStats()
        self.gaps: list[Gap] = []
        self.unsupported: list[str] = []
        self._on_part = on_part
        self._now_s = now_s
        self._packager = Packager(first_msn=start.msn)
        self._normalizer = Normalizer()
        self._tracks: dict[Kind, Track] = {}
        self._by_id: dict[int, Track] = {}
        self._waiting: list[Unit] = []
        self._decided: tuple[Track, ...] | None = ()
        self._gap_reason = ""

    @property
    def tracks(self) -> list[Track]:
        """The tracks that have been announced, video first."""
        return [self._tracks[kind] for kind in Kind if kind in self._tracks]

    @property
    def next_msn(self) -> int:
        """Where the media sequence stands."""
        return self._packager.next_msn

    @property
    def gap_ms(self) -> int:
        """Time without media inside the session so far."""
        return sum(gap.duration_ms for gap in self.gaps)

    @property
    def discarded_units(self) -> int:
        """Units that broke the rules of time or could not be placed."""
        return self._normalizer.dropped.total() + self._packager.dropped_units

    def figures(self) -> Snapshot:
        """Rates and distances at this moment."""
        return self.stats.snapshot(self._now_s())

    def media(self) -> list[str]:
        """The tracks in words: `h264 1920x1080`, `aac 48000`."""
        return [
            f"{track.codec} {track.width}x{track.height}"
            if track.kind is Kind.VIDEO
            else f"{track.codec} {track.sample_rate}"
            for track in self.tracks
        ]

    def begin(self, reason: str) -> None:
        """Another publisher, with tracks of its own, goes on with the session; why the one before ended."""
        self._gap_reason = reason
        self._tracks = {}
        self._normalizer.gap()
        self._packager.begin_session()

    def push(self, outputs: list[Output]) -> None:
        """What the demuxer found in one tag."""
        for output in outputs:
            if isinstance(output, Unit):
                self._unit(output)
            elif isinstance(output, Track):
                self._track(output)
            elif isinstance(output, Unsupported):
                self.unsupported.append(output.codec[:64])
                log.warning("stream %s: %s %s cannot be taken", self.name, output.kind, output.codec)

    def end(self) -> None:
        """The session is over: flush what is held, send the viewers home."""
        self._deliver(self._packager.flush())
        self._fan_out()
        self.playlist.end()
        self.ring.close()
        self.fanout.close()

    def _track(self, track: Track) -> None:
        self._tracks[track.kind] = track
        if self._by_id.get(track.id, track) != track and self._packager.tracks is None:
            # The packager has let go of them too: no header that viewers will get fits them.
            self._waiting = [unit for unit in self._waiting if unit.track_id != track.id]
        self._by_id[track.id] = track
        self._normalizer.push(track)
        self._packager.set_track(track)

    def _unit(self, unit: Unit) -> None:
        for item in self._normalizer.push(unit):
            if isinstance(item, Unit):
                self._emit(item)
            elif isinstance(item, SourceGap):
                self._gap(item, unit.wall_ms)

    def _emit(self, unit: Unit) -> None:
        self.stats.push(self._by_id[unit.track_id], unit, self._now_s())
        self._deliver(self._packager.push(unit))
        if self._packager.tracks is self._decided:
            self.fanout.put(unit)
        else:
            self._waiting.append(unit)
            self._fan_out()

    def _gap(self, gap: SourceGap, wall_ms: int) -> None:
        """Media is missing before the next unit: note it and let the wall clock be taken anew."""
        self._packager.mark_gap()
        reason, self._gap_reason = self._gap_reason or gap.reason.value, ""
        if len(self.gaps) < MAX_GAPS:
            self.gaps.append(Gap(wall_ms + clock_step_ms() - gap.duration_ms, gap.duration_ms, reason))

    def _fan_out(self) -> None:
        """To the viewers, as soon as the packager has decided which tracks there are; it waits a second for both."""
        tracks = self._packager.tracks
        if tracks is None:
            return
        if tracks and tracks is not self._decided:
            self.fanout.start(FlvMuxer(tracks))
        self._decided = tracks
        units, self._waiting = self._waiting, []
        for unit in units:
            self.fanout.put(unit)

    def _deliver(self, parts: list[Part]) -> None:
        for part in parts:
            self.playlist.append(part)
            self.ring.add(part)
            self.playlist.drop_before(self.ring.segments[0].msn)
            if part.ends_segment:
                segment = self.ring.segments[-1]
                self.rate.add(segment.size_bytes, segment.duration_s)
            self._on_part(part)
