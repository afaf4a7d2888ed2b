"""Blocking playlist reload (RFC 8216bis §6.2.5.2) as decisions: answer now, wait for a position, or refuse. No I/O."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from onetake.media.fmp4.parts import PART_TARGET_S, TARGET_DURATION_S, Run
from onetake.media.hls.live import LivePlaylist

ADVANCE_PART_LIMIT = math.ceil(3 / PART_TARGET_S)
"""How many parts a request may be ahead of the playlist (§6.2.5.2)."""
DEADLINE_S = 3.0 * TARGET_DURATION_S
MAX_DIGITS = 16


class BadReload(ValueError):
    """The directive `name` breaks the rules: answer 400."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(f"{name} {reason}")


@dataclass(frozen=True, slots=True)
class ReloadQuery:
    """The delivery directives of one request."""

    msn: int | None = None
    part: int | None = None
    skip: bool = False
    dvr: bool = False

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "ReloadQuery":
        """Read `_HLS_msn`, `_HLS_part`, `_HLS_skip` and our `dvr`. Raises `BadReload`."""
        msn, part = _number(query, "_HLS_msn"), _number(query, "_HLS_part")
        if part is not None and msn is None:
            raise BadReload("_HLS_part", "without _HLS_msn")
        return cls(msn, part, query.get("_HLS_skip") in ("YES", "v2"), query.get("dvr") == "1")


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise BadReload(name, "is no decimal integer")
    return int(text)


@dataclass(frozen=True, slots=True)
class Wait:
    """The answer must wait until the playlist holds part `part` of segment `msn`, or all of it when `part` is None.

    After `deadline_s` seconds answer 503 (a playlist) or 404 (a part). `msn` None: until there is a whole segment.
    """

    msn: int | None
    part: int | None = None
    deadline_s: float = DEADLINE_S

    def is_over(self, playlist: LivePlaylist) -> bool:
        """Whether `playlist` has come far enough, or has ended."""
        if playlist.ended:
            return True
        if self.msn is None:
            return playlist.has_segment
        return _is_listed(playlist, self.msn, self.part)


def decide(playlist: LivePlaylist, query: ReloadQuery) -> Wait | None:
    """None: answer now with the present playlist; a request for the past gets it too. Raises `BadReload`."""
    if playlist.ended:
        return None
    if query.msn is None:
        return None if playlist.has_segment else Wait(None)
    if playlist.is_empty:
        return Wait(None)
    part = query.part if playlist.low_latency else None
    _refuse_far_ahead(playlist, query.msn, part)
    return None if _is_listed(playlist, query.msn, part) else Wait(query.msn, part)


def decide_part(playlist: LivePlaylist, run: Run, msn: int, part: int) -> Wait | None:
    """For a part that is not there: wait if it is the one that EXT-X-PRELOAD-HINT names, else None (answer 404)."""
    hinted = playlist.low_latency and not playlist.ended and (msn, part) == playlist.position
    return Wait(msn, part) if hinted and run.low_latency else None


def _refuse_far_ahead(playlist: LivePlaylist, msn: int, part: int | None) -> None:
    """400 for more than two segments, or more than the Advance Part Limit, beyond the end."""
    next_msn, next_part = playlist.position
    if msn > next_msn + 1:
        raise BadReload("_HLS_msn", "is too far ahead")
    last_part = next_part - 1 if msn == next_msn else -1
    if part is not None and msn >= next_msn and part > last_part + ADVANCE_PART_LIMIT:
        raise BadReload("_HLS_part", "is too far ahead")


def _is_listed(playlist: LivePlaylist, msn: int, part: int | None) -> bool:
    """Whether a position is in the playlist; a part beyond the end of its segment means part 0 of the next one."""
    position = playlist.position
    if part is None:
        return msn < position[0]
    if msn == position[0]:
        return part < position[1]
    if msn < position[0] and part >= playlist.part_count(msn) > 0:
        return position > (msn + 1, 0)
    return msn < position[0]
