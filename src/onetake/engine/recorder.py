"""The writing side of one recording: its own thread and a bounded queue between it and the live loop.

The loop only appends to the queue. The thread feeds `RecordingWriter`, which survives crashes and bad files; when the
disk is full, too slow or gone the thread pauses, says why, and goes on as a new file once it can (F7-F13).
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from onetake.engine.disk import Disk, disk_reason
from onetake.engine.options import RecordingOptions
from onetake.kit.clock import wall_ms
from onetake.media.fmp4 import Part
from onetake.media.recording import (
    RecordingError,
    RecordingPlace,
    RecordingSummary,
    RecordingWriter,
    WriterOptions,
    video_files,
)
from onetake.media.recording.marker import Marker, relative_folder, write_marker

log = logging.getLogger(__name__)

MAX_HOLES = 10_000
DISK_SLOW = "disk_slow"
UNFORESEEN = RecordingError.code


class RecordState(StrEnum):
    """What a recording does. `paused`: the disk does not let it, see the reason."""

    RECORDING = "recording"
    PAUSED = "paused"
    FINISHED = "finished"


@dataclass(slots=True)
class Progress:
    """What the thread has done; written by the thread, read by the loop. Segments are media sequence numbers.

    Segments from `oldest_msn` to `newest_msn`, the last whole one, are, or within seconds will be, in the files; but
    for `holes`. What comes after `settled_msn` still waits in the queue and may yet become a hole.
    """

    state: RecordState = RecordState.RECORDING
    reason: str = ""
    duration_s: float = 0.0
    size_bytes: int = 0
    lost_parts: int = 0
    oldest_msn: int | None = None
    newest_msn: int = -1
    settled_msn: int = -1
    holes: set[int] = field(default_factory=set)

    def holds(self, msn: int) -> bool:
        """Whether the segment can be read from disk."""
        newest = self.settled_msn if self.state is RecordState.FINISHED else self.newest_msn
        return self.oldest_msn is not None and self.oldest_msn <= msn <= newest and msn not in self.holes

    def lose(self, msn: int) -> None:
        """A part of the segment is missing. Of very many holes the oldest are forgotten."""
        if len(self.holes) >= MAX_HOLES:
            self.holes.discard(min(self.holes))
        self.holes.add(msn)

    def note(self, part: Part) -> None:
        """A part is to be written."""
        if self.oldest_msn is None and part.starts_segment:
            self.oldest_msn = part.msn
        self.newest_msn = max(self.newest_msn, _whole_msn(part))

    def settle(self, part: Part) -> None:
        """A part has been written, or is lost."""
        self.settled_msn = max(self.settled_msn, _whole_msn(part))


def _whole_msn(part: Part) -> int:
    """The last whole segment as of this part. One may end without having known it, when the next one starts."""
    return part.msn if part.ends_segment else part.msn - 1


class _Waiting(NamedTuple):
    """Queue item: a part, and how much of the bound it takes."""

    part: Part
    counted_bytes: int


class _Stop:
    """Queue item: finish after everything before it."""


class _Overrun:
    """Queue item: parts were thrown away at this place because the disk was too slow."""


Report = Callable[[str], None]
"""Told in the recording's thread: `opened`, `paused`, `resumed`, `damaged` or `finished`."""


