"""Reading bits: the bit reader of the H.26x, AV1 and MPEG-4 audio headers, and the base of all wire errors."""


class WireError(Exception):
    """Bytes from outside break their standard, or a limit of ours. Base of every parser's error in `media`."""


class CodecError(WireError):
    """A codec header or an elementary stream cannot be understood."""


class BitReader:
    """Big-endian bit reader over one header; every read past the end raises `CodecError`."""

    __slots__ = ("_bits", "_data", "position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._bits = len(data) * 8
        self.position = 0

    @property
    def left(self) -> int:
        """Bits that have not been read."""
        return self._bits - self.position

    def read(self, count: int) -> int:
        """The next `count` bits as an unsigned number."""
        start, end = self.position, self.position + count
        if end > self._bits:
            raise CodecError("header ends too early")
        self.position = end
        last = (end + 7) >> 3
        return int.from_bytes(self._data[start >> 3 : last], "big") >> (last * 8 - end) & ((1 << count) - 1)

    def flag(self) -> bool:
        """The next bit."""
        return self.read(1) == 1

    def skip(self, count: int) -> None:
        """Leave `count` bits out."""
        if count > self.left:
            raise CodecError("header ends too early")
        self.position += count

    def ue(self) -> int:
        """Unsigned Exp-Golomb number (H.264 § 9.1), at most 32 bits."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise CodecError("Exp-Golomb number is too long")
        return (1 << zeros) - 1 + self.read(zeros)

    def se(self) -> int:
        """Signed Exp-Golomb number (H.264 § 9.1.1)."""
        value = self.ue()
        return (value + 1) // 2 if value & 1 else -(value // 2)

    def bounded_ue(self, limit: int, what: str) -> int:
        """`ue` that must not exceed `limit`; loops are built on it."""
        value = self.ue()
        if value > limit:
            raise CodecError(f"{what} is {value}, more than {limit}")
        return value


def unescape(nal: bytes) -> bytes:
    """A NAL unit without emulation prevention bytes (H.264 § 7.4.1)."""
    return nal.replace(b"\0\0\x03", b"\0\0")
