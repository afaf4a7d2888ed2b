"""The rules of blocking reload, each branch of RFC 8216bis §6.2.5.2 as a case."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.hls.test_live import fill, run, segment, stream

from onetake.media.hls import BadReload, LivePlaylist, ReloadQuery, Wait, decide, decide_part

AT_ONCE = [{}, {"msn": "3"}, {"msn": "9"}, {"msn": "10", "part": "1"}, {"msn": "0", "part": "0"}]
TO_COME = [
    {"msn": "10"},
    {"msn": "11"},
    {"msn": "10", "part": "2"},
    {"msn": "10", "part": "9"},
    {"msn": "11", "part": "0"},
]
TOO_FAR = [{"msn": "12"}, {"msn": "99"}, {"msn": "10", "part": "10"}, {"msn": "11", "part": "8"}]


def live() -> LivePlaylist:
    """Segments 0 to 9 whole, segment 10 with parts 0 and 1."""
    return fill(LivePlaylist(), [*stream(10), *stream(11)[50:52]])


def ask(**query: str) -> ReloadQuery:
    return ReloadQuery.parse({f"_HLS_{name}": value for name, value in query.items()})


class TestParse:
    def test_nothing_is_a_plain_request(self) -> None:
        assert ReloadQuery.parse({}) == ReloadQuery()
        assert ReloadQuery.parse({"dvr": "1", "token": "x"}).dvr

    @pytest.mark.parametrize("value", ["YES", "v2"])
    def test_skip(self, value: str) -> None:
        assert ask(skip=value).skip

    def test_an_unknown_skip_is_a_full_playlist(self) -> None:
        assert not ask(skip="no").skip

    def test_a_part_needs_a_segment(self) -> None:
        with pytest.raises(BadReload, match="without"):
            ask(part="1")

    @pytest.mark.parametrize("value", ["", "-1", "1.5", "x", "１", "9" * 17, " 1", "0x1"])
    def test_only_decimal_integers(self, value: str) -> None:
        with pytest.raises(BadReload):
            ask(msn=value)
        with pytest.raises(BadReload):
            ask(msn="1", part=value)

    @given(st.dictionaries(st.sampled_from(["_HLS_msn", "_HLS_part", "_HLS_skip", "dvr"]), st.text(max_size=20)))
    def test_any_text_is_a_query_or_a_refusal(self, query: dict[str, str]) -> None:
        with suppress(BadReload):
            decide(live(), ReloadQuery.parse(query))


class TestDecide:
    @pytest.mark.parametrize("query", AT_ONCE)
    def test_what_is_there_is_answered_at_once(self, query: dict[str, str]) -> None:
        assert decide(live(), ask(**query)) is None

    @pytest.mark.parametrize("query", TO_COME)
    def test_what_is_to_come_is_waited_for(self, query: dict[str, str]) -> None:
        wait = decide(live(), ask(**query))
        assert isinstance(wait, Wait)
        assert wait.deadline_s == 18.0
        assert not wait.is_over(live())

    @pytest.mark.parametrize("query", TOO_FAR)
    def test_what_is_too_far_ahead_is_refused(self, query: dict[str, str]) -> None:
        with pytest.raises(BadReload, match="ahead"):
            decide(live(), ask(**query))

    def test_a_part_beyond_its_segment_is_part_0_of_the_next(self) -> None:
        assert decide(live(), ask(msn="9", part="5")) is None
        playlist = fill(LivePlaylist(), stream(10))
        wait = decide(playlist, ask(msn="9", part="5"))
        assert wait == Wait(9, 5)
        playlist.append(stream(11)[50])
        assert wait.is_over(playlist)

    def test_an_open_segment_that_ends_early_rolls_over_too(self) -> None:
        playlist = live()
        wait = decide(playlist, ask(msn="10", part="4"))
        assert wait
        fill(playlist, segment(run("other", first_msn=11), 11)[:1])
        assert wait.is_over(playlist)

    def test_a_stale_request_gets_the_present_playlist(self) -> None:
        playlist = live()
        playlist.drop_before(8)
        assert decide(playlist, ask(msn="2", part="7")) is None

    def test_each_part_ends_the_wait_for_it(self) -> None:
        playlist = live()
        waits = [decide(playlist, ask(msn="10", part=str(part))) for part in (2, 3)]
        playlist.append(stream(11)[52])
        assert [wait.is_over(playlist) for wait in waits if wait] == [True, False]

    def test_the_first_answer_waits_for_a_segment(self) -> None:
        playlist = LivePlaylist()
        for query in (ask(), ask(msn="0")):
            assert decide(playlist, query) == Wait(None)
        wait = decide(playlist, ask())
        assert wait
        fill(playlist, stream(1)[:4])
        assert not wait.is_over(playlist)
        playlist.append(stream(1)[4])
        assert wait.is_over(playlist)

    def test_an_ended_playlist_never_waits(self) -> None:
        playlist = live()
        wait = decide(playlist, ask(msn="11"))
        playlist.end()
        assert wait
        assert wait.is_over(playlist)
        assert decide(playlist, ask(msn="500", part="3")) is None

    def test_without_low_latency_a_part_means_its_segment(self) -> None:
        playlist = fill(LivePlaylist(), segment(run(low_latency=False), 0))
        assert decide(playlist, ask(msn="1", part="3")) == Wait(1)


class TestHint:
    def test_only_the_hinted_part_is_waited_for(self) -> None:
        playlist = live()
        assert decide_part(playlist, run(), 10, 2) == Wait(10, 2)
        assert decide_part(playlist, run(), 10, 3) is None
        assert decide_part(playlist, run(), 9, 9) is None

    def test_the_end_of_the_stream_ends_the_hint(self) -> None:
        playlist = live()
        playlist.end()
        assert decide_part(playlist, run(), 11, 0) is None
