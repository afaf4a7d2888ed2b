"""The live playlist as whole texts, and its parts under change. Golden texts are in `tests/media/goldens`."""

import gzip
import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from onetake.media.fmp4 import Part, Run
from onetake.media.hls import LivePlaylist
from onetake.media.units import Codec, Track

GOLDENS = Path(__file__).parents[1] / "goldens"
VIDEO = Track(1, Codec.H264, 90_000, b"\x01", 320, 180)
START_MS = 1_700_000_000_000


def run(
    prefix: str = "0123456789ab", *, first_msn: int = 0, discontinuity: bool = False, low_latency: bool = True
) -> Run:
    return Run(prefix, b"init", (VIDEO,), 1, 90_000, first_msn, discontinuity, low_latency)


def segment(
    of: Run, msn: int, *, parts: int = 5, part_s: float = 0.4, ends: bool = True, wall: bool = True
) -> list[Part]:
    made = []
    for index in range(parts):
        dts = round((msn * 5 + index) * part_s * 90_000)
        last = ends and index == parts - 1
        clock = START_MS + dts // 90 if wall else 0
        ticks = round(part_s * 90_000)
        made.append(Part(of, msn, index, index == 0, last, index == 0, dts, ticks, clock, False, b"x" * 100))
    return made


def fill(playlist: LivePlaylist, parts: list[Part]) -> LivePlaylist:
    for part in parts:
        playlist.append(part)
    return playlist


def stream(count: int, of: Run | None = None) -> list[Part]:
    one = of or run()
    return list(itertools.chain.from_iterable(segment(one, msn) for msn in range(count)))


def text(playlist: LivePlaylist, **options: bool) -> str:
    return playlist.body(**options).plain.decode()


def golden(name: str) -> str:
    return (GOLDENS / f"{name}.m3u8").read_text()


class TestStart:
    """Where a player begins that wants a keyframe and little delay. Segments last 2 s here."""

    @pytest.mark.parametrize(
        ("keyframes", "parts_of_last", "start_s"),
        [
            ([0, 1, 2], 5, None),  # the usual: every segment starts with one
            ([0, 1, 2], 1, None),
            ([0, 1], 5, 4.0),
            ([0], 2, 4.8),
            ([0, 2], 2, 0.8),  # the newest keyframe is near, the segment that players would take has none
            ([0, 2], 5, None),
            ([], 5, None),
        ],
    )
    def test_distance_from_the_end(self, keyframes: list[int], parts_of_last: int, start_s: float | None) -> None:
        made = [part for msn in range(3) for part in segment(run(), msn)]
        made = [replace(part, independent=part.independent and part.msn in keyframes) for part in made]
        playlist = fill(LivePlaylist(), made[: 10 + parts_of_last])
        assert playlist.start_s() == (None if start_s is None else pytest.approx(start_s))

    def test_only_low_latency_players_of_a_running_stream_are_told(self) -> None:
        parts = [replace(part, independent=part.msn == 0) for part in stream(3)]
        playlist = fill(LivePlaylist(), parts)
        assert playlist.start_s() == pytest.approx(6)
        assert "#EXT-X-START:TIME-OFFSET=-6.000\n" in text(playlist)
        assert "EXT-X-START" not in text(playlist, dvr=True)
        playlist.end()
        assert playlist.start_s() is None
        assert fill(LivePlaylist(), stream(3, run(low_latency=False))).start_s() is None
        assert LivePlaylist().start_s() is None
        assert fill(LivePlaylist(list_s=4), parts).start_s() is None

    def test_a_stream_that_ends_before_its_first_part(self) -> None:
        playlist = LivePlaylist()
        playlist.end()
        assert playlist.is_empty
        assert not playlist.has_segment


