"""Synthetic publishers: H.264-shaped RTMP streams of an exact bit rate whose frames carry the time they were sent.

Run as a process of its own: `python -m bench.pusher --url rtmp://…/live/cam --count 5 --kbps 600 --seconds 30`.
"""

import argparse
import asyncio
import os
import struct
import tempfile
import time
from pathlib import Path

from tests.engine.peers import make_clip
from tests.engine.rtmp_client import RtmpPublisher, flv_tags

from onetake.media.flv import FlvTag, TagKind

FPS = 25
GOP = 50
MARK = b"\xf0OneTake\xf0"
NOTE = struct.Struct(">9sQ")
AUDIO_MS = 1024 * 1000 / 48_000


def headers() -> list[FlvTag]:
    """Metadata and sequence headers of a real clip."""
    with tempfile.TemporaryDirectory() as folder:
        tags = flv_tags(make_clip(Path(folder), "h264_aac", 1))
    return [tag for tag in tags if tag.kind is TagKind.SCRIPT or tag.body[1] == 0][:3]


def frame(number: int, size_bytes: int, filler: bytes) -> FlvTag:
    """One picture: a single NAL unit with the time of sending at its start."""
    key = number % GOP == 0
    note = NOTE.pack(MARK, time.monotonic_ns())
    nal = bytes((0x65 if key else 0x41,)) + note + filler[: max(0, size_bytes - len(note) - 10)]
    head = bytes((0x17 if key else 0x27, 1, 0, 0, 0))
    return FlvTag(TagKind.VIDEO, number * 1000 // FPS, head + len(nal).to_bytes(4, "big") + nal)


async def publish(url: str, kbps: int, seconds: float, delay_s: float) -> None:
    """One stream: 25 pictures per second, a keyframe every two seconds four times as large, 64 kbit/s of audio."""
    await asyncio.sleep(delay_s)
    video_bytes = (kbps - 64) * 1000 / 8 / FPS
    small = int(video_bytes * GOP / (GOP + 3))
    filler = os.urandom(small * 4).replace(b"\0", b"\1")
    sound = os.urandom(170).replace(b"\0", b"\1")
    async with await RtmpPublisher.open(url) as publisher:
        await publisher.send(headers())
        began, audio = time.monotonic(), 0
        for number in range(int(seconds * FPS)):
            await asyncio.sleep(max(0.0, began + number / FPS - time.monotonic()))
            tags = [frame(number, small * 4 if number % GOP == 0 else small, filler)]
            while audio * AUDIO_MS <= number * 1000 / FPS:
                tags.append(FlvTag(TagKind.AUDIO, int(audio * AUDIO_MS), b"\xaf\x01" + sound))
                audio += 1
            await publisher.send(tags)


async def main() -> None:
    """Publish `--count` streams, evenly spread in time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="the number of the stream is appended when there are several")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--kbps", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    urls = [options.url + (str(number) if options.count > 1 else "") for number in range(options.count)]
    spread = [number / FPS / len(urls) for number in range(len(urls))]
    await asyncio.gather(
        *(publish(url, options.kbps, options.seconds, at) for url, at in zip(urls, spread, strict=True))
    )


if __name__ == "__main__":
    asyncio.run(main())
