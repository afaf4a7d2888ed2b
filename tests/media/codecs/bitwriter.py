"""Writing headers bit by bit, for streams that no encoder at hand makes."""


class BitWriter:
    """Big-endian bits; `ue` and `se` are Exp-Golomb."""

    def __init__(self) -> None:
        self._bits = ""

    def u(self, count: int, value: int) -> "BitWriter":
        self._bits += f"{value:0{count}b}"
        return self

    def ue(self, *values: int) -> "BitWriter":
        for value in values:
            code = f"{value + 1:b}"
            self._bits += "0" * (len(code) - 1) + code
        return self

    def se(self, *values: int) -> "BitWriter":
        return self.ue(*(2 * value - 1 if value > 0 else -2 * value for value in values))

    def bytes(self) -> bytes:
        """The bits, padded with a stop bit and zeros."""
        bits = self._bits + "1"
        bits += "0" * (-len(bits) % 8)
        return bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))


def escape(nal: bytes) -> bytes:
    """With emulation prevention bytes (H.264 § 7.4.1.1)."""
    out, zeros = bytearray(), 0
    for byte in nal:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)
