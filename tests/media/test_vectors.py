"""What real encoders sent (`vectors/record.py` says how) must come out whole, however it was cut on its way."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetake.media.codecs import describe, rfc6381
from onetake.media.flv import FlvDemuxer, FlvError, FlvMuxer, FlvReader, FlvTag, Metadata, TagKind
from onetake.media.flv.demuxer import Output
from onetake.media.flv.tags import encode_tag
from onetake.media.rtmp import (
    ConnectRequested,
    PublishRequested,
    ServerConnection,
    Unpublished,
)
from onetake.media.timestamps import Normalizer
from onetake.media.units import Codec, Kind, Track, Unit

FOLDER = Path(__file__).parent / "vectors"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text())
RTMP = [name for name, case in MANIFEST.items() if case["protocol"] == "rtmp"]
NAMES = {
    "ffmpeg9-h264-aac-bframes": {"avc1.64000a", "mp4a.40.2"},
    "ffmpeg5-h264-aac": {"avc1.64000a", "mp4a.40.2"},
    "ffmpeg9-hevc-aac": {"hvc1.1.6.L30.90", "mp4a.40.2"},
    "ffmpeg9-av1-opus": {"av01.0.00M.08", "opus"},
    "ffmpeg9-aac51-only": {"mp4a.40.2"},
    "ffmpeg9-video-only": {"avc1.64000a"},
    "ffmpeg9-mp3-only": {"mp4a.6B"},
    "ffmpeg9-h264-opus": {"avc1.64000a", "opus"},
    "ffmpeg9-hevc-only": {"hvc1.1.6.L30.90"},
    "gstreamer-rtmp2sink-h264-aac": {"avc1.f4000a", "mp4a.40.2"},
    "librtmp-h264-aac": {"avc1.f4000a", "mp4a.40.2"},
}


def load(name: str) -> bytes:
    return gzip.decompress((FOLDER / f"{name}.gz").read_bytes())


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def serve(parts: Iterator[bytes]) -> list[object]:
    """All events of one publisher, whose requests are granted."""
    connection, found = ServerConnection(), list[object]()
    for part in parts:
        events = connection.receive(part)
        while events:
            found += events
            if not isinstance(events[-1], ConnectRequested | PublishRequested):
                break
            connection.accept(events[-1])
            events = connection.receive(b"")
        connection.data_to_send()
    return found


def read_flv(parts: Iterator[bytes]) -> list[FlvTag]:
    reader = FlvReader()
    return [tag for part in parts for tag in reader.feed(part)]


def tags_of(name: str) -> list[FlvTag]:
    data = load(name)
    if MANIFEST[name]["protocol"] == "flv":
        return read_flv(iter([data]))
    return [event for event in serve(iter([data])) if isinstance(event, FlvTag)]


def demux(tags: list[FlvTag]) -> list[Output]:
    demuxer = FlvDemuxer(lambda: 0)
    found = [output for tag in tags for output in demuxer.push(tag)]
    assert demuxer.discarded_units == 0
    return found


def split(outputs: list[Output]) -> tuple[dict[Kind, Track], dict[Kind, list[Unit]]]:
    tracks = {output.kind: output for output in outputs if isinstance(output, Track)}
    kinds = {track.id: kind for kind, track in tracks.items()}
    units: dict[Kind, list[Unit]] = {kind: [] for kind in tracks}
    for output in outputs:
        if isinstance(output, Unit):
            units[kinds[output.track_id]].append(output)
    return tracks, units


@pytest.mark.parametrize("name", MANIFEST)
class TestEveryEncoder:
    def test_payloads_are_exactly_those_of_the_encoder(self, name: str) -> None:
        _, units = split(demux(tags_of(name)))
        expected = MANIFEST[name]["tracks"]
        assert {str(kind) for kind in units} == set(expected)
        for kind, track_units in units.items():
            truth = expected[str(kind)]
            assert len(track_units) == truth.get("count", len(track_units))
            assert len(track_units) >= truth.get("at_least", 0)
            if kind is Kind.VIDEO:
                assert sum(unit.keyframe for unit in track_units) == truth["keys"]
            if "hash" in truth:
                digest = hashlib.sha256(b"".join(unit.payload for unit in track_units))
                assert digest.hexdigest() == truth["hash"]

    def test_times_are_within_a_millisecond(self, name: str) -> None:
        tracks, units = split(demux(tags_of(name)))
        expected = MANIFEST[name]["tracks"]
        if any("dts_us" not in truth for truth in expected.values()):
            assert name.startswith(("gstreamer", "librtmp"))
            return
        start_us = min(truth["dts_us"][0] for truth in expected.values())
        for kind, track in tracks.items():
            truth = expected[str(kind)]
            for unit, dts_us, pts_us in zip(units[kind], truth["dts_us"], truth["pts_us"], strict=True):
                assert abs(unit.dts * 1_000_000 / track.timescale - (dts_us - start_us)) <= 1000
                assert abs(unit.pts * 1_000_000 / track.timescale - (pts_us - start_us)) <= 1000

    def test_codec_names(self, name: str) -> None:
        tracks, _ = split(demux(tags_of(name)))
        assert {rfc6381(track) for track in tracks.values()} == NAMES[name]
        for track in tracks.values():
            info = describe(track)
            if track.kind is Kind.VIDEO:
                assert (info.width, info.height) == (track.width, track.height) == (98, 58)
                assert info.fps in (25.0, 0.0)
            else:
                assert info.channels == (6 if "51" in name else 1)

    def test_normalizing_a_clean_source_loses_nothing(self, name: str) -> None:
        outputs = [output for output in demux(tags_of(name)) if isinstance(output, Track | Unit)]
        normalizer = Normalizer()
        found = normalizer.push_all(outputs)
        assert len(found) == len(outputs)
        assert normalizer.dropped.total() == 0

    def test_one_byte_at_a_time(self, name: str) -> None:
        data = load(name)
        if MANIFEST[name]["protocol"] == "flv":
            assert read_flv(pieces(data, 1)) == tags_of(name)
        else:
            assert serve(pieces(data, 1)) == serve(iter([data]))

    def test_muxed_again_it_reads_the_same(self, name: str) -> None:
        outputs = demux(tags_of(name))
        tracks, _ = split(outputs)
        units = [output for output in outputs if isinstance(output, Unit)]
        muxer = FlvMuxer(tracks.values())
        data = muxer.header() + muxer.sequence_headers() + b"".join(muxer.tag(unit) for unit in units)
        again = demux(read_flv(pieces(data, 1000)))
        assert [output for output in again if isinstance(output, Unit)] == units
        assert {output for output in again if isinstance(output, Track)} == set(tracks.values())
        messages = [*muxer.sequence_messages(), *(muxer.message(unit) for unit in units)]
        assert [output for output in demux(messages) if isinstance(output, Unit)] == units


@pytest.mark.parametrize("name", RTMP)
class TestPublishers:
    def test_requests_and_clean_end(self, name: str) -> None:
        events = serve(iter([load(name)]))
        connect, publish = events[0], events[1]
        assert isinstance(connect, ConnectRequested)
        assert connect.app == "live"
        assert connect.tc_url.startswith("rtmp://127.0.0.1:")
        assert publish == PublishRequested(1, "live", "camera-1", "key=s3cret", "live")
        assert events[-1] == Unpublished(1)

    def test_metadata_arrives(self, name: str) -> None:
        metadata = [output for output in demux(tags_of(name)) if isinstance(output, Metadata)]
        assert metadata[0].name == "onMetaData"
        if "aac51" not in name:
            assert metadata[0].values["width"] == 98.0


def test_enhanced_client_names_its_codecs() -> None:
    connect = serve(iter([load("ffmpeg9-hevc-aac")]))[0]
    assert isinstance(connect, ConnectRequested)
    assert connect.fourccs == {"hvc1", "av01"}


def test_reordered_pictures_keep_their_offsets() -> None:
    _, units = split(demux(tags_of("ffmpeg9-h264-aac-bframes")))
    offsets = {unit.pts - unit.dts for unit in units[Kind.VIDEO]}
    assert len(offsets) > 2
    assert min(offsets) >= 0


def test_tracks_come_before_their_units() -> None:
    for name in MANIFEST:
        seen: set[int] = set()
        for output in demux(tags_of(name)):
            if isinstance(output, Track):
                seen.add(output.id)
            elif isinstance(output, Unit):
                assert output.track_id in seen


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=40), st.sampled_from(["ffmpeg5-h264-aac", "librtmp-h264-aac"])
)
@settings(max_examples=30)
def test_any_split_gives_the_same_events(sizes: list[int], name: str) -> None:
    data = load(name)

    def parts() -> Iterator[bytes]:
        position = 0
        while position < len(data):
            for size in sizes:
                yield data[position : position + size]
                position += size

    assert serve(parts()) == serve(iter([data]))


@given(st.integers(0, 30_000), st.integers(0, 255), st.sampled_from(["ffmpeg9-mp3-only", "ffmpeg9-hevc-only"]))
@settings(max_examples=60)
def test_a_flipped_byte_is_an_error_or_other_tags(place: int, value: int, name: str) -> None:
    data = bytearray(load(name))
    data[place % len(data)] = value
    demuxer = FlvDemuxer()
    with suppress(FlvError):
        for tag in FlvReader().feed(bytes(data)):
            demuxer.push(tag)


def test_script_tags_carry_the_wall_clock() -> None:
    track = Track(2, Codec.MP3, 44_100, b"", sample_rate=44_100, channels=2)
    tag = FlvMuxer([track]).wall_clock(1234, 1_700_000_000_123)
    data = encode_tag(tag.kind, tag.timestamp_ms, tag.body)
    (found,) = demux(FlvReader().feed(FlvMuxer([track]).header() + data))
    assert found == Metadata("onWallClock", {"unix_ms": 1_700_000_000_123.0, "dts_ms": 1234.0})
    assert tag.kind is TagKind.SCRIPT


def as_codec_12(tag: FlvTag) -> FlvTag:
    """An enhanced HEVC body in the older form of Chinese encoders: codec number 12 and the layout of AVC."""
    frame, kind, body = tag.body[0] >> 4 & 7, tag.body[0] & 0x0F, tag.body[5:]
    head = bytes((frame << 4 | 12, min(kind, 1)))
    return FlvTag(tag.kind, tag.timestamp_ms, head + (body if kind == 1 else bytes(3) + body))


def test_hevc_in_its_older_form_reads_the_same() -> None:
    tags = [tag for tag in tags_of("ffmpeg9-hevc-only") if tag.kind is TagKind.VIDEO]
    coded = [tag for tag in tags if tag.body[0] & 0x0F in (0, 1, 3)]
    assert len({tag.body[0] & 0x0F for tag in coded}) == 3
    assert demux([as_codec_12(tag) for tag in coded]) == demux(tags)
