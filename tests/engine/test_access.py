"""The gate: expiry at first sight, 12 hours at most, revocations at once, one thing per token (G2, G3)."""

from dataclasses import replace

import pytest

from onetake.engine.access import SESSION_IDLE_S, SESSION_MAX_S, Gate
from onetake.kit.signing import Grant, Keyring, Method, ScopeKind, TokenExpired, TokenInvalid, sign

RING = Keyring.from_secret(b"s" * 32)
EXPIRES_S = 1_800_000_000 // 3600 * 3600
GRANT = Grant(Method.PLAY, ScopeKind.ASSET, "asset-a", "session-1", "user.1", EXPIRES_S)
TOKEN = sign(GRANT, RING)


class Clock:
    def __init__(self) -> None:
        self.unix_s = float(EXPIRES_S - 600)

    def __call__(self) -> float:
        return self.unix_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> Gate:
    return Gate(RING, clock, clock)


def play(gate: Gate, token: str | None = TOKEN) -> Grant | None:
    return gate.admit(token, Method.PLAY, ScopeKind.ASSET, "asset-a")


def test_late_by_one_second_is_refused_when_the_session_is_new(gate: Gate, clock: Clock) -> None:
    clock.unix_s = EXPIRES_S + 1
    with pytest.raises(TokenExpired):
        play(gate)


def test_a_running_session_outlives_its_token_but_not_twelve_hours(gate: Gate, clock: Clock) -> None:
    began = clock.unix_s
    while clock.unix_s - began <= SESSION_MAX_S:
        assert play(gate) == GRANT
        clock.unix_s += 600
    with pytest.raises(TokenExpired):
        play(gate)


def test_a_session_that_is_renewed_never_ends_by_age(gate: Gate, clock: Clock) -> None:
    began = clock.unix_s
    while clock.unix_s - began <= 3 * SESSION_MAX_S:
        fresh = sign(replace(GRANT, expires_s=int(clock.unix_s) + 3600), RING)
        assert play(gate, fresh) is not None
        clock.unix_s += 600


def test_an_idle_session_needs_a_fresh_token(gate: Gate, clock: Clock) -> None:
    play(gate)
    clock.unix_s += SESSION_IDLE_S + 1
    with pytest.raises(TokenExpired):
        play(gate)
    renewed = sign(replace(GRANT, expires_s=EXPIRES_S + 7200), RING)
    assert play(gate, renewed) is not None


def test_token_opens_only_its_own_thing_and_method(gate: Gate) -> None:
    with pytest.raises(TokenInvalid):
        gate.admit(TOKEN, Method.PLAY, ScopeKind.ASSET, "asset-b")
    with pytest.raises(TokenInvalid):
        gate.admit(TOKEN, Method.DOWNLOAD, ScopeKind.ASSET, "asset-a")
    with pytest.raises(TokenInvalid):
        gate.admit(TOKEN, Method.PLAY, ScopeKind.STREAM, "asset-a")


@pytest.mark.parametrize(("what", "value"), [("session", "session-1"), ("viewer", "user.1"), ("asset", "asset-a")])
def test_revocation_acts_at_once_on_a_running_session(gate: Gate, what: str, value: str) -> None:
    play(gate)
    gate.revoke(what, value)
    with pytest.raises(TokenInvalid):
        play(gate)
    assert gate.revocations() == [(what, value)]
    gate.restore(what, value)
    assert play(gate) is not None


def test_no_token_is_no_entry_unless_there_are_no_keys(gate: Gate) -> None:
    for missing in (None, ""):
        with pytest.raises(TokenInvalid):
            play(gate, missing)
    assert play(Gate(None), None) is None


def test_only_known_things_are_revoked(gate: Gate) -> None:
    with pytest.raises(ValueError, match="address"):
        gate.revoke("address", "1.2.3.4")


def test_a_clock_that_is_put_forward_ends_no_session_in_use(clock: Clock) -> None:
    steady = Clock()
    gate = Gate(RING, clock, steady)
    assert play(gate) == GRANT
    clock.unix_s += 2 * 3600
    steady.unix_s += 5
    assert play(gate) == GRANT
    with pytest.raises(TokenExpired):
        play(gate, sign(replace(GRANT, session="session-2"), RING))
