"""A second, small RTMP writer for tests: chunk by chunk, with every header type, so that oddities can be written.

It shares no code with the product.
"""

import struct
from dataclasses import dataclass, field

from onetake.media import amf

C0_C1 = b"\x03" + bytes(1536)
C2 = bytes(1536)


def chunk(
    header: int, csid: int, payload: bytes, *, time: int = 0, length: int = 0, kind: int = 0, stream: int = 0
) -> bytes:
    """One chunk with header type 0 to 3; `time` above 24 bits is written extended, also for type 3."""
    if csid < 64:
        out = bytes((header << 6 | csid,))
    elif csid < 320:
        out = bytes((header << 6, csid - 64))
    else:
        out = bytes((header << 6 | 1,)) + struct.pack("<H", csid - 64)
    if header < 3:
        out += min(time, 0xFFFFFF).to_bytes(3, "big")
    if header < 2:
        out += length.to_bytes(3, "big") + bytes((kind,))
    if header == 0:
        out += struct.pack("<I", stream)
    if time >= 0xFFFFFF:
        out += struct.pack(">I", time)
    return out + payload


def message(kind: int, body: bytes, *, csid: int = 3, time: int = 0, stream: int = 0, size: int = 128) -> bytes:
    """A message: one type 0 chunk, then type 3."""
    out = chunk(0, csid, body[:size], time=time, length=len(body), kind=kind, stream=stream)
    for start in range(size, len(body), size):
        out += chunk(3, csid, body[start : start + size], time=time if time >= 0xFFFFFF else 0)
    return out


def command(*values: amf.Writable, stream: int = 0, size: int = 128) -> bytes:
    """An AMF0 command message."""
    return message(20, amf.encode(*values), stream=stream, size=size)


def control(kind: int, value: int) -> bytes:
    """A control message with one 32-bit value."""
    return message(kind, struct.pack(">I", value), csid=2)


@dataclass
class Reply:
    """One message that the server sent, as far as tests look at it."""

    kind: int
    stream: int
    body: bytes
    values: list[amf.Value] = field(default_factory=list)

    @property
    def code(self) -> str:
        """The `code` of the info object of a status."""
        info = self.values[-1]
        assert isinstance(info, dict)
        return str(info["code"])


def replies(data: bytes) -> list[Reply]:
    """Messages of a server that starts each with a type 0 chunk."""
    found, position, size = list[Reply](), 0, 128
    while position < len(data):
        assert data[position] >> 6 == 0, "server messages start with a full header"
        length = int.from_bytes(data[position + 4 : position + 7], "big")
        kind = data[position + 7]
        stream = struct.unpack_from("<I", data, position + 8)[0]
        extended = data[position + 1 : position + 4] == b"\xff\xff\xff"
        position += 16 if extended else 12
        body = data[position : position + min(size, length)]
        position += len(body)
        while len(body) < length:
            assert data[position] >> 6 == 3
            position += 5 if extended else 1
            part = data[position : position + min(size, length - len(body))]
            body, position = body + part, position + len(part)
        if kind == 1:
            size = int.from_bytes(body, "big")
        found.append(Reply(kind, stream, body, amf.decode(body) if kind in (18, 20) else []))
    return found
