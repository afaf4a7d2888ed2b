"""The ring of parts at the live edge."""

import asyncio

import pytest

from onetake.engine.ring import Gone, Ring
from onetake.media.fmp4.parts import Part, Run
from onetake.media.units import Codec, Track

RUN = Run("abc", b"init", (Track(1, Codec.H264, 90_000, b""),), 1, 90_000, 0)


def part(msn: int, index: int, *, of: int = 5, duration_s: float = 0.4, run: Run = RUN) -> Part:
    """Part `index` of a segment with `of` parts; every segment starts with a keyframe."""
    ticks = int(duration_s * 90_000)
    return Part(
        run, msn, index, index == 0, index == of - 1, index == 0, (msn * of + index) * ticks, ticks, 0, False, b"x"
    )


def filled(segments: int, ring: Ring | None = None) -> Ring:
    """A ring that has seen this many whole segments of 2 s."""
    ring = ring or Ring(10)
    for msn in range(segments):
        for index in range(5):
            ring.add(part(msn, index))
    return ring


class TestWindow:
    def test_whole_segments_older_than_the_ring_leave(self) -> None:
        ring = filled(20)
        assert [segment.msn for segment in ring.segments] == [15, 16, 17, 18, 19]
        assert ring.find("abc", 14) is None
        assert ring.find("abc", 19) is ring.segments[-1]
        assert ring.find("other", 19) is None

    def test_segments_on_disk_stay_listed_without_their_bytes(self) -> None:
        ring = filled(20, Ring(10, window_s=lambda: 20, asset_of=lambda msn: "recording"))
        assert [segment.msn for segment in ring.segments] == list(range(10, 20))
        assert [segment.in_memory for segment in ring.segments] == [False] * 5 + [True] * 5

    def test_a_segment_that_no_recording_holds_ends_the_list(self) -> None:
        ring = filled(20, Ring(10, window_s=lambda: 100, asset_of=lambda msn: "recording" if msn > 11 else None))
        assert [segment.msn for segment in ring.segments] == list(range(12, 20))

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
