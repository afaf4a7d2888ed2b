"""The installation's secret key: made once, readable by its owner only, the root of every derived key."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

KEY_BYTES = 32
_FILE_NAME = "secret.key"


class SecretKeyError(Exception):
    """The key file cannot be trusted; the text says what to do."""


def secret_key(data_dir: Path) -> bytes:
    """The 32-byte key in `data_dir/secret.key`, created (mode 0600, never overwritten) at the first call.

    Raises SecretKeyError when the file is damaged or readable by others.
    """
    path = data_dir / _FILE_NAME
    data_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _create(path)
    return _read(path)


def derive_key(root: bytes, purpose: str) -> bytes:
    """A separate 32-byte key per purpose (R29), so that one leaked key opens one door only."""
    return hmac.new(root, purpose.encode(), hashlib.sha256).digest()


def _create(path: Path) -> None:
    """Write to a private name first and link it into place: two starting processes end with one whole key."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(KEY_BYTES).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # the other process was first; its key counts
    finally:
        draft.unlink()


def _read(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise SecretKeyError(f"{path} can be read by other users; run: chmod 600 {path}")
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise SecretKeyError(f"{path} is damaged; restore it from a backup (a new one signs everybody out)")
    return key
