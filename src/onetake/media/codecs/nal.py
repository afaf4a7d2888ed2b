"""NAL units in their two wrappings: length-prefixed (ISO 14496-15, "AVCC") and start codes (Annex B)."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from onetake.media.bits import CodecError

MAX_NALS = 4096
"""NAL units in one picture. Encoders stay below 1000; without a bound a few bytes each would cost seconds."""

_START_CODE = re.compile(rb"\0\0\x01")


def iter_length_prefixed(payload: bytes, length_size: int = 4) -> Iterator[tuple[int, int]]:
    """Offset and end of each NAL unit in a payload with big-endian lengths of `length_size` bytes.

    Empty NAL units are left out. Raises CodecError when the lengths do not fill the payload exactly, or when there
    are more than `MAX_NALS`.
    """
    position, size = 0, len(payload)
    for _ in range(MAX_NALS):
        if position >= size:
            return
        start = position + length_size
        end = start + int.from_bytes(payload[position:start], "big")
        if end > size or start > size:
            raise CodecError("a NAL unit is longer than its picture")
        if end > start:
            yield start, end
        position = end
    if position < size:
        raise CodecError(f"more than {MAX_NALS} NAL units in one picture")


def split_length_prefixed(payload: bytes, length_size: int = 4) -> list[bytes]:
    """The NAL units of a payload with lengths of `length_size` bytes. Raises CodecError."""
    return [payload[start:end] for start, end in iter_length_prefixed(payload, length_size)]


def looks_like_annexb(payload: bytes) -> bool:
    """Whether a payload starts with an Annex B start code (a 4-byte length of 1 looks the same)."""
    return payload.startswith((b"\0\0\0\x01", b"\0\0\x01"))


def split_annexb(payload: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream (H.264 § B.1), without trailing zero bytes. Raises CodecError."""
    starts = [match.end() for match in islice(_START_CODE.finditer(payload), MAX_NALS + 1)]
    if len(starts) > MAX_NALS:
        raise CodecError(f"more than {MAX_NALS} NAL units in one picture")
    ends = [start - 3 for start in starts[1:]] + [len(payload)]
    nals = (payload[start:end].rstrip(b"\0") for start, end in zip(starts, ends, strict=False))
    return [nal for nal in nals if nal]


def split(payload: bytes, length_size: int = 4) -> list[bytes]:
    """The NAL units of a payload in either wrapping: lengths first, start codes when the lengths make no sense."""
    try:
        return split_length_prefixed(payload, length_size)
    except CodecError:
        if looks_like_annexb(payload):
            return split_annexb(payload)
        raise


def join(nals: Sequence[bytes]) -> bytes:
    """NAL units with 4-byte lengths."""
    return b"".join(part for nal in nals for part in (len(nal).to_bytes(4, "big"), nal))


def read_sized(record: bytes, position: int, count: int) -> tuple[list[bytes], int]:
    """`count` NAL units with 16-bit lengths from `position` on, empty ones left out, and the position behind.

    Raises CodecError.
    """
    nals = []
    for _ in range(count):
        start = position + 2
        position = start + int.from_bytes(record[position:start], "big")
        if position > len(record) or start > len(record):
            raise CodecError("decoder configuration record ends too early")
        if position > start:
            nals.append(record[start:position])
    return nals, position


def write_sized(nals: Sequence[bytes]) -> bytes:
    """NAL units with 16-bit lengths. Raises CodecError."""
    try:
        return b"".join(part for nal in nals for part in (len(nal).to_bytes(2, "big"), nal))
    except OverflowError as error:
        raise CodecError("parameter set is longer than 65 535 bytes") from error
