"""Who is watching: one session per viewer and thing, counted the same way in the live and the file process.

A connection viewer (RTMP, FLV, WHEP) is online while its transport is open and took bytes in the last 10 s; a request
viewer (HLS, VOD) while its last request is younger than three target durations, at least 10 s. Loop only.
"""

import hashlib
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from onetake.kit.clock import steady_s
from onetake.kit.ids import random_hex

ACTIVE_S = 10.0
REFUSED_S = 30.0
ANONYMOUS = "anon-"
MAX_SESSIONS = 200_000
MAX_SCOPES = 50_000


class Protocol(StrEnum):
    """How media leaves us. These are the only values of the `proto` label."""

    RTMP = "rtmp"
    FLV = "flv"
    HLS = "hls"
    WHEP = "whep"
    VOD = "vod"
    DOWNLOAD = "download"


@dataclass(slots=True)
class ViewerSession:
    """One viewer of one thing. `scope` is `stream:<app>/<name>` or `asset:<uuid>`; times are Unix seconds, steady.

    `client_id` is what callbacks and the SRS API show. `window_s` is how long the session counts after `last_s`.
    """

    client_id: str
    scope: str
    protocol: Protocol
    session: str
    viewer: str
    ip: str
    joined_s: float
    last_s: float
    window_s: float = ACTIVE_S
    connected: bool = False
    sent_bytes: int = 0

    @property
    def is_anonymous(self) -> bool:
        """True for a request viewer that has shown no token."""
        return self.session.startswith(ANONYMOUS)


@dataclass(slots=True)
class Totals:
    """Counters since the process began; they outlive the sessions."""

    sessions: int = 0
    sent_bytes: int = 0


Listener = Callable[[ViewerSession], None]


