"""Figures of one incoming stream: frame rates, bitrates, push speed, GOP length, distance of sound and picture.

Rates are taken over a rolling window of 5 s that ends at the moment of asking: what came after the last unit before
the window, by the time since that unit. So they are unbiased while a stream runs, and fall to 0 when it stalls.
Feed units after `timestamps.Normalizer`; times of arrival are from a monotonic clock.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from onetake.media.codecs import CodecError, describe
from onetake.media.units import Kind, Track, Unit

WINDOW_S: Final = 5.0
_GOPS: Final = 10


class _Sample(NamedTuple):
    arrived_s: float
    dts_ms: float
    size_bytes: int
    skew_ms: float


@dataclass(slots=True)
class _Window:
    """The samples of one track since the last one before the window (the anchor, at the left end)."""

    samples: deque[_Sample] = field(default_factory=deque)
    size_bytes: int = 0

    def add(self, sample: _Sample) -> None:
        self.samples.append(sample)
        self.size_bytes += sample.size_bytes
        self.trim(sample.arrived_s)

    def trim(self, now_s: float) -> None:
        samples = self.samples
        while len(samples) > 1 and samples[1].arrived_s <= now_s - WINDOW_S:
            self.size_bytes -= samples.popleft().size_bytes

    def span_s(self, now_s: float) -> float:
        """Time since the anchor, 0.0 when there is nothing to divide by."""
        return max(0.0, now_s - self.samples[0].arrived_s) if self.samples else 0.0

    def frames_per_s(self, now_s: float) -> float:
        span_s = self.span_s(now_s)
        return (len(self.samples) - 1) / span_s if span_s else 0.0

    def bits_per_s(self, now_s: float) -> float:
        span_s = self.span_s(now_s)
        return (self.size_bytes - self.samples[0].size_bytes) * 8 / span_s if span_s else 0.0

    def media_ms(self) -> float:
        """DTS gained since the anchor."""
        return self.samples[-1].dts_ms - self.samples[0].dts_ms if self.samples else 0.0


@dataclass(slots=True)
class Totals:
    """Counts since the start, that only grow: differences of two of them fill the buckets of a roll-up."""

    video_frames: int = 0
    audio_frames: int = 0
    video_bytes: int = 0
    audio_bytes: int = 0
    video_media_ms: float = 0.0
    keyframes: int = 0
    gop_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The figures at one moment. Rates are per second of wall time, bitrates count payload only.

    `push_speed` is media time by wall time: 1.0 is real time. `gop_open_ms` is the age of the GOP under way; the others
    are over the last ten finished ones. `nominal_fps` is what the stream says of itself, 0.0 = nothing;
    `source_missing` is how many pictures it lacks by that, in the window. `idle_s` is the time since the last unit.
    """

    video_fps: float
    audio_fps: float
    video_bps: float
    audio_bps: float
    push_speed: float
    gop_last_ms: float
    gop_mean_ms: float
    gop_max_ms: float
    gop_open_ms: float
    gop_frames: int
    skew_max_ms: float
    nominal_fps: float
    source_missing: int
    idle_s: float


class StreamStats:
    """Figures of one stream, also over reconnects."""

    def __init__(self) -> None:
        self._windows = {kind: _Window() for kind in Kind}
        self._newest_ms: dict[Kind, float] = {}
        self._keyframe_ms: float | None = None
        self._gop_frames = 0
        self._last_gop_frames = 0
        self._gops_ms: deque[float] = deque(maxlen=_GOPS)
        self._described: Track | None = None
        self._nominal_fps = 0.0
        self._last_s: float | None = None
        self.totals = Totals()

    def push(self, track: Track, unit: Unit, now_s: float) -> None:
        """Count one unit that arrived at `now_s`. One with the DTS of the last is not counted as a frame."""
        kind, dts_ms = track.kind, unit.dts * 1000 / track.timescale
        self._last_s = now_s
        if dts_ms == self._newest_ms.get(kind):
            return
        self._newest_ms[kind] = dts_ms
        other_ms = self._newest_ms.get(Kind.AUDIO if kind is Kind.VIDEO else Kind.VIDEO, dts_ms)
        self._windows[kind].add(_Sample(now_s, dts_ms, len(unit.payload), abs(dts_ms - other_ms)))
        if kind is Kind.VIDEO:
            self._count_video(track, unit, dts_ms)
        else:
            self.totals.audio_frames += 1
            self.totals.audio_bytes += len(unit.payload)

    def _count_video(self, track: Track, unit: Unit, dts_ms: float) -> None:
        if track is not self._described:
            self._described, self._nominal_fps = track, _nominal_fps(track)
        totals = self.totals
        totals.video_frames += 1
        totals.video_bytes += len(unit.payload)
        samples = self._windows[Kind.VIDEO].samples
        if len(samples) > 1:
            totals.video_media_ms += samples[-1].dts_ms - samples[-2].dts_ms
        if unit.keyframe:
            self._count_gop(dts_ms)
        self._gop_frames += 1

    def _count_gop(self, dts_ms: float) -> None:
        if self._keyframe_ms is not None:
            self._gops_ms.append(dts_ms - self._keyframe_ms)
            self._last_gop_frames = self._gop_frames
            self.totals.gop_ms += dts_ms - self._keyframe_ms
        self.totals.keyframes += 1
        self._keyframe_ms, self._gop_frames = dts_ms, 0

    def snapshot(self, now_s: float) -> Snapshot:
        """The figures at `now_s`."""
        video, audio = self._windows[Kind.VIDEO], self._windows[Kind.AUDIO]
        for window in (video, audio):
            window.trim(now_s)
        leading = video if video.samples else audio
        span_s = leading.span_s(now_s)
        gops = list(self._gops_ms) or [0.0]
        missing = self._nominal_fps * video.media_ms() / 1000 - (len(video.samples) - 1)
        return Snapshot(
            video_fps=video.frames_per_s(now_s),
            audio_fps=audio.frames_per_s(now_s),
            video_bps=video.bits_per_s(now_s),
            audio_bps=audio.bits_per_s(now_s),
            push_speed=leading.media_ms() / 1000 / span_s if span_s else 0.0,
            gop_last_ms=gops[-1],
            gop_mean_ms=sum(gops) / len(gops),
            gop_max_ms=max(gops),
            gop_open_ms=self._open_gop_ms(),
            gop_frames=self._last_gop_frames,
            skew_max_ms=max((sample.skew_ms for window in (video, audio) for sample in window.samples), default=0.0),
            nominal_fps=self._nominal_fps,
            source_missing=max(0, round(missing)) if self._nominal_fps and video.samples else 0,
            idle_s=max(0.0, now_s - self._last_s) if self._last_s is not None else 0.0,
        )

    def _open_gop_ms(self) -> float:
        newest_ms = self._newest_ms.get(Kind.VIDEO)
        return newest_ms - self._keyframe_ms if newest_ms is not None and self._keyframe_ms is not None else 0.0


def _nominal_fps(track: Track) -> float:
    try:
        return describe(track).fps
    except CodecError:
        return 0.0
