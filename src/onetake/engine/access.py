"""Admission by playback token, shared by the live and the file process (DESIGN §3).

The signature is checked at every request. A token that has expired is refused when its session id first appears here;
a session that is in use may go on with it for up to 12 hours, so that a long title or a paused player is not cut off.
The control plane pushes revocations, which act at once.

A scope may end with a generation (`<asset>.3`): it opens the same thing, and is revoked by itself. So the tokens from
before a video was hidden can be refused, and those of who may still watch it are good.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from onetake.kit.signing import Grant, Keyring, Method, ScopeKind, TokenExpired, TokenInvalid, verify

SESSION_MAX_S = 12 * 3600
SESSION_IDLE_S = 15 * 60
MAX_SESSIONS = 100_000
MAX_REVOKED = 100_000
REVOCABLE = ("session", "viewer", "asset", "stream")


@dataclass(slots=True)
class _Session:
    first_s: float
    last_s: float

    def may_go_on(self, now_s: float) -> bool:
        """Whether a late token of this session is still good."""
        return now_s - self.last_s <= SESSION_IDLE_S and now_s - self.first_s <= SESSION_MAX_S


def _thing(scope: str) -> str:
    """What a scope is about, without its generation."""
    return scope.partition(".")[0]


@dataclass(slots=True)
class Gate:
    """Decides whether a token opens a thing.

    `keyring` is None for a stand-alone server: then every request is let in with no grant. `now` is Unix time in
    seconds, `steady` any time that nobody sets: a clock that is put forward ends no session in use.
    """

    keyring: Keyring | None
    now: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    _sessions: OrderedDict[str, _Session] = field(default_factory=OrderedDict)
    _revoked: OrderedDict[tuple[str, str], float] = field(default_factory=OrderedDict)

    def admit(
        self, token: str | None, method: Method | tuple[Method, ...], kind: ScopeKind, scope: str
    ) -> Grant | None:
        """The grant by which `method` (or one of several) on `scope` is allowed; None only when no keys are set.

        Raises:
            TokenInvalid: missing, forged, revoked, or for another thing or method.
            TokenExpired: the token is late, and its session new, idle for long, or older than 12 hours.
        """
        if self.keyring is None:
            return None
        if not token:
            raise TokenInvalid
        grant = verify(token, self.keyring)
        allowed = method if isinstance(method, tuple) else (method,)
        if grant.method not in allowed or grant.scope_kind is not kind or _thing(grant.scope) != scope:
            raise TokenInvalid
        if self.is_revoked(grant):
            raise TokenInvalid
        self._keep_session(grant)
        return grant

    def revoke(self, what: str, value: str) -> None:
        """Refuse from now on everything of one session, viewer, asset or stream.

        Raises:
            ValueError: `what` is none of these.
        """
        if what not in REVOCABLE:
            raise ValueError(f"cannot revoke {what!r}")
        self._revoked[(what, value)] = self.now()
        while len(self._revoked) > MAX_REVOKED:
            self._revoked.popitem(last=False)

    def restore(self, what: str, value: str) -> None:
        """Take a revocation back (a banned viewer is forgiven, a video is published again)."""
        self._revoked.pop((what, value), None)

    def is_revoked(self, grant: Grant) -> bool:
        """Whether the control plane has revoked the session, the viewer or the thing of `grant`."""
        scope = "asset" if grant.scope_kind is ScopeKind.ASSET else "stream"
        wanted = (("session", grant.session), ("viewer", grant.viewer), (scope, grant.scope))
        return any(item in self._revoked for item in wanted)

    def revocations(self) -> list[tuple[str, str]]:
        """All standing revocations, oldest first: what the control plane compares when it reconciles."""
        return list(self._revoked)

    def _keep_session(self, grant: Grant) -> None:
        """Note that the session is in use. A token that is late goes on only with a session that was active."""
        now = self.steady()
        known = self._sessions.get(grant.session)
        if self.now() > grant.expires_s and not (known and known.may_go_on(now)):
            raise TokenExpired
        if known is None:
            known = self._sessions[grant.session] = _Session(now, now)
        known.last_s = now
        self._sessions.move_to_end(grant.session)
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
