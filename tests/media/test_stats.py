"""The figures of an incoming stream follow their definitions."""

import pytest

from onetake.media.stats import StreamStats
from onetake.media.units import Codec, Track, Unit

SPS_25_FPS = bytes.fromhex("6764000dacd941519e226c0440000003004000000c83c50a6580")
RECORD = b"\x01\x64\x00\x0d\xff\xe1" + len(SPS_25_FPS).to_bytes(2, "big") + SPS_25_FPS + bytes.fromhex("01000468ef8fcb")
VIDEO = Track(1, Codec.H264, 90_000, RECORD, width=322, height=182)
AUDIO = Track(2, Codec.AAC, 48_000, bytes.fromhex("1190"), sample_rate=48_000, channels=2)


def push_video(stats: StreamStats, frames: int, start: int = 0, gop: int = 50, interval_s: float = 0.04) -> None:
    for index in range(start, start + frames):
        unit = Unit(1, index * 3600, index * 3600, index % gop == 0, bytes(5000))
        stats.push(VIDEO, unit, 100 + index * interval_s)


def push_audio(stats: StreamStats, frames: int, delay_ms: int = 0) -> None:
    for index in range(frames):
        dts = index * 1024
        stats.push(AUDIO, Unit(2, dts, dts, True, bytes(400)), 100 + delay_ms / 1000 + dts / 48_000)


def test_steady_stream() -> None:
    stats = StreamStats()
    push_video(stats, 500)
    push_audio(stats, 935)
    found = stats.snapshot(100 + 499 * 0.04)
    assert found.video_fps == pytest.approx(25)
    assert found.audio_fps == pytest.approx(48_000 / 1024, rel=0.01)
    assert found.video_bps == pytest.approx(1_000_000)
    assert found.audio_bps == pytest.approx(150_000, rel=0.01)
    assert found.push_speed == pytest.approx(1)
    assert (found.nominal_fps, found.source_missing) == (25, 0)
    assert found.idle_s == pytest.approx(0.1, abs=0.2)


def test_figures_before_the_window_is_full() -> None:
    stats = StreamStats()
    push_video(stats, 26)
    found = stats.snapshot(101)
    assert found.video_fps == pytest.approx(25)
    assert found.push_speed == pytest.approx(1)


def test_nothing_yet() -> None:
    found = StreamStats().snapshot(0)
    assert (found.video_fps, found.push_speed, found.gop_max_ms, found.idle_s, found.gop_open_ms) == (0, 0, 0, 0, 0)


def test_single_unit_gives_no_rate() -> None:
    stats = StreamStats()
    push_video(stats, 1)
    assert stats.snapshot(100).video_fps == 0
    assert stats.snapshot(101).video_fps == 0


def test_stalled_stream_falls_to_zero() -> None:
    stats = StreamStats()
    push_video(stats, 250)
    assert stats.snapshot(100 + 10 + 2.5).video_fps == pytest.approx(12.5, rel=0.05)
    found = stats.snapshot(120)
    assert (found.video_fps, found.video_bps, found.push_speed) == (0, 0, 0)
    assert found.idle_s == pytest.approx(10.04)


def test_starved_uplink_shows_in_push_speed() -> None:
    stats = StreamStats()
    push_video(stats, 500, interval_s=0.05)
    assert stats.snapshot(100 + 499 * 0.05).push_speed == pytest.approx(0.8)


def test_gop_of_the_last_ten() -> None:
    stats = StreamStats()
    push_video(stats, 1000, gop=50)
    push_video(stats, 130, start=1000, gop=100)
    found = stats.snapshot(150)
    assert found.gop_last_ms == 4000
    assert found.gop_max_ms == 4000
    assert found.gop_mean_ms == pytest.approx(2200)
    assert found.gop_frames == 100
    assert found.gop_open_ms == 29 * 40
    assert stats.totals.keyframes == 22
    assert stats.totals.gop_ms == 1100 * 40


def test_missing_pictures_against_the_nominal_rate() -> None:
    stats = StreamStats()
    for index in range(0, 200, 2):
        stats.push(VIDEO, Unit(1, index * 3600, index * 3600, index == 0, b"x"), 100 + index * 0.04)
    assert stats.snapshot(100 + 198 * 0.04).source_missing == pytest.approx(62, abs=2)


def test_repeated_dts_is_one_frame() -> None:
    stats = StreamStats()
    for _ in range(3):
        stats.push(VIDEO, Unit(1, 0, 0, True, b"x"), 100)
    assert stats.totals.video_frames == 1


def test_distance_of_sound_and_picture() -> None:
    stats = StreamStats()
    push_video(stats, 100)
    push_audio(stats, 100, delay_ms=300)
    assert stats.snapshot(104).skew_max_ms > 1000


def test_totals_only_grow() -> None:
    stats = StreamStats()
    push_video(stats, 100)
    push_audio(stats, 10)
    totals = stats.totals
    assert (totals.video_frames, totals.audio_frames) == (100, 10)
    assert (totals.video_bytes, totals.audio_bytes) == (500_000, 4000)
    assert totals.video_media_ms == 99 * 40


def test_sound_alone_has_a_push_speed() -> None:
    stats = StreamStats()
    push_audio(stats, 400)
    assert stats.snapshot(100 + 399 * 1024 / 48_000).push_speed == pytest.approx(1)


def test_unreadable_configuration_has_no_nominal_rate() -> None:
    stats = StreamStats()
    stats.push(Track(1, Codec.H264, 90_000, b""), Unit(1, 0, 0, True, b"x"), 100)
    assert stats.snapshot(100).nominal_fps == 0
