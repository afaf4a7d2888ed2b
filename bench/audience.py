"""Simulated viewers of live streams, by HTTP-FLV and by LL-HLS, that know when their picture would stand still.

`python -m bench.audience --media 20 [--limit 120] [--join 5] < addresses.json` takes a JSON list of addresses, each of
them one viewer (`….flv`, or the `index.m3u8` of LL-HLS), and prints one JSON object when every viewer has received
`--media` seconds, at the latest after `--limit`. Viewers that are through stay until the last one is.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import uvloop
from bench.measure import raise_file_limit

from onetake.media.flv import FlvReader, FlvTag, TagKind

FLV_BUFFER_S = 1.0
"""Media that an FLV player gathers before it starts, and again after a stall."""
GAP_S = 0.5
"""A longer step between two pictures means that the server has left something out."""
_PART = re.compile(rb'#EXT-X-PART:DURATION=([\d.]+),URI="(s/(\w+)/(\d+)\.(\d+)\.m4s)"(,INDEPENDENT=YES)?')
_HINT = re.compile(rb'PRELOAD-HINT:TYPE=PART,URI="s/\w+/(\d+)\.(\d+)\.m4s"')
_MAP = re.compile(rb'#EXT-X-MAP:URI="([^"]+)"')
_HOLD_BACK = re.compile(rb"PART-HOLD-BACK=([\d.]+)")


class Broken(Exception):
    """A viewer cannot go on; the text is counted, so it holds nothing that differs between viewers."""


class Playhead:
    """A player's clock: runs once `buffer_s` of media are there, and stands still when there is nothing left."""

    def __init__(self, buffer_s: float) -> None:
        self.media_s = 0.0
        self.stalls = 0
        self.stalled_s = 0.0
        self._buffer_s = buffer_s
        self._played_s = 0.0
        self._began_s: float | None = None
        self._stood_s: float | None = None

    def receive(self, media_s: float, now_s: float) -> None:
        """`media_s` seconds of media since the first picture are there now."""
        self.look(now_s)
        self.media_s = media_s
        if self._began_s is None and media_s - self._played_s >= self._buffer_s:
            self._began_s = now_s - self._played_s
            if self._stood_s is not None:
                self.stalled_s += now_s - self._stood_s

    def look(self, now_s: float) -> None:
        """Stop at the end of the media if time has come so far."""
        if self._began_s is not None and now_s - self._began_s > self.media_s:
            self.stalls += 1
            self._stood_s, self._played_s = self._began_s + self.media_s, self.media_s
            self._began_s = None


@dataclass(eq=False)
class Crowd:
    """All viewers of this process: how much media each wants, and whether everybody has it."""

    wanted_s: float
    viewers: list["Viewer"] = field(default_factory=list)
    requests: int = 0
    received_bytes: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self) -> None:
        """End when everybody is through or has failed."""
        if all(viewer.failure or viewer.head.media_s >= self.wanted_s for viewer in self.viewers):
            self.over.set()


class Viewer:
    """What one viewer has seen."""

    def __init__(self, crowd: Crowd, buffer_s: float) -> None:
        self.crowd = crowd
        self.head = Playhead(buffer_s)
        self.gaps = 0
        self.failure = ""

    def has(self, media_s: float) -> None:
        """Take note of media up to `media_s` after the first picture."""
        before_s = self.head.media_s
        self.head.receive(media_s, time.monotonic())
        if before_s < self.crowd.wanted_s <= media_s:
            self.crowd.look()

    def fail(self, reason: str) -> None:
        """Note why this viewer cannot go on."""
        self.failure = self.failure or reason
        self.crowd.look()