class TestWholeTexts:
    def test_low_latency(self) -> None:
        playlist = fill(LivePlaylist(), stream(3)[:12])
        assert text(playlist) == golden("live_low_latency")

    def test_a_change_of_tracks(self) -> None:
        first, second = run(), run("ba9876543210", first_msn=2, discontinuity=True)
        playlist = fill(LivePlaylist(), [*stream(2, first), *segment(second, 2), *segment(second, 3)[:1]])
        assert text(playlist) == golden("live_new_run")

    def test_the_end_of_low_latency(self) -> None:
        first, slow = run(), run("ba9876543210", first_msn=2, low_latency=False)
        slow_parts = segment(slow, 2, parts=3, part_s=1.0)
        playlist = fill(LivePlaylist(), [*stream(2, first), *slow_parts])
        assert text(playlist) == golden("live_without_parts")

    def test_the_end(self) -> None:
        playlist = fill(LivePlaylist(), stream(3)[:12])
        playlist.end()
        assert text(playlist) == golden("live_ended")

    def test_a_delta_update(self) -> None:
        playlist = fill(LivePlaylist(), stream(25))
        assert text(playlist, skip=True) == golden("live_delta")

    def test_after_a_restart(self) -> None:
        second = run(first_msn=100, discontinuity=True)
        playlist = fill(LivePlaylist(discontinuity_sequence=7), segment(second, 100))
        assert text(playlist) == golden("live_restarted")

    def test_two_renditions_report_each_other(self) -> None:
        high, low = fill(LivePlaylist(), stream(2)), fill(LivePlaylist(), stream(2)[:9])
        high.siblings["low.m3u8"] = low
        high.siblings["none.m3u8"] = LivePlaylist()
        assert text(high).endswith('#EXT-X-RENDITION-REPORT:URI="low.m3u8",LAST-MSN=1,LAST-PART=3\n')

    def test_nothing_yet(self) -> None:
        assert text(LivePlaylist()).startswith("#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:6\n")


