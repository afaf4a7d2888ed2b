"""The publisher side of one live stream as a pure state machine: admit, take over, lose, stop (DESIGN §2).

A session is not a connection: it outlives the publisher by the grace window, and whoever returns with the same key goes
on in it. Everything is keyed by client id, so a late word about a displaced client means nothing. No I/O and no clock
here: every call takes `now_s`, a monotonic time in seconds.
"""

from dataclasses import dataclass
from enum import StrEnum


class PushState(StrEnum):
    """Push state as people see it (numbers 0, 2, 3, 4 of the metric definitions)."""

    OFFLINE = "offline"
    PUSHING = "pushing"
    STALLED = "stalled"
    GRACE = "grace"


class Verdict(StrEnum):
    """What becomes of a client that wants to publish."""

    START = "start"
    RETURN = "return"
    TAKE_OVER = "take_over"
    REFUSE_DISPLACED = "refuse_displaced"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a publisher. `displaced` is the client id that must be disconnected."""

    verdict: Verdict
    displaced: str | None = None

    @property
    def admitted(self) -> bool:
        """True when the client publishes from now on."""
        return self.verdict is not Verdict.REFUSE_DISPLACED


@dataclass(frozen=True, slots=True)
class SessionRules:
    """The times of the session rules, in seconds."""

    grace_s: float = 30.0
    silent_s: float = 2.0
    displaced_s: float = 30.0
    stalled_s: float = 3.0


class Session:
    """Who publishes a stream now, and whether its session lives.

    `peer` tells encoders apart across reconnects (address and encoder name); it never grants anything: the key did.
    `heard_s` is when media last came.
    """

    def __init__(self, rules: SessionRules) -> None:
        self.rules = rules
        self.client_id: str | None = None
        self.reconnects = 0
        self._peer = ""
        self.heard_s = 0.0
        self._grace_until_s: float | None = None
        self._displaced: dict[str, float] = {}

    @property
    def alive(self) -> bool:
        """True while someone publishes or may still return."""
        return self.client_id is not None or self._grace_until_s is not None

    def publish(self, client_id: str, peer: str, now_s: float, *, yields: bool = False) -> Decision:
        """A client with a valid key asks to publish; one that `yields` never takes over from a lively publisher."""
        if self.client_id is None:
            verdict = Verdict.RETURN if self._grace_until_s is not None else Verdict.START
            self._enter(client_id, peer, now_s)
            return Decision(verdict)
        return self._contest(client_id, peer, now_s, yields)

    def media(self, client_id: str, now_s: float) -> bool:
        """Media arrived; False when it comes from a client that does not publish any more."""
        if client_id != self.client_id:
            return False
        self.heard_s = now_s
        return True

    def lost(self, client_id: str, now_s: float) -> bool:
        """The connection broke (EOF, RST, timeout): the grace window opens. False for a displaced client."""
        if client_id != self.client_id:
            return False
        self.client_id = None
        self._grace_until_s = now_s + self.rules.grace_s
        return True

    def stop(self, client_id: str) -> bool:
        """A clean stop by the publisher ends the session at once. False for a displaced client."""
        if client_id != self.client_id:
            return False
        self.end()
        return True

    def end(self) -> None:
        """End the session whatever its state (API stop, server shutdown, grace over)."""
        self.client_id = None
        self._grace_until_s = None
        self._displaced.clear()
        self.reconnects = 0

    def expired(self, now_s: float) -> bool:
        """True once the grace window is over and nobody came back."""
        return self._grace_until_s is not None and now_s >= self._grace_until_s

    def state(self, now_s: float) -> PushState:
        """Push state at `now_s`."""
        if self.client_id is not None:
            silent_s = now_s - self.heard_s
            return PushState.STALLED if silent_s >= self.rules.stalled_s else PushState.PUSHING
        return PushState.OFFLINE if self._grace_until_s is None else PushState.GRACE

    def grace_left_s(self, now_s: float) -> float:
        """Seconds until the session ends unless the publisher returns; 0 outside grace."""
        return 0.0 if self._grace_until_s is None else max(0.0, self._grace_until_s - now_s)

    def _contest(self, client_id: str, peer: str, now_s: float, yields: bool) -> Decision:
        """Two clients hold the key: the silent one loses at once, a lively one loses once (no endless fight)."""
        if now_s - self.heard_s < self.rules.silent_s:
            if yields or self._displaced.get(peer, 0.0) > now_s:
                return Decision(Verdict.REFUSE_DISPLACED)
            self._displaced = {who: until for who, until in self._displaced.items() if until > now_s}
            self._displaced[self._peer] = now_s + self.rules.displaced_s
        displaced = self.client_id
        self._enter(client_id, peer, now_s)
        return Decision(Verdict.TAKE_OVER, displaced)

    def _enter(self, client_id: str, peer: str, now_s: float) -> None:
        if self.alive:
            self.reconnects += 1
        self.client_id, self._peer = client_id, peer
        self.heard_s = now_s
        self._grace_until_s = None
