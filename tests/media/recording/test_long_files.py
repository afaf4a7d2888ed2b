"""Recordings of many parts, played as one MP4 by libav of three ages: nothing is lost, in sequence or after a seek.

Each part holds one picture, so that hours of parts make a small file and the index tells how many packets must come.
"""

import subprocess
import zlib
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import av
import pytest
from tests.media.fmp4 import clips

from onetake.kit.ids import uuid7
from onetake.media.fmp4 import Packager, Part, read_from
from onetake.media.fmp4.boxes import iter_boxes
from onetake.media.fmp4.cutter import CutRules
from onetake.media.fmp4.head import RESERVED_BYTES, Reference, free_head, max_references, sidx_box
from onetake.media.index import HEADER_BYTES, IndexReader, header_for
from onetake.media.recording import RecordingWriter, WriterOptions, recording_place, recover_file
from onetake.media.units import Kind, Unit

FRAMES_PER_S = 25
GOP = 50
OLD_RESERVE = 64 << 10
OLD_LIMIT = max_references(OLD_RESERVE, HEADER_BYTES)
LIMIT = max_references(RESERVED_BYTES, HEADER_BYTES)
LENGTHS = {"past 5 000": 6_000, "past the limit": LIMIT + 700}
READ_AHEAD = (0, 40)


