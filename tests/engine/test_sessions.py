"""The publisher state machine: every rule of DESIGN §2 with an injected clock."""

import pytest

from onetake.engine.sessions import PushState, Session, SessionRules, Verdict

RULES = SessionRules(grace_s=30, silent_s=2, displaced_s=30, stalled_s=3)


@pytest.fixture
def session() -> Session:
    return Session(RULES)


class TestStartAndStop:
    def test_first_publisher_starts_the_session(self, session: Session) -> None:
        decision = session.publish("a", "p1", 0)
        assert decision.verdict is Verdict.START
        assert decision.admitted
        assert session.state(0) is PushState.PUSHING

    def test_clean_stop_ends_at_once(self, session: Session) -> None:
        session.publish("a", "p1", 0)
        assert session.stop("a")
        assert not session.alive
        assert session.state(0) is PushState.OFFLINE

    def test_after_a_clean_stop_the_next_publisher_starts_anew(self, session: Session) -> None:
        session.publish("a", "p1", 0)
        session.stop("a")
        assert session.publish("b", "p1", 1).verdict is Verdict.START
        assert session.reconnects == 0


class TestGrace:
    def test_loss_opens_grace_and_return_continues(self, session: Session) -> None:
        session.publish("a", "p1", 0)
        assert session.lost("a", 10)
        assert session.state(10) is PushState.GRACE
        assert session.grace_left_s(15) == 25
        assert session.publish("b", "p1", 39).verdict is Verdict.RETURN
        assert session.reconnects == 1
        assert not session.expired(100)

    def test_grace_runs_out(self, session: Session) -> None:
        session.publish("a", "p1", 0)
        session.lost("a", 10)
        assert not session.expired(39.9)
        assert session.expired(40)

    def test_anyone_with_the_key_may_return_even_a_displaced_one(self, session: Session) -> None:
        session.publish("a", "p1", 0)
        session.publish("b", "p2", 1)
        session.lost("b", 2)
        assert session.publish("c", "p1", 3).verdict is Verdict.RETURN


class TestTakeOver:
    def test_one_that_yields_replaces_only_a_silent_publisher(self, session: Session) -> None:
        assert session.publish("pull", "p1", 0, yields=True).verdict is Verdict.START
        assert session.publish("push", "p2", 1).verdict is Verdict.TAKE_OVER
        for at_s in (2.0, 40.0, 80.0):
            session.media("push", at_s)
            assert session.publish("again", "p1", at_s + 1, yields=True).verdict is Verdict.REFUSE_DISPLACED
        assert session.publish("again", "p1", 90, yields=True).verdict is Verdict.TAKE_OVER

    def test_a_silent_publisher_is_taken_over_at_once_and_again(self, session: Session) -> None:
        session.publish("a", "p1", 0)
        first = session.publish("b", "p1", 2)
        assert (first.verdict, first.displaced) == (Verdict.TAKE_OVER, "a")
        second = session.publish("c", "p1", 4)
        assert (second.verdict, second.displaced) == (Verdict.TAKE_OVER, "b")

    def test_a_lively_publisher_loses_once_and_is_refused_for_30_s(self, session: Session) -> None:
        session.publish("a", "p1", 0)
        session.media("a", 1)
        assert session.publish("b", "p2", 1.5).displaced == "a"
        session.media("b", 2)
        assert session.publish("c", "p1", 2.5).verdict is Verdict.REFUSE_DISPLACED
        session.media("b", 31.4)
        assert session.publish("d", "p1", 31.4).verdict is Verdict.REFUSE_DISPLACED
        assert session.publish("e", "p1", 31.6).verdict is Verdict.TAKE_OVER

    def test_two_encoders_cannot_fight_for_ever(self, session: Session) -> None:
        """Both come back every second for ten minutes; each change of hands needs 30 s of patience."""
        owner, changes = "p1", 0
        session.publish("p1-0", "p1", 0)
        for second in range(1, 600):
            other = "p2" if owner == "p1" else "p1"
            session.media(session.client_id or "", second)
            if session.publish(f"{other}-{second}", other, second).admitted:
                owner, changes = other, changes + 1
        assert changes <= 600 / 30 + 1

    def test_the_displaced_client_may_win_from_a_silent_winner(self, session: Session) -> None:
        session.publish("a", "p1", 0)
        session.publish("b", "p2", 1)
        assert session.publish("c", "p1", 3).verdict is Verdict.TAKE_OVER

    def test_late_words_about_a_displaced_client_mean_nothing(self, session: Session) -> None:
        session.publish("a", "p1", 0)
        session.publish("b", "p2", 1)
        assert not session.lost("a", 1.1)
        assert not session.stop("a")
        assert not session.media("a", 1.2)
        assert session.client_id == "b"
        assert session.state(1.2) is PushState.PUSHING


class TestStalled:
    def test_no_media_for_3_s_is_stalled_and_media_heals(self, session: Session) -> None:
        session.publish("a", "p1", 0)
        session.media("a", 5)
        assert session.state(7.9) is PushState.PUSHING
        assert session.state(8) is PushState.STALLED
        session.media("a", 8.5)
        assert session.state(8.6) is PushState.PUSHING
