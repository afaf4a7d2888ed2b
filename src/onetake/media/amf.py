"""AMF0 (Adobe, "Action Message Format -- AMF 0", 2007), with the few AMF3 scalars that old clients switch to.

numbers ↔ float, strings ↔ str, objects ↔ dict, ECMA arrays ↔ `EcmaArray`, strict arrays ↔ list, dates ↔ `Date`,
null and undefined → None. Any bytes give values or `AmfError`; depth, count and size are bounded. References are
refused: no encoder sends them, and a few bytes of them unfold to gigabytes.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from onetake.media.bits import WireError

MAX_DEPTH = 16
MAX_ITEMS = 65_536


class AmfError(WireError):
    """Bytes are not AMF0, or a value cannot be written as AMF0."""


@dataclass(frozen=True, slots=True)
class Date:
    """A moment in milliseconds since the Unix epoch."""

    unix_ms: float


class EcmaArray(dict[str, "Value"]):
    """A dict that is written as an ECMA array, the form that `onMetaData` uses."""


Value: TypeAlias = "float | bool | str | Date | list[Value] | dict[str, Value] | None"
Writable: TypeAlias = "Value | int | Mapping[str, Writable] | list[Writable]"

_NUMBER, _BOOLEAN, _STRING, _OBJECT, _NULL, _UNDEFINED, _ECMA, _END = 0, 1, 2, 3, 5, 6, 8, 9
_STRICT, _DATE, _LONG_STRING, _UNSUPPORTED, _XML, _TYPED, _AMF3 = 10, 11, 12, 13, 15, 16, 17
_DOUBLE = struct.Struct(">d")


def decode(data: bytes) -> list[Value]:
    """All values of a message body. Raises AmfError."""
    reader = _Reader(data, MAX_ITEMS)
    values = []
    while reader.position < len(data):
        values.append(reader.value(0))
    return values


def decode_prefix(data: bytes, max_items: int = MAX_ITEMS) -> tuple[list[Value], AmfError | None]:
    """The values up to the first error, and the error: commands with a broken tail still say what they are."""
    reader = _Reader(data, max_items)
    values: list[Value] = []
    try:
        while reader.position < len(data):
            values.append(reader.value(0))
    except AmfError as error:
        return values, error
    return values, None


class _Reader:
    """A cursor over one message body."""

    def __init__(self, data: bytes, max_items: int) -> None:
        self._data = data
        self._items = max_items
        self.position = 0

    def value(self, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise AmfError(f"nested deeper than {MAX_DEPTH}")
        if self._items == 0:
            raise AmfError("too many values")
        self._items -= 1
        marker = self._take(1)[0]
        read = _READERS.get(marker)
        if read is None:
            raise AmfError(f"unknown type marker {marker}")
        return read(self, depth)

    def _take(self, count: int) -> bytes:
        start = self.position
        end = start + count
        if end > len(self._data):
            raise AmfError("value ends too early")
        self.position = end
        return self._data[start:end]

    def _number(self, depth: int) -> Value:
        del depth
        return float(_DOUBLE.unpack(self._take(8))[0])

    def _boolean(self, depth: int) -> Value:
        del depth
        return self._take(1) != b"\0"

    def _text(self, length_bytes: int) -> str:
        length = int.from_bytes(self._take(length_bytes), "big")
        return self._take(length).decode("utf-8", "replace")

    def _string(self, depth: int) -> Value:
        del depth
        return self._text(2)

    def _long_string(self, depth: int) -> Value:
        del depth
        return self._text(4)

    def _nothing(self, depth: int) -> Value:
        del depth
        return None

    def _object(self, depth: int) -> Value:
        return self._members({}, depth)

    def _ecma(self, depth: int) -> Value:
        self._take(4)  # the count is a hint; encoders write 0
        return self._members(EcmaArray(), depth)

    def _typed(self, depth: int) -> Value:
        self._text(2)
        return self._members({}, depth)

    def _members(self, into: dict[str, Value], depth: int) -> Value:
        while True:
            key = self._text(2)
            if not key and self._data[self.position : self.position + 1] == b"\x09":
                self.position += 1
                return into
            into[key] = self.value(depth + 1)

    def _strict(self, depth: int) -> Value:
        into: list[Value] = []
        for _ in range(int.from_bytes(self._take(4), "big")):
            into.append(self.value(depth + 1))
        return into

    def _date(self, depth: int) -> Value:
        del depth
        moment = _DOUBLE.unpack(self._take(8))[0]
        self._take(2)  # the time zone is reserved and "should be 0"
        return Date(moment)

    def _amf3(self, depth: int) -> Value:
        del depth
        marker = self._take(1)[0]
        if marker in (0, 1):
            return None
        if marker in (2, 3):
            return marker == 3
        if marker == 4:
            value = self._u29()
            return float(value - (1 << 29) if value & (1 << 28) else value)
        if marker == 5:
            return float(_DOUBLE.unpack(self._take(8))[0])
        if marker == 6:
            return self._amf3_string()
        raise AmfError(f"AMF3 type {marker} is not supported")

    def _amf3_string(self) -> str:
        header = self._u29()
        if not header & 1:
            raise AmfError("AMF3 string references are not supported")
        return self._take(header >> 1).decode("utf-8", "replace")

    def _u29(self) -> int:
        """A number of 1 to 4 bytes; the last one of four brings 8 bits (AMF3 § 1.3.1)."""
        value = 0
        for _ in range(3):
            byte = self._take(1)[0]
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                return value
        return value << 8 | self._take(1)[0]


_READERS: dict[int, Callable[[_Reader, int], Value]] = {
    _NUMBER: _Reader._number,
    _BOOLEAN: _Reader._boolean,
    _STRING: _Reader._string,
    _OBJECT: _Reader._object,
    _NULL: _Reader._nothing,
    _UNDEFINED: _Reader._nothing,
    _ECMA: _Reader._ecma,
    _STRICT: _Reader._strict,
    _DATE: _Reader._date,
    _LONG_STRING: _Reader._long_string,
    _UNSUPPORTED: _Reader._nothing,
    _XML: _Reader._long_string,
    _TYPED: _Reader._typed,
    _AMF3: _Reader._amf3,
}


def encode(*values: Writable) -> bytes:
    """The values one after another. Raises AmfError for what AMF0 cannot hold."""
    out = bytearray()
    for value in values:
        _write(out, value, 0)
    return bytes(out)


def _write(out: bytearray, value: Writable, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise AmfError(f"nested deeper than {MAX_DEPTH}")
    if value is None:
        out.append(_NULL)
    elif isinstance(value, bool):
        out += bytes((_BOOLEAN, value))
    elif isinstance(value, int | float):
        out += _number_bytes(value)
    elif isinstance(value, str):
        _write_string(out, value)
    else:
        _write_container(out, value, depth)


def _number_bytes(value: float) -> bytes:
    try:
        return bytes((_NUMBER,)) + _DOUBLE.pack(float(value))
    except OverflowError as error:
        raise AmfError("number is too large") from error


def _write_string(out: bytearray, value: str) -> None:
    data = value.encode("utf-8", "replace")
    long = len(data) > 0xFFFF
    out.append(_LONG_STRING if long else _STRING)
    out += len(data).to_bytes(4 if long else 2, "big") + data


def _write_container(out: bytearray, value: Writable, depth: int) -> None:
    if isinstance(value, Date):
        out += bytes((_DATE,)) + _DOUBLE.pack(value.unix_ms) + b"\0\0"
    elif isinstance(value, EcmaArray):
        out += bytes((_ECMA,)) + len(value).to_bytes(4, "big")
        _write_members(out, value.items(), depth)
    elif isinstance(value, Mapping):
        out.append(_OBJECT)
        _write_members(out, value.items(), depth)
    elif isinstance(value, list):
        out += bytes((_STRICT,)) + len(value).to_bytes(4, "big")
        for item in value:
            _write(out, item, depth + 1)
    else:
        raise AmfError(f"AMF0 has no {type(value).__name__}")


def _write_members(out: bytearray, items: Iterable[tuple[str, Writable]], depth: int) -> None:
    for key, item in items:
        name = key.encode("utf-8", "replace")
        if len(name) > 0xFFFF:
            raise AmfError("key is longer than 65 535 bytes")
        out += len(name).to_bytes(2, "big") + name
        _write(out, item, depth + 1)
    out += b"\0\0" + bytes((_END,))
