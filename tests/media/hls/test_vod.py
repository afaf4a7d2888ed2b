"""On-demand playlists in both forms, played by ffmpeg 9 and Debian's ffmpeg 5.1 packet by packet."""

import dataclasses
import errno
import gzip
import itertools
import os
import subprocess
import zlib
from pathlib import Path

import pytest
from tests.media.fmp4 import clips
from tests.media.hls.server import serving
from tests.media.recording.test_writer import FailingCall

from onetake.kit.ids import uuid7
from onetake.media.fmp4 import Fragment, Part, Run, Sample, init_segment, write_part
from onetake.media.fmp4.cutter import sequence_number
from onetake.media.hls import Form, MediaName, VodTitle, parse_name
from onetake.media.index import HEADER_BYTES, BadIndex
from onetake.media.recording import RecordingWriter, WriterOptions, disk, recording_place, video_files
from onetake.media.units import Codec, Kind, Track

GOLDENS = Path(__file__).parents[1] / "goldens"
STRANGERS = [
    ("0123456789ab", "4.m4s"),
    ("ffffffffffff", "0.m4s"),
    ("ffffffffffff", "init.mp4"),
    ("0123456789ab", "0.0.m4s"),
]
FORMS = {"virtual": "index.m3u8", "range": "index.m3u8?form=range"}


def parts_of(name: str, prefix: str = "0123456789ab", first_msn: int = 0) -> list[Part]:
    return clips.parts_of(clips.clip(name), prefix=lambda: prefix, first_msn=first_msn)


def record(folder: Path, parts: list[Part], options: WriterOptions | None = None) -> list[Path]:
    writer = RecordingWriter(recording_place(folder, uuid7()), options)
    for part in parts:
        writer.append(part)
    writer.close()
    return video_files(writer.place.folder)


def packets(executable: str, url: str, *, quiet: bool = True) -> dict[int, list[tuple[int, int]]]:
    """(size, Adler-32) of every packet by stream, as ffmpeg reads them."""
    command = [executable, "-v", "error", "-i", url, "-map", "0", "-c", "copy", "-f", "framecrc", "-"]
    out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert not quiet or out.stderr == ""
    found: dict[int, list[tuple[int, int]]] = {}
    for line in out.stdout.splitlines():
        if not line.startswith("#"):
            fields = [field.strip() for field in line.split(",")]
            found.setdefault(int(fields[0]), []).append((int(fields[4]), int(fields[5], 16)))
    return found


def expected(name: str) -> dict[int, list[tuple[int, int]]]:
    source = clips.clip(name)
    kinds = [kind for kind in Kind if source.of(kind)]
    return {
        index: [(len(unit.payload), zlib.adler32(unit.payload, 0)) for unit in source.of(kind)]
        for index, kind in enumerate(kinds)
    }


