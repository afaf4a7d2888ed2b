"""Many FLV or RTMP players in one process: they read and throw away; some look for the time that the pusher wrote.

`python -m bench.viewers --url http://…/live/cam.flv --count 1000` prints JSON with counts and delays in ms.
"""

import argparse
import json
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bench.measure import percentile, raise_file_limit
from bench.pusher import MARK, NOTE

from onetake.media import rtmp

SAMPLED = 50


@dataclass(slots=True)
class Result:
    """What all viewers together saw."""

    received_bytes: int = 0
    lost_connections: int = 0
    delays_ms: list[float] = field(default_factory=list)


def open_flv(url: str) -> socket.socket:
    """Ask for an FLV stream."""
    parts = urlsplit(url)
    sock = socket.create_connection((parts.hostname or "", parts.port or 80))
    sock.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
    return sock


def open_rtmp(url: str) -> socket.socket:
    """Ask for an RTMP stream."""
    target = rtmp.parse_url(url)
    client = rtmp.ClientConnection(target, "play")
    sock = socket.create_connection((target.host, target.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    started = False
    while not started:
        sock.sendall(client.data_to_send())
        events = client.receive(sock.recv(65536))
        if any(isinstance(event, rtmp.Refused) for event in events):
            raise ConnectionRefusedError(str(events))
        started = any(isinstance(event, rtmp.Started) for event in events)
    sock.sendall(client.data_to_send())
    return sock


def watch(sockets: list[socket.socket], until_s: float, settle_s: float) -> Result:
    """Read from all until `until_s`; delays count after `settle_s`, when the GOP cache has been played out."""
    poll, result = select.epoll(), Result()
    by_fd = {sock.fileno(): sock for sock in sockets}
    sampled = {sock.fileno() for sock in sockets[:: max(1, len(sockets) // SAMPLED)]}
    for sock in sockets:
        sock.setblocking(False)
        poll.register(sock, select.EPOLLIN)
    buffer = bytearray(1 << 18)
    while (now := time.monotonic()) < until_s:
        for fd, _ in poll.poll(until_s - now):
            try:
                size = by_fd[fd].recv_into(buffer)
            except OSError:
                size = 0
            if not size:
                poll.unregister(fd)
                result.lost_connections += 1
                continue
            result.received_bytes += size
            if fd in sampled and time.monotonic() > settle_s:
                look(bytes(buffer[:size]), result)
    return result


def look(data: bytes, result: Result) -> None:
    """Find the times of sending in what was just received."""
    now_ns, at = time.monotonic_ns(), data.find(MARK)
    while at >= 0:
        if at + NOTE.size <= len(data):
            result.delays_ms.append((now_ns - NOTE.unpack_from(data, at)[1]) / 1e6)
        at = data.find(MARK, at + 1)


def main() -> None:
    """Connect, wait for `--seconds`, print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    raise_file_limit()
    opener = open_rtmp if options.url.startswith("rtmp:") else open_flv
    with ThreadPoolExecutor(32) as pool:
        sockets = list(pool.map(opener, [options.url] * options.count))
    print(json.dumps({"connected": len(sockets)}), flush=True)
    now = time.monotonic()
    result = watch(sockets, now + options.seconds, now + min(4.0, options.seconds / 3))
    answer = {
        "received_bytes": result.received_bytes,
        "lost": result.lost_connections,
        "p50_ms": percentile(result.delays_ms, 0.5),
        "p99_ms": percentile(result.delays_ms, 0.99),
        "samples": len(result.delays_ms),
    }
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
