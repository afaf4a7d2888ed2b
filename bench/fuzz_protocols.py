"""Throw damaged input at every parser that meets bytes from outside, for as long as you like.

Usage: python -m bench.fuzz_protocols [--seconds 60] [--seed N] [--only rtmp-server ...]

Starts from what real encoders sent (tests/media/vectors) and damages it: bytes changed, parts dropped, doubled or
spliced from another recording, then cut into pieces of random size. Each input must give results or the parser's own
typed error, within a second and (measured each 50th round) 64 MB; what came out must be the same for another cut of
the same bytes. Anything else is printed with the seed and the round that repeats it, its input is saved, and the exit
status is 1.
"""

import argparse
import gzip
import random
import sys
import tempfile
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

from onetake.media import amf
from onetake.media.bits import CodecError, WireError
from onetake.media.codecs import describe, rfc6381, video_parser
from onetake.media.flv import FlvDemuxer, FlvMuxer, FlvReader, FlvTag
from onetake.media.fmp4 import Malformed, Packager, read_from
from onetake.media.fmp4.initreader import read_init
from onetake.media.fmp4.scan import scan_parts
from onetake.media.index.build import header_for, record_for
from onetake.media.index.format import BadIndex, IndexHeader, unpack_records
from onetake.media.rtmp import (
    ClientConnection,
    ConnectRequested,
    PlayRequested,
    PublishRequested,
    ServerConnection,
    parse_url,
)
from onetake.media.timestamps import Normalizer
from onetake.media.units import Codec, Kind, Track, Unit

VECTORS = Path(__file__).parent.parent / "tests" / "media" / "vectors"
MAX_SECONDS, MAX_BYTES = 1.0, 64_000_000
WEIGH_EVERY = 50
HANDSHAKE_BYTES = 1 + 2 * 1536
ALLOWED = (WireError, Malformed, BadIndex)

Pieces = Iterator[bytes]
Target = Callable[[Pieces], object]


class Broken(Exception):
    """A parser gave a result that breaks its promise."""


def vectors() -> dict[str, bytes]:
    """The recordings, by name."""
    return {path.stem: gzip.decompress(path.read_bytes()) for path in sorted(VECTORS.glob("*.gz"))}


# -- targets: bytes in pieces → a description of what came out -------------------------------------------------------


def check_units(outputs: list[object]) -> None:
    """DTS rise on each track, over changes of its timescale too, and PTS are not negative."""
    last: dict[int, int] = {}
    scales: dict[int, int] = {}
    for output in outputs:
        if isinstance(output, Track):
            old = scales.get(output.id, output.timescale)
            scales[output.id] = output.timescale
            last[output.id] = last.get(output.id, -1) * output.timescale // old - 1
        elif isinstance(output, Unit):
            if output.dts <= last[output.track_id] or output.pts < 0:
                raise Broken(f"time goes back: {output.track_id} {output.dts} {output.pts}")
            last[output.track_id] = output.dts


def through_the_core(tags: list[FlvTag]) -> list[object]:
    """Demux, normalise and mux again, as the live process does."""
    demuxer, normalizer, found = FlvDemuxer(lambda: 1), Normalizer(), list[object]()
    tracks: dict[Kind, Track] = {}
    for tag in tags:
        for output in demuxer.push(tag):
            if not isinstance(output, Track | Unit):
                continue
            for clean in normalizer.push(output):
                found.append(clean)
                if isinstance(clean, Track):
                    tracks[clean.kind] = clean
                elif isinstance(clean, Unit):
                    FlvMuxer(tracks.values()).tag(clean)
    check_units(found)
    for track in tracks.values():
        rfc6381(track)
        describe(track)
    return found


def flv(pieces: Pieces) -> object:
    """What the pull reads from ffmpeg's pipe."""
    reader = FlvReader()
    return through_the_core([tag for piece in pieces for tag in reader.feed(piece)])


def rtmp_server(pieces: Pieces) -> object:
    """A publisher, all of whose requests are granted."""
    connection, tags, others = ServerConnection(), list[FlvTag](), list[str]()
    for piece in pieces:
        events = connection.receive(piece)
        while events:
            tags += [event for event in events if isinstance(event, FlvTag)]
            others += [repr(event) for event in events if not isinstance(event, FlvTag)]
            last = events[-1]
            if not isinstance(last, ConnectRequested | PublishRequested | PlayRequested):
                break
            connection.accept(last)
            events = connection.receive(b"")
        connection.data_to_send()
    return others, through_the_core(tags)


