"""What the recording writer tells about its work."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileSummary:
    """One file of a recording. `problem`: code of the failure that left it without a clean end, None otherwise.

    `first_msn`: media sequence number of its first segment.
    """

    name: str
    size_bytes: int
    parts: int
    start_wall_ms: int
    duration_s: float
    problem: str | None = None
    first_msn: int = 0


@dataclass(frozen=True, slots=True)
class Damage:
    """Something went wrong in `file` from `offset` on. `saved`: every part is in the next file instead."""

    file: str
    offset: int
    code: str
    at_ms: int
    saved: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """Wall clock (Unix ms) between two parts where media is missing."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class RecordingSummary:
    """What a recording has become."""

    files: tuple[FileSummary, ...] = ()
    damages: tuple[Damage, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def duration_s(self) -> float:
        """Media time of all files."""
        return sum(file.duration_s for file in self.files)

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(file.size_bytes for file in self.files)
