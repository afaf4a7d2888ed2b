"""What arrives from a publisher, measured as the console shows it: sliding windows of five seconds. Loop only."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from onetake.media.units import Kind, Track, Unit

WINDOW_S = 5.0


class StreamMeter:
    """Frame rate, bit rate, GOP and push speed of the units of one session, before any correction."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self.frames = 0
        self.gop_ms = 0.0
        self._now_s = now_s
        self._tracks: dict[int, Track] = {}
        self._window: deque[tuple[float, Kind, int, float]] = deque()
        self._last_key_s: float | None = None

    def set_track(self, track: Track) -> None:
        """A track, or its new configuration."""
        self._tracks[track.id] = track

    def add(self, unit: Unit) -> None:
        """A unit arrived."""
        track = self._tracks.get(unit.track_id)
        if track is None:
            return
        now, dts_s = self._now_s(), unit.dts / track.timescale
        if track.kind is Kind.VIDEO:
            self.frames += 1
            self._keyframe(unit, dts_s)
        window = self._window
        window.append((now, track.kind, len(unit.payload), dts_s))
        while now - window[0][0] > WINDOW_S:
            window.popleft()

    @property
    def fps(self) -> float:
        """Video units per second of wall clock."""
        return round(self._rate(lambda kind, size: kind is Kind.VIDEO), 2)

    @property
    def bitrate_bps(self) -> float:
        """Payload bits per second of all tracks, container overhead not counted."""
        return round(self._rate(lambda kind, size: size * 8))

    @property
    def push_speed(self) -> float:
        """Media time per wall time: 1 is real time, less is a starved uplink. 0 without media."""
        times = [(now, dts_s) for now, kind, _, dts_s in self._fresh() if kind is self._leading()]
        if len(times) < 2 or times[-1][0] <= times[0][0]:
            return 0.0
        return round((times[-1][1] - times[0][1]) / (times[-1][0] - times[0][0]), 3)

    def as_dict(self) -> dict[str, Any]:
        """The figures for the console."""
        return {
            "frames": self.frames,
            "fps": self.fps,
            "bitrate_bps": self.bitrate_bps,
            "gop_ms": self.gop_ms,
            "push_speed": self.push_speed,
        }

    def _keyframe(self, unit: Unit, dts_s: float) -> None:
        if unit.keyframe:
            if self._last_key_s is not None and dts_s > self._last_key_s:
                self.gop_ms = round((dts_s - self._last_key_s) * 1000, 1)
            self._last_key_s = dts_s

    def _leading(self) -> Kind:
        kinds = {track.kind for track in self._tracks.values()}
        return Kind.VIDEO if Kind.VIDEO in kinds else Kind.AUDIO

    def _fresh(self) -> list[tuple[float, Kind, int, float]]:
        oldest = self._now_s() - WINDOW_S
        return [item for item in self._window if item[0] >= oldest]

    def _rate(self, weight: Callable[[Kind, int], float]) -> float:
        fresh = self._fresh()
        if not fresh:
            return 0.0
        span_s = min(WINDOW_S, max(1.0, self._now_s() - fresh[0][0]))
        return sum(weight(kind, size) for _, kind, size, _ in fresh) / span_s