def rtmp_client(pieces: Pieces) -> object:
    """A server that we pull from. The recordings are of clients, but chunks and messages are the same both ways."""
    connection = ClientConnection(parse_url("rtmp://example.org/live/camera"), "play")
    found = [repr(event) for piece in pieces for event in connection.receive(piece)]
    connection.data_to_send()
    return found


def amf0(pieces: Pieces) -> object:
    """Values; what was read can be written again."""
    values, _ = amf.decode_prefix(b"".join(pieces))
    again = amf.decode(amf.encode(*values))
    if repr(again) != repr(values):
        raise Broken("written and read again it differs")
    return repr(values)


def codec_records(pieces: Pieces) -> object:
    """Configuration records and pictures of each video codec."""
    data = b"".join(pieces)
    found: list[str] = []
    for codec in (Codec.H264, Codec.HEVC, Codec.AV1):
        parser = video_parser(codec, 1)
        for attempt in (parser.configure, lambda part, parser=parser: parser.parse(part, True)):
            try:
                found.append(repr(attempt(data)))
            except CodecError as error:
                found.append(str(error))
    return found


def fragmented_mp4(pieces: Pieces) -> object:
    """Recovery's walk over a damaged recording, and its index built anew."""
    data = b"".join(pieces)
    read = read_from(data)
    init = read_init(read, len(data))
    scan = scan_parts(read, 0, len(data), init)
    if scan.good_end > len(data):
        raise Broken("the good end lies behind the end")
    return [part.dts_ticks for part in scan.parts]


def index_file(pieces: Pieces) -> object:
    """Header and records of a damaged index."""
    data = b"".join(pieces)
    return IndexHeader.unpack(data), unpack_records(data[64:])


# -- seeds -----------------------------------------------------------------------------------------------------------


def metadata_seeds(flv_seeds: list[bytes]) -> list[bytes]:
    """Script bodies, and a nest of every AMF type."""
    seeds = [tag.body for seed in flv_seeds for tag in FlvReader().feed(seed) if tag.kind == 18]
    values = amf.EcmaArray({"a": [1.0, None, True, {"b": "text"}], "when": amf.Date(1e12), "long": "x" * 70_000})
    return [*seeds, amf.encode("connect", 1, values)]


def record_seeds(flv_seeds: list[bytes]) -> list[bytes]:
    """Configuration records and the first pictures."""
    seeds: list[bytes] = []
    for seed in flv_seeds:
        demuxer = FlvDemuxer()
        outputs = [output for tag in FlvReader().feed(seed) for output in demuxer.push(tag)]
        seeds += [output.config for output in outputs if isinstance(output, Track)]
        seeds += [output.payload for output in outputs if isinstance(output, Unit)][:3]
    return [seed for seed in seeds if seed]


