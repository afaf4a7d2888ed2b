"""A port in front of a server, as a router's port mapping or a TLS proxy makes it."""

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

_CHUNK_BYTES = 65_536


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server context for `localhost` that no browser trusts."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*command, "-keyout", key, "-out", certificate, "-days", "2", *subject], check=True, stderr=subprocess.DEVNULL
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@contextlib.contextmanager
def forwarding(listener: socket.socket, target_port: int, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Forward every connection to a port of this machine while the block runs; gives the port in front."""
    threading.Thread(target=_accept, args=(listener, target_port, tls), daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        listener.close()


def _accept(listener: socket.socket, target_port: int, tls: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError):
        while True:
            outside, _peer = listener.accept()
            threading.Thread(target=_serve, args=(outside, target_port, tls), daemon=True).start()


def _serve(outside: socket.socket, target_port: int, tls: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError), outside:
        client = tls.wrap_socket(outside, server_side=True) if tls else outside
        with client, socket.create_connection(("127.0.0.1", target_port)) as inside:
            back = threading.Thread(target=_copy, args=(inside, client), daemon=True)
            back.start()
            _copy(client, inside)
            back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
