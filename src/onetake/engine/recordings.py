"""All recordings and time-shift windows of the live process: start, stop, events, what is where. Loop only.

Beside its files each recording keeps a sheet (`engine.sheets`): it outlives the process, so a recording that a crash
interrupted can be named, and goes on when its publisher returns inside the grace window.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from onetake.engine.disk import Disk
from onetake.engine.options import MediaOptions
from onetake.engine.pipeline import Life
from onetake.engine.recorder import RecordingThread
from onetake.engine.ring import BLOCK_RATIO
from onetake.engine.sheets import RENDITION, TIME_SHIFT, Sheet, SheetBook
from onetake.engine.state import RecordMode, StreamConfig
from onetake.kit.clock import wall_ms
from onetake.kit.errors import AppError, Text
from onetake.kit.ids import uuid7
from onetake.media.fmp4 import Part
from onetake.media.recording import RecordingPlace, WriterOptions, asset_folder, recording_place

log = logging.getLogger(__name__)

WINDOW_FILE_S = 60.0
WINDOW_SPARE_S = 10.0
"""A window keeps a little more than it lists: who has just read the list still gets its first segments."""
MAX_FINISHED = 1000


class NotLive(AppError):
    """Only a stream that is live can be recorded."""

    status = 409
    code = "stream_not_live"
    text = Text(en="This stream is not live.", zh_cn="该直播流当前未开播。", zh_tw="該直播流目前未開播。")


class NotRecording(AppError):
    """There is nothing to stop."""

    status = 409
    code = "not_recording"
    text = Text(en="This stream is not being recorded.", zh_cn="该直播流未在录制。", zh_tw="該直播流未在錄製。")


class NoRoom(AppError):
    """Too little free space to begin."""

    status = 507
    code = "disk_full"
    text = Text(
        en="There is too little free space to record.",
        zh_cn="磁盘剩余空间不足，无法录制。",
        zh_tw="磁碟剩餘空間不足，無法錄製。",
    )


@dataclass(eq=False, slots=True)
class Recording:
    """A recording in progress. `earlier`: its sheet as a restart left it. `window_s`: it is a window of this length.

    `stopped`: by order, so nothing goes on with it.
    """

    sheet: Sheet
    thread: RecordingThread
    earlier: Sheet
    window_s: float | None = None
    stopped: bool = False

    def refresh(self) -> Sheet:
        """The sheet with the thread's present figures."""
        sheet, progress, summary = self.sheet, self.thread.progress, self.thread.summary()
        sheet.state, sheet.reason = progress.state.value, progress.reason
        sheet.duration_s = round(self.earlier.duration_s + summary.duration_s, 3)
        sheet.size_bytes = self.earlier.size_bytes + summary.size_bytes
        sheet.files = self.earlier.files + len(summary.files)
        sheet.gaps = [*self.earlier.gaps, *(asdict(gap) for gap in summary.gaps)]
        sheet.damages = [*self.earlier.damages, *(asdict(damage) for damage in summary.damages)]
        return sheet


Tell = Callable[[str, Sheet], None]
"""Told on the loop of each change: `started`, `paused`, `resumed`, `damaged`, `finished`."""


