"""Ports are taken before anything starts, and a busy one is explained in one sentence."""

import os
import socket
from collections.abc import Iterator

import pytest

from onetake.infra import ports
from onetake.infra.ports import LISTEN_FD_ENV, PortBusy, check_free, holder_of, inherited_socket, listen


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_listens() -> None:
    with (
        listen("127.0.0.1", 0, "ONETAKE_HTTP_PORT") as sock,
        socket.create_connection(sock.getsockname(), timeout=5) as client,
    ):
        assert client.getpeername() == sock.getsockname()


def test_busy_port_names_variable_and_holder(taken: int) -> None:
    with pytest.raises(PortBusy) as caught:
        check_free("127.0.0.1", taken, "ONETAKE_HTTP_PORT")
    text = str(caught.value)
    assert f"ONETAKE_HTTP_PORT={taken}" in text
    assert str(os.getpid()) in text
    assert "\n" not in text


def test_busy_port_without_a_telling_system(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "holder_of", lambda _port: None)
    with pytest.raises(PortBusy, match="another program"):
        check_free("127.0.0.1", taken, "ONETAKE_RTMP_PORT")


@pytest.mark.parametrize("bind", ["203.0.113.7", "no such name"])
def test_foreign_address(bind: str) -> None:
    with pytest.raises(PortBusy, match=r"ONETAKE_BIND=.* is not an address of this machine"):
        check_free(bind, 0, "ONETAKE_HTTP_PORT")


def test_free_port_has_no_holder() -> None:
    with listen("127.0.0.1", 0, "ONETAKE_HTTP_PORT") as sock:
        port = sock.getsockname()[1]
    assert holder_of(port) is None


def test_inherited_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    original = listen("127.0.0.1", 0, "ONETAKE_HTTP_PORT")
    address = original.getsockname()
    monkeypatch.setenv(LISTEN_FD_ENV, str(original.detach()))
    inherited = inherited_socket()
    assert inherited is not None
    with inherited:
        assert inherited.getsockname() == address
    assert inherited_socket() is None, "the variable is used once"
