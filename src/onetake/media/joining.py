"""Makes one progressive MP4 of the files of a recording: the ffmpeg arguments for it, and how long the result will be.

Files that one decoder can read in a row are copied; sound that is not AAC is encoded. When the files differ (another
picture size or codec, a track that came or went) everything is encoded again, the largest picture deciding.
"""

import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from onetake.media.fmp4.initreader import InitInfo, read_init
from onetake.media.fmp4.partreader import parse_moof
from onetake.media.index import IndexReader
from onetake.media.recording.paths import index_path
from onetake.media.units import Codec, Kind, Track

KEPT_HOLE_S = 1.0
LOOK_AT_PARTS = 32
# Without `auto_convert 0` parameter sets would be put into every keyframe; the files of a run have the same ones.
_CONCAT = ("-protocol_whitelist", "file,pipe", "-f", "concat", "-safe", "0", "-auto_convert", "0", "-i")
_AAC = ("-c:a", "aac", "-b:a", "160k")
_H264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-fps_mode", "vfr")
_MP4 = ("-map_metadata", "-1", "-movflags", "+faststart", "-f", "mp4")


@dataclass(frozen=True, slots=True)
class Source:
    """One file, in seconds of its clock: `first_s` and `end_s` are decode times, `start_s` is what is shown first."""

    path: Path
    tracks: tuple[Track, ...]
    first_s: float
    end_s: float
    start_s: float

    @property
    def length_s(self) -> float:
        """How long it plays."""
        return self.end_s - self.first_s

    def until(self, following: "Source") -> float:
        """Seconds from what this file shows first to what `following` does when that goes on right behind.

        Files of one session have one clock, which is kept; a pause or another session's clock is left out.
        """
        hole_s = following.first_s - self.end_s
        goes_on_at_s = following.first_s if 0 <= hole_s <= KEPT_HOLE_S else self.end_s
        return (goes_on_at_s - self.start_s) + (following.start_s - following.first_s)


@dataclass(frozen=True, slots=True)
class Run:
    """Files in a row that have the same tracks."""

    files: tuple[Source, ...]

    @property
    def length_s(self) -> float:
        """How long they play."""
        return sum(file.length_s for file in self.files)

    def first(self, kind: Kind) -> Track | None:
        """The track of a kind."""
        return next((track for track in self.files[0].tracks if track.kind is kind), None)


@dataclass(frozen=True, slots=True)
class Joining:
    """What is to be joined. Write `lists` (name to content) into the folder in which ffmpeg runs with `arguments`."""

    lists: dict[str, str]
    arguments: tuple[str, ...]
    length_s: float
    copies: bool


def plan(files: Sequence[Path], target: str) -> Joining | None:
    """How `files` become the MP4 `target`; None when there is nothing in them to play. Blocking.

    Raises `OSError`, and `ValueError` (`Malformed`, `BadIndex`) for a file that is damaged.
    """
    runs = _runs(files)
    if not runs:
        return None
    lists = {f"run-{number}.ffconcat": _listing(run.files) for number, run in enumerate(runs)}
    inputs = [word for name in lists for word in (*_CONCAT, name)]
    made = _copied(runs[0]) if len(runs) == 1 else _encoded(runs)
    length_s = sum(run.length_s for run in runs)
    return Joining(lists, (*inputs, *made, *_MP4, target), length_s, copies=len(runs) == 1)


def _runs(files: Iterable[Path]) -> list[Run]:
    sources = [source for path in files if (source := _source(path))]
    return [Run(tuple(group)) for _, group in itertools.groupby(sources, key=lambda source: source.tracks)]


