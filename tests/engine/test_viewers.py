"""Online viewers: windows per protocol, one join and one leave, counters that outlive sessions, bounds."""

import pytest

from onetake.engine import viewers as viewers_module
from onetake.engine.viewers import Protocol, Viewers, ViewerSession

LIVE, ASSET = "stream:live/studio", "asset:0190"


class Clock:
    unix_s = 1000.0

    def __call__(self) -> float:
        return self.unix_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def viewers(clock: Clock, log: list[str]) -> Viewers:
    def note(word: str) -> viewers_module.Listener:
        return lambda session: log.append(f"{word} {session.protocol.value}")

    return Viewers(clock, note("join"), note("leave"))


def hls(viewers: Viewers, session: str = "s1", window_s: float = 18) -> ViewerSession:
    return viewers.touch(LIVE, Protocol.HLS, session, viewer="user.1", ip="10.0.0.1", window_s=window_s)


def test_segment_viewer_joins_once_and_leaves_after_its_window(viewers: Viewers, clock: Clock, log: list[str]) -> None:
    for _ in range(5):
        hls(viewers)
        clock.unix_s += 17
    assert viewers.online(LIVE) == 1
    clock.unix_s += 2
    assert viewers.online(LIVE) == 0
    assert len(viewers.sweep()) == 1
    assert log == ["join hls", "leave hls"]


def test_window_is_at_least_ten_seconds(viewers: Viewers, clock: Clock) -> None:
    hls(viewers, window_s=1)
    clock.unix_s += 10
    assert viewers.online() == 1


def test_open_connection_counts_only_while_it_takes_bytes_and_is_never_swept(viewers: Viewers, clock: Clock) -> None:
    player = viewers.connect(LIVE, Protocol.FLV, ip="10.0.0.2")
    viewers.sent(player, 100)
    clock.unix_s += 11
    assert viewers.online() == 0
    assert viewers.sweep() == []
    viewers.sent(player, 50)
    assert viewers.counts() == {(LIVE, Protocol.FLV): 1}
    viewers.disconnect(player)
    viewers.disconnect(player)
    assert viewers.sessions() == []


def test_counters_outlive_sessions(viewers: Viewers, log: list[str]) -> None:
    for _ in range(3):
        player = viewers.connect(LIVE, Protocol.FLV)
        viewers.sent(player, 100)
        viewers.disconnect(player)
    totals = viewers.totals[(LIVE, Protocol.FLV)]
    assert (totals.sessions, totals.sent_bytes) == (3, 300)
    assert viewers.by_protocol[Protocol.FLV] == totals
    assert log.count("leave flv") == 3


def test_last_read_is_known_per_thing(viewers: Viewers, clock: Clock) -> None:
    assert viewers.last_reads() == []
    viewers.touch(ASSET, Protocol.VOD, "s", viewer="", ip="")
    clock.unix_s += 61
    assert viewers.last_reads() == [(ASSET, 1000.0)]
    download = viewers.touch(ASSET, Protocol.DOWNLOAD, "d", viewer="", ip="")
    clock.unix_s += 300
    viewers.sent(download, 1 << 20)
    assert viewers.last_reads() == [(ASSET, clock.unix_s)], "a long download is read until its last byte"


def test_anonymous_ids_are_stable_here_and_different_elsewhere(viewers: Viewers) -> None:
    first = viewers.anonymous("10.0.0.1", "Player/1", LIVE)
    assert first == viewers.anonymous("10.0.0.1", "Player/1", LIVE)
    assert len({first, viewers.anonymous("10.0.0.2", "Player/1", LIVE), viewers.anonymous("10.0.0.1", "", LIVE)}) == 3
    assert first != Viewers().anonymous("10.0.0.1", "Player/1", LIVE)
    assert viewers.anonymous("\udcff", "\ud800", "x")


def test_viewers_of_one_thing_are_found_without_looking_at_the_others(viewers: Viewers, clock: Clock) -> None:
    players = [viewers.connect(f"stream:live/s{number % 4}", Protocol.FLV) for number in range(12)]
    assert [viewers.online(f"stream:live/s{number}") for number in range(5)] == [3, 3, 3, 3, 0]
    viewers.disconnect(players[0])
    clock.unix_s += 11
    viewers.sent(players[4], 1)
    assert (viewers.online("stream:live/s0"), viewers.count("stream:live/s0")) == (1, 2)
    assert (viewers.online(), len(viewers.sessions())) == (1, 11)
    for player in players:
        viewers.disconnect(player)
    assert viewers.count("stream:live/s0") == 0
    assert viewers._by_scope == {}


def test_who_was_sent_away_is_refused_for_a_while(viewers: Viewers, clock: Clock) -> None:
    session = viewers.anonymous("10.0.0.1", "Player/1", LIVE)
    assert hls(viewers, session).is_anonymous
    assert not hls(viewers).is_anonymous
    viewers.refuse(session)
    assert viewers.is_refused(session)
    assert not viewers.is_refused(viewers.anonymous("10.0.0.1", "Player/2", LIVE))
    clock.unix_s += viewers_module.REFUSED_S
    assert not viewers.is_refused(session)


def test_sessions_and_scopes_are_bounded(viewers: Viewers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers_module, "MAX_SESSIONS", 3)
    monkeypatch.setattr(viewers_module, "MAX_SCOPES", 4)
    for number in range(20):
        viewers.refuse(f"anon-{number}")
    assert len(viewers._refused) == 4
    for number in range(20):
        viewers.touch(f"asset:{number}", Protocol.VOD, "s", viewer="", ip="")
    assert len(viewers.sessions()) == 3
    assert len(viewers.totals) == 4
    assert "asset:0" not in dict(viewers.last_reads())
    assert viewers.by_protocol[Protocol.VOD].sessions == 20


def test_sessions_are_found_by_client_id(viewers: Viewers) -> None:
    session = hls(viewers)
    assert viewers.find(session.client_id) is session
    assert viewers.find("nobody") is None
