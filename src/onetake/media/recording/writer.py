"""The recording writer: parts in, files that survive `kill -9`, power loss and a failing disk out."""

import errno
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from onetake.kit.clock import wall_ms
from onetake.media.fmp4.parts import Part
from onetake.media.recording.disk import (
    DiskBroken,
    DiskFull,
    FileLimitReached,
    RecordingError,
    SyncFailed,
    typed_errors,
)
from onetake.media.recording.marker import Marker, relative_folder, remove_marker, set_aside, write_marker
from onetake.media.recording.pair import OpenPair
from onetake.media.recording.paths import RecordingPlace, index_path, next_number, video_files
from onetake.media.recording.recovery import recover_file
from onetake.media.recording.summary import Damage, FileSummary, Gap, RecordingSummary

log = logging.getLogger(__name__)

MAX_STARTS_WITHOUT_KEYFRAME = 2
GAP_MS = 1000


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """How to write.

    `sync_interval_s`: seconds of media that a power loss may cost; 0 syncs after each part, None leaves it to the
    system. A new file is begun at the next keyframe segment after `rotate_after_s` seconds or `rotate_after_bytes`.
    `after_ms`: wall clock at which an earlier part of this recording ended, so that the gap since then is noted.
    """

    sync_interval_s: float | None = 2.0
    rotate_after_s: float | None = None
    rotate_after_bytes: int | None = None
    after_ms: float = 0.0