@cache
def tiny_clip() -> clips.Clip:
    """Two seconds of pictures of a few bytes, with sound."""
    target = clips._folder() / "tiny.mp4"
    command = [
        *(clips.ffmpeg9(), "-v", "error", "-f", "lavfi", "-i", f"color=gray:s=64x36:r={FRAMES_PER_S}:d=2"),
        *("-f", "lavfi", "-i", "anullsrc=r=48000:d=2", "-c:v", "libx264", "-preset", "ultrafast", "-g", str(GOP)),
        *("-pix_fmt", "yuv420p", "-c:a", "aac", "-y", str(target)),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return clips.read_clip(target)


def looped(count: int) -> Iterator[Unit]:
    """`count` pictures of the clip, over and over, with sound between them."""
    video, audio = tiny_clip().of(Kind.VIDEO), tiny_clip().of(Kind.AUDIO)
    sounds = 0
    for number in range(count):
        one, dts = video[number % GOP], number * 90_000 // FRAMES_PER_S
        yield Unit(one.track_id, dts, dts, one.keyframe, one.payload, clips.START_WALL_MS + number * 40)
        while sounds * 1024 * FRAMES_PER_S < (number + 1) * 48_000:
            other, at = audio[2 + sounds % 80], sounds * 1024
            yield Unit(other.track_id, at, at, True, other.payload, clips.START_WALL_MS + at // 48)
            sounds += 1


@cache
def tiny_parts(count: int) -> list[Part]:
    """`count` parts of one picture each, with a keyframe every `GOP`."""
    packager = Packager(rules=CutRules(part_target_s=1 / FRAMES_PER_S))
    for track in tiny_clip().tracks:
        packager.set_track(track)
    parts = [part for unit in looped(count) for part in packager.push(unit)] + packager.flush()
    assert [part.frames for part in parts] == [1] * count
    return parts


def written(folder: Path, count: int) -> Path:
    """A finished recording of `count` parts."""
    writer = RecordingWriter(recording_place(folder, uuid7()), WriterOptions(sync_interval_s=3600))
    for part in tiny_parts(count):
        writer.append(part)
    writer.close()
    return writer.place.video(0)


def first_boxes(video: Path) -> list[bytes]:
    data = video.read_bytes()
    boxes = iter_boxes(read_from(data), 0, len(data))
    return [next(boxes).kind for _ in range(4)]


def copied(executable: str, video: Path, *options: str) -> list[int]:
    """The number in the recording of each picture that ffmpeg copies out of it, told by its decode time."""
    command = [executable, "-v", "error", "-copyts", *options, "-i", str(video), "-map", "0:v", "-c", "copy"]
    text = subprocess.run([*command, "-f", "framecrc", "-"], check=True, capture_output=True, text=True, timeout=120)
    rows = [line.split(",") for line in text.stdout.splitlines() if not line.startswith("#")]
    return [int(row[1]) * FRAMES_PER_S // 90_000 for row in rows]


def after_seek(video: Path, time_s: float, packets_before: int) -> list[tuple[float, bool]]:
    """Decode time and keyframe flag of all pictures that come after a seek, with so many packets read before."""
    with av.open(str(video)) as media:
        stream = media.streams.video[0]
        assert stream.time_base
        for number, _ in enumerate(media.demux()):
            if number >= packets_before:
                break
        media.seek(int(time_s / stream.time_base), stream=stream)
        return [
            (float(packet.dts * packet.time_base), packet.is_keyframe)
            for packet in media.demux(stream)
            if packet.dts is not None
        ]


@pytest.fixture(scope="module", params=list(LENGTHS.values()), ids=list(LENGTHS))
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("long"), request.param)


@pytest.fixture
def indexed(video: Path) -> int:
    """How many parts, each of one picture, the index has."""
    with IndexReader(video.with_suffix(".idx")) as index:
        return len(index)


def test_a_sidx_names_every_part_or_is_not_there(video: Path, indexed: int) -> None:
    wanted = [b"ftyp", b"moov", b"free", b"moof" if indexed > LIMIT else b"sidx"]
    assert first_boxes(video) == wanted


@pytest.mark.parametrize("age", [9, 5])
def test_ffmpeg_reads_every_packet(video: Path, indexed: int, age: int) -> None:
    executable = clips.ffmpeg9() if age == 9 else clips.ffmpeg5()
    assert copied(executable, video) == list(range(indexed))
    keyframe = indexed * 3 // 4 // GOP * GOP
    found = copied(executable, video, "-ss", str(keyframe / FRAMES_PER_S))
    # ffmpeg 5 looks for the sound with a time in ticks of the picture, and so starts at an earlier keyframe.
    assert found[0] == keyframe or (age == 5 and found[0] < keyframe and found[0] % GOP == 0)
    assert found == list(range(found[0], indexed))


def test_pyav_reads_every_packet_in_sequence(video: Path, indexed: int) -> None:
    found = clips.read_packets(video)
    assert len(found["video"]) == indexed
    sent = [unit.payload for unit in looped(indexed) if unit.track_id != tiny_clip().tracks[0].id]
    assert [zlib.crc32(payload) for _, _, payload in found["audio"]] == [zlib.crc32(payload) for payload in sent]


@pytest.mark.parametrize("packets_before", READ_AHEAD)
def test_pyav_reads_every_packet_after_a_seek(video: Path, indexed: int, packets_before: int) -> None:
    duration_s = indexed / FRAMES_PER_S
    for time_s in (duration_s * 0.6, duration_s * 0.95):
        packets = after_seek(video, time_s, packets_before)
        start_s, is_keyframe = packets[0]
        assert is_keyframe
        assert time_s - GOP / FRAMES_PER_S < start_s <= time_s
        assert len(packets) == indexed - round(start_s * FRAMES_PER_S), f"media is lost after a seek to {time_s}"
        assert max(later - earlier for (earlier, _), (later, _) in pairwise(packets)) < 0.05


def test_as_many_parts_as_a_sidx_can_name(tmp_path: Path) -> None:
    video = written(tmp_path, LIMIT)
    assert first_boxes(video) == [b"ftyp", b"moov", b"free", b"sidx"]
    keyframe = LIMIT // GOP * GOP - GOP
    assert copied(clips.ffmpeg9(), video, "-ss", str(keyframe / FRAMES_PER_S)) == list(range(keyframe, LIMIT))
    packets = after_seek(video, keyframe / FRAMES_PER_S + 0.5, 40)
    assert len(packets) == LIMIT - keyframe


class TestOlderFiles:
    """Files whose head reserves 64 KiB, as releases before this one wrote them."""

    def old(self, folder: Path, count: int) -> Path:
        parts = tiny_parts(count)
        init = parts[0].run.init
        note = header_for(parts[0], len(init) + OLD_RESERVE).pack()
        head = (init + free_head(OLD_RESERVE) + note).ljust(len(init) + OLD_RESERVE, b"\0")
        video = folder / "video-000.mp4"
        video.write_bytes(head + b"".join(part.data for part in parts))
        return video

    @pytest.mark.parametrize(("count", "kind"), [(OLD_LIMIT, b"sidx"), (OLD_LIMIT + 1, b"moof")])
    def test_they_are_recovered(self, tmp_path: Path, count: int, kind: bytes) -> None:
        video = self.old(tmp_path, count)
        found = recover_file(video)
        assert (found.parts, found.problem) == (count, None)
        assert first_boxes(video)[-1] == kind
        assert len(after_seek(video, count / FRAMES_PER_S / 2, 40)) == count - count // 2 // GOP * GOP

    def test_a_sidx_that_leaves_parts_out_is_hidden(self, tmp_path: Path) -> None:
        count = OLD_LIMIT + 1
        video = self.old(tmp_path, count)
        parts = tiny_parts(count)
        groups = [parts[at : at + GOP] for at in range(0, count, GOP)]
        references = [Reference(sum(p.size_bytes for p in g), sum(p.duration_ticks for p in g), True) for g in groups]
        sidx = sidx_box(parts[0].run.leading_id, 90_000, 0, references)
        start, end = len(parts[0].run.init), len(parts[0].run.init) + OLD_RESERVE
        with video.open("r+b") as file:
            file.seek(start)
            file.write(free_head(OLD_RESERVE - len(sidx)))
            file.seek(end - len(sidx))
            file.write(sidx)
        assert first_boxes(video)[-1] == b"sidx"
        lossy = len(after_seek(video, 100.5, 40))
        assert lossy < count - 2500, "libav loses nothing any more: the limit on references can go"
        assert recover_file(video).problem is None
        assert first_boxes(video)[-1] == b"moof"
        assert len(after_seek(video, 100.5, 40)) == count - 2500