class Connection:
    """A bare HTTP/1.1 client with keep-alive: cheaper than a real one, so that the server is what is measured."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self.reader = reader
        self._writer = writer
        self._host = host

    @classmethod
    async def open(cls, url: str) -> "Connection":
        """Connect to where `url` points."""
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port), parts.netloc)

    async def ask(self, url: str) -> bytes:
        """Send a GET and return the head of the answer; raises Broken for anything but 200."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        self._writer.write(f"GET {target} HTTP/1.1\r\nHost: {self._host}\r\nAccept-Encoding: identity\r\n\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            status, name = head.partition(b"\r")[0].decode(), target.partition("?")[0].rpartition("/")[2]
            raise Broken(f"{status} for {name}")
        return head

    async def get(self, url: str) -> bytes:
        """The body of a GET."""
        head = await self.ask(url)
        length = int(re.findall(rb"Content-Length: (\d+)", head)[0])
        return await self.reader.readexactly(length)

    async def chunk(self) -> bytes:
        """The next piece of a chunked body, empty at its end."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def watch_flv(viewer: Viewer, url: str) -> None:
    """Read an FLV stream without a pause."""
    connection = await Connection.open(url)
    try:
        await connection.ask(url)
        reader, first_ms, last_ms = FlvReader(), -1, 0
        while data := await connection.chunk():
            viewer.crowd.received_bytes += len(data)
            pictures = [tag for tag in reader.feed(data) if _is_picture(tag)]
            for tag in pictures:
                if first_ms < 0:
                    first_ms = last_ms = tag.timestamp_ms
                    _begin_with_keyframe(tag)
                viewer.gaps += tag.timestamp_ms - last_ms > GAP_S * 1000
                last_ms = tag.timestamp_ms
            if pictures:
                viewer.has((last_ms - first_ms) / 1000)
        raise Broken("FLV ended")
    finally:
        connection.close()


def _is_picture(tag: FlvTag) -> bool:
    return tag.kind is TagKind.VIDEO and len(tag.body) > 1 and tag.body[1] != 0


def _begin_with_keyframe(tag: FlvTag) -> None:
    if tag.body[0] >> 4 != 1:
        raise Broken("FLV does not begin with a keyframe")


async def watch_hls(viewer: Viewer, url: str) -> None:
    """Play LL-HLS as hls.js does: blocking reload of the playlist, then every new part, over one connection."""
    connection = await Connection.open(url)
    try:
        master = await _text(connection, viewer, url)
        playlist = urljoin(url, master.decode().strip().splitlines()[-1])
        text = await _text(connection, viewer, playlist)
        await _media(connection, viewer, urljoin(playlist, _MAP.findall(text)[-1].decode()), b"ftyp")
        found = _HOLD_BACK.search(text)
        hold_back_s = float(found[1]) if found else 0.0
        viewer.head = Playhead(hold_back_s)
        last = await _parts(connection, viewer, playlist, _from_live_edge(text, hold_back_s))
        while hint := _HINT.search(text):
            ask = f"?_HLS_msn={hint[1].decode()}&_HLS_part={hint[2].decode()}&_HLS_skip=YES"
            text = await _text(connection, viewer, playlist.partition("?")[0] + ask)
            fresh = [part for part in _PART.findall(text) if (int(part[3]), int(part[4])) > last]
            viewer.gaps += bool(fresh) and not _follows(last, (int(fresh[0][3]), int(fresh[0][4])))
            last = await _parts(connection, viewer, playlist, fresh) if fresh else last
        raise Broken("LL-HLS playlist without a hint")
    finally:
        connection.close()


Part = tuple[bytes, bytes, bytes, bytes, bytes, bytes]


async def _parts(connection: Connection, viewer: Viewer, playlist: str, parts: Sequence[Part]) -> tuple[int, int]:
    """Fetch parts in their order; the number of the last one."""
    for part in parts:
        await _media(connection, viewer, urljoin(playlist, part[1].decode()), b"moof")
        viewer.has(viewer.head.media_s + float(part[0]))
    return int(parts[-1][3]), int(parts[-1][4])


def _from_live_edge(text: bytes, hold_back_s: float) -> list[Part]:
    """The parts that a new player begins with: from the last independent one at least `hold_back_s` before the end."""
    parts: list[Part] = _PART.findall(text)
    behind_s = 0.0
    for index in range(len(parts) - 1, -1, -1):
        behind_s += float(parts[index][0])
        if behind_s >= hold_back_s and parts[index][5]:
            return parts[index:]
    return parts


def _follows(last: tuple[int, int], now: tuple[int, int]) -> bool:
    """Whether a part is the next one: of the same segment, or the first of the next."""
    return now in ((last[0], last[1] + 1), (last[0] + 1, 0))


async def _text(connection: Connection, viewer: Viewer, url: str) -> bytes:
    viewer.crowd.requests += 1
    return await connection.get(url)


async def _media(connection: Connection, viewer: Viewer, url: str, box: bytes) -> None:
    """Fetch an init segment or a part, whose first box must be `box`."""
    data = await _text(connection, viewer, url)
    viewer.crowd.received_bytes += len(data)
    if data[4:8] != box:
        raise Broken(f"{box.decode()} expected")


async def run_viewer(viewer: Viewer, url: str, delay_s: float) -> None:
    """Watch until cancelled; whatever ends it before is a failure."""
    await asyncio.sleep(delay_s)
    try:
        await (watch_flv if ".flv" in url else watch_hls)(viewer, url)
    except (Broken, OSError, asyncio.IncompleteReadError, ValueError, IndexError) as error:
        viewer.fail(str(error) if isinstance(error, Broken) else type(error).__name__)


async def watch(urls: Sequence[str], media_s: float, limit_s: float, join_s: float) -> dict[str, object]:
    """Have one viewer for each address watch; what they have seen."""
    crowd = Crowd(media_s)
    crowd.viewers = [Viewer(crowd, FLV_BUFFER_S) for _ in urls]
    tasks = [
        asyncio.create_task(run_viewer(viewer, url, join_s * number / len(urls)))
        for number, (viewer, url) in enumerate(zip(crowd.viewers, urls, strict=True))
    ]
    with suppress(TimeoutError):
        await asyncio.wait_for(crowd.over.wait(), limit_s)
    now_s = time.monotonic()
    for viewer in crowd.viewers:
        viewer.head.look(now_s)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return report(crowd)


def report(crowd: Crowd) -> dict[str, object]:
    """All viewers in figures."""
    heads = [viewer.head for viewer in crowd.viewers]
    return {
        "viewers": len(crowd.viewers),
        "failures": Counter(viewer.failure for viewer in crowd.viewers if viewer.failure),
        "media_s_least": round(min((head.media_s for head in heads), default=0.0), 1),
        "stalls": sum(head.stalls for head in heads),
        "stalled_viewers": sum(head.stalls > 0 for head in heads),
        "stalled_s": round(sum(head.stalled_s for head in heads), 2),
        "gaps": sum(viewer.gaps for viewer in crowd.viewers),
        "requests": crowd.requests,
        "received_bytes": crowd.received_bytes,
        "cpu_s": round(time.process_time(), 2),
    }


def main() -> None:
    """Read addresses, watch, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--media", type=float, default=20, help="seconds of media that each viewer receives")
    parser.add_argument("--limit", type=float, default=120, help="seconds after which it ends anyway")
    parser.add_argument("--join", type=float, default=5, help="seconds over which the viewers arrive")
    options = parser.parse_args()
    raise_file_limit()
    urls = json.load(sys.stdin)
    print(json.dumps(uvloop.run(watch(urls, options.media, options.limit, options.join))), flush=True)


if __name__ == "__main__":
    main()