class RecordingThread(threading.Thread):
    """Writes one recording (or, with `window_s`, a rolling window of which whole old files are dropped)."""

    def __init__(
        self,
        place: RecordingPlace,
        disk: Disk,
        options: RecordingOptions,
        writer_options: WriterOptions,
        report: Report,
        window_s: float | None = None,
    ) -> None:
        super().__init__(name=f"record-{place.recording_id[-12:]}", daemon=True)
        self.place = place
        self.progress = Progress()
        self.queued_bytes = 0
        self._disk = disk
        self._options = options
        self._report = report
        self.window_s = window_s
        self._writer = RecordingWriter(place, writer_options)
        self._queue: queue.SimpleQueue[_Waiting | _Stop | _Overrun] = queue.SimpleQueue()
        self._since_s: deque[float] = deque()
        self._lock = threading.Lock()
        self._overrun = False
        self._next_look_s = 0.0
        self._next_try_s = 0.0
        self._damages_told = 0

    # -- loop side -----------------------------------------------------------------------------------------------

    def begin(self, preroll: Iterable[Part] = ()) -> None:
        """Start to write, `preroll` first; its parts are in memory anyway and do not count against the bound."""
        for part in preroll:
            self.progress.note(part)
            self._enqueue(_Waiting(part, 0))
        self.start()

    def put(self, part: Part) -> None:
        """Queue a part; never blocks. Past the bound everything is thrown away until the queue is half empty."""
        limit = self._options.queue_bytes
        self.progress.note(part)
        with self._lock:
            limit = limit // 2 if self._overrun else limit
            if self.queued_bytes + part.size_bytes > limit:
                self.progress.lost_parts += 1
                self.progress.lose(part.msn)
                if not self._overrun:
                    self._queue.put(_Overrun())
                self._overrun = True
                return
            self._overrun = False
            self.queued_bytes += part.size_bytes
        self._enqueue(_Waiting(part, part.size_bytes))

    def on_its_way(self, msn: int) -> bool:
        """Whether the queue, which holds its bytes, decides about a segment: it may be on disk soon, or be lost.

        Never when the disk is too slow: what the queue cannot keep nobody else shall keep for it.
        """
        progress = self.progress
        return not self._overrun and progress.settled_msn < msn and progress.holds(msn)

    @property
    def write_lag_ms(self) -> float:
        """Age of the oldest part that is not written; 0 when none waits."""
        try:
            return (time.monotonic() - self._since_s[0]) * 1000
        except IndexError:
            return 0.0

    def _enqueue(self, waiting: _Waiting) -> None:
        self._since_s.append(time.monotonic())
        self._queue.put(waiting)

    def finish(self) -> None:
        """Stop after what has been queued; `join` waits for it."""
        self._queue.put(_Stop())

    def summary(self) -> RecordingSummary:
        """Files, damages and gaps; exact once the thread has ended."""
        return self._writer.summary()

    # -- thread side ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Write until told to stop. However it ends, it says so."""
        try:
            self._announce()
            self._pause_without_room()
            while not isinstance(item := self._next_item(), _Stop):
                self._handle(item)
        except Exception:
            log.exception("recording %s ends", self.place.recording_id)
            self.progress.reason = UNFORESEEN
        finally:
            self._end()

    def _end(self) -> None:
        try:
            self._writer.close()
            self._tell_damage()
        except Exception:
            log.exception("recording %s: close", self.place.recording_id)
            self.progress.reason = UNFORESEEN
        finally:
            self.progress.state = RecordState.FINISHED
            self._report("finished")

    def _handle(self, item: _Waiting | _Overrun | None) -> None:
        """One item. What nobody has foreseen pauses the recording; it goes on in another file."""
        try:
            if isinstance(item, _Overrun):
                self._pause(DISK_SLOW)
            elif item is not None:
                self._take(item.part)
            if time.monotonic() >= self._next_look_s:
                self._look_after()
        except Exception:
            log.exception("recording %s", self.place.recording_id)
            self._pause(UNFORESEEN)
        if isinstance(item, _Waiting):
            self._since_s.popleft()
            self.progress.settle(item.part)

    def _announce(self) -> None:
        """List the recording as open before its folder is there, so that nobody takes it for an empty finished one."""
        place = self.place
        if place.marker is not None:
            try:
                names = [video.name for video in video_files(place.folder)]
                inside = relative_folder(place.marker, place.folder)
                write_marker(place.marker, Marker(place.recording_id, inside, names, wall_ms()))
            except OSError as error:
                log.warning("recording %s: marker: %s", place.recording_id, error)
        self._report("opened")

    def _next_item(self) -> _Waiting | _Stop | _Overrun | None:
        try:
            item = self._queue.get(timeout=max(0.05, self._next_look_s - time.monotonic()))
        except queue.Empty:
            return None
        if isinstance(item, _Waiting):
            with self._lock:
                self.queued_bytes -= item.counted_bytes
        return item

    def _take(self, part: Part) -> None:
        if self.progress.state is RecordState.PAUSED and not self._may_resume(part):
            self._lose(part)
            return
        try:
            written = self._writer.append(part)
        except RecordingError as error:
            self._lose(part)
            self._pause(error.code)
        else:
            self._count(part, written)
        self._tell_damage()

    def _count(self, part: Part, written: bool) -> None:
        progress = self.progress
        if not written:
            progress.lose(part.msn)
            return
        progress.duration_s += part.duration_s
        progress.size_bytes += part.size_bytes

    def _lose(self, part: Part) -> None:
        self.progress.lost_parts += 1
        self.progress.lose(part.msn)

    def _look_after(self) -> None:
        """Every sync interval: sync although no part came, look at the free space, drop what left the window."""
        self._next_look_s = time.monotonic() + self._options.fsync_interval_s
        if self.progress.state is RecordState.PAUSED:
            return
        try:
            self._disk.check_present()
            self._writer.tick()
            if self.window_s is not None:
                self._drop_old(self.window_s)
            if self._disk.must_stop():
                self._writer.rotate()
                self._pause("disk_full")
        except RecordingError as error:
            self._pause(error.code)
        except OSError as error:
            self._pause(disk_reason(error))
        self._tell_damage()

    def _drop_old(self, window_s: float) -> None:
        if self._writer.keep_last(window_s):
            summary, progress = self._writer.summary(), self.progress
            progress.size_bytes, progress.duration_s = summary.size_bytes, summary.duration_s
            progress.oldest_msn = summary.files[0].first_msn if summary.files else progress.newest_msn + 1

    # -- trouble -------------------------------------------------------------------------------------------------

    def _pause_without_room(self) -> None:
        try:
            self._disk.check_present()
            if not self._disk.may_start():
                self._pause("disk_full")
        except OSError as error:
            self._pause(disk_reason(error))

    def _may_resume(self, part: Part) -> bool:
        """At a segment with a keyframe, every few seconds, see whether the disk takes data again."""
        now = time.monotonic()
        if not (part.independent and part.starts_segment) or now < self._next_try_s:
            return False
        self._next_try_s = now + self._options.resume_check_s
        try:
            self._disk.check_present()
            if self.progress.reason != DISK_SLOW and not self._disk.may_start():
                return False
        except OSError:
            return False
        self.progress.state, self.progress.reason = RecordState.RECORDING, ""
        self._report("resumed")
        return True

    def _pause(self, reason: str) -> None:
        """Close the file at its last whole part and wait for better times."""
        log.warning("recording %s pauses: %s", self.place.recording_id, reason)
        try:
            self._writer.rotate()
        except RecordingError as error:
            log.warning("recording %s: %s", self.place.recording_id, error)
        self._next_try_s = time.monotonic() + self._options.resume_check_s
        self.progress.state, self.progress.reason = RecordState.PAUSED, reason
        self._report("paused")

    def _tell_damage(self) -> None:
        damages = len(self._writer.summary().damages)
        if damages > self._damages_told:
            self._damages_told = damages
            self._report("damaged")
