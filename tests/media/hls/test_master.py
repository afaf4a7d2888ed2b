"""The multivariant playlist and the rates in it."""

import pytest

from onetake.media.hls import RateMeter, Variant, add_query, master_playlist


def test_whole_text() -> None:
    high = Variant("high/live.m3u8", ["avc1.640028", "mp4a.40.2"], 5_000_000, 4_000_000, 1920, 1080, 30_000 / 1001)
    sound = Variant("sound.m3u8", ["mp4a.40.2"], 64_000)
    assert master_playlist([high, sound]).decode() == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:9\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=5000000,AVERAGE-BANDWIDTH=4000000,CODECS="avc1.640028,mp4a.40.2",'
        "RESOLUTION=1920x1080,FRAME-RATE=29.970\n"
        "high/live.m3u8\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS="mp4a.40.2"\n'
        "sound.m3u8\n"
    )


def test_nothing_measured_yet() -> None:
    meter = RateMeter()
    assert (meter.average_bps, meter.peak_bps, meter.frame_rate) == (0, 0, 0.0)
    assert "BANDWIDTH=1," in master_playlist([Variant("x", ["a"], meter.peak_bps)]).decode()


def test_average_and_peak_and_frames() -> None:
    meter = RateMeter()
    for size_bytes in (100_000, 100_000, 400_000, 400_000, 100_000, 100_000):
        meter.add(size_bytes, 2.0, 60)
    assert meter.average_bps == 800_000
    assert meter.peak_bps == 1_600_000
    assert meter.frame_rate == pytest.approx(30)


def test_the_peak_needs_half_a_target_duration() -> None:
    meter = RateMeter()
    meter.add(1_000_000, 1.0)
    assert meter.peak_bps == 8_000_000
    for _ in range(4):
        meter.add(1000, 1.0)
    assert meter.peak_bps < 3_000_000


def test_a_query_goes_onto_every_uri() -> None:
    text = '#EXTM3U\n#EXT-X-MAP:URI="s/a/init.mp4",BYTERANGE="1@0"\n#EXTINF:2.0,\ns/a/1.m4s\nvideo.mp4?o=5\n'
    assert add_query(text.encode(), "token=x%2Fy").decode() == (
        '#EXTM3U\n#EXT-X-MAP:URI="s/a/init.mp4?token=x%2Fy",BYTERANGE="1@0"\n'
        "#EXTINF:2.0,\ns/a/1.m4s?token=x%2Fy\nvideo.mp4?o=5&token=x%2Fy\n"
    )
