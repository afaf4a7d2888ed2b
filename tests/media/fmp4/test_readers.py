"""What we write is read back by readers that are not ours: PyAV, ffmpeg 9 and Debian's ffmpeg 5.1."""

from pathlib import Path

import pytest
from tests.media.fmp4 import clips

from onetake.media.units import Kind

ONE_RUN = [name for name in clips.RECIPES if name != "one_fps"]


def assert_same_packets(source: clips.Clip, target: Path) -> None:
    """Every unit came through: payload exact, times within half a tick."""
    read = clips.read_packets(target)
    for track in source.tracks:
        sent, got = source.of(track.kind), read[track.kind.value]
        assert [unit.payload for unit in sent] == [payload for _, _, payload in got]
        for unit, (dts, pts, _) in zip(sent, got, strict=True):
            assert abs(dts * track.timescale - unit.dts) <= 0.5
            assert abs(pts * track.timescale - unit.pts) <= 0.5


@pytest.mark.parametrize("name", clips.RECIPES)
def test_every_packet_comes_back_unchanged(name: str, tmp_path: Path) -> None:
    source = clips.clip(name)
    target = tmp_path / "out.mp4"
    target.write_bytes(clips.joined(clips.parts_of(source)))
    assert_same_packets(source, target)


@pytest.mark.parametrize("name", clips.RECIPES)
def test_ffmpeg_9_decodes_without_a_word(name: str, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(clips.joined(clips.parts_of(clips.clip(name))))
    assert clips.decode_errors(clips.ffmpeg9(), target) == ""


@pytest.mark.parametrize("name", ["h264_aac", "bframes", "hevc", "av1_opus", "audio_44k"])
def test_debian_ffmpeg_decodes_without_a_word(name: str, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(clips.joined(clips.parts_of(clips.clip(name))))
    assert clips.decode_errors(clips.ffmpeg5(), target) == ""


def test_real_footage(tmp_path: Path) -> None:
    source = clips.big_buck_bunny()
    target = tmp_path / "out.mp4"
    target.write_bytes(clips.joined(clips.parts_of(source)))
    assert_same_packets(source, target)
    assert clips.decode_errors(clips.ffmpeg9(), target) == ""


@pytest.mark.parametrize("name", ONE_RUN)
def test_any_segment_plays_alone_after_the_init(name: str, tmp_path: Path) -> None:
    parts = clips.parts_of(clips.clip(name))
    last = max(part.msn for part in parts)
    only = [part for part in parts if part.msn == last]
    target = tmp_path / "segment.mp4"
    target.write_bytes(clips.joined(only))
    if only[0].independent:
        assert clips.decode_errors(clips.ffmpeg9(), target) == ""
    read = clips.read_packets(target)
    start = min(dts for rows in read.values() for dts, _, _ in rows)
    assert float(start) == pytest.approx(only[0].dts_ticks / only[0].run.timescale, abs=0.05)


def test_media_time_is_64_bit_safe(tmp_path: Path) -> None:
    source = clips.clip("h264_aac")
    ten_years_s = 10 * 365 * 24 * 3600
    scale = {track.id: track.timescale for track in source.tracks}
    late = [
        type(unit)(unit.track_id, unit.dts + ten_years_s * scale[unit.track_id],
                   unit.pts + ten_years_s * scale[unit.track_id], unit.keyframe, unit.payload)
        for unit in source.units
    ]  # fmt: skip
    parts = clips.parts_of(clips.Clip(source.tracks, tuple(late)))
    target = tmp_path / "late.mp4"
    target.write_bytes(clips.joined(parts))
    read = clips.read_packets(target)
    assert len(read["video"]) == len(source.of(Kind.VIDEO))
    assert float(read["video"][0][0]) == pytest.approx(ten_years_s)
