"""What `ffmpeg -progress pipe:1` reports: blocks of `key=value` lines, each ended by `progress=continue|end`."""

from dataclasses import dataclass

MAX_LINE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Progress:
    """One report. `out_s` is the media time written; `speed` 1.0 = real time (0 when unknown)."""

    frame: int = 0
    fps: float = 0.0
    out_s: float = 0.0
    total_bytes: int = 0
    speed: float = 0.0
    done: bool = False


class ProgressParser:
    """Takes the bytes of the pipe in any pieces."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, str] = {}

    def feed(self, data: bytes) -> list[Progress]:
        """The reports that are complete with `data`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-MAX_LINE_BYTES:]
        reports = []
        for line in lines:
            key, _, value = line.decode("ascii", "replace").partition("=")
            if key.strip() == "progress":
                reports.append(_report(self._fields, value.strip() == "end"))
                self._fields = {}
            elif len(self._fields) < 64:
                self._fields[key.strip()] = value.strip()
        return reports


def _report(fields: dict[str, str], done: bool) -> Progress:
    return Progress(
        frame=int(_number(fields.get("frame"))),
        fps=_number(fields.get("fps")),
        out_s=_number(fields.get("out_time_us")) / 1_000_000,
        total_bytes=int(_number(fields.get("total_size"))),
        speed=_number(fields.get("speed", "").rstrip("x")),
        done=done,
    )


def _number(text: str | None) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return value if 0 <= value < 1e18 else 0.0
