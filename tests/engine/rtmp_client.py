"""An RTMP publisher of our own for what ffmpeg would not do: odd timestamps, flaps by the hundred, half messages."""

import asyncio
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.engine.peers import FFMPEG9, QUIET

from onetake.media import rtmp
from onetake.media.flv import FlvReader, FlvTag


def flv_tags(clip: Path) -> list[FlvTag]:
    """The tags of a clip, remuxed to FLV by ffmpeg."""
    command = [FFMPEG9, *QUIET, "-i", str(clip), "-c", "copy", "-f", "flv", "-"]
    data = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
    return FlvReader().feed(data)


class Refused(Exception):
    """The server said no."""


class RtmpPublisher:
    """`async with await RtmpPublisher.open(url) as publisher:`; leaving says goodbye, `abort` does not."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str) -> None:
        self.reader = reader
        self.writer = writer
        self.protocol = rtmp.ClientConnection(rtmp.parse_url(url), "publish")

    @classmethod
    async def open(cls, url: str, timeout_s: float = 15) -> Self:
        """Connect and wait until the server lets the stream go. Raises `Refused`."""
        target = rtmp.parse_url(url)
        reader, writer = await asyncio.open_connection(target.host, target.port)
        publisher = cls(reader, writer, url)
        try:
            async with asyncio.timeout(timeout_s):
                await publisher._start()
        except BaseException:
            writer.close()
            raise
        return publisher

    async def _start(self) -> None:
        while True:
            self._flush()
            data = await self.reader.read(65536)
            if not data:
                raise Refused("connection closed")
            for event in self.protocol.receive(data):
                if isinstance(event, rtmp.Started):
                    return
                if isinstance(event, rtmp.Refused):
                    raise Refused(event.description)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def send(self, tags: list[FlvTag], shift_ms: int = 0) -> None:
        """Send tags at once, their times moved by `shift_ms`."""
        for tag in tags:
            self.protocol.send_tag(FlvTag(tag.kind, (tag.timestamp_ms + shift_ms) & 0xFFFFFFFF, tag.body))
        self._flush()
        await self.writer.drain()

    async def stop(self) -> None:
        """A clean end."""
        if not self.writer.is_closing():
            self.protocol.close()
            self._flush()
            await self._close()

    async def abort(self) -> None:
        """Just break the connection (RST)."""
        self.writer.transport.abort()
        await asyncio.sleep(0)

    async def closed_by_server(self, timeout_s: float = 15) -> None:
        """Wait until the server has ended the connection."""
        async with asyncio.timeout(timeout_s):
            with suppress(ConnectionError):
                while await self.reader.read(65536):
                    continue
            await self._close()

    async def _close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    def _flush(self) -> None:
        data = self.protocol.data_to_send()
        if data:
            self.writer.write(data)
