"""Trial playback: the first seconds of a title and nothing else (C4), decided from the text of its playlist."""

from dataclasses import dataclass

_END = b"#EXT-X-ENDLIST"
_DURATION = b"#EXTINF:"


@dataclass(frozen=True, slots=True)
class Trial:
    """A shortened playlist and the names that may be fetched with it, as they stand in the playlist."""

    playlist: bytes
    names: frozenset[str]


def shorten(playlist: bytes, limit_s: int) -> Trial:
    """The segments that start before `limit_s` seconds of media; the list says that it ends there."""
    kept: list[bytes] = []
    names: set[str] = set()
    passed_s = 0.0
    for line in playlist.split(b"\n"):
        if line.startswith(_DURATION):
            if passed_s >= limit_s:
                break
            passed_s += _seconds(line)
        elif line.startswith(b"#EXT-X-MAP:"):
            names.add(line.partition(b'URI="')[2].partition(b'"')[0].decode("utf-8", "replace"))
        elif line and not line.startswith(b"#"):
            names.add(line.decode("utf-8", "replace"))
        kept.append(line)
    # What announces the first segment that is left out (a date, a discontinuity, a map) goes with it.
    while kept and (not kept[-1] or (kept[-1].startswith(b"#") and len(names) > 0 and not _is_head(kept[-1]))):
        kept.pop()
    return Trial(b"\n".join([*kept, _END, b""]), frozenset(names))


def _is_head(line: bytes) -> bool:
    return line.startswith((b"#EXTM3U", b"#EXT-X-VERSION", b"#EXT-X-TARGETDURATION", b"#EXT-X-MEDIA-SEQUENCE"))


def _seconds(line: bytes) -> float:
    try:
        return float(line[len(_DURATION) :].partition(b",")[0])
    except ValueError:
        return 0.0