class Recordings:
    """Everything that is being written, by stream name, and what was written lately.

    It is the `Recorder` of the stream hub.
    """

    def __init__(self, options: MediaOptions, disk: Disk, tell: Tell) -> None:
        self.active: dict[str, Recording] = {}
        self.windows: dict[str, Recording] = {}
        self.finished: dict[str, Sheet] = {}
        self._interrupted: dict[str, tuple[Sheet, float]] = {}
        self._stopped: dict[str, list[Recording]] = {}
        self._held_until_s: dict[str, float] = {}
        self._lives: dict[str, Life] = {}
        self._automatic: set[str] = set()
        self._options = options
        self._disk = disk
        self._tell = tell
        self._stopping = False
        self._book = SheetBook(options.data_dir, options.open_dir)
        self._threads: set[Recording] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    # -- the stream hub calls these ------------------------------------------------------------------------------

    def session_started(self, life: Life, config: StreamConfig) -> None:
        """A session begins or its configuration changed: start what is wanted and missing.

        An automatic recording that a person has stopped stays so until the session ends, or it is made automatic anew.
        """
        name = life.name
        self._lives[name] = life
        self._note_mode(name, config.record)
        wanted = name in self._automatic and name not in self._held_until_s
        if name not in self.active and (wanted or name in self._interrupted):
            self._begin(life, config, "auto", preroll_s=self._options.live.ring_s)
        if name not in self.windows and config.time_shift_s > 0:
            self._begin_window(life, config)

    def part(self, name: str, part: Part) -> None:
        """The next part of a stream."""
        for book in (self.active, self.windows):
            recording = book.get(name)
            if recording is not None:
                recording.thread.put(part)

    def session_ended(self, name: str) -> None:
        """The session is over: finish what is being written of it."""
        self._lives.pop(name, None)
        self._automatic.discard(name)
        self._finish(self.active.pop(name, None))
        self._finish(self.windows.pop(name, None))
        self._stopped.pop(name, None)
        self._held_until_s.pop(name, None)

    def window_s(self, name: str) -> float:
        """How many seconds of the stream may be played from disk: all of a recording, else its time-shift window."""
        if name in self.active:
            return float("inf")
        window = self.windows.get(name)
        return window.window_s or 0.0 if window else 0.0

    def asset_of(self, name: str, msn: int) -> str | None:
        """The recording or window of this session that holds a segment; None when it is on no disk."""
        return next((one.sheet.id for one in self._of_session(name) if one.thread.progress.holds(msn)), None)

    def on_its_way(self, name: str, msn: int) -> bool:
        """Whether a segment waits in the queue of a recording or window: its bytes are in memory anyway."""
        return any(one.thread.on_its_way(msn) for one in self._of_session(name))

    def _of_session(self, name: str) -> list[Recording]:
        now = [book[name] for book in (self.active, self.windows) if name in book]
        return [*now, *reversed(self._stopped.get(name, ()))]

    # -- control -------------------------------------------------------------------------------------------------

    async def start(self, name: str, config: StreamConfig, preroll_s: float = 0.0) -> Sheet:
        """Record a live stream from at most `preroll_s` back; the running recording when there is one already.

        Raises `NotLive` and `NoRoom`.
        """
        if name in self.active:
            return self.active[name].refresh()
        if name not in self._lives:
            raise NotLive
        if not await asyncio.to_thread(self._has_room):
            raise NoRoom
        life = self._lives.get(name)
        if life is None:
            raise NotLive
        self._held_until_s.pop(name, None)
        if name not in self.active:
            self._begin(life, config, "manual", min(preroll_s, self._options.recording.preroll_max_s))
        return self.active[name].refresh()

    async def stop(self, name: str) -> Sheet:
        """Finish the recording of a stream, or one that waits for its publisher; return when it is safe on disk.

        Raises `NotRecording`.
        """
        recording = self.active.pop(name, None)
        if recording is None:
            return self._stop_waiting(name)
        recording.stopped = True
        self._stopped.setdefault(name, []).append(recording)
        if name in self._automatic:
            self._held_until_s[name] = float("inf")
        self._finish(recording)
        await asyncio.to_thread(recording.thread.join)
        return recording.refresh()

    def _stop_waiting(self, name: str) -> Sheet:
        if name not in self._interrupted:
            raise NotRecording
        sheet, self._held_until_s[name] = self._interrupted.pop(name)
        sheet.reason = ""
        self._settle(sheet)
        return sheet

    def sheets(self, name: str | None = None) -> list[Sheet]:
        """Recordings in progress and lately finished, newest first."""
        running = [recording.refresh() for recording in self._threads if recording.window_s is None]
        waiting = [sheet for sheet, _ in self._interrupted.values()]
        every = [*running, *waiting, *self.finished.values()]
        found = [sheet for sheet in every if name is None or sheet.name == name]
        return sorted(found, key=lambda sheet: sheet.started_ms, reverse=True)

    def is_wanted(self, name: str) -> bool:
        """Whether a stream is being recorded, or a recording waits for it."""
        return name in self.active or name in self._interrupted

    def tick(self) -> None:
        """Give up interrupted recordings whose publisher did not return."""
        now = time.monotonic()
        for name, until_s in list(self._held_until_s.items()):
            if now >= until_s and name not in self._lives:
                del self._held_until_s[name]
        for name, (sheet, until_s) in list(self._interrupted.items()):
            if now >= until_s:
                del self._interrupted[name]
                sheet.reason = "interrupted"
                self._settle(sheet)

    def begin_stop(self) -> None:
        """The server stops: recordings that end from now on are `interrupted`, a quick restart goes on with them."""
        self._stopping = True

    async def close(self) -> None:
        """Finish every file, after `begin_stop` and the end of all sessions."""
        for name in {*self.active, *self.windows}:
            self.session_ended(name)
        await self._idle.wait()
        await asyncio.to_thread(self._book.close)

    # -- start-up ------------------------------------------------------------------------------------------------

    def adopt(self, sheets: list[Sheet], resumable: dict[str, float]) -> None:
        """What recovery found: finished recordings, and (`resumable`: id and seconds) those that may go on so long."""
        now = time.monotonic()
        for sheet in sheets:
            if sheet.id in resumable and sheet.name not in self._interrupted:
                self._interrupted[sheet.name] = (sheet, now + resumable[sheet.id])
                self._interrupt(sheet)
            elif sheet.state != "finished":
                sheet.reason = "interrupted"
                self._settle(sheet)
            else:
                self._remember(sheet)

    # -- inside --------------------------------------------------------------------------------------------------

    def _note_mode(self, name: str, mode: RecordMode) -> None:
        if mode is RecordMode.AUTO:
            self._automatic.add(name)
        else:
            self._automatic.discard(name)
            self._held_until_s.pop(name, None)

    def _has_room(self) -> bool:
        try:
            self._disk.check_present()
            return self._disk.may_start()
        except OSError:
            return False

    def _begin(self, life: Life, config: StreamConfig, trigger: str, preroll_s: float) -> None:
        before, _ = self._interrupted.pop(life.name, (None, 0.0))
        sheet = before or Sheet(str(uuid7()), life.name, life.session_id, trigger, wall_ms())
        earlier = replace(sheet)
        sheet.state, sheet.ended_ms = "recording", 0
        place = recording_place(self._options.data_dir, uuid.UUID(sheet.id), RENDITION)
        writer_options = WriterOptions(
            self._options.recording.fsync_interval_s,
            config.rotate_s or None,
            config.rotate_bytes or None,
            after_ms=earlier.ended_ms,
        )
        recording = Recording(sheet, self._thread(place, writer_options, sheet.id), earlier)
        self.active[life.name] = recording
        self._launch(recording, life, preroll_s)
        self._tell("started", sheet)

    def _begin_window(self, life: Life, config: StreamConfig) -> None:
        sheet = Sheet(str(uuid7()), life.name, life.session_id, TIME_SHIFT, wall_ms())
        folder = asset_folder(self._options.data_dir, uuid.UUID(sheet.id)) / RENDITION
        place = RecordingPlace(folder, None, sheet.id, RENDITION)
        writer_options = WriterOptions(None, rotate_after_s=min(WINDOW_FILE_S, config.time_shift_s))
        kept_s = config.time_shift_s * (1 + BLOCK_RATIO) + WINDOW_SPARE_S
        thread = self._thread(place, writer_options, sheet.id, kept_s)
        recording = Recording(sheet, thread, replace(sheet), config.time_shift_s)
        self.windows[life.name] = recording
        self._launch(recording, life, preroll_s=0)

    def _thread(
        self, place: RecordingPlace, writer_options: WriterOptions, asset: str, window_s: float | None = None
    ) -> RecordingThread:
        loop = asyncio.get_running_loop()

        def report(event: str) -> None:
            loop.call_soon_threadsafe(self._reported, asset, event)

        return RecordingThread(place, self._disk, self._options.recording, writer_options, report, window_s)

    def _launch(self, recording: Recording, life: Life, preroll_s: float) -> None:
        self._threads.add(recording)
        self._idle.clear()
        recording.thread.begin(life.ring.last_parts(preroll_s))

    def _finish(self, recording: Recording | None) -> None:
        if recording is not None:
            recording.thread.finish()

    def _reported(self, asset: str, event: str) -> None:
        """A recording's thread said something."""
        recording = next((one for one in self._threads if one.sheet.id == asset), None)
        if recording is None:
            return
        is_window = recording.window_s is not None
        sheet = recording.refresh()
        if event == "finished":
            self._threads.discard(recording)
            self._forget(recording)
            if not self._threads:
                self._idle.set()
            if is_window:
                self._book.remove(sheet)
            elif self._stopping and not recording.stopped:
                self._interrupt(sheet)
            else:
                self._settle(sheet)
        else:
            self._book.save(sheet)
            if event != "opened" and not is_window:
                self._tell(event, sheet)

    def _forget(self, recording: Recording) -> None:
        """A thread that ended by itself takes no more parts."""
        for book in (self.active, self.windows):
            if book.get(recording.sheet.name) is recording:
                del book[recording.sheet.name]

    def _interrupt(self, sheet: Sheet) -> None:
        sheet.state = "interrupted"
        self._book.save(sheet)

    def _settle(self, sheet: Sheet) -> None:
        sheet.state = "finished"
        sheet.ended_ms = sheet.ended_ms or wall_ms()
        self._book.save(sheet)
        self._remember(sheet)
        self._tell("finished", sheet)

    def _remember(self, sheet: Sheet) -> None:
        self.finished[sheet.id] = sheet
        while len(self.finished) > MAX_FINISHED:
            del self.finished[next(iter(self.finished))]
