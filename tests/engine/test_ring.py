"""The ring of parts at the live edge."""

import asyncio
import itertools

import pytest

from onetake.engine.ring import Gone, Ring
from onetake.media.fmp4.parts import Part, Run
from onetake.media.units import Codec, Track

RUN = Run("abc", b"init", (Track(1, Codec.H264, 90_000, b""),), 1, 90_000, 0)


def part(msn: int, index: int, *, of: int = 5, duration_s: float = 0.4, run: Run = RUN, keyframe: bool = True) -> Part:
    """Part `index` of a segment with `of` parts, which starts with a keyframe unless told otherwise."""
    first = index == 0
    ticks = int(duration_s * 90_000)
    return Part(
        run, msn, index, first, index == of - 1, first and keyframe, (msn * of + index) * ticks, ticks, 0, False, b"x"
    )


def filled(segments: int, ring: Ring | None = None) -> Ring:
    """A ring that has seen this many whole segments of 2 s."""
    ring = ring or Ring(10)
    for msn in range(segments):
        for index in range(5):
            ring.add(part(msn, index))
    return ring


class TestNewestKeyframe:
    def test_it_is_the_last_part_that_can_be_decoded_by_itself(self) -> None:
        ring = Ring(10)
        assert ring.newest_keyframe() is None
        filled(3, ring)
        found = ring.newest_keyframe()
        assert found is not None
        assert (found.msn, found.index_in_segment) == (2, 0)
        ring.add(part(3, 0, keyframe=False))
        assert ring.newest_keyframe() is found

    def test_one_that_has_left_memory_is_none(self) -> None:
        ring = filled(1, Ring(2, window_s=lambda: 100.0, asset_of=lambda msn: "asset"))
        for index in range(20):
            ring.add(part(1 + index // 5, index % 5, keyframe=False))
        assert not ring.segments[0].in_memory
        assert ring.newest_keyframe() is None


class TestWindow:
    def test_whole_segments_older_than_the_ring_leave(self) -> None:
        ring = filled(20)
        assert [segment.msn for segment in ring.segments] == [15, 16, 17, 18, 19]
        assert ring.find("abc", 14) is None
        assert ring.find("abc", 19) is ring.segments[-1]
        assert ring.find("other", 19) is None

    def test_memory_is_bounded_in_bytes_too(self) -> None:
        ring = filled(20, Ring(60, ring_bytes=17))
        assert [segment.msn for segment in ring.segments] == [17, 18, 19]
        assert len(filled(3, Ring(60, ring_bytes=1)).segments) == 1

    def test_a_segment_whose_end_was_not_foreseen_has_ended(self) -> None:
        ring = Ring(10)
        for msn, index in ((0, 0), (0, 1), (1, 0)):
            ring.add(part(msn, index))
        assert [segment.ended for segment in ring.segments] == [True, False]

    def test_segments_on_disk_stay_listed_without_their_bytes(self) -> None:
        ring = filled(20, Ring(10, window_s=lambda: 20, asset_of=lambda msn: "recording"))
        assert [segment.msn for segment in ring.segments] == list(range(10, 20))
        assert [segment.in_memory for segment in ring.segments] == [False] * 5 + [True] * 5

    def test_the_back_of_a_window_leaves_in_blocks(self) -> None:
        ring = Ring(10, window_s=lambda: 100, asset_of=lambda msn: "recording")
        firsts, lengths = [], []
        for msn in range(300):
            for index in range(5):
                ring.add(part(msn, index))
            firsts.append(ring.segments[0].msn)
            lengths.append(len(ring.segments))
        moves = sum(after > before for before, after in itertools.pairwise(firsts))
        assert moves < 300 / 3
        assert min(lengths[60:]) >= 50
        assert max(lengths) <= 53

    def test_what_has_left_the_disk_leaves_the_list(self) -> None:
        oldest = 0
        ring = Ring(10, window_s=lambda: 1000, asset_of=lambda msn: "window" if msn >= oldest else None)
        filled(20, ring)
        oldest = 7
        ring.add(part(20, 0))
        assert ring.segments[0].msn == 7

    def test_lost_segments_are_told_when_they_leave_memory(self) -> None:
        lost: list[int] = []
        ring = Ring(10, lambda: 100, lambda msn: None if msn in (4, 9, 17) else "recording", lost.append)
        filled(20, ring)
        assert lost == [4, 9]
        assert [segment.msn for segment in ring.segments] == list(range(20))

    def test_a_segment_that_no_recording_holds_ends_the_list(self) -> None:
        ring = filled(20, Ring(10, window_s=lambda: 100, asset_of=lambda msn: "recording" if msn > 11 else None))
        assert [segment.msn for segment in ring.segments] == list(range(12, 20))

    def test_a_segment_that_waits_to_be_written_stays_until_it_is_known_where_it_is(self) -> None:
        lost: list[int] = []
        written, holes = 3, {5}
        asset_of = lambda msn: None if msn in holes else "recording"  # noqa: E731
        ring = Ring(10, lambda: 1000, asset_of, lost.append, on_its_way=lambda msn: msn > written)
        filled(20, ring)
        assert [segment.msn for segment in ring.segments if segment.in_memory] == list(range(4, 20))
        written = 20
        ring.add(part(20, 0))
        assert [segment.msn for segment in ring.segments if segment.in_memory] == list(range(15, 21))
        assert lost == [5]

    def test_the_open_segment_is_last(self) -> None:
        ring = filled(3)
        ring.add(part(3, 0))
        assert not ring.segments[-1].ended
        assert ring.segments[-2].data == b"xxxxx"


class TestPreRoll:
    @pytest.mark.parametrize(("seconds", "first"), [(0, 4), (1.9, 4), (2.5, 3), (4.5, 2), (100, 0)])
    def test_it_starts_at_a_segment_at_most_so_far_back(self, seconds: float, first: int) -> None:
        ring = filled(4)
        ring.add(part(4, 0))
        parts = ring.last_parts(seconds)
        assert parts[0].independent
        assert parts[0].msn == first
        assert parts[-1].msn == 4

    def test_it_starts_with_a_keyframe_even_if_that_is_further_back(self) -> None:
        ring = Ring(100)
        for msn in range(6):
            for index in range(5):
                ring.add(part(msn, index, keyframe=msn in (0, 2)))
        assert [ring.last_parts(seconds)[0].msn for seconds in (0, 3, 7, 100)] == [2, 2, 2, 0]

    def test_without_any_keyframe_it_starts_with_the_present_segment(self) -> None:
        ring = Ring(100)
        for msn in range(3):
            for index in range(5):
                ring.add(part(msn, index, keyframe=False))
        assert [one.msn for one in ring.last_parts(10)] == [2] * 5

    def test_an_empty_ring_has_none(self) -> None:
        assert Ring(10).last_parts(5) == []


class TestWait:
    async def test_a_waiter_is_woken_by_its_part(self) -> None:
        ring = filled(1)
        waiter = asyncio.create_task(ring.wait(lambda: ring.segments[-1].msn == 1, 5))
        await asyncio.sleep(0)
        ring.add(part(1, 0))
        assert await waiter

    async def test_the_deadline_holds(self) -> None:
        assert not await Ring(10).wait(lambda: False, 0.01)

    async def test_the_end_of_the_stream_frees_waiters(self) -> None:
        ring = filled(1)
        waiter = asyncio.create_task(ring.wait(lambda: False, 5))
        await asyncio.sleep(0)
        ring.close()
        with pytest.raises(Gone):
            await waiter

    async def test_a_cancelled_waiter_does_not_disturb_the_others(self) -> None:
        ring = filled(1)
        gone = asyncio.create_task(ring.wait(lambda: False, 5))
        stays = asyncio.create_task(ring.wait(lambda: ring.segments[-1].msn == 1, 5))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        ring.add(part(1, 0))
        assert await stays