class TestList:
    def test_a_minute_by_default_and_everything_with_dvr(self) -> None:
        playlist = fill(LivePlaylist(), stream(100))
        assert text(playlist).count("#EXTINF") == 30
        assert "#EXT-X-MEDIA-SEQUENCE:70\n" in text(playlist)
        assert text(playlist, dvr=True).count("#EXTINF") == 100
        assert "#EXT-X-MEDIA-SEQUENCE:0\n" in text(playlist, dvr=True)

    def test_parts_are_listed_for_three_target_durations(self) -> None:
        playlist = fill(LivePlaylist(), stream(100))
        for body in (text(playlist), text(playlist, dvr=True)):
            assert body.count("#EXT-X-PART:") == 9 * 5

    def test_the_growing_window_is_the_same_text_as_one_made_at_once(self) -> None:
        grown, parts = LivePlaylist(), stream(120)
        for part in parts:
            grown.append(part)
            grown.body(dvr=True)
        at_once = fill(LivePlaylist(), parts)
        assert text(grown, dvr=True) == text(at_once, dvr=True)
        assert gzip.decompress(grown.body(dvr=True).gzipped) == grown.body(dvr=True).plain

    def test_a_delta_skips_only_what_is_older_than_the_boundary(self) -> None:
        playlist = fill(LivePlaylist(), stream(1000))
        delta = text(playlist, dvr=True, skip=True)
        assert "#EXT-X-SKIP:SKIPPED-SEGMENTS=982\n" in delta
        assert delta.count("#EXTINF") == 18
        assert len(delta) < len(text(playlist, dvr=True)) / 15

    def test_a_short_list_is_never_skipped(self) -> None:
        playlist = fill(LivePlaylist(), stream(5))
        assert text(playlist, skip=True) == text(playlist)
        assert text(playlist, skip=True, dvr=True) == text(playlist)

    def test_a_long_window_keeps_no_part_that_is_not_listed(self) -> None:
        playlist = fill(LivePlaylist(), stream(500))
        assert sum(len(entry.parts) for entry in playlist._entries) <= 10 * 5
        assert playlist.part_count(3) == 5
        assert text(playlist, dvr=True).count("#EXTINF") == 500

    def test_bodies_are_shared_until_the_next_part(self) -> None:
        parts = stream(3)
        playlist = fill(LivePlaylist(), parts[:-1])
        body, version = playlist.body(), playlist.version
        assert playlist.body() is body
        assert body.gzipped is body.gzipped
        assert gzip.decompress(body.gzipped) == body.plain
        playlist.append(parts[-1])
        assert playlist.body() is not body
        assert playlist.version > version

    def test_dropped_segments_leave_the_list(self) -> None:
        playlist = fill(LivePlaylist(), stream(50))
        playlist.body(dvr=True)
        playlist.drop_before(40)
        playlist.drop_before(10)
        assert playlist.first_msn == 40
        body = text(playlist, dvr=True)
        assert body.count("#EXTINF") == 10
        assert body.index("#EXT-X-MAP") < body.index("#EXTINF")

    def test_the_discontinuity_sequence_counts_what_has_left(self) -> None:
        playlist, parts = LivePlaylist(), stream(5)
        for number in range(1, 4):
            following = run(f"run{number}", first_msn=number * 5, discontinuity=True)
            parts += [part for msn in range(number * 5, number * 5 + 5) for part in segment(following, msn)]
        fill(playlist, parts)
        assert playlist.discontinuity_sequence == 3
        for first, expected in ((5, 0), (6, 1), (11, 2), (16, 3)):
            playlist.drop_before(first)
            body = text(playlist, dvr=True)
            assert ("#EXT-X-DISCONTINUITY-SEQUENCE" in body) == (expected > 0)
            assert not expected or f"#EXT-X-DISCONTINUITY-SEQUENCE:{expected}\n" in body

    def test_a_lost_segment_is_marked_as_a_gap(self) -> None:
        playlist = fill(LivePlaylist(), stream(40))
        playlist.body(dvr=True)
        playlist.mark_gap(3)
        playlist.mark_gap(1000)
        assert "#EXT-X-GAP\n#EXTINF:2.00000,\ns/0123456789ab/3.m4s\n" in text(playlist, dvr=True)

    def test_a_gap_that_is_told_in_time_costs_no_rewriting(self) -> None:
        parts = stream(200)
        playlist = fill(LivePlaylist(), parts[: 100 * 5])
        playlist.body(dvr=True)
        kept = playlist._growing
        for number, part in enumerate(parts[100 * 5 :]):
            playlist.append(part)
            if number % 5 == 4:
                playlist.mark_gap(part.msn - 30)
            playlist.body(dvr=True)
        assert playlist._growing is kept
        assert text(playlist, dvr=True).count("#EXT-X-GAP\n") == 100

    def test_an_unforeseen_end_of_a_segment(self) -> None:
        playlist = fill(LivePlaylist(), [*segment(run(), 0, ends=False), *segment(run(), 1)])
        assert text(playlist).count("#EXTINF") == 2

    def test_low_latency_that_comes_back_is_listed(self) -> None:
        slow = run("slow", low_latency=False)
        playlist = fill(LivePlaylist(), segment(slow, 0))
        assert "PART" not in text(playlist, dvr=True)
        fill(playlist, segment(run("fast", first_msn=1), 1))
        assert "#EXT-X-PART-INF" in text(playlist, dvr=True)
        assert "slow/0.0.m4s" not in text(playlist, dvr=True)

    def test_without_a_clock_there_is_no_date(self) -> None:
        assert "DATE-TIME" not in text(fill(LivePlaylist(), segment(run(), 0, wall=False)))

    @pytest.mark.parametrize("count", [0, 1, 4])
    def test_position_is_what_comes_next(self, count: int) -> None:
        playlist = fill(LivePlaylist(), segment(run(), 0)[:count])
        assert playlist.position == (0, count)
        assert playlist.part_count(0) == count
        assert playlist.part_count(9) == 0
