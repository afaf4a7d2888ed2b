"""On-demand playlists of a recording, finished or still growing, straight from its indexes.

Two forms of the same bytes. *Virtual*: every segment has an ordinary URL, which `VodTitle.resolve` maps to file, offset
and length. *Range*: EXT-X-BYTERANGE for any static server or CDN, with a query of its own per line, because ffmpeg
merges neighbouring ranges of one URI and loses packets.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Self

from onetake.media.fmp4.parts import TARGET_DURATION_S
from onetake.media.hls.master import RateMeter
from onetake.media.hls.names import MediaName, init_uri, segment_uri
from onetake.media.hls.text import Body, GrowingText, date_time, seconds
from onetake.media.index import IndexHeader, IndexReader, IndexRecord

VERSION = 7
CLOCK_TOLERANCE_MS = 50
JOIN_TOLERANCE_S = 0.1


class Form(StrEnum):
    """How segments are addressed."""

    VIRTUAL = "virtual"
    RANGE = "range"


class Slice(NamedTuple):
    """The bytes that a URL stands for."""

    path: Path
    offset: int
    size_bytes: int


class _Segment(NamedTuple):
    """A complete segment as the index tells it."""

    msn: int
    offset: int
    size_bytes: int
    dts_ticks: int
    duration_ticks: int
    wall_ms: int


@dataclass(slots=True)
class _File:
    """One MP4 of the title with its open index, and how far the playlists have read it."""

    video: Path
    index: IndexReader

    @property
    def header(self) -> IndexHeader:
        return self.index.header


class _Cursor:
    """Reads the segments of one file as they become complete."""

    def __init__(self, file: _File) -> None:
        self.file = file
        self.end_ticks = 0
        self._next_record = 0
        self._open: IndexRecord | None = None
        self._last: IndexRecord | None = None

    def segments(self, *, closed: bool) -> Iterable[_Segment]:
        """Segments that were not complete last time; the last one counts as complete when the file is `closed`."""
        first_msn = self.file.header.first_msn
        for record in self.file.index.records(self._next_record):
            self._next_record += 1
            if self._open is None:
                self._open = record
            elif record.segment != self._open.segment:
                assert self._last is not None
                yield _segment(self._open, self._last, record.dts_ticks, first_msn)
                self._open = record
            self._last = record
        if self._last is not None:
            self.end_ticks = self._last.end_ticks
            if closed and self._open is not None:
                yield _segment(self._open, self._last, self.end_ticks, first_msn)
                self._open = None


def _segment(start: IndexRecord, last: IndexRecord, end_ticks: int, first_msn: int) -> _Segment:
    """A segment lasts until the next one starts: the sum of all durations is the time line of the media."""
    size, duration = last.end - start.offset, end_ticks - start.dts_ticks
    return _Segment(first_msn + start.segment, start.offset, size, start.dts_ticks, duration, start.wall_ms)


class _Growing:
    """One playlist text in one form, which takes up what the indexes gain."""

    def __init__(self, form: Form, base: str, kind: str, target_s: int = TARGET_DURATION_S) -> None:
        self.form = form
        self.target_s = target_s
        self.files = 0
        self._base = base
        self._cursor: _Cursor | None = None
        self._before: _File | None = None
        self._last_msn = -1
        self._expected_ms = 0.0
        self._text = GrowingText(f"#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target_s}\n{kind}")

    def take(self, files: Sequence[_File], *, ended: bool, meter: RateMeter | None) -> int:
        """Read what is new; the longest segment seen, in seconds rounded."""
        longest = 0.0
        for number in range(max(0, self.files - 1), len(files)):
            if number == self.files:
                self._enter(files[number])
            assert self._cursor is not None
            closed = ended or number < len(files) - 1
            scale = self._cursor.file.header.timescale
            lines: list[str] = []
            for segment in self._cursor.segments(closed=closed):
                lines.append(self._lines(segment, number, scale))
                duration_s = segment.duration_ticks / scale
                longest = max(longest, duration_s)
                if meter:
                    meter.add(segment.size_bytes, duration_s)
            self._text.append("".join(lines))
        return round(longest)

    def body(self, *, ended: bool) -> Body:
        """The playlist; without EXT-X-ENDLIST while the recording goes on."""
        return self._text.body("#EXT-X-ENDLIST\n" if ended else "")

    def _enter(self, file: _File) -> None:
        """The next file: a map where the init or its address changes, a discontinuity where decoding starts anew."""
        before, header = self._before, file.header
        new_init = before is None or before.header.init_crc != header.init_crc
        if before is not None and (new_init or not self._joins(file)):
            self._text.append("#EXT-X-DISCONTINUITY\n")
        if self.form is Form.RANGE:
            name = f"{self._base}{file.video.name}?o=0"
            self._text.append(f'#EXT-X-MAP:URI="{name}",BYTERANGE="{header.init_bytes}@0"\n')
        elif before is None or new_init or before.header.prefix != header.prefix:
            self._text.append(f'#EXT-X-MAP:URI="{self._base}{init_uri(header.prefix)}"\n')
        self._before, self._cursor, self._expected_ms = file, _Cursor(file), 0.0
        self.files += 1

    def _joins(self, file: _File) -> bool:
        """Whether the media time of `file` goes on where the file before ended."""
        assert self._cursor is not None
        if not len(file.index):
            return True
        scale = file.header.timescale
        gap_ticks = file.index[0].dts_ticks - self._cursor.end_ticks
        return self._cursor.file.header.timescale == scale and abs(gap_ticks) <= JOIN_TOLERANCE_S * scale

    def _lines(self, segment: _Segment, number: int, scale: int) -> str:
        assert self._cursor is not None
        duration_s = segment.duration_ticks / scale
        clock = ""
        if segment.wall_ms and abs(segment.wall_ms - self._expected_ms) > CLOCK_TOLERANCE_MS:
            clock = f"#EXT-X-PROGRAM-DATE-TIME:{date_time(segment.wall_ms)}\n"
            self._expected_ms = segment.wall_ms
        self._expected_ms += duration_s * 1000
        head = f"{clock}#EXTINF:{seconds(duration_s)},\n"
        if self.form is Form.RANGE:
            name = f"{self._base}{self._cursor.file.video.name}?o={segment.offset}"
            return f"{head}#EXT-X-BYTERANGE:{segment.size_bytes}@{segment.offset}\n{name}\n"
        again = f"?f={number}" if segment.msn == self._last_msn else ""
        self._last_msn = segment.msn
        return f"{head}{self._base}{segment_uri(self._cursor.file.header.prefix, segment.msn)}{again}\n"


class VodTitle:
    """A recording as HLS. Synchronous disk reads: for threads, or for the file process.

    `live`: it is still being written when this object is made; `refresh` looks for more until told that it has ended.
    `window`: its oldest files go; make another object then.
    `base`: put before every URI of the playlists, for playlists that lie above their files. `rates` is filled by the
    first `playlist`. Raises `BadIndex` and `OSError`.
    """

    def __init__(self, videos: Sequence[Path], *, live: bool = False, window: bool = False, base: str = "") -> None:
        self.rates = RateMeter()
        self._live = live
        self._window = window
        self._ended = not live
        self._base = base
        self._files: list[_File] = []
        self._texts: dict[Form, _Growing] = {}
        self._bodies: dict[Form, Body] = {}
        self._metered: Form | None = None
        self.refresh(videos)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give all files back."""
        for file in self._files:
            file.index.close()
        self._files.clear()

    @property
    def ended(self) -> bool:
        """Whether the playlists say that nothing more comes."""
        return self._ended

    def refresh(self, videos: Sequence[Path], *, ended: bool = False) -> bool:
        """Look again at a growing recording, whose files are now `videos`; whether anything changed."""
        changed = ended and not self._ended
        if self._files and not self._live:
            return False
        for video in videos[len(self._files) :]:
            self._files.append(_File(video, IndexReader(video.with_suffix(".idx"))))
            changed = True
        for file in self._files[-2:]:
            count = len(file.index)
            changed = file.index.refresh() != count or changed
        self._ended = self._ended or ended
        if changed:
            self._bodies.clear()
        return changed

    def playlist(self, form: Form = Form.VIRTUAL) -> Body:
        """The playlist in one form; made from what is new since the last call, kept until something changes."""
        if form not in self._bodies:
            self._bodies[form] = self._build(form)
        return self._bodies[form]

    def _build(self, form: Form) -> Body:
        text = self._texts.get(form) or _Growing(form, self._base, self._kind())
        self._metered = self._metered or form
        meter = self.rates if self._metered is form else None
        longest = text.take(self._files, ended=self._ended, meter=meter)
        if longest > text.target_s and not self._live:
            text = _Growing(form, self._base, self._kind(), target_s=longest)
            text.take(self._files, ended=self._ended, meter=None)
        self._texts[form] = text
        return text.body(ended=self._ended)

    def _kind(self) -> str:
        """What may happen to the list: nothing, it may grow, or it may also lose its front (RFC 8216bis §4.4.3.5)."""
        if self._window and self._files:
            return f"#EXT-X-MEDIA-SEQUENCE:{self._files[0].header.first_msn}\n"
        return f"#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:{'EVENT' if self._live else 'VOD'}\n"

    def resolve(self, name: MediaName, file_number: int | None = None) -> Slice | None:
        """The bytes of a virtual segment or init; None when this title does not have it.

        `file_number`: from `?f=`, for a segment that goes on in a second file. Takes a few small reads, however long
        the title is.
        """
        found = self._find(name, file_number)
        return found[1] if found else None

    def is_complete(self, name: MediaName, file_number: int | None = None) -> bool:
        """Whether a segment is there to its end: all are, but the last one of a recording that still grows."""
        found = self._find(name, file_number)
        if found is None or name.msn is None or self._ended or found[0] is not self._files[-1]:
            return found is not None
        file = found[0]
        return bool(len(file.index)) and name.msn < file.header.first_msn + file.index[-1].segment

    def _find(self, name: MediaName, file_number: int | None) -> tuple[_File, Slice] | None:
        """The file and the bytes of a name. A segment that goes on in a second file is found in the first."""
        files = self._files if file_number is None else self._files[file_number : file_number + 1]
        of_run = [file for file in files if file.header.prefix == name.prefix]
        if not of_run or name.part is not None:
            return None
        if name.msn is None:
            return of_run[0], Slice(of_run[0].video, 0, of_run[0].header.init_bytes)
        msn = name.msn
        started = [file for file in of_run if file.header.first_msn <= msn]
        for file in started[-2:]:
            place = file.index.find_segment(msn)
            if place:
                return file, Slice(file.video, place.offset, place.size_bytes)
        return None