@dataclass(slots=True)
class Viewers:
    """All sessions. `on_join` and `on_leave` are called once per session.

    `totals` counts by scope and protocol and forgets the scopes that were seen first when there are too many;
    `by_protocol` never falls.
    """

    now: Callable[[], float] = steady_s
    on_join: Listener | None = None
    on_leave: Listener | None = None
    by_protocol: dict[Protocol, Totals] = field(default_factory=lambda: {protocol: Totals() for protocol in Protocol})
    totals: OrderedDict[tuple[str, Protocol], Totals] = field(default_factory=OrderedDict)
    _sessions: OrderedDict[tuple[str, Protocol, str], ViewerSession] = field(default_factory=OrderedDict)
    _by_scope: dict[str, dict[str, ViewerSession]] = field(default_factory=dict)
    _last_read_s: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _refused: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _salt: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def anonymous(self, ip: str, user_agent: str, scope: str) -> str:
        """A session id for a viewer without a token; salted per process, so it cannot be traced back."""
        text = "\n".join((ip, user_agent, scope)).encode("utf-8", "replace")
        return ANONYMOUS + hashlib.blake2b(text, key=self._salt, digest_size=12).hexdigest()

    def touch(
        self, scope: str, protocol: Protocol, session: str, *, viewer: str, ip: str, window_s: float = ACTIVE_S
    ) -> ViewerSession:
        """A request of a segmented protocol: the session begins or goes on. Add what was sent with `sent`."""
        found = self._sessions.get((scope, protocol, session))
        if found is None:
            found = self._begin(scope, protocol, session, viewer, ip)
        found.window_s = max(window_s, ACTIVE_S)
        found.last_s = self.now()
        self._note_read(scope)
        self._sessions.move_to_end((scope, protocol, session))
        return found

    def connect(self, scope: str, protocol: Protocol, *, viewer: str = "", ip: str = "") -> ViewerSession:
        """A player opened a connection; end it with `disconnect`."""
        found = self._begin(scope, protocol, random_hex(64), viewer, ip)
        found.connected = True
        return found

    def disconnect(self, session: ViewerSession) -> None:
        """The connection of this session is gone (or its session is to end now)."""
        if self._sessions.pop((session.scope, session.protocol, session.session), None) is None:
            return
        of_scope = self._by_scope[session.scope]
        del of_scope[session.client_id]
        if not of_scope:
            del self._by_scope[session.scope]
        if self.on_leave:
            self.on_leave(session)

    def refuse(self, session: str) -> None:
        """An anonymous viewer was sent away: for half a minute it is not to be served."""
        self._refused[session] = self.now() + REFUSED_S
        self._refused.move_to_end(session)
        while len(self._refused) > MAX_SCOPES:
            self._refused.popitem(last=False)

    def is_refused(self, session: str) -> bool:
        """Whether a session was sent away less than half a minute ago."""
        return self._refused.get(session, 0.0) > self.now()

    def sent(self, session: ViewerSession, size_bytes: int) -> None:
        """Count `size_bytes` of body bytes written to this viewer."""
        session.sent_bytes += size_bytes
        session.last_s = self.now()
        self._note_read(session.scope)
        self._totals_of(session.scope, session.protocol).sent_bytes += size_bytes
        self.by_protocol[session.protocol].sent_bytes += size_bytes

    def sweep(self) -> list[ViewerSession]:
        """End the request sessions whose window is over; call it every few seconds. Returns those that ended."""
        now = self.now()
        over = [item for item in self._sessions.values() if not item.connected and now - item.last_s > item.window_s]
        for session in over:
            self.disconnect(session)
        return over

    def online(self, scope: str | None = None) -> int:
        """Viewers online now, of one thing or of all."""
        now, sessions = self.now(), self._sessions if scope is None else self._by_scope.get(scope, {})
        return sum([now - session.last_s <= session.window_s for session in sessions.values()])

    def figures(self) -> dict[str, Any]:
        """For the console: viewers online by protocol, and body bytes sent since the process began."""
        online = Counter(session.protocol.value for session in self.active())
        return {"viewers": online, "sent_bytes": sum(totals.sent_bytes for totals in self.by_protocol.values())}

    def counts(self) -> Counter[tuple[str, Protocol]]:
        """Viewers online now by scope and protocol."""
        return Counter((session.scope, session.protocol) for session in self.active())

    def active(self) -> Iterator[ViewerSession]:
        """The sessions that count as online."""
        now = self.now()
        return (session for session in self._sessions.values() if now - session.last_s <= session.window_s)

    def sessions(self) -> list[ViewerSession]:
        """Every session, also connections that take no bytes."""
        return list(self._sessions.values())

    def count(self, scope: str) -> int:
        """Sessions of one thing, also connections that take no bytes."""
        return len(self._by_scope.get(scope, ()))

    def find(self, client_id: str) -> ViewerSession | None:
        """The session with this client id."""
        return next((item for item in self._sessions.values() if item.client_id == client_id), None)

    def last_reads(self) -> list[tuple[str, float]]:
        """Every thing that was read since the process began and when last, the longest ago first."""
        return list(self._last_read_s.items())

    def _begin(self, scope: str, protocol: Protocol, session: str, viewer: str, ip: str) -> ViewerSession:
        now = self.now()
        made = ViewerSession(random_hex(32), scope, protocol, session, viewer, ip, now, now)
        self._sessions[(scope, protocol, session)] = made
        self._by_scope.setdefault(scope, {})[made.client_id] = made
        self._totals_of(scope, protocol).sessions += 1
        self.by_protocol[protocol].sessions += 1
        if len(self._sessions) > MAX_SESSIONS:
            self.disconnect(next(iter(self._sessions.values())))
        if self.on_join:
            self.on_join(made)
        return made

    def _note_read(self, scope: str) -> None:
        self._last_read_s[scope] = self.now()
        self._last_read_s.move_to_end(scope)
        if len(self._last_read_s) > MAX_SCOPES:
            self._last_read_s.popitem(last=False)

    def _totals_of(self, scope: str, protocol: Protocol) -> Totals:
        found = self.totals.get((scope, protocol))
        if found is None:
            found = self.totals[(scope, protocol)] = Totals()
            if len(self.totals) > MAX_SCOPES:
                self.totals.popitem(last=False)
        return found
