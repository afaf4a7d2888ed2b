"""The live media playlist: LL-HLS by RFC 8216bis, a minute by default or the whole window, full or as delta update.

It is fed part by part and keeps only text and numbers; nothing waits here and nothing is read from disk.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import islice

from onetake.media.fmp4.parts import PART_TARGET_S, TARGET_DURATION_S, Part, Run
from onetake.media.hls.names import init_uri, part_uri, segment_uri
from onetake.media.hls.text import Body, GrowingText, date_time, seconds

VERSION = 9
"""EXT-X-SKIP needs 9 (RFC 8216bis §8)."""
PART_HOLD_BACK_S = 3 * PART_TARGET_S
SKIP_BOUNDARY_S = 6 * TARGET_DURATION_S
PARTS_LISTED_S = 3 * TARGET_DURATION_S
"""How far from the end parts stay listed: three target durations (§4.4.4.9)."""
LIST_S = 60.0


@dataclass(slots=True)
class _Entry:
    """One segment of the list.

    `discontinuities`: how many came before it in the stream; `independent`: it starts with a keyframe; `parts`: tag
    lines.
    """

    run: Run
    msn: int
    wall_ms: int
    discontinuity: bool
    new_map: bool
    discontinuities: int
    independent: bool
    parts: list[str] = field(default_factory=list)
    part_count: int = 0
    duration_s: float = 0.0
    complete: bool = False
    gap: bool = False
    texts: dict[bool, str] = field(default_factory=dict)

    def lines(self, *, with_parts: bool) -> str:
        """Its tags and its URI; written once when it is complete."""
        if not self.complete:
            return self._write(with_parts=with_parts)
        if with_parts not in self.texts:
            self.texts[with_parts] = self._write(with_parts=with_parts)
        return self.texts[with_parts]

    def forget_parts(self) -> bool:
        """Let go of lines that are never listed again; False when that was done before."""
        had_parts = bool(self.parts)
        self.parts = []
        self.texts.pop(True, None)
        return had_parts

    def _write(self, *, with_parts: bool) -> str:
        """The tags in the order of the standard."""
        out = ["#EXT-X-DISCONTINUITY\n"] if self.discontinuity else []
        if self.new_map:
            out.append(map_tag(self.run))
        if self.wall_ms:
            out.append(f"#EXT-X-PROGRAM-DATE-TIME:{date_time(self.wall_ms)}\n")
        if with_parts and self.run.low_latency:
            out += self.parts
        if self.complete:
            gap = "#EXT-X-GAP\n" if self.gap else ""
            out.append(f"{gap}#EXTINF:{seconds(self.duration_s)},\n{segment_uri(self.run.prefix, self.msn)}\n")
        return "".join(out)


def map_tag(run: Run) -> str:
    """EXT-X-MAP of a run."""
    return f'#EXT-X-MAP:URI="{init_uri(run.prefix)}"\n'


class LivePlaylist:
    """One media playlist of a live stream.

    `discontinuity_sequence`: where it starts after a restart (one more than before, as the first segment of the new
    process is discontinuous). `siblings`: other renditions by the URI of their playlist, for EXT-X-RENDITION-REPORT.
    `version` rises with every change.
    """

    def __init__(self, *, discontinuity_sequence: int = 0, list_s: float = LIST_S) -> None:
        self.siblings: dict[str, LivePlaylist] = {}
        self.ended = False
        self.version = 0
        self._list_s = list_s
        self._entries: deque[_Entry] = deque()
        self._discontinuities = discontinuity_sequence
        self._bodies: dict[tuple[bool, bool], Body] = {}
        self._growing: GrowingText | None = None
        self._grown = 0

    @property
    def is_empty(self) -> bool:
        """True until the first part."""
        return not self._entries

    @property
    def low_latency(self) -> bool:
        """Whether parts are listed now."""
        return bool(self._entries) and self._entries[-1].run.low_latency

    @property
    def has_segment(self) -> bool:
        """Whether there is a complete segment, so that every player finds something to play."""
        return any(entry.complete for entry in islice(self._entries, 2))

    @property
    def first_msn(self) -> int:
        """Media sequence number of the first segment of the window; 0 when empty."""
        return self._entries[0].msn if self._entries else 0

    @property
    def position(self) -> tuple[int, int]:
        """What comes next: media sequence number and part index."""
        if not self._entries:
            return 0, 0
        last = self._entries[-1]
        return (last.msn + 1, 0) if last.complete else (last.msn, last.part_count)

    @property
    def discontinuity_sequence(self) -> int:
        """Discontinuities since the stream began: persist it with the media sequence number."""
        return self._discontinuities

    def start_s(self) -> float | None:
        """How far from the end a low-latency player had better begin, to find a keyframe at once.

        None when it does so anyway: PART-HOLD-BACK from the end lies in a segment that starts with one.
        """
        if not self.low_latency or self.ended:
            return None
        total_s, nearest_s = 0.0, None
        for entry in reversed(self._entries):
            holds_start = total_s < PART_HOLD_BACK_S <= total_s + entry.duration_s
            total_s += entry.duration_s
            if entry.independent and holds_start:
                return None
            if entry.independent and nearest_s is None:
                nearest_s = total_s
            if total_s >= (self._list_s if nearest_s is None else PART_HOLD_BACK_S):
                return nearest_s
        return None

    def part_count(self, msn: int) -> int:
        """How many parts the segment `msn` has so far; 0 when it is not in the window."""
        entry = self._find(msn)
        return entry.part_count if entry else 0

    def append(self, part: Part) -> None:
        """The next part is there."""
        if part.starts_segment or not self._entries or self._entries[-1].complete:
            self._open(part)
        entry = self._entries[-1]
        independent = ",INDEPENDENT=YES" if part.independent else ""
        uri = part_uri(part.run.prefix, part.msn, part.index_in_segment)
        entry.parts.append(f'#EXT-X-PART:DURATION={seconds(part.duration_s)},URI="{uri}"{independent}\n')
        entry.part_count += 1
        entry.duration_s += part.duration_s
        entry.complete = part.ends_segment
        self._changed()

    def end(self) -> None:
        """The stream is over: EXT-X-ENDLIST. A segment that is still open ends with its last part."""
        if self._entries:
            self._entries[-1].complete = True
        self.ended = True
        self._changed()

    def drop_before(self, msn: int) -> None:
        """Segments before `msn` are no longer to be had."""
        dropped = False
        while self._entries and self._entries[0].msn < msn:
            self._entries.popleft()
            dropped = True
        if dropped:
            self._growing = None
            self._changed()

    def mark_gap(self, msn: int) -> None:
        """The segment `msn` is lost for good, though it is listed (EXT-X-GAP)."""
        entry = self._find(msn)
        if entry and entry.complete:
            entry.gap = True
            entry.texts.clear()
            if msn < self._grown:
                self._growing = None
            self._changed()

    def body(self, *, dvr: bool = False, skip: bool = False) -> Body:
        """The playlist now. `dvr`: the whole window, not only a minute; `skip`: a delta update where possible."""
        key = (dvr, skip)
        if key not in self._bodies:
            self._bodies[key] = self._render(dvr=dvr, skip=skip)
        return self._bodies[key]

    def _find(self, msn: int) -> _Entry | None:
        place = msn - self.first_msn
        return self._entries[place] if 0 <= place < len(self._entries) else None

    def _open(self, part: Part) -> None:
        """A segment starts. The one before ends with it, if the packager could not foresee that."""
        before = self._entries[-1] if self._entries else None
        if before:
            before.complete = True
        new_run = before is None or before.run is not part.run
        discontinuity = new_run and part.run.discontinuity
        new_map = before is None or before.run.prefix != part.run.prefix
        before_it, independent = self._discontinuities, part.independent
        entry = _Entry(part.run, part.msn, part.wall_ms, discontinuity, new_map, before_it, independent)
        self._discontinuities += discontinuity
        if before and before.run.low_latency != part.run.low_latency:
            self._growing = None
        self._entries.append(entry)
        place = self._place_from_end(PARTS_LISTED_S) - 1
        while place >= 0 and self._entries[place].forget_parts():
            place -= 1

    def _changed(self) -> None:
        self.version += 1
        self._bodies.clear()

    def _render(self, *, dvr: bool, skip: bool) -> Body:
        if not self._entries:
            return Body(self._head(None, 0, 0).encode())
        first = 0 if dvr else self._place_from_end(self._list_s)
        skipped = self._place_from_end(SKIP_BOUNDARY_S) - first if skip and not self.ended else 0
        if dvr and skipped <= 0:
            return self._render_window()
        start = first + max(0, skipped)
        start_s = None if dvr or skipped > 0 else self.start_s()
        head = self._head(self._entries[first], max(0, skipped), start, start_s)
        return Body((head + self._tail(start)).encode())

    def _render_window(self) -> Body:
        """The whole window: what is older than the short list is kept as growing text, which only gaps change."""
        settled = self._place_from_end(max(PARTS_LISTED_S, self._list_s))
        if self._growing is None:
            self._growing, self._grown = GrowingText(self._head(self._entries[0], 0, 0)), self.first_msn
        fresh = self._grown - self.first_msn
        entries = self._from(fresh)[: max(0, settled - fresh)]
        self._growing.append("".join([entry.lines(with_parts=False) for entry in entries]))
        self._grown = max(self._grown, self.first_msn + settled)
        return self._growing.body(self._tail(self._grown - self.first_msn))

    def _from(self, place: int) -> list[_Entry]:
        """The entries from `place` on; costs what they are, however long the window before them is."""
        found = list(islice(reversed(self._entries), len(self._entries) - place))
        found.reverse()
        return found

    def _place_from_end(self, length_s: float) -> int:
        """Place of the earliest entry such that everything before it is more than `length_s` from the end."""
        total_s, place = 0.0, len(self._entries)
        for entry in reversed(self._entries):
            if total_s >= length_s:
                break
            total_s += entry.duration_s
            place -= 1
        return place

    def _head(self, first: _Entry | None, skipped: int, start: int, start_s: float | None = None) -> str:
        """Everything before the first segment; `skipped` segments stand for themselves in EXT-X-SKIP."""
        control = ["CAN-BLOCK-RELOAD=YES", f"CAN-SKIP-UNTIL={SKIP_BOUNDARY_S}"]
        if self.low_latency:
            control.insert(1, f"PART-HOLD-BACK={PART_HOLD_BACK_S:g}")
        lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", f"#EXT-X-TARGETDURATION:{TARGET_DURATION_S}"]
        lines.append(f"#EXT-X-SERVER-CONTROL:{','.join(control)}")
        if self.low_latency:
            lines.append(f"#EXT-X-PART-INF:PART-TARGET={PART_TARGET_S:g}")
        if start_s is not None:
            lines.append(f"#EXT-X-START:TIME-OFFSET={-start_s:.3f}")
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{first.msn if first else 0}")
        if first and first.discontinuities:
            lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{first.discontinuities}")
        if skipped:
            lines.append(f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")
        elif first and not first.new_map:
            lines.append(map_tag(first.run).rstrip())
        return "\n".join(lines) + "\n"

    def _tail(self, start: int) -> str:
        """The entries from `start` on, the hint at what comes next or the end."""
        with_parts_from = self._place_from_end(PARTS_LISTED_S)
        low_latency = self.low_latency
        lines = [
            entry.lines(with_parts=low_latency and place >= with_parts_from)
            for place, entry in enumerate(self._from(start), start)
        ]
        if self.ended:
            return "".join((*lines, "#EXT-X-ENDLIST\n"))
        if low_latency:
            uri = part_uri(self._entries[-1].run.prefix, *self.position)
            lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{uri}"\n')
        lines += [sibling.report(uri) for uri, sibling in self.siblings.items() if not sibling.is_empty]
        return "".join(lines)

    def report(self, uri: str) -> str:
        """EXT-X-RENDITION-REPORT about this playlist, for the others."""
        last = self._entries[-1]
        part = f",LAST-PART={last.part_count - 1}" if self.low_latency else ""
        return f'#EXT-X-RENDITION-REPORT:URI="{uri}",LAST-MSN={last.msn}{part}\n'
