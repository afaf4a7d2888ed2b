"""Reads what `ffmpeg -progress pipe:1` writes: `key=value` lines in blocks that end with `progress=continue|end`."""

from dataclasses import dataclass, replace

_MAX_LINE = 4096


@dataclass(frozen=True, slots=True)
class FfmpegProgress:
    """Where an encode stands. `speed` is media seconds per second, None until ffmpeg knows it."""

    out_time_s: float = 0.0
    frame: int = 0
    fps: float = 0.0
    speed: float | None = None
    size_bytes: int = 0
    ended: bool = False


class ProgressParser:
    """Feed it any bytes; it never fails and keeps at most one line."""

    def __init__(self) -> None:
        self.latest = FfmpegProgress()
        self._rest = b""

    def feed(self, data: bytes) -> bool:
        """Take bytes; True when the encode got further."""
        before = self.latest
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-_MAX_LINE:]
        for line in lines:
            self._line(line[:_MAX_LINE].decode("ascii", "replace").strip())
        return (self.latest.out_time_s, self.latest.frame, self.latest.size_bytes) != (
            before.out_time_s,
            before.frame,
            before.size_bytes,
        )

    def _line(self, line: str) -> None:
        key, _, value = line.partition("=")
        value = value.strip()
        if key == "progress":
            self.latest = replace(self.latest, ended=value == "end")
        elif key == "out_time_us":
            self.latest = replace(self.latest, out_time_s=max(0, _integer(value)) / 1e6)
        elif key == "frame":
            self.latest = replace(self.latest, frame=_integer(value))
        elif key == "total_size":
            self.latest = replace(self.latest, size_bytes=_integer(value))
        elif key in ("fps", "speed"):
            self._rate(key, value)

    def _rate(self, key: str, value: str) -> None:
        number = _number(value.removesuffix("x"))
        if number is None:
            return
        if key == "fps":
            self.latest = replace(self.latest, fps=number)
        else:
            self.latest = replace(self.latest, speed=number)


def _integer(value: str) -> int:
    number = _number(value)
    return int(number) if number is not None else 0


def _number(value: str) -> float | None:
    """None for N/A and for everything that is no usable number."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < 1e18 else None
