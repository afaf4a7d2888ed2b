"""Two servers on one data folder (F30)."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from onetake.infra.instance import LOCK_NAME, DataDirBusy, DataDirLock


def test_second_owner_learns_who_the_first_is(tmp_path: Path) -> None:
    with DataDirLock.acquire(tmp_path), pytest.raises(DataDirBusy) as caught:
        DataDirLock.acquire(tmp_path)
    assert caught.value.owner.pid == os.getpid()
    assert caught.value.owner.host == socket.gethostname()
    assert str(os.getpid()) in str(caught.value)


def test_free_again_after_release(tmp_path: Path) -> None:
    lock = DataDirLock.acquire(tmp_path)
    lock.release()
    lock.release()
    DataDirLock.acquire(tmp_path).release()


def test_shared_holders_keep_a_server_out(tmp_path: Path) -> None:
    with (
        DataDirLock.acquire(tmp_path, shared=True),
        DataDirLock.acquire(tmp_path, shared=True),
        pytest.raises(DataDirBusy, match="other OneTake processes"),
    ):
        DataDirLock.acquire(tmp_path)
    DataDirLock.acquire(tmp_path).release()


def test_server_keeps_shared_holders_out(tmp_path: Path) -> None:
    with DataDirLock.acquire(tmp_path), pytest.raises(DataDirBusy):
        DataDirLock.acquire(tmp_path, shared=True)


def test_the_kernel_frees_it_with_the_process(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys\n"
        "from onetake.infra.instance import DataDirLock\n"
        "lock = DataDirLock.acquire(pathlib.Path(sys.argv[1]))\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] != os.getpid()
    DataDirLock.acquire(tmp_path).release()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff\xfe"])
def test_damaged_lock_file_is_no_obstacle(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LOCK_NAME).write_bytes(content)
    with DataDirLock.acquire(tmp_path, shared=True):
        (tmp_path / LOCK_NAME).write_bytes(content)
        with pytest.raises(DataDirBusy):
            DataDirLock.acquire(tmp_path)


def test_folder_is_made_private(tmp_path: Path) -> None:
    DataDirLock.acquire(tmp_path / "new" / "data").release()
    assert (tmp_path / "new" / "data").stat().st_mode & 0o077 == 0
