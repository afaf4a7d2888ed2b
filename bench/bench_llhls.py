"""LL-HLS viewers: blocking reload and every part over keep-alive, how many one core carries.

`python -m bench.bench_llhls [--viewers 200] [--seconds 20]`
"""

import argparse
import asyncio
import json
import re
import time
from collections.abc import Callable

from bench.bench_fanout import read_json, start
from bench.measure import cpu_s, onetake, percentile, raise_file_limit, table

PART = re.compile(rb'#EXT-X-PART:DURATION=[\d.]+,URI="([^"]+)"')
HINT = re.compile(rb'PRELOAD-HINT:TYPE=PART,URI="s/\w+/(\d+)\.(\d+)\.m4s"')


class Connection:
    """A bare HTTP/1.1 client: cheaper than a real one, so that the server is what is measured."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, path: str) -> bytes:
        """The body of a GET; raises on anything but 200."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(head[:40])
        length = int(re.findall(rb"Content-Length: (\d+)", head)[0])
        return await self._reader.readexactly(length)


async def view(port: int, until_s: float, count: Callable[[float], None]) -> None:
    """One player: reload blocks until the next part is there, then the part is fetched."""
    connection = Connection(*await asyncio.open_connection("127.0.0.1", port))
    base, done = "/live/cam/", set[bytes]()
    text = await connection.get(base + "live.m3u8")
    done.update(PART.findall(text))
    while time.monotonic() < until_s:
        hint = HINT.search(text)
        assert hint
        text = await connection.get(
            f"{base}live.m3u8?_HLS_msn={hint[1].decode()}&_HLS_part={hint[2].decode()}&_HLS_skip=YES"
        )
        there = time.monotonic()
        for uri in PART.findall(text):
            if uri not in done:
                done.add(uri)
                await connection.get(base + uri.decode())
        count((time.monotonic() - there) * 1000)


async def watch(port: int, viewers: int, seconds: float) -> None:
    """All players of this process; prints what they saw."""
    fetch_ms: list[float] = []
    until_s = time.monotonic() + seconds
    print(json.dumps({"connected": viewers}), flush=True)
    results = await asyncio.gather(
        *(view(port, until_s, fetch_ms.append) for _ in range(viewers)), return_exceptions=True
    )
    failed = sum(isinstance(result, BaseException) for result in results)
    answer = {"parts": len(fetch_ms), "failed": failed, "p99_ms": percentile(fetch_ms, 0.99)}
    print(json.dumps(answer), flush=True)


def measure(viewers: int, seconds: float) -> None:
    """Server, pusher and viewers; prints the table."""
    with onetake("--role", "live") as server:
        pusher = start("bench.pusher", "--url", server.rtmp("cam"), "--seconds", 600)
        try:
            time.sleep(6)
            cpu, began = cpu_s(server.pid), time.monotonic()
            time.sleep(5)
            base = (cpu_s(server.pid) - cpu) / (time.monotonic() - began)
            watching = start(
                "bench.bench_llhls", "--watch", server.http_port, "--viewers", viewers, "--seconds", seconds
            )
            read_json(watching)
            time.sleep(2)
            cpu, began = cpu_s(server.pid), time.monotonic()
            time.sleep(seconds - 4)
            share = (cpu_s(server.pid) - cpu) / (time.monotonic() - began) - base
            seen = read_json(watching)
        finally:
            pusher.kill()
            pusher.wait()
    rows = [
        ("viewers", "CPU of a core", "viewers per core", "requests/s", "fetch p99", "failed"),
        (
            str(viewers),
            f"{share * 100:.1f} %",
            f"{viewers / share:.0f}",
            f"{seen['parts'] * 2 / seconds:.0f}",
            f"{seen['p99_ms']:.0f} ms",
            str(int(seen["failed"])),
        ),
    ]
    table("LL-HLS viewers at 600 kbit/s: blocking reload and every part", rows)


def main() -> None:
    """The bench, or (`--watch PORT`) its viewers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--watch", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    raise_file_limit()
    if options.watch:
        asyncio.run(watch(options.watch, options.viewers, options.seconds))
    else:
        measure(options.viewers, options.seconds)


if __name__ == "__main__":
    main()
