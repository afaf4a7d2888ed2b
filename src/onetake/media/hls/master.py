"""The multivariant playlist (RFC 8216bis §4.4.6) and the figures in it, measured and not guessed."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from onetake.media.fmp4.parts import TARGET_DURATION_S

VERSION = 9
MIN_PEAK_WINDOW_S = TARGET_DURATION_S / 2


class RateMeter:
    """Bit rate and frame rate of a stream, segment by segment.

    The peak is the highest rate of neighbouring segments that last at least half a target duration (§4.1).
    """

    def __init__(self) -> None:
        self._bits = self._duration_s = self._peak_bps = 0.0
        self._frames = 0
        self._recent: deque[tuple[float, float]] = deque()
        self._recent_bits = self._recent_s = 0.0

    def add(self, size_bytes: int, duration_s: float, frames: int = 0) -> None:
        """One more complete segment."""
        bits = size_bytes * 8.0
        self._bits += bits
        self._duration_s += duration_s
        self._frames += frames
        self._recent.append((bits, duration_s))
        self._recent_bits += bits
        self._recent_s += duration_s
        while self._recent_s - self._recent[0][1] >= MIN_PEAK_WINDOW_S:
            old_bits, old_s = self._recent.popleft()
            self._recent_bits -= old_bits
            self._recent_s -= old_s
        if self._recent_s >= MIN_PEAK_WINDOW_S:
            self._peak_bps = max(self._peak_bps, self._recent_bits / self._recent_s)

    @property
    def average_bps(self) -> int:
        """Average bit rate; 0 before the first segment."""
        return round(self._bits / self._duration_s) if self._duration_s else 0

    @property
    def peak_bps(self) -> int:
        """Peak bit rate; the average while there is less than half a target duration."""
        return max(round(self._peak_bps), self.average_bps)

    @property
    def frame_rate(self) -> float:
        """Frames per second of the leading track; 0 when they were not counted."""
        return self._frames / self._duration_s if self._duration_s else 0.0


@dataclass(frozen=True, slots=True)
class Variant:
    """One line of the multivariant playlist; `codecs` as RFC 6381 wants, video first."""

    uri: str
    codecs: Sequence[str]
    peak_bps: int
    average_bps: int = 0
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0

    def lines(self) -> str:
        """EXT-X-STREAM-INF and the URI."""
        attributes = [f"BANDWIDTH={max(1, self.peak_bps)}"]
        if self.average_bps:
            attributes.append(f"AVERAGE-BANDWIDTH={self.average_bps}")
        attributes.append(f'CODECS="{",".join(self.codecs)}"')
        if self.width and self.height:
            attributes.append(f"RESOLUTION={self.width}x{self.height}")
        if self.width and self.frame_rate:
            attributes.append(f"FRAME-RATE={self.frame_rate:.3f}")
        return f"#EXT-X-STREAM-INF:{','.join(attributes)}\n{self.uri}\n"


def master_playlist(variants: Sequence[Variant]) -> bytes:
    """The multivariant playlist; the variant to start with comes first.

    No EXT-X-START in it: ffmpeg 9 would take it for a media playlist. That is where it stands.
    """
    head = f"#EXTM3U\n#EXT-X-VERSION:{VERSION}\n"
    return (head + "".join(variant.lines() for variant in variants)).encode()
