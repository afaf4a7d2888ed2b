"""What the files of a video hold: how large the picture is, and in which codecs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onetake.media.codecs import CodecError, describe, rfc6381
from onetake.media.fmp4.initreader import read_init
from onetake.media.units import Kind, Track


@dataclass(frozen=True, slots=True)
class Format:
    """Picture size (0 x 0 without a picture) and codecs as in RFC 6381."""

    width: int = 0
    height: int = 0
    codecs: str = ""


def read_format(files: Sequence[Path]) -> Format:
    """The format of the first file; nothing is known of one that is damaged. Blocking."""
    try:
        return _format(_tracks(files[0]))
    except (OSError, ValueError, CodecError, IndexError):
        return Format()


def _tracks(path: Path) -> list[Track]:
    with path.open("rb") as file:
        fd = file.fileno()
        info = read_init(lambda offset, length: os.pread(fd, length, offset), os.fstat(fd).st_size)
    return [item.track for item in info.tracks if item.track is not None]


def _format(tracks: Sequence[Track]) -> Format:
    codecs = ",".join(rfc6381(track) for track in tracks)
    picture = next((describe(track) for track in tracks if track.kind is Kind.VIDEO), None)
    return Format(picture.width, picture.height, codecs) if picture else Format(codecs=codecs)