class TestPlayers:
    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("executable", ["ffmpeg9", "ffmpeg5"])
    @pytest.mark.parametrize("name", ["bframes", "short_gop", "long_gop", "hevc", "audio_44k"])
    def test_every_packet_in_both_forms(self, tmp_path: Path, form: str, executable: str, name: str) -> None:
        with VodTitle(record(tmp_path, parts_of(name))) as title, serving(title) as url:
            assert packets(getattr(clips, executable)(), f"{url}/{FORMS[form]}") == expected(name)

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("executable", ["ffmpeg9", "ffmpeg5"])
    def test_every_packet_of_a_rotated_recording(self, tmp_path: Path, form: str, executable: str) -> None:
        videos = record(tmp_path, parts_of("bframes"), WriterOptions(rotate_after_s=1.5))
        assert len(videos) == 3
        with VodTitle(videos) as title, serving(title) as url:
            assert packets(getattr(clips, executable)(), f"{url}/{FORMS[form]}") == expected("bframes")

    @pytest.mark.parametrize("form", FORMS)
    def test_every_packet_over_a_change_of_the_picture(self, tmp_path: Path, form: str) -> None:
        parts = [*parts_of("bframes"), *parts_of("short_gop", "ba9876543210", 3)]
        with VodTitle(record(tmp_path, parts)) as title, serving(title) as url:
            # ffmpeg keeps the first SPS for its parser when it copies, and complains; the packets are right
            found = packets(clips.ffmpeg9(), f"{url}/{FORMS[form]}", quiet=False)
        first, second = expected("bframes"), expected("short_gop")
        assert found[0] == first[0] + second[0]
        assert found[1] == first[1] + second[1]

    @pytest.mark.parametrize("form", FORMS)
    def test_every_packet_after_a_failed_sync_in_the_middle_of_a_segment(
        self, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("onetake.media.recording.pair.sync_data", FailingCall(disk.sync_data, errno.EIO, 9))
            videos = record(tmp_path, parts_of("bframes"), WriterOptions(sync_interval_s=0))
        assert len(videos) == 2
        with VodTitle(videos) as title, serving(title) as url:
            assert packets(clips.ffmpeg9(), f"{url}/{FORMS[form]}") == expected("bframes")
            assert "?f=1\n" in title.playlist().plain.decode()

    def test_a_seek_lands_where_it_should(self, tmp_path: Path) -> None:
        with VodTitle(record(tmp_path, parts_of("h264_aac"))) as title, serving(title) as url:
            command = [clips.ffmpeg9(), "-v", "error", "-ss", "4.5", "-i", f"{url}/index.m3u8", "-frames:v", "1",
                       "-f", "framecrc", "-map", "0:v", "-"]  # fmt: skip
            out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        assert out.stderr == ""
        assert out.stdout.count("\n0,") == 1

    def test_real_footage(self, tmp_path: Path) -> None:
        source = clips.big_buck_bunny()
        with VodTitle(record(tmp_path, clips.parts_of(source))) as title, serving(title) as url:
            for form in FORMS.values():
                found = packets(clips.ffmpeg5(), f"{url}/{form}")
                assert [len(rows) for rows in found.values()] == [len(source.of(kind)) for kind in Kind]


class TestWholeTexts:
    @pytest.mark.parametrize("form", list(Form))
    def test_one_file(self, tmp_path: Path, form: Form) -> None:
        with VodTitle(record(tmp_path, synthetic(12))) as title:
            assert title.playlist(form).plain.decode() == (GOLDENS / f"vod_{form}.m3u8").read_text()

    @pytest.mark.parametrize("form", list(Form))
    def test_several_files(self, tmp_path: Path, form: Form) -> None:
        other = synthetic(5, prefix="ba9876543210", first_msn=9, gap_s=60)
        videos = record(tmp_path, [*synthetic(12), *other], WriterOptions(rotate_after_s=1.5))
        with VodTitle(videos, base="source/") as title:
            assert title.playlist(form).plain.decode() == (GOLDENS / f"vod_{form}_files.m3u8").read_text()

    @pytest.mark.parametrize("form", list(Form))
    def test_a_growing_one(self, tmp_path: Path, form: Form) -> None:
        writer = RecordingWriter(recording_place(tmp_path, uuid7()), WriterOptions(sync_interval_s=0))
        parts = synthetic(17)
        for part in parts[:12]:
            writer.append(part)
        videos = video_files(writer.place.folder)
        with VodTitle(videos, live=True) as title:
            assert title.playlist(form).plain.decode() == (GOLDENS / f"vod_{form}_growing.m3u8").read_text()
            for part in parts[12:]:
                writer.append(part)
                assert title.refresh(videos)
                title.playlist(form)
            writer.close()
            assert title.refresh(videos, ended=True)
            assert title.ended
            grown = title.playlist(form).plain.decode()
        with VodTitle(videos) as fresh:
            assert grown == fresh.playlist(form).plain.decode().replace("TYPE:VOD", "TYPE:EVENT")

    def test_a_rolling_window_counts_on_and_is_no_event(self, tmp_path: Path) -> None:
        parts = synthetic(40, first_msn=7)
        writer = RecordingWriter(recording_place(tmp_path, uuid7()), WriterOptions(0, rotate_after_s=1.5))
        for part in parts:
            writer.append(part)
        texts = []
        for kept_s in (1e9, 6.0):
            writer.keep_last(kept_s)
            with VodTitle(video_files(writer.place.folder), live=True, window=True) as title:
                texts.append(title.playlist().plain.decode())
        writer.close()
        first_msns = [int(text.partition("MEDIA-SEQUENCE:")[2].partition("\n")[0]) for text in texts]
        assert first_msns[0] == 7
        assert first_msns[1] > 7
        for text, msn in zip(texts, first_msns, strict=True):
            assert "PLAYLIST-TYPE" not in text
            assert f"\ns/0123456789ab/{msn}.m4s\n" in text
            assert f"/{msn - 1}.m4s" not in text

    def test_the_target_duration_of_a_growing_list_never_changes(self, tmp_path: Path) -> None:
        long_parts = [dataclasses.replace(part, duration_ticks=9 * 90_000, dts_ticks=number * 9 * 90_000,
                                          starts_segment=True, ends_segment=True, msn=number)
                      for number, part in enumerate(synthetic(5)[:1] * 5)]  # fmt: skip
        writer = RecordingWriter(recording_place(tmp_path, uuid7()), WriterOptions(0))
        writer.append(long_parts[0])
        videos = video_files(writer.place.folder)
        with VodTitle(videos, live=True) as title:
            texts = [title.playlist().plain.decode()]
            for part in long_parts[1:]:
                writer.append(part)
                title.refresh(videos)
                texts.append(title.playlist().plain.decode())
            writer.close()
            title.refresh(videos, ended=True)
            texts.append(title.playlist().plain.decode())
        assert all("#EXT-X-TARGETDURATION:6\n" in text for text in texts)
        assert all(after.startswith(before) for before, after in itertools.pairwise(texts))
        with VodTitle(videos) as fresh:
            assert "#EXT-X-TARGETDURATION:9\n" in fresh.playlist().plain.decode()


def synthetic(count: int, prefix: str = "0123456789ab", first_msn: int = 0, gap_s: float = 0) -> list[Part]:
    """Parts of equal bytes and times, five to a segment, so that golden texts hold."""
    track = Track(1, Codec.H264, 90_000, b"\x01\x42\xc0\x1e\xff\xe1" + prefix.encode(), 320, 180)
    run = Run(prefix, init_segment([track]), (track,), 1, 90_000, first_msn)
    parts = []
    for number in range(count):
        msn, index = first_msn + number // 5, number % 5
        dts = round((gap_s + number * 0.4) * 90_000)
        samples = [Sample(dts + i * 3600, 3600, 0, index == 0 and i == 0, b"x" * 50) for i in range(10)]
        data = write_part(sequence_number(run, msn, index), [Fragment(1, samples)])
        parts.append(Part(run, msn, index, index == 0, index == 4, index == 0, dts, 36_000,
                          clips.START_WALL_MS + dts // 90, False, data))  # fmt: skip
    return parts


class TestTitle:
    def test_resolves_names_to_slices(self, tmp_path: Path) -> None:
        parts = synthetic(20)
        (video,) = record(tmp_path, parts)
        with VodTitle([video]) as title:
            data = video.read_bytes()
            for msn in range(4):
                place = title.resolve(MediaName("0123456789ab", msn))
                assert place is not None
                wanted = b"".join(part.data for part in parts if part.msn == msn)
                assert data[place.offset : place.offset + place.size_bytes] == wanted
            init = title.resolve(MediaName("0123456789ab"))
            assert init is not None
            assert data[: init.size_bytes] == parts[0].run.init

    @pytest.mark.parametrize("name", STRANGERS)
    def test_what_it_does_not_have(self, tmp_path: Path, name: tuple[str, str]) -> None:
        with VodTitle(record(tmp_path, synthetic(20))) as title:
            asked = parse_name(*name)
            assert asked is not None
            assert title.resolve(asked) is None
            assert title.resolve(asked, 7) is None

    def test_every_listed_uri_of_many_files_resolves(self, tmp_path: Path) -> None:
        videos = record(tmp_path, synthetic(50), WriterOptions(rotate_after_s=1.5))
        with VodTitle(videos) as title:
            uris = [line for line in title.playlist().plain.decode().splitlines() if line.startswith("s/")]
            total = 0
            for uri in uris:
                asked = parse_name(*uri.split("/")[1:])
                assert asked is not None
                place = title.resolve(asked)
                assert place is not None
                total += place.size_bytes
            assert total == sum(part.size_bytes for part in synthetic(50))

    def test_only_the_open_segment_of_a_growing_recording_is_incomplete(self, tmp_path: Path) -> None:
        first, second = synthetic(12), synthetic(7, prefix="ba9876543210", first_msn=3, gap_s=4.8)
        writer = RecordingWriter(recording_place(tmp_path, uuid7()), WriterOptions(sync_interval_s=0))
        for part in [*first, *second]:
            writer.append(part)
        videos = video_files(writer.place.folder)
        names = [MediaName("0123456789ab", msn) for msn in range(4)]
        names += [MediaName("ba9876543210", msn) for msn in range(3, 6)] + [MediaName("ba9876543210")]
        with VodTitle(videos, live=True) as title:
            listed = title.playlist().plain.decode()
            found = [title.is_complete(name) for name in names]
            assert found == [True, True, True, False, True, False, False, True]
            for name, complete in zip(names[:-1], found, strict=False):
                assert (f"s/{name.prefix}/{name.msn}.m4s\n" in listed) == complete
            writer.close()
            title.refresh(videos, ended=True)
            assert title.is_complete(MediaName("ba9876543210", 4))

    def test_a_file_that_was_begun_and_got_nothing_is_no_hole(self, tmp_path: Path) -> None:
        videos = record(tmp_path, synthetic(30), WriterOptions(rotate_after_s=3.5))
        assert len(videos) == 3
        index = videos[1].with_suffix(".idx")
        index.write_bytes(index.read_bytes()[:HEADER_BYTES])
        with VodTitle(videos) as title:
            listed = title.playlist().plain.decode().splitlines()
        assert [line for line in listed if line.startswith("s/")] == [f"s/0123456789ab/{n}.m4s" for n in (0, 1, 4, 5)]

    def test_rates_are_measured(self, tmp_path: Path) -> None:
        parts = synthetic(20)
        with VodTitle(record(tmp_path, parts)) as title:
            title.playlist()
            size = sum(part.size_bytes for part in parts)
            assert title.rates.average_bps == pytest.approx(size)
            assert title.rates.peak_bps >= title.rates.average_bps

    def test_nothing_changes_nothing_is_made_again(self, tmp_path: Path) -> None:
        videos = record(tmp_path, synthetic(20))
        with VodTitle(videos) as title:
            body = title.playlist()
            assert not title.refresh(videos)
            assert title.playlist() is body
            assert gzip.decompress(body.gzipped) == body.plain

    def test_a_segment_longer_than_the_target_raises_it(self, tmp_path: Path) -> None:
        parts = list(synthetic(60))
        one = [
            dataclasses.replace(part, msn=0, index_in_segment=number, starts_segment=number == 0, ends_segment=False)
            for number, part in enumerate(parts)
        ]
        with VodTitle(record(tmp_path, one)) as title:
            assert "#EXT-X-TARGETDURATION:24\n" in title.playlist().plain.decode()

    def test_an_index_of_nonsense_is_told(self, tmp_path: Path) -> None:
        (video,) = record(tmp_path, synthetic(5))
        video.with_suffix(".idx").write_bytes(os.urandom(200))
        with pytest.raises(BadIndex):
            VodTitle([video])
