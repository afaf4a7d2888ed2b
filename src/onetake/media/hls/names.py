"""The names of segments and parts: one name for a piece of media for its whole life, in RAM, window or recording.

Relative to the playlist: `s/<run prefix>/init.mp4`, `s/<run prefix>/<msn>.m4s`, `s/<run prefix>/<msn>.<part>.m4s`. The
prefix is random per run, so that no cache can mix two runs; media sequence numbers never repeat within a stream.
"""

import re
from dataclasses import dataclass

INIT_NAME = "init.mp4"
_NAME = re.compile(r"(?P<msn>0|[1-9]\d{0,15})(?:\.(?P<part>0|[1-9]\d{0,5}))?\.m4s")
_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,16}")


@dataclass(frozen=True, slots=True)
class MediaName:
    """What a name asks for: the init (`msn` None), a segment (`part` None) or a part."""

    prefix: str
    msn: int | None = None
    part: int | None = None


def init_uri(prefix: str) -> str:
    """The init segment of a run."""
    return f"s/{prefix}/{INIT_NAME}"


def segment_uri(prefix: str, msn: int) -> str:
    """A whole segment."""
    return f"s/{prefix}/{msn}.m4s"


def part_uri(prefix: str, msn: int, part: int) -> str:
    """One part of a segment."""
    return f"s/{prefix}/{msn}.{part}.m4s"


def parse_name(prefix: str, name: str) -> MediaName | None:
    """What the last two path parts of a request ask for; None when they are no name of ours."""
    if not _PREFIX.fullmatch(prefix):
        return None
    if name == INIT_NAME:
        return MediaName(prefix)
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return MediaName(prefix, int(match["msn"]), int(match["part"]) if match["part"] else None)
