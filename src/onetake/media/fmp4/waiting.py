"""Units that wait until it is known which tracks take part in a run."""

from onetake.media.units import Kind, Track, Unit

WAIT_FOR_SECOND_TRACK_S = 1.0
MAX_WAITING_UNITS = 2000
MAX_WAITING_BYTES = 32 << 20


class WaitingRoom:
    """Keeps units in the order of arrival, with the gaps between them. The wait is that of the present publisher."""

    def __init__(self) -> None:
        self._units: list[tuple[Unit, bool]] = []
        self._bytes = 0
        self._tracks: dict[Kind, Track] = {}
        self._first: Unit | None = None
        self._gap = False

    def __len__(self) -> int:
        return len(self._units)

    def mark_gap(self) -> None:
        """Media is missing before the next unit."""
        self._gap = True

    def begin_session(self) -> None:
        """Another publisher goes on: what waits stays, the wait begins anew."""
        self._first = None

    def announce(self, track: Track) -> int:
        """`track` holds for what follows. Units of the one that it replaces no init will fit; how many were let go."""
        old = self._tracks.get(track.kind)
        self._tracks[track.kind] = track
        if old is None or old == track:
            return 0
        units, self._units, self._bytes = self._units, [], 0
        gap_at_end, self._gap = self._gap, False
        for unit, after_gap in units:
            self._gap |= after_gap
            if unit.track_id != old.id:
                self._keep(unit)
        self._gap |= gap_at_end
        return len(units) - len(self._units)

    def add(self, unit: Unit) -> None:
        """The next unit."""
        self._first = self._first or unit
        self._keep(unit)

    def _keep(self, unit: Unit) -> None:
        self._units.append((unit, self._gap))
        self._bytes += len(unit.payload)
        self._gap = False

    def is_over(self) -> bool:
        """Whether the publisher has sent for a second, or more than can be kept."""
        if len(self._units) >= MAX_WAITING_UNITS or self._bytes >= MAX_WAITING_BYTES:
            return True
        first, last = self._first or self._units[0][0], self._units[-1][0]
        if first.wall_ms and last.wall_ms - first.wall_ms >= WAIT_FOR_SECOND_TRACK_S * 1000:
            return True
        scale = next((track.timescale for track in self._tracks.values() if track.id == last.track_id), 0)
        same_track = first.track_id == last.track_id
        return bool(scale) and same_track and last.dts - first.dts >= WAIT_FOR_SECOND_TRACK_S * scale

    def leave(self) -> list[tuple[Unit, bool]]:
        """All units, and whether media is missing before each."""
        units, self._units, self._bytes = self._units, [], 0
        return units
