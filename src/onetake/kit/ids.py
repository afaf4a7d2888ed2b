"""Identifiers: UUIDv7 for assets and runs, random hex for everything that must not be guessed."""

import secrets
import time
import uuid


def uuid7() -> uuid.UUID:
    """A time-ordered UUID (RFC 9562 §5.7): 48-bit Unix milliseconds, then 74 random bits."""
    unix_ms = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    high, low = random >> 62, random & ((1 << 62) - 1)
    return uuid.UUID(int=(unix_ms << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low)


def uuid7_unix_ms(value: uuid.UUID) -> int:
    """The creation time that a UUIDv7 carries, in Unix milliseconds."""
    return value.int >> 80


def random_hex(bits: int = 128) -> str:
    """A secret of `bits` random bits as lower-case hex."""
    return secrets.token_hex(bits // 8)
