"""Random secrets that we hand out and keep only as a hash: refresh tokens, API tokens, tickets."""

import hashlib
import secrets


def new_secret(prefix: str = "", bits: int = 256) -> str:
    """A fresh secret of `bits` random bits in URL-safe letters, behind a recognisable `prefix`."""
    return prefix + secrets.token_urlsafe(bits // 8)


def hash_secret(secret: str) -> str:
    """What the database keeps of a random secret: SHA-256 as 64 hex digits.

    Enough for secrets of 128 random bits and more, which nobody can guess; passwords need a slow hash instead.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