class RecordingWriter:
    """Writes one rendition of one recording. Synchronous; for one thread, only `summary` may be called by any.

    A file starts with a keyframe segment of a run; another run, a rotation or a failure starts the next file. The
    marker of `place` lists the files until `close`, so that `recover` knows what to check after a crash.
    """

    def __init__(
        self,
        place: RecordingPlace,
        options: WriterOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.place = place
        self.options = options or WriterOptions()
        self._clock = clock
        self._files: list[FileSummary] = []
        self._damages: list[Damage] = []
        self._gaps: list[Gap] = []
        self._pair: OpenPair | None = None
        self._parts = self._ticks = 0
        self._last_end_ms = self.options.after_ms
        self._last: Part | None = None
        self._starts_skipped = 0
        self._summary = RecordingSummary()

    def append(self, part: Part) -> bool:
        """Write `part`; False when it was skipped because no file can start with it.

        A file that may not grow, or a broken disk, costs nothing: what is not known to be safe is written again to a
        new file, once. Raises `DiskFull` (`part` is lost to this recording; a later call starts a new file), or
        whatever made the second attempt fail. Any other error becomes a plain `RecordingError`.
        """
        if self._pair is None and not self._can_start(part):
            return False
        with self._told():
            try:
                with self._typed():
                    self._place_part(part)
            except (FileLimitReached, DiskBroken, SyncFailed) as error:
                self._write_again(part, error)
            except RecordingError as error:
                self._abandon(error, saved=False)
                raise
        return True

    def tick(self) -> None:
        """Sync if it is due although no part came. Raises `RecordingError` like `append`."""
        if self._pair is None:
            return
        with self._told():
            try:
                with self._typed():
                    self._pair.sync_if_due(self.options.sync_interval_s)
            except RecordingError as error:
                self._write_again(None, error)

    def rotate(self) -> None:
        """End the present file now; the next keyframe segment starts another. Raises `RecordingError`."""
        if self._pair is None:
            return
        with self._told():
            try:
                with self._typed():
                    self._finish()
            except RecordingError as error:
                self._abandon(error, saved=False)
                raise

    def close(self) -> RecordingSummary:
        """End the recording: sync, `sidx`, files that failed repaired, marker away.

        A failure is in the summary and not raised; then the marker is set aside, so that `recover` looks at the files
        again.
        """
        with suppress(RecordingError):
            self.rotate()
        with self._told():
            self._files = [self._repaired(file) if file.problem else file for file in self._files]
        if self.place.marker is not None:
            broken = any(file.problem for file in self._files)
            with suppress(OSError):
                (set_aside if broken else remove_marker)(self.place.marker)
        return self.summary()

    def _repaired(self, file: FileSummary) -> FileSummary:
        """A file that failed, after what a restart would do with it; as it was when the disk is still broken."""
        found = recover_file(self.place.folder / file.name)
        if found.problem:
            return file
        return replace(file, size_bytes=found.size_bytes, parts=found.parts, duration_s=found.duration_s, problem=None)

    def summary(self) -> RecordingSummary:
        """What there is so far; the file being written is the last."""
        return self._summary

    def keep_last(self, seconds: float) -> list[Path]:
        """Remove whole old files as long as `seconds` of media stay (a rolling window); the MP4s that are gone."""
        gone: list[Path] = []
        with self._told():
            left_s = sum(file.duration_s for file in self.summary().files)
            while self._files and left_s - self._files[0].duration_s >= seconds:
                left_s -= self._files[0].duration_s
                path = self.place.folder / self._files[0].name
                with typed_errors(path):
                    path.unlink(missing_ok=True)
                    index_path(path).unlink(missing_ok=True)
                del self._files[0]
                gone.append(path)
        return gone

    @contextmanager
    def _told(self) -> Iterator[None]:
        """However a call ends, `summary` tells of it: one object, made by the writing thread, read by others."""
        try:
            yield
        finally:
            files = [*self._files, self._describe(self._pair)] if self._pair is not None else self._files
            self._summary = RecordingSummary(tuple(files), tuple(self._damages), tuple(self._gaps))

    @contextmanager
    def _typed(self) -> Iterator[None]:
        """Whatever else goes wrong costs a file, not the recording."""
        try:
            yield
        except RecordingError:
            raise
        except Exception as error:
            log.exception("recording %s", self.place.recording_id)
            path = self._pair.path if self._pair is not None else self.place.folder
            raise RecordingError(path, OSError(errno.EIO, type(error).__name__)) from error

    def _can_start(self, part: Part) -> bool:
        """A file starts with a segment that starts with a keyframe; with any segment if keyframes do not come."""
        if not part.starts_segment:
            return False
        if part.independent or self._starts_skipped >= MAX_STARTS_WITHOUT_KEYFRAME:
            self._starts_skipped = 0
            return True
        self._starts_skipped += 1
        return False

    def _place_part(self, part: Part) -> None:
        """Write `part` to the present file or the next one."""
        if self._pair is not None and self._must_rotate(self._pair, part):
            self._finish()
        if self._pair is None:
            self._pair = self._open(part)
        self._pair.append(part)
        self._note(part)
        self._pair.sync_if_due(self.options.sync_interval_s)

    def _must_rotate(self, pair: OpenPair, part: Part) -> bool:
        if (part.run.prefix, part.run.init) != (pair.first.run.prefix, pair.first.run.init):
            return True
        if not (part.starts_segment and part.independent):
            return False
        options = self.options
        too_long = options.rotate_after_s is not None and self._duration_s(pair) >= options.rotate_after_s
        return too_long or (options.rotate_after_bytes is not None and pair.media_bytes >= options.rotate_after_bytes)

    def _note(self, part: Part) -> None:
        if self._last_end_ms and part.wall_ms - self._last_end_ms > GAP_MS and not self._goes_on(part):
            self._gaps.append(Gap(round(self._last_end_ms), part.wall_ms))
        self._last = part
        self._parts += 1
        self._ticks += part.duration_ticks
        self._last_end_ms = part.wall_ms + part.duration_s * 1000

    def _goes_on(self, part: Part) -> bool:
        """Whether nothing is missing before `part`, whatever the wall clock says: somebody may have set it."""
        last = self._last
        follows = last is not None and (last.run.prefix, last.end_ticks) == (part.run.prefix, part.dts_ticks)
        return follows and not part.after_gap

    def _open(self, part: Part) -> OpenPair:
        """The next file. The marker names it before it exists."""
        folder = self.place.folder
        with typed_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            path = self.place.video(next_number(folder))
            if self.place.marker is not None:
                names = [*(video.name for video in video_files(folder)), path.name]
                inside = relative_folder(self.place.marker, folder)
                write_marker(self.place.marker, Marker(self.place.recording_id, inside, names, wall_ms()))
        self._parts = self._ticks = 0
        return OpenPair(path, part, self._clock)

    def _finish(self) -> None:
        """A clean end of the present file."""
        assert self._pair is not None
        self._pair.finalize()
        self._pair.close()
        self._files.append(self._describe(self._pair))
        self._pair = None

    def _write_again(self, part: Part | None, error: RecordingError) -> None:
        """The file failed: what it does not safely hold goes to a new one, once."""
        failed = self._pair
        again = self._abandon(error, saved=True)
        if part is not None and not (again and again[-1] is part):
            again.append(part)
        try:
            with self._typed():
                for lost in again:
                    self._place_part(lost)
        except RecordingError as second:
            self._abandon(second, saved=False)
            raise
        if failed is not None and failed.is_empty:
            failed.remove()
            self._files = [file for file in self._files if file.name != failed.path.name]

    def _abandon(self, error: RecordingError, *, saved: bool) -> list[Part]:
        """Close the present file after `error`; the parts that it does not safely hold, cut off if `saved`."""
        pair, self._pair = self._pair, None
        if pair is None:
            return []
        healthy = isinstance(error, DiskFull | FileLimitReached) and self._end_early(pair)
        unsafe = [] if healthy else list(pair.pending)
        if unsafe and saved:
            with suppress(RecordingError):
                pair.cut(pair.synced_end)
            self._parts -= len(unsafe)
            self._ticks -= sum(part.duration_ticks for part in unsafe)
        pair.close()
        self._damages.append(Damage(pair.path.name, pair.end, error.code, wall_ms(), saved))
        self._files.append(self._describe(pair, None if healthy else error.code))
        return unsafe

    def _end_early(self, pair: OpenPair) -> bool:
        """End a file whose disk is sound but has no room: cut the torn part and finish it; whether that worked."""
        try:
            pair.cut(pair.end)
            pair.finalize()
        except RecordingError:
            return False
        return True

    def _duration_s(self, pair: OpenPair) -> float:
        return self._ticks / pair.first.run.timescale

    def _describe(self, pair: OpenPair, problem: str | None = None) -> FileSummary:
        duration_s, first = self._duration_s(pair), pair.first
        return FileSummary(pair.path.name, pair.end, self._parts, first.wall_ms, duration_s, problem, first.msn)