def recording_seeds(flv_seeds: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Fragmented MP4s and their indexes, made by our own packager."""
    files, indexes = list[bytes](), list[bytes]()
    for seed in flv_seeds:
        packager, demuxer, parts = Packager(), FlvDemuxer(), []
        for output in (output for tag in FlvReader().feed(seed) for output in demuxer.push(tag)):
            if isinstance(output, Track):
                packager.set_track(output)
            elif isinstance(output, Unit):
                parts += packager.push(output)
        parts += packager.flush()
        if not parts:
            continue
        init = parts[0].run.init
        files.append(init + b"".join(part.data for part in parts))
        records = [record_for(part, len(init), 0).pack() for part in parts]
        indexes.append(header_for(parts[0], len(init)).pack() + b"".join(records))
    return files, indexes


def all_targets() -> dict[str, tuple[Target, list[bytes]]]:
    """Each target with its seeds."""
    recorded = vectors()
    as_flv = [data for data in recorded.values() if data.startswith(b"FLV")]
    as_rtmp = [data for data in recorded.values() if not data.startswith(b"FLV")]
    files, indexes = recording_seeds(as_flv)
    return {
        "flv": (flv, as_flv),
        "rtmp-server": (rtmp_server, as_rtmp),
        "rtmp-client": (rtmp_client, as_rtmp),
        "amf": (amf0, metadata_seeds(as_flv)),
        "codecs": (codec_records, record_seeds(as_flv)),
        "fmp4": (fragmented_mp4, files),
        "index": (index_file, indexes),
    }


# -- damage ----------------------------------------------------------------------------------------------------------

INTERESTING = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\xff\xff\xff", b"\0\0\0\x01")


def damage(data: bytes, others: list[bytes], dice: random.Random) -> bytes:
    """A few random injuries, most of them small, so that what follows is still read."""
    body = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        if not body:
            break
        place = dice.randrange(len(body))
        size = dice.choice((1, 2, 4, 16, 128, 3000))
        what = dice.randrange(7)
        if what == 0:
            body[place] = dice.randrange(256)
        elif what == 1:
            body[place] ^= 1 << dice.randrange(8)
        elif what == 2:
            body[place : place + 4] = dice.choice(INTERESTING)
        elif what == 3:
            del body[place : place + size]
        elif what == 4:
            body[place:place] = body[place : place + size]
        elif what == 5:
            other = dice.choice(others)
            start = dice.randrange(len(other))
            body[place:place] = other[start : start + size]
        else:
            del body[place:]
    return bytes(body)


def cut(data: bytes, dice: random.Random) -> Pieces:
    """Pieces of random size."""
    largest = dice.choice((3, 100, 1500, 65_536))
    position = 0
    while position < len(data):
        size = dice.randint(1, largest)
        yield data[position : position + size]
        position += size


def outcome(target: Target, pieces: Pieces) -> tuple[str, object]:
    """The result, or the typed error."""
    try:
        return "result", target(pieces)
    except ALLOWED as error:
        return "error", f"{type(error).__name__}: {error}"


def one_round(target: Target, data: bytes, dice: random.Random, weigh: bool) -> str:
    """Run one input twice, cut differently; the kind of outcome. Raises Broken, or what the parser should not have."""
    if weigh:
        tracemalloc.start()
    started = time.process_time()
    first = outcome(target, iter([data]))
    spent_s = time.process_time() - started
    if weigh:
        used_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if used_bytes > MAX_BYTES:
            raise Broken(f"needed {used_bytes / 1e6:.0f} MB")
    elif spent_s > MAX_SECONDS:
        raise Broken(f"took {spent_s:.1f} s")
    if outcome(target, cut(data, dice)) != first:
        raise Broken("another cut of the same bytes gave another result")
    return first[0]


def fuzz(name: str, target: Target, seeds: list[bytes], seconds: float, seed: int) -> bool:
    """Rounds on one target until the time is over; whether all went well."""
    until, rounds = time.monotonic() + seconds, 0
    counts = {"result": 0, "error": 0}
    while time.monotonic() < until:
        dice = random.Random(f"{seed} {name} {rounds}")
        whole = dice.choice(seeds)
        keep = HANDSHAKE_BYTES if name.startswith("rtmp") and dice.random() < 0.9 else 0
        data = whole[:keep] + damage(whole[keep:], seeds, dice)
        try:
            counts[one_round(target, data, dice, rounds % WEIGH_EVERY == 0)] += 1
        except Exception:
            folder = Path(tempfile.mkdtemp(prefix="onetake-fuzz-"))
            (folder / "input.bin").write_bytes(data)
            traceback.print_exc()
            print(f"{name}: round {rounds} of seed {seed} FAILED, input in {folder}")
            return False
        rounds += 1
    print(f"{name:12s} {rounds:7d} rounds: {counts['result']} read to the end, {counts['error']} refused")
    return True


def main() -> int:
    """Exit status 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="altogether, shared by the targets")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--only", nargs="+", default=[], help="names of targets")
    arguments = parser.parse_args()
    targets = {name: each for name, each in all_targets().items() if not arguments.only or name in arguments.only}
    print(f"seed {arguments.seed}")
    share = arguments.seconds / max(1, len(targets))
    results = [fuzz(name, *each, share, arguments.seed) for name, each in targets.items()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
