"""How fast the protocol core is: FLV and RTMP in and out, demuxing, time, on one core.

Usage: python -m bench.bench_protocols [--seconds 60] [--kbps 4000]

Prints MB/s, tags/s and microseconds per tag, and what share of a core one publisher of this kind costs in each stage.
The stream is synthetic: 30 pictures and 46.9 AAC frames a second, one IDR in two seconds, random payload.
"""

import argparse
import random
import time
from collections.abc import Callable

from onetake.media.flv import FlvDemuxer, FlvMuxer, FlvReader, FlvTag
from onetake.media.rtmp import Limits, encode_media
from onetake.media.rtmp.chunks import ChunkReader
from onetake.media.timestamps import Normalizer
from onetake.media.units import Codec, Track, Unit

SPS = bytes.fromhex("6764000dacd941519e226c0440000003004000000c83c50a6580")
AVCC = b"\x01\x64\x00\x0d\xff\xe1" + len(SPS).to_bytes(2, "big") + SPS + bytes.fromhex("01000468ef8fcb")
TRACKS = (
    Track(1, Codec.H264, 90_000, AVCC, width=1280, height=720),
    Track(2, Codec.AAC, 48_000, bytes.fromhex("1190"), sample_rate=48_000, channels=2),
)
FPS, GOP, FRAME_SAMPLES, AUDIO_BYTES = 30, 60, 1024, 340


def stream(seconds: int, kbps: int) -> list[Unit]:
    """The units of the whole stream in order of time."""
    dice = random.Random(1)
    bytes_each = kbps * 125 // FPS
    units: list[Unit] = []
    for index in range(seconds * FPS):
        key = index % GOP == 0
        body = bytes((0x65 if key else 0x41,)) + dice.randbytes(bytes_each * (8 if key else 1))
        units.append(Unit(1, index * 3000, index * 3000, key, len(body).to_bytes(4, "big") + body))
    for index in range(seconds * 48_000 // FRAME_SAMPLES):
        dts = index * FRAME_SAMPLES
        units.append(Unit(2, dts, dts, True, dice.randbytes(AUDIO_BYTES)))
    return sorted(units, key=lambda unit: unit.dts / TRACKS[unit.track_id - 1].timescale)


def best_of(work: Callable[[], object], rounds: int = 5) -> float:
    """The shortest CPU time of a few rounds, in seconds: other work on the machine only ever adds."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def read_flv(data: bytes, piece_bytes: int) -> None:
    """As it comes from a pipe."""
    reader = FlvReader()
    for start in range(0, len(data), piece_bytes):
        reader.feed(data[start : start + piece_bytes])


def read_rtmp(data: bytes, chunk_bytes: int, piece_bytes: int) -> None:
    """As it comes from a socket."""
    reader = ChunkReader(Limits())
    reader.admit()
    reader.set_chunk_size(chunk_bytes)
    for start in range(0, len(data), piece_bytes):
        reader.feed(data[start : start + piece_bytes])
        while reader.next_message():
            pass


def demux(tags: list[FlvTag]) -> list[object]:
    """Tags to units."""
    demuxer = FlvDemuxer()
    return [output for tag in tags for output in demuxer.push(tag)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="length of the stream")
    parser.add_argument("--kbps", type=int, default=4000, help="video bitrate")
    arguments = parser.parse_args()
    units, muxer = stream(arguments.seconds, arguments.kbps), FlvMuxer(TRACKS)
    tags = [*muxer.sequence_messages(), *map(muxer.message, units)]
    items = [output for output in demux(tags) if isinstance(output, Track | Unit)]
    flv = muxer.header() + muxer.sequence_headers() + b"".join(map(muxer.tag, units))
    chunked = {size: b"".join(encode_media(tag, 1, size) for tag in tags) for size in (128, 4096, 65_536)}
    stages: dict[str, Callable[[], object]] = {
        "FLV read, pieces of 64 KiB": lambda: read_flv(flv, 65_536),
        "RTMP read, chunks of 128 B, pieces of 64 KiB": lambda: read_rtmp(chunked[128], 128, 65_536),
        "RTMP read, chunks of 4 KiB, pieces of 64 KiB": lambda: read_rtmp(chunked[4096], 4096, 65_536),
        "RTMP read, chunks of 64 KiB, pieces of 64 KiB": lambda: read_rtmp(chunked[65_536], 65_536, 65_536),
        "RTMP read, chunks of 4 KiB, pieces of 1448 B": lambda: read_rtmp(chunked[4096], 4096, 1448),
        "demux (tags to units)": lambda: demux(tags),
        "normalise time": lambda: Normalizer().push_all(items),
        "FLV write (once per stream)": lambda: [muxer.tag(unit) for unit in units],
        "RTMP write (once per stream)": lambda: [encode_media(tag) for tag in tags],
    }
    print(f"{len(tags)} tags, {len(flv) / 1e6:.1f} MB, {arguments.seconds} s of media at {arguments.kbps} kbit/s")
    for name, work in stages.items():
        spent_s = best_of(work)
        rates = f"{len(flv) / spent_s / 1e6:8.0f} MB/s {len(tags) / spent_s:9.0f} tags/s"
        each_us = spent_s / len(tags) * 1e6
        print(f"{name:46s} {rates} {each_us:6.2f} µs/tag {spent_s / arguments.seconds:8.4%} of a core")


if __name__ == "__main__":
    main()