def _source(path: Path) -> Source | None:
    """What is known of a recording's file; None for one that was begun and got nothing."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        with IndexReader(index_path(path)) as index:
            info = read_init(lambda offset, length: os.pread(fd, length, offset), os.fstat(fd).st_size)
            tracks = tuple(item.track for item in info.tracks if item.track is not None)
            if not tracks or not len(index):
                return None
            ticks = index.header.timescale
            first_s, end_s = index[0].dts_ticks / ticks, index[-1].end_ticks / ticks
            return Source(path, tracks, first_s, end_s, _start_s(fd, info, index))
    finally:
        os.close(fd)


def _start_s(fd: int, info: InitInfo, index: IndexReader) -> float:
    """The earliest presentation time of any track: where ffmpeg says that the file starts."""
    found: dict[int, float] = {}
    for record in itertools.islice(index.records(), LOOK_AT_PARTS):
        size = int.from_bytes(os.pread(fd, 4, record.offset))
        moof = parse_moof(os.pread(fd, min(size, record.size_bytes), record.offset), info, record.offset)
        for samples in moof.tracks:
            found.setdefault(samples.track.id, samples.earliest_pts / samples.track.timescale)
        if len(found) == len(info.tracks):
            break
    return min(found.values())


def _listing(files: Sequence[Source]) -> str:
    """The list for ffmpeg's concat demuxer, which would take the clock of a file for its length."""
    entries = ["ffconcat version 1.0\n"]
    for number, file in enumerate(files):
        quoted = str(file.path.absolute()).replace("'", "'\\''")
        length_s = file.until(files[number + 1]) if number + 1 < len(files) else file.length_s
        entries.append(f"file '{quoted}'\nduration {length_s:.6f}\n")
    return "".join(entries)


def _copied(run: Run) -> list[str]:
    video, audio = run.first(Kind.VIDEO), run.first(Kind.AUDIO)
    words = ["-map", "0:v:0", "-c:v", "copy"] if video else []
    # Apple's players take HEVC by this name only.
    words += ["-tag:v", "hvc1"] if video and video.codec is Codec.HEVC else []
    words += ["-map", "0:a:0"] if audio else []
    return words + ([] if audio is None else ["-c:a", "copy"] if audio.codec is Codec.AAC else [*_AAC])


def _encoded(runs: Sequence[Run]) -> list[str]:
    """Every run in one size and one sample rate; black and silence where a run has no picture or no sound."""
    pictures = [track for run in runs if (track := run.first(Kind.VIDEO))]
    has_sound = any(run.first(Kind.AUDIO) for run in runs)
    largest = max(pictures, key=lambda track: track.width * track.height, default=None)
    chains, pads = [], ""
    for number, run in enumerate(runs):
        if largest is not None:
            chains.append(f"{_picture(number, run, *_even(largest))}[v{number}]")
            pads += f"[v{number}]"
        if has_sound:
            chains.append(f"{_sound(number, run)}[a{number}]")
            pads += f"[a{number}]"
    chains.append(
        f"{pads}concat=n={len(runs)}:v={int(bool(pictures))}:a={int(has_sound)}" + _outputs(pictures, has_sound)
    )
    words = ["-filter_complex", ";".join(chains)]
    words += ["-map", "[v]", *_H264] if pictures else []
    return words + (["-map", "[a]", *_AAC] if has_sound else [])


def _outputs(pictures: Sequence[Track], has_sound: bool) -> str:
    return ("[v]" if pictures else "") + ("[a]" if has_sound else "")


def _picture(number: int, run: Run, width: int, height: int) -> str:
    if run.first(Kind.VIDEO) is None:
        return f"color=black:s={width}x{height}:r=25:d={run.length_s:.3f},format=yuv420p,setsar=1"
    fit = f"scale={width}:{height}:force_original_aspect_ratio=decrease,pad={width}:{height}:-1:-1"
    return f"[{number}:v:0]{fit},format=yuv420p,setsar=1"


def _sound(number: int, run: Run) -> str:
    if run.first(Kind.AUDIO) is None:
        return f"aevalsrc=0|0:s=48000:d={run.length_s:.3f}"
    return f"[{number}:a:0]aresample=48000:async=1,aformat=channel_layouts=stereo"


def _even(track: Track) -> tuple[int, int]:
    return track.width + track.width % 2, track.height + track.height % 2
