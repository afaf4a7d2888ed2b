"""The installation's key file."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from onetake.infra.secrets import SecretKeyError, derive_key, secret_key


def test_the_key_is_made_once_and_only_the_owner_reads_it(tmp_path: Path) -> None:
    first = secret_key(tmp_path / "data")
    assert len(first) == 32
    assert secret_key(tmp_path / "data") == first
    assert stat.S_IMODE((tmp_path / "data" / "secret.key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret.key"]


def test_many_starters_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(secret_key, [tmp_path] * 32))
    assert len(keys) == 1


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    secret_key(tmp_path)
    (tmp_path / "secret.key").chmod(0o644)
    with pytest.raises(SecretKeyError, match="chmod 600"):
        secret_key(tmp_path)


@pytest.mark.parametrize("content", ["", "zz", "ab" * 31, "ab" * 33, "你好"])
def test_a_damaged_key_is_refused_and_not_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secret.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(SecretKeyError, match="damaged"):
        secret_key(tmp_path)
    assert path.read_text() == content


def test_each_purpose_has_its_own_key() -> None:
    root = bytes(32)
    keys = {derive_key(root, purpose) for purpose in ("login", "media", "webhook")}
    assert len(keys) == 3
    assert derive_key(root, "login") == derive_key(root, "login")
    assert derive_key(bytes(31) + b"\1", "login") not in keys
