"""From a byte stream to RTMP messages (§ 5.3)."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from onetake.media.rtmp.messages import DEFAULT_CHUNK_BYTES, MIN_CHUNK_BYTES, Limits, Message, RtmpError

_HEADER_BYTES: Final = (11, 7, 3, 0)
_EXTENDED: Final = 0xFFFFFF
_BULK_CHUNKS: Final = 2


@dataclass(slots=True)
class _ChunkStream:
    """What later chunks of the same chunk stream lean on, and the message under way."""

    timestamp_ms: int = 0
    delta_ms: int = 0
    length: int = 0
    type_id: int = 0
    stream_id: int = 0
    extended: int | None = None
    body: bytearray = field(default_factory=bytearray)
    open: bool = False

    def repeated(self) -> "_Header":
        """The header of a message that starts with a type 3 chunk: all as before, the delta too (§ 5.3.1.2.4)."""
        return _Header(False, self.delta_ms, self.length, self.type_id, self.stream_id, self.extended)


class _Header(NamedTuple):
    """A message header (§ 5.3.1.2), completed from the chunk stream; `time_ms` is absolute or a delta."""

    absolute: bool
    time_ms: int
    length: int
    type_id: int
    stream_id: int
    extended: int | None


class _Incomplete(Exception):
    """The buffer ends inside a chunk."""


class ChunkReader:
    """Takes chunks in pieces of any size and gives messages, one at a time.

    One at a time, as a message may change the chunk size of those behind it. Only unfinished messages and one
    unfinished chunk are kept. `limits` may be relaxed by `admit`.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._max_message_bytes = limits.early_message_bytes
        self._max_pending_bytes = limits.early_pending_bytes
        self._buffer = bytearray()
        self._position = 0
        self._chunk_bytes = DEFAULT_CHUNK_BYTES
        self._streams: dict[int, _ChunkStream] = {}
        self._pending_bytes = 0

    @property
    def buffered_bytes(self) -> int:
        """Bytes fed and not yet read."""
        return len(self._buffer) - self._position

    def admit(self) -> None:
        """From now on the peer may send messages of full size."""
        self._max_message_bytes = self._limits.max_message_bytes
        self._max_pending_bytes = self._limits.max_pending_bytes

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        self._buffer += data

    def set_chunk_size(self, size_bytes: int) -> None:
        """The peer's chunk size from here on (§ 5.4.1). Raises RtmpError."""
        if not MIN_CHUNK_BYTES <= size_bytes <= self._limits.max_chunk_bytes:
            raise RtmpError(f"chunk size {size_bytes} is not from {MIN_CHUNK_BYTES} to {self._limits.max_chunk_bytes}")
        self._chunk_bytes = size_bytes

    def abort(self, csid: int) -> None:
        """Forget the unfinished message of a chunk stream (§ 5.4.2)."""
        stream = self._streams.get(csid)
        if stream:
            self._forget(stream)

    def next_message(self) -> Message | None:
        """The next whole message, None when more bytes are needed. Raises RtmpError."""
        try:
            while True:
                message = self._read_chunk()
                if message:
                    return message
        except _Incomplete:
            del self._buffer[: self._position]
            self._position = 0
            return None

    def _read_chunk(self) -> Message | None:
        header_format, csid, position = self._basic_header()
        stream = self._streams.get(csid) or self._new_stream(csid, header_format)
        header: _Header | None = None
        if header_format < 3:
            header, position = self._message_header(stream, header_format, position)
            take = min(self._chunk_bytes, header.length)
        else:
            position = self._continued_header(stream, position)
            take = min(self._chunk_bytes, stream.length - len(stream.body))
        if position + take > len(self._buffer):
            raise _Incomplete
        if header:
            self._start(stream, header)
        elif not stream.open:
            self._start(stream, stream.repeated())
        return self._take_payload(stream, csid, position, take)

    def _basic_header(self) -> tuple[int, int, int]:
        """Header format, chunk stream id and the position behind (§ 5.3.1.1)."""
        buffer, position = self._buffer, self._position
        if position >= len(buffer):
            raise _Incomplete
        first = buffer[position]
        csid = first & 0x3F
        if csid > 1:
            return first >> 6, csid, position + 1
        end = position + 2 + csid
        if end > len(buffer):
            raise _Incomplete
        return first >> 6, 64 + int.from_bytes(buffer[position + 1 : end], "little"), end

    def _new_stream(self, csid: int, header_format: int) -> _ChunkStream:
        if header_format > 1 or len(self._streams) >= self._limits.max_chunk_streams:
            raise RtmpError(f"chunk stream {csid} starts without a header, or is one too many")
        stream = self._streams[csid] = _ChunkStream()
        return stream

    def _continued_header(self, stream: _ChunkStream, position: int) -> int:
        """Type 3 repeats an extended timestamp by the standard; old encoders leave it out (§ 5.3.1.3)."""
        if stream.extended is None:
            return position
        found = bytes(self._buffer[position : position + 4])
        for value in (stream.extended, stream.timestamp_ms):
            expected = value.to_bytes(4, "big")
            if found == expected:
                return position + 4
            if len(found) < 4 and expected.startswith(found):
                raise _Incomplete
        return position

    def _message_header(self, stream: _ChunkStream, header_format: int, position: int) -> tuple[_Header, int]:
        """The header at `position`, and where the payload starts. Raises RtmpError for a message over the limit."""
        end = position + _HEADER_BYTES[header_format]
        field = bytes(self._buffer[position : end + 4])
        time_ms, extended = int.from_bytes(field[:3], "big"), None
        if time_ms == _EXTENDED:
            time_ms = extended = int.from_bytes(field[end - position :], "big")
            end += 4
        if end > len(self._buffer):
            raise _Incomplete
        length, type_id, stream_id = stream.length, stream.type_id, stream.stream_id
        if header_format < 2:
            length, type_id = int.from_bytes(field[3:6], "big"), field[6]
        if header_format == 0:
            stream_id = int.from_bytes(field[7:11], "little")
        if length > self._max_message_bytes:
            raise RtmpError(f"message of {length} bytes is over the limit")
        return _Header(header_format == 0, time_ms, length, type_id, stream_id, extended), end

    def _start(self, stream: _ChunkStream, header: _Header) -> None:
        """Begin a message; one that was not finished is given up, as its sender has done."""
        if stream.open:
            self._forget(stream)
        stream.open, stream.delta_ms, stream.extended = True, header.time_ms, header.extended
        stream.length, stream.type_id, stream.stream_id = header.length, header.type_id, header.stream_id
        previous_ms = 0 if header.absolute else stream.timestamp_ms
        stream.timestamp_ms = (previous_ms + header.time_ms) & 0xFFFFFFFF

    def _forget(self, stream: _ChunkStream) -> None:
        self._pending_bytes -= len(stream.body)
        stream.body = bytearray()
        stream.open = False

    def _take_payload(self, stream: _ChunkStream, csid: int, position: int, take: int) -> Message | None:
        buffer = self._buffer
        self._position = position + take
        if take == stream.length:
            stream.open = False
            with memoryview(buffer) as view:
                body = bytes(view[position : position + take])
            return Message(stream.type_id, stream.timestamp_ms, stream.stream_id, body)
        stream.body += buffer[position : position + take]
        self._pending_bytes += take
        if csid < 64 and stream.extended is None:
            self._take_run(stream, csid)
        if self._pending_bytes > self._max_pending_bytes:
            raise RtmpError("too many unfinished messages")
        if len(stream.body) < stream.length:
            return None
        body = bytes(stream.body)
        self._forget(stream)
        return Message(stream.type_id, stream.timestamp_ms, stream.stream_id, body)

    def _take_run(self, stream: _ChunkStream, csid: int) -> None:
        """Take all whole type 3 chunks of this message that follow each other, without looking at each."""
        stride = self._chunk_bytes + 1
        left = min((stream.length - len(stream.body)) // self._chunk_bytes, self.buffered_bytes // stride)
        if left < _BULK_CHUNKS:
            return
        start, end = self._position, self._position + left * stride
        if self._buffer[start:end:stride].count(0xC0 | csid) != left:
            return
        run = self._buffer[start:end]
        del run[::stride]
        stream.body += run
        self._pending_bytes += len(run)
        self._position = end
