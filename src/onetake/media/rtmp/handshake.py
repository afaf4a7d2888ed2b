"""RTMP handshakes: the simple one (§ 5.2), and the one with digests that Flash and ffmpeg offer.

ffmpeg and Flash put a non-zero version and an HMAC-SHA256 digest into C1. They are content with the simple answer
(ffmpeg) or play H.264 only behind the right one (Flash): a valid digest gets a digest. OBS, librtmp and GStreamer send
a zero version. RTMPE (version 6 and up) is refused: its encryption protects nothing.
"""

import hashlib
import hmac
import os
from typing import Final

from onetake.media.rtmp.messages import RtmpError

VERSION: Final = 3
PACKET_BYTES: Final = 1536

_DIGEST_BYTES: Final = 32
_SECRET: Final = bytes.fromhex("f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae")
_SERVER_NAME: Final = b"Genuine Adobe Flash Media Server 001"
_CLIENT_NAME: Final = b"Genuine Adobe Flash Player 001"
_SERVER_VERSION: Final = bytes((4, 5, 0, 1))
_OFFSET_PLACES: Final = (8, 772)  # the digest block comes first or second, behind 4 bytes that place the digest in it


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, hashlib.sha256)


def _digest_at(packet: bytes, place: int) -> int:
    return sum(packet[place : place + 4]) % 728 + place + 4


def find_digest(packet: bytes, key: bytes) -> int | None:
    """Where the valid digest of a C1 or S1 lies, None when it has none."""
    for place in _OFFSET_PLACES:
        start = _digest_at(packet, place)
        end = start + _DIGEST_BYTES
        if hmac.compare_digest(_hmac(key, packet[:start] + packet[end:]), packet[start:end]):
            return start
    return None


def _with_digest(packet: bytes, place: int, key: bytes) -> bytes:
    start = _digest_at(packet, place)
    end = start + _DIGEST_BYTES
    return packet[:start] + _hmac(key, packet[:start] + packet[end:]) + packet[end:]


def _check_version(version: int) -> None:
    if version >= 32:
        raise RtmpError("not RTMP")
    if version != VERSION:
        raise RtmpError(f"RTMP version {version} is not supported (6 and up are RTMPE)")


class ServerHandshake:
    """The server's side: C0 C1 in, S0 S1 S2 out, C2 in."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._answered = False
        self.done = False

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """What to send now, and what followed the handshake. Raises RtmpError."""
        self._buffer += data
        answer = b""
        if not self._answered and self._buffer:
            _check_version(self._buffer[0])
            if len(self._buffer) > PACKET_BYTES:
                answer = self._answer(bytes(self._buffer[1 : PACKET_BYTES + 1]))
                del self._buffer[: PACKET_BYTES + 1]
        if not self._answered or len(self._buffer) < PACKET_BYTES:
            return answer, b""
        rest = bytes(self._buffer[PACKET_BYTES:])  # C2 echoes S1; nobody checks it, and some clients send anything
        self._buffer.clear()
        self.done = True
        return answer, rest

    def _answer(self, c1: bytes) -> bytes:
        self._answered = True
        start = find_digest(c1, _CLIENT_NAME) if any(c1[4:8]) else None
        version = bytes((VERSION,))
        if start is None:
            return version + bytes(8) + os.urandom(PACKET_BYTES - 8) + c1
        place = next(each for each in _OFFSET_PLACES if _digest_at(c1, each) == start)
        s1 = bytes(4) + _SERVER_VERSION + os.urandom(PACKET_BYTES - 8)
        key = _hmac(_SERVER_NAME + _SECRET, c1[start : start + _DIGEST_BYTES])
        s2 = os.urandom(PACKET_BYTES - _DIGEST_BYTES)
        return version + _with_digest(s1, place, _SERVER_NAME) + s2 + _hmac(key, s2)


class ClientHandshake:
    """The client's side, always simple: C0 C1 out, S0 S1 S2 in, C2 out."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.done = False

    def start(self) -> bytes:
        """C0 and C1."""
        return bytes((VERSION,)) + bytes(8) + os.urandom(PACKET_BYTES - 8)

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """What to send now, and what followed the handshake. Raises RtmpError."""
        self._buffer += data
        if self._buffer:
            _check_version(self._buffer[0])
        if len(self._buffer) < 1 + 2 * PACKET_BYTES:
            return b"", b""
        s1 = bytes(self._buffer[1 : 1 + PACKET_BYTES])
        rest = bytes(self._buffer[1 + 2 * PACKET_BYTES :])
        self._buffer.clear()
        self.done = True
        return s1, rest
