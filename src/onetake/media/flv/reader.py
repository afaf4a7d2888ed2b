"""From a byte stream to FLV tags."""

from typing import Final

from onetake.media.flv.tags import HEADER_BYTES, MAX_BODY_BYTES, FlvError, FlvTag, TagKind

_FILE_HEADER_BYTES: Final = 9
_MAX_FILE_HEADER_BYTES: Final = 1024
_TRAILER_BYTES: Final = 4
_KINDS: Final = {int(kind): kind for kind in TagKind}


class FlvReader:
    """Takes an FLV stream in pieces of any size and gives its tags.

    `max_body_bytes` limits one tag; nothing more than one tag and the newest piece is kept.
    """

    def __init__(self, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._max_body_bytes = max_body_bytes
        self._buffer = bytearray()
        self._started = False

    def feed(self, data: bytes) -> list[FlvTag]:
        """The tags that are complete with `data`. Raises FlvError for what is not FLV; the reader is then done."""
        self._buffer += data
        tags: list[FlvTag] = []
        if self._started or self._read_file_header():
            self._read_tags(tags)
        return tags

    def _read_file_header(self) -> bool:
        buffer = self._buffer
        if not b"FLV\x01".startswith(buffer[:4]):
            raise FlvError("not an FLV stream")
        if len(buffer) < _FILE_HEADER_BYTES:
            return False
        offset = int.from_bytes(buffer[5:_FILE_HEADER_BYTES], "big")
        if not _FILE_HEADER_BYTES <= offset <= _MAX_FILE_HEADER_BYTES:
            raise FlvError(f"FLV data offset {offset} makes no sense")
        if len(buffer) < offset + _TRAILER_BYTES:
            return False
        del buffer[: offset + _TRAILER_BYTES]
        self._started = True
        return True

    def _read_tags(self, tags: list[FlvTag]) -> None:
        buffer, position = self._buffer, 0
        size = len(buffer)
        with memoryview(buffer) as view:
            while size - position >= HEADER_BYTES:
                length = buffer[position + 1] << 16 | buffer[position + 2] << 8 | buffer[position + 3]
                kind = self._kind(buffer[position], length)
                start = position + HEADER_BYTES
                if size - start < length + _TRAILER_BYTES:
                    break
                stamp = int.from_bytes(view[position + 4 : position + 7], "big") | buffer[position + 7] << 24
                tags.append(FlvTag(kind, stamp, bytes(view[start : start + length])))
                position = start + length + _TRAILER_BYTES
        del buffer[:position]

    def _kind(self, kind_byte: int, length: int) -> TagKind:
        kind = _KINDS.get(kind_byte)
        if kind is None:
            raise FlvError(f"unknown FLV tag type {kind_byte}")
        if length > self._max_body_bytes:
            raise FlvError(f"FLV tag of {length} bytes is over the limit")
        return kind
