"""Listening ports: take them early, and say in one sentence who has them."""

import errno
import os
import socket
from contextlib import closing

BACKLOG = 512
LISTEN_FD_ENV = "_ONETAKE_LISTEN_FD"


class PortBusy(Exception):
    """The port of a setting cannot be listened on; the text is one sentence for a person."""


def listen(bind: str, port: int, variable: str) -> socket.socket:
    """A TCP socket that listens on `bind:port`. The port came from the environment variable `variable`.

    Raises `PortBusy`, whose text names the variable and, where the system tells, the program that has the port.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            bind or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise PortBusy(f"ONETAKE_BIND={bind} is not an address of this machine ({error.strerror}).") from error
    sock = socket.socket(family, kind, proto)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise PortBusy(_sentence(bind, port, variable, error)) from error
    sock.setblocking(False)
    return sock


def check_free(bind: str, port: int, variable: str) -> None:
    """Raise `PortBusy` unless `bind:port` can be listened on now."""
    with closing(listen(bind, port, variable)):
        pass


def inherited_socket() -> socket.socket | None:
    """The listening socket that the supervisor handed down, None when there is none."""
    value = os.environ.pop(LISTEN_FD_ENV, "")
    if not value.isdigit():
        return None
    sock = socket.socket(fileno=int(value))
    sock.set_inheritable(False)
    return sock


def holder_of(port: int) -> str | None:
    """The program that listens on TCP `port`, like `nginx (process id 812)`; None when the system does not tell."""
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            return _program(connection.pid)
    return None


def _program(pid: int | None) -> str | None:
    import psutil

    if pid is None:
        return None
    try:
        return f"{psutil.Process(pid).name()} (process id {pid})"
    except psutil.Error:
        return f"process id {pid}"


def _sentence(bind: str, port: int, variable: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        by = holder_of(port) or "another program"
        return f"{variable}={port} is taken: {by} already listens there; stop it or set {variable} to another port."
    if error.errno == errno.EACCES:
        return f"{variable}={port} needs more rights: ports below 1024 are for the administrator; choose a higher one."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"ONETAKE_BIND={bind} is not an address of this machine."
    return f"{variable}={port} cannot be used: {error.strerror}."
