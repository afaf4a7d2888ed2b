"""A worker's identity."""

import socket
from pathlib import Path

import pytest

from onetake.infra.jobs.node import Node


def test_an_identity_survives_a_restart(tmp_path: Path) -> None:
    first = Node.acquire(tmp_path)
    first.release()
    again = Node.acquire(tmp_path)
    assert again.worker == first.worker
    again.release()


def test_two_workers_of_one_folder_differ(tmp_path: Path) -> None:
    first, second = Node.acquire(tmp_path), Node.acquire(tmp_path)
    assert first.worker != second.worker
    first.release()
    second.release()


def test_a_folder_copied_to_another_host_gets_a_new_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Node.acquire(tmp_path)
    first.release()
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    copied = Node.acquire(tmp_path)
    assert copied.worker != first.worker
    copied.release()


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\xfe\x00", b"x" * 5000, b"short host"])
def test_a_damaged_file_gives_a_new_identity(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "0.id").write_bytes(content)
    node = Node.acquire(tmp_path)
    assert len(node.worker) == 32
    node.release()
