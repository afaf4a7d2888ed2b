"""A longer fuzz of everything that reads containers: init, moof, scanner, file head, index, marker and recovery.

    python -m bench.fuzz_containers [--minutes 5] [--seed 1]

Good files are changed by flips, cuts, copies and insertions. Every reader must answer with a result or its own typed
error; what recovery leaves must scan cleanly and have its playlists. The first surprise is printed with its seed.
"""

import argparse
import random
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bench.bench_packager import package, units

from onetake.kit.ids import uuid7
from onetake.media.fmp4 import Malformed, read_from
from onetake.media.fmp4.head import RESERVED_BYTES, read_file_head
from onetake.media.fmp4.initreader import parse_init
from onetake.media.fmp4.scan import scan_parts
from onetake.media.hls import Form, VodTitle
from onetake.media.index import HEADER_BYTES, BadIndex, IndexReader
from onetake.media.recording import RecordingWriter, check_file, recording_place, recover_file
from onetake.media.recording.marker import BadMarker, read_marker


class Originals:
    """Good bytes to spoil: a finished recording, its index and a marker."""

    def __init__(self, folder: Path) -> None:
        place = recording_place(folder, uuid7())
        writer = RecordingWriter(place)
        for part in package(list(units(4, 200))):
            writer.append(part)
        assert place.marker
        self.marker = place.marker.read_bytes()
        writer.close()
        self.video = place.video(0).read_bytes()
        self.index = place.video(0).with_suffix(".idx").read_bytes()
        self.init_bytes = self.video.index(b"free") - 4


def spoil(data: bytes, chance: random.Random) -> bytes:
    """`data` with a few random changes, small numbers and box sizes among them."""
    broken = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(broken) + 1) if broken else 0
        kind = chance.randrange(6)
        if kind == 0:
            broken[place : place + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del broken[place:]
        elif kind == 2:
            other = chance.randrange(len(broken) + 1)
            broken[place:place] = broken[other : other + chance.randrange(200)]
        elif kind == 3:
            del broken[place : place + chance.randrange(64)]
        elif kind == 4:
            broken[place : place + 4] = chance.choice((0, 1, 7, 8, 0x7FFFFFFF, 0xFFFFFFFF)).to_bytes(4, "big")
        else:
            broken[place : place + 512] = bytes(chance.randrange(512))
    return bytes(broken)


def fuzz_init(good: Originals, chance: random.Random, _: Path) -> None:
    data = spoil(good.video[: good.init_bytes], chance)
    with suppress(Malformed):
        parse_init(data)


def fuzz_scan(good: Originals, chance: random.Random, _: Path) -> None:
    init = parse_init(good.video[: good.init_bytes])
    data = spoil(good.video[good.init_bytes + RESERVED_BYTES :], chance)
    scan = scan_parts(read_from(data), 0, len(data), init, refuse_holes=chance.random() < 0.5)
    assert 0 <= scan.good_end <= len(data)
    assert all(part.offset + part.size_bytes <= scan.good_end for part in scan.parts)


def fuzz_head(good: Originals, chance: random.Random, _: Path) -> None:
    end, note_end = good.init_bytes + RESERVED_BYTES, good.init_bytes + 80
    data = spoil(good.video[:note_end], chance) + spoil(good.video[note_end : end + 500], chance)
    with suppress(Malformed):
        read_file_head(read_from(data), len(data), HEADER_BYTES)


def fuzz_index(good: Originals, chance: random.Random, folder: Path) -> None:
    data = spoil(good.index, chance)
    path = folder / "x.idx"
    path.write_bytes(data)
    with suppress(BadIndex, IndexError), IndexReader(path) as index:
        list(index.records())
        index.find_keyframe(chance.randrange(1 << 40))
        index.find_segment(chance.randrange(100))


def fuzz_marker(good: Originals, chance: random.Random, folder: Path) -> None:
    data = spoil(good.marker, chance)
    path = folder / "x.json"
    path.write_bytes(data)
    with suppress(BadMarker):
        read_marker(path)


def fuzz_recovery(good: Originals, chance: random.Random, folder: Path) -> None:
    """Without an index everything is checked and must scan cleanly; with one only what lies behind it."""
    video, index = folder / "video-000.mp4", folder / "video-000.idx"
    video.write_bytes(spoil(good.video, chance))
    index.unlink(missing_ok=True)
    if chance.random() < 0.5:
        index.write_bytes(spoil(good.index, chance))
    rebuilt = not index.exists()
    found = recover_file(video)
    if found.problem or not found.parts:
        return
    left = video.read_bytes()
    head = read_file_head(read_from(left), len(left), HEADER_BYTES)
    assert not rebuilt or scan_parts(read_from(left), head.media_start, len(left), head.init).torn is None
    with VodTitle([video]) as title:
        assert all(title.playlist(form).gzipped for form in Form)
    check_file(video)


TARGETS: list[Callable[[Originals, random.Random, Path], None]] = [
    fuzz_init, fuzz_scan, fuzz_head, fuzz_index, fuzz_marker, fuzz_recovery,
]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    until = time.monotonic() + arguments.minutes * 60
    counts: Counter[str] = Counter()
    seed = arguments.seed
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = Originals(folder)
        while time.monotonic() < until:
            target = TARGETS[seed % len(TARGETS)]
            chance = random.Random(seed)
            try:
                target(good, chance, folder)
            except Exception:
                traceback.print_exc()
                print(f"{target.__name__} failed with --seed {seed}")
                return 1
            counts[target.__name__] += 1
            seed += 1
    print(", ".join(f"{name} {count}" for name, count in counts.items()), "cases, no surprise")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
