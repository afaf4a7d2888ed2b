"""FLV fan-out: units are collected for at most 100 ms, each becomes one message, the same bytes go to every viewer.

Messages and bytes are made when the first viewer needs them: a stream that nobody watches costs next to nothing here.
A viewer is an open transport. A slow one is never waited for: it misses everything up to the next keyframe (counted),
and is cut off when it stays behind. Loop only.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from onetake.engine.options import Limits, LiveOptions
from onetake.kit.clock import wall_ms
from onetake.media.flv import FlvMuxer, FlvTag
from onetake.media.flv.tags import encode_tag
from onetake.media.units import Kind, Unit

Encoder = Callable[[Iterable[FlvTag]], bytes]


def encode_flv(messages: Iterable[FlvTag]) -> bytes:
    """Messages as FLV tags."""
    return b"".join([encode_tag(message.kind, message.timestamp_ms, message.body) for message in messages])


def chunked(data: bytes) -> bytes:
    """One HTTP/1.1 chunk (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def encode_flv_chunked(messages: Iterable[FlvTag]) -> bytes:
    """Messages as FLV tags in one HTTP/1.1 chunk."""
    return chunked(encode_flv(messages))


def encode_flv_clocked(messages: Iterable[FlvTag]) -> bytes:
    """As `encode_flv`, for viewers that are told when keyframes came."""
    return encode_flv(messages)


def encode_flv_chunked_clocked(messages: Iterable[FlvTag]) -> bytes:
    """As `encode_flv_chunked`, for viewers that are told when keyframes came."""
    return encode_flv_chunked(messages)


REENTRY_SHARE = 8
"""A viewer that fell behind enters again with so much of the bound left in its buffer: else it would stay behind."""

CLOCKED = frozenset((encode_flv_clocked, encode_flv_chunked_clocked))
"""FFmpeg takes a script message that it does not know for a third stream, so only those get it that ask for it."""


class Batch:
    """Up to 100 ms of units that came at `came_ms` (Unix ms), and their encodings."""

    __slots__ = ("_came_ms", "_encoded", "_messages", "_muxer", "keyframe", "size_bytes", "units")

    def __init__(self, muxer: FlvMuxer, units: list[Unit], keyframe: bool, came_ms: int) -> None:
        self.units = units
        self.keyframe = keyframe
        self.size_bytes = sum([len(unit.payload) for unit in units])
        self._muxer = muxer
        self._came_ms = came_ms
        self._messages: list[FlvTag] | None = None
        self._encoded: dict[Encoder, bytes] = {}

    def encoded(self, encoder: Encoder) -> bytes:
        """The shared bytes of this batch for all viewers with this encoding."""
        data = self._encoded.get(encoder)
        if data is None:
            if self._messages is None:
                self._messages = [self._muxer.message(unit) for unit in self.units]
            data = self._encoded[encoder] = encoder([*self._clock(encoder), *self._messages])
        return data

    def _clock(self, encoder: Encoder) -> list[FlvTag]:
        if not self.keyframe or encoder not in CLOCKED or not self._messages:
            return []
        return [self._muxer.wall_clock(self._messages[0].timestamp_ms, self._came_ms)]


@dataclass(eq=False, slots=True)
class Viewer:
    """One open FLV or RTMP player.

    `greet` turns the file header into what this viewer needs before the first message. `closed` is called once, when
    the fan-out gives the viewer up or the stream ends. `skipped` counts messages missed for being slow; `headers_due`
    says that new sequence headers are among them. A `paused` viewer gets nothing, and later goes on at a keyframe.
    """

    transport: asyncio.Transport
    encoder: Encoder
    greet: Callable[[bytes], bytes]
    closed: Callable[[], None]
    sent_bytes: int = 0
    skipped: int = 0
    waiting: bool = True
    paused: bool = False
    headers_due: bool = False
    slow_since_s: float | None = None


class Fanout:
    """The viewers of one stream and the batches on their way to them.

    Viewers may join before the tracks are known: they are greeted by the first `start`. `skipped` counts messages that
    slow viewers missed, over all viewers.
    """

    def __init__(self, live: LiveOptions, limits: Limits, now_s: Callable[[], float]) -> None:
        self.skipped = 0
        self._live = live
        self._limits = limits
        self._now_s = now_s
        self._muxer: FlvMuxer | None = None
        self._ids: dict[int, Kind] = {}
        self._has_video = False
        self._last: Unit | None = None
        self._groups: dict[Encoder, set[Viewer]] = {}
        self._headers: list[FlvTag] = []
        self._gop: list[Batch] = []
        self._gop_bytes = 0
        self._gop_since_s = 0.0
        self._pending: list[Unit] = []
        self._pending_keyframe = False
        self._pending_since_ms = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return sum([len(group) for group in self._groups.values()])

    @property
    def started(self) -> bool:
        """True once the tracks are known."""
        return self._muxer is not None

    def start(self, muxer: FlvMuxer) -> None:
        """The tracks are known, or have changed: greet those who wait, give the others the new sequence headers."""
        old = self._muxer
        if old is not None and set(old.tracks) == set(muxer.tracks):
            return
        self.flush()
        self._muxer = muxer
        self._ids = {track.id: track.kind for track in muxer.tracks}
        self._has_video = Kind.VIDEO in self._ids.values()
        last_ms = old.message(self._last).timestamp_ms if old and self._last else 0
        self._headers = [muxer.metadata(), *muxer.sequence_messages(last_ms)]
        self._gop, self._gop_bytes = [], 0
        if old is not None:
            self._send_headers()
            return
        for group in self._groups.values():
            for viewer in group:
                self._greet(viewer, muxer)

    def put(self, unit: Unit) -> None:
        """One unit, after `start`. A keyframe starts a new batch so that new and slow viewers can enter there."""
        kind = self._ids.get(unit.track_id)
        if self._muxer is None or kind is None:
            return
        if unit.keyframe and kind is Kind.VIDEO:
            self.flush()
            self._pending_keyframe = True
        if not self._pending:
            self._pending_since_ms = wall_ms()
        self._pending.append(unit)
        self._last = unit
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._live.batch_ms / 1000, self.flush)

    def flush(self) -> None:
        """Send what has been collected."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pending or self._muxer is None:
            return
        keyframe = self._pending_keyframe or not self._has_video
        batch = Batch(self._muxer, self._pending, keyframe, self._pending_since_ms)
        self._pending, self._pending_keyframe = [], False
        self._remember(batch)
        self._send(batch)

    def join(self, viewer: Viewer) -> None:
        """Serve `viewer` from now on: sequence headers, the GOP so far, then live."""
        self._groups.setdefault(viewer.encoder, set()).add(viewer)
        if self._muxer is not None:
            self._greet(viewer, self._muxer)

    def leave(self, viewer: Viewer) -> None:
        """Stop serving `viewer`; harmless when it is gone already."""
        group = self._groups.get(viewer.encoder)
        if group is not None:
            group.discard(viewer)
            if not group:
                del self._groups[viewer.encoder]

    def pause(self, viewer: Viewer, paused: bool) -> None:
        """Send nothing until it is taken back; then go on at the next keyframe."""
        viewer.paused = paused
        if paused:
            viewer.waiting, viewer.slow_since_s = True, None

    def close(self) -> None:
        """The stream is over: flush, then tell every viewer."""
        self.flush()
        everyone = [viewer for group in self._groups.values() for viewer in group]
        self._groups.clear()
        self._gop = []
        for viewer in everyone:
            viewer.closed()

    def _greet(self, viewer: Viewer, muxer: FlvMuxer) -> None:
        self._write(viewer, viewer.greet(muxer.header()) + viewer.encoder(self._headers))
        for batch in self._gop:
            self._write(viewer, batch.encoded(viewer.encoder))
        viewer.waiting = viewer.paused or (self._has_video and not self._gop)

    def _remember(self, batch: Batch) -> None:
        """Keep the open GOP; one past the limit is not kept at all (new viewers then wait for a keyframe)."""
        if batch.keyframe:
            self._gop, self._gop_bytes = [batch] if self._has_video else [], batch.size_bytes
            self._gop_since_s = self._now_s()
        elif self._gop:
            self._gop_bytes += batch.size_bytes
            self._gop.append(batch)
            too_old = self._now_s() - self._gop_since_s > self._live.gop_cache_s
            if too_old or self._gop_bytes > self._live.gop_cache_bytes:
                self._gop = []

    def _send_headers(self) -> None:
        """New sequence headers in the middle of the stream; who is behind gets them at its next keyframe."""
        for encoder, group in self._groups.items():
            data = encoder(self._headers)
            for viewer in group:
                viewer.headers_due = viewer.waiting or self._is_behind(viewer)
                if not viewer.headers_due:
                    self._write(viewer, data)

    def _is_behind(self, viewer: Viewer) -> bool:
        return viewer.transport.get_write_buffer_size() > self._limits.viewer_buffer_bytes

    def _has_caught_up(self, viewer: Viewer) -> bool:
        return viewer.transport.get_write_buffer_size() <= self._limits.viewer_buffer_bytes // REENTRY_SHARE

    def _send(self, batch: Batch) -> None:
        most = self._limits.viewer_buffer_bytes
        for encoder, group in list(self._groups.items()):
            data = batch.encoded(encoder)
            size = len(data)
            for viewer in tuple(group):
                transport = viewer.transport
                if viewer.waiting or transport.get_write_buffer_size() > most:
                    self._offer_late(viewer, batch, data)
                elif not transport.is_closing():
                    transport.write(data)
                    viewer.sent_bytes += size

    def _offer_late(self, viewer: Viewer, batch: Batch, data: bytes) -> None:
        """A viewer that is behind or waits for a keyframe: it enters at one, or misses this batch."""
        if viewer.paused:
            return
        behind = self._is_behind(viewer)
        if batch.keyframe and not behind and (viewer.slow_since_s is None or self._has_caught_up(viewer)):
            head = viewer.encoder(self._headers) if viewer.headers_due else b""
            viewer.waiting = viewer.headers_due = False
            viewer.slow_since_s = None
            self._write(viewer, head + data)
            return
        if behind and viewer.slow_since_s is None:
            viewer.slow_since_s = self._now_s()
        if viewer.slow_since_s is not None:
            self._skip(viewer, len(batch.units), viewer.slow_since_s)

    def _skip(self, viewer: Viewer, messages: int, slow_since_s: float) -> None:
        viewer.waiting = True
        viewer.skipped += messages
        self.skipped += messages
        if self._now_s() - slow_since_s > self._limits.viewer_slow_s and not self._has_caught_up(viewer):
            self.leave(viewer)
            viewer.closed()

    def _write(self, viewer: Viewer, data: bytes) -> None:
        if not viewer.transport.is_closing():
            viewer.transport.write(data)
            viewer.sent_bytes += len(data)
