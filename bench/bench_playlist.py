"""What playlists and segment look-ups cost by the length of the title: 1 minute, 3 hours, 24 hours.

    python bench/bench_playlist.py

Columns: VOD playlist made from the index at once, kept up while a recording grows, one segment look-up; live window
(`?dvr=1`) per part, in full and as delta update, and per segment (mean, worst) while its back moves. Target of the
media core: a segment of 3 h costs at most 1.1 times one of 1 min; the look-up is the only part of a request that knows
the length, so its difference is compared with a request of 400 us.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from onetake.engine.ring import Ring
from onetake.media.fmp4 import Part, Run
from onetake.media.hls import LivePlaylist, MediaName, VodTitle
from onetake.media.index import IndexHeader, IndexRecord, IndexWriter
from onetake.media.units import Codec, Track

LENGTHS_S = {"1 min": 60, "3 h": 3 * 3600, "24 h": 24 * 3600}
PART_TICKS, PARTS_PER_SEGMENT, PART_BYTES = 36_000, 5, 30_000
REQUEST_US = 400.0
START_MS = 1_700_000_000_000
RUN = Run("0123456789ab", b"init", (Track(1, Codec.H264, 90_000, b"x", 1280, 720),), 1, 90_000, 0)


def make_index(folder: Path, seconds: int) -> Path:
    """The index of a title of this length; its MP4 is not needed for playlists."""
    video = folder / "video-000.mp4"
    writer = IndexWriter.create(
        video.with_suffix(".idx"), IndexHeader(90_000, 700, 1, 66_236, 0, START_MS, RUN.prefix, 1)
    )
    writer.append(record(number) for number in range(int(seconds / 0.4)))
    writer.close()
    return video


def record(number: int) -> IndexRecord:
    segment, place = divmod(number, PARTS_PER_SEGMENT)
    offset, dts = 66_236 + number * PART_BYTES, number * PART_TICKS
    return IndexRecord(offset, PART_BYTES, PART_TICKS, dts, START_MS + dts // 90, segment, 3 if place == 0 else 0, 0)


def best(work: Callable[[], object], repeats: int, inner: int = 1) -> float:
    """Seconds of one `work`, the best of `repeats`."""
    shortest = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(inner):
            work()
        shortest = min(shortest, (time.perf_counter() - start) / inner)
    return shortest


def vod(folder: Path, seconds: int) -> dict[str, float]:
    """Milliseconds to make a whole playlist and its gzip, microseconds for one look-up; bytes."""
    video = make_index(folder, seconds)
    names = [MediaName(RUN.prefix, msn) for msn in range(0, seconds // 2, max(1, seconds // 200))]
    with VodTitle([video]) as title:
        look_up = best(lambda: [title.resolve(name) for name in names], 5, 5) / len(names)
        body = title.playlist()
        sizes = len(body.plain), len(body.gzipped)

    def build() -> None:
        with VodTitle([video]) as fresh:
            assert fresh.playlist().gzipped

    repeats = 5 if seconds < 10_000 else 2
    return {"build_ms": best(build, repeats) * 1e3, "look_up_us": look_up * 1e6, "bytes": sizes[0], "gzip": sizes[1]}


def growing(folder: Path, seconds: int) -> float:
    """Milliseconds for one more segment of a recording that is `seconds` long already, playlist and gzip."""
    video = make_index(folder, seconds)
    count = int(seconds / 0.4)
    writer = IndexWriter.reopen(video.with_suffix(".idx"), count)
    with VodTitle([video], live=True) as title:
        assert title.playlist().gzipped
        spent = []
        for step in range(20):
            first = count + step * PARTS_PER_SEGMENT
            writer.append(record(number) for number in range(first, first + PARTS_PER_SEGMENT))
            start = time.perf_counter()
            title.refresh([video])
            assert title.playlist().gzipped
            spent.append(time.perf_counter() - start)
    writer.close()
    return sorted(spent)[10] * 1e3


def window(seconds: int) -> tuple[float, float]:
    """Milliseconds per part for a live window that is `seconds` long: in full with gzip, and as delta update."""
    playlist = LivePlaylist()
    count = int(seconds / 0.4)
    for number in range(count):
        playlist.append(live_part(number))
    assert playlist.body(dvr=True).gzipped
    full, delta = [], []
    for number in range(count, count + 20):
        playlist.append(live_part(number))
        start = time.perf_counter()
        assert playlist.body(dvr=True).gzipped
        middle = time.perf_counter()
        assert playlist.body(dvr=True, skip=True).gzipped
        full.append(middle - start)
        delta.append(time.perf_counter() - middle)
    return sorted(full)[10] * 1e3, sorted(delta)[10] * 1e3


def rolling(seconds: int) -> tuple[float, float]:
    """Milliseconds per segment for a full time-shift window of this length while its back moves: mean and worst."""
    playlist = LivePlaylist()
    ring = Ring(60.0, lambda: seconds, lambda msn: "window", playlist.mark_gap)
    count = seconds // 2
    block = max(60, int(count * 0.06))
    spent = []
    for msn in range(count + 2 * block):
        part = Part(RUN, msn, 0, True, True, True, msn * 180_000, 180_000, START_MS + msn * 2000, False, b"x")
        start = time.perf_counter()
        playlist.append(part)
        ring.add(part)
        playlist.drop_before(ring.segments[0].msn)
        if msn >= count - 1:
            assert playlist.body(dvr=True).gzipped
            spent.append(time.perf_counter() - start)
    return sum(spent[1:]) / len(spent[1:]) * 1e3, max(spent[1:]) * 1e3


def live_part(number: int) -> Part:
    msn, index = divmod(number, PARTS_PER_SEGMENT)
    dts = number * PART_TICKS
    return Part(RUN, msn, index, index == 0, index == 4, index == 0, dts, PART_TICKS, START_MS + dts // 90, False, b"x")


def main() -> None:
    print(
        "title | VOD build ms | bytes | gzip | next segment ms | look-up us | window/part ms | delta/part ms | "
        "rolling ms | worst"
    )
    look_ups = {}
    for name, seconds in LENGTHS_S.items():
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            found = vod(Path(first), seconds)
            step_ms = growing(Path(second), seconds)
        full_ms, delta_ms = window(seconds)
        rolling_ms, worst_ms = rolling(seconds)
        look_ups[name] = found["look_up_us"]
        print(
            f"{name:5} | {found['build_ms']:12.2f} | {found['bytes']:8.0f} | {found['gzip']:7.0f} | {step_ms:15.3f} | "
            f"{found['look_up_us']:10.1f} | {full_ms:14.3f} | {delta_ms:13.3f} | "
            f"{rolling_ms:10.3f} | {worst_ms:5.1f}"
        )
    more_us = look_ups["3 h"] - look_ups["1 min"]
    print(f"request 3 h / 1 min: {(REQUEST_US + more_us) / REQUEST_US:.2f}")


if __name__ == "__main__":
    main()
