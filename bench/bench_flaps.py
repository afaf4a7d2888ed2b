"""Memory over thousands of publish and unpublish: it must reach a plateau.

`python -m bench.bench_flaps [--flaps 2000]`; half of the publishers say goodbye, half just break the connection.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from bench.measure import Server, onetake, raise_file_limit, rss_bytes, table
from tests.engine.peers import make_clip
from tests.engine.rtmp_client import Refused, RtmpPublisher, flv_tags

from onetake.media.flv import FlvTag

NAMES = 4  # few, so that the minute of media that each keeps in memory is soon full


async def flap(server: Server, tags: list[FlvTag], number: int) -> None:
    """One short life of a publisher."""
    try:
        publisher = await RtmpPublisher.open(server.rtmp(f"cam{number % NAMES}"))
    except Refused:
        return
    await publisher.send(tags)
    await (publisher.stop() if number % 2 else publisher.abort())


async def run(server: Server, flaps: int) -> list[tuple[int, int]]:
    """All flaps; (number, resident bytes) at ten moments."""
    with tempfile.TemporaryDirectory() as folder:
        tags = flv_tags(make_clip(Path(folder), "h264_aac", 2))
    seen = []
    for number in range(flaps):
        await flap(server, tags, number)
        if (number + 1) % (flaps // 10) == 0:
            seen.append((number + 1, rss_bytes(server.pid)))
    return seen


def main() -> None:
    """Print memory over time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flaps", type=int, default=2000)
    options = parser.parse_args()
    raise_file_limit()
    with onetake("--role", "live") as server:
        seen = asyncio.run(run(server, options.flaps))
    table(
        f"Memory over {options.flaps} publish/unpublish",
        [("flaps", "RSS"), *((str(number), f"{size / 1e6:.1f} MB") for number, size in seen)],
    )


if __name__ == "__main__":
    main()
