"""Handshakes: simple, with digests in both places, and what is not RTMP."""

import hashlib
import hmac
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.media.rtmp.handshake import ClientHandshake, ServerHandshake, find_digest
from onetake.media.rtmp.messages import RtmpError

FLASH = b"Genuine Adobe Flash Player 001"
SERVER = b"Genuine Adobe Flash Media Server 001"


def c1_with_digest(place: int) -> bytes:
    """A C1 as Flash 9 and ffmpeg make it, the digest block first (8) or second (772)."""
    packet = bytearray(bytes(4) + b"\x09\x00\x7c\x02" + os.urandom(1528))
    start = sum(packet[place : place + 4]) % 728 + place + 4
    packet[start : start + 32] = hmac.digest(FLASH, packet[:start] + packet[start + 32 :], hashlib.sha256)
    return bytes(packet)


def test_simple() -> None:
    server, client = ServerHandshake(), ClientHandshake()
    first = client.start()
    assert len(first) == 1537
    answer, rest = server.receive(first)
    assert (len(answer), rest) == (1 + 1536 + 1536, b"")
    assert answer[1537:] == first[1:]
    second, rest = client.receive(answer + b"early")
    assert (client.done, rest) == (True, b"early")
    assert second == answer[1:1537]
    assert server.receive(second + b"more") == (b"", b"more")
    assert server.done


@pytest.mark.parametrize("place", [8, 772])
def test_digest_is_answered_with_a_digest(place: int) -> None:
    c1 = c1_with_digest(place)
    answer, _ = ServerHandshake().receive(b"\x03" + c1)
    s1, s2 = answer[1:1537], answer[1537:]
    assert s1[4] >= 3
    assert find_digest(s1, SERVER) is not None
    start = find_digest(c1, FLASH)
    assert start is not None
    secret = bytes.fromhex("f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae")
    key = hmac.digest(SERVER + secret, c1[start : start + 32], hashlib.sha256)
    assert s2[-32:] == hmac.digest(key, s2[:-32], hashlib.sha256)


def test_wrong_digest_gets_the_simple_answer() -> None:
    c1 = bytes(4) + b"\x09\x00\x7c\x02" + bytes(1528)
    answer, _ = ServerHandshake().receive(b"\x03" + c1)
    assert answer[1537:] == c1


def test_one_byte_at_a_time() -> None:
    server = ServerHandshake()
    data = b"\x03" + bytes(1536) + bytes(1536) + b"x"
    outputs = [server.receive(bytes([byte])) for byte in data[:-1]]
    assert sum(len(answer) for answer, _ in outputs) == 3073
    assert server.done


@pytest.mark.parametrize("first", [b"\x06", b"\x08", b"\x02", b"GET / HTTP/1.1", b"\x16\x03\x01"])
def test_not_plain_rtmp(first: bytes) -> None:
    with pytest.raises(RtmpError):
        ServerHandshake().receive(first)
    with pytest.raises(RtmpError):
        ClientHandshake().receive(first)


@given(st.binary(min_size=1536, max_size=1536))
def test_any_c1_is_answered(c1: bytes) -> None:
    answer, _ = ServerHandshake().receive(b"\x03" + c1)
    assert len(answer) == 3073
