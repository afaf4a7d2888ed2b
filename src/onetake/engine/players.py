"""Everyone who watches through an open connection (FLV, RTMP): admission by token, byte accounting, kick. Loop only."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from onetake.engine.access import Gate
from onetake.engine.fanout import Fanout, Viewer
from onetake.engine.options import Limits
from onetake.engine.state import StreamConfig
from onetake.engine.viewers import Protocol, Viewers, ViewerSession
from onetake.kit.signing import Grant, Method, ScopeKind

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Player:
    """One connected viewer and what has been accounted of it."""

    session: ViewerSession
    viewer: Viewer
    kick: Callable[[], None]
    grant: Grant | None
    counted_bytes: int = 0


class Players:
    """The connected players of the process.

    `account` is to be called every few seconds: it moves byte counts into `viewers` and cuts off players that were
    revoked or do not read.
    """

    def __init__(self, viewers: Viewers, gate: Gate, limits: Limits | None = None) -> None:
        self.viewers = viewers
        self.gate = gate
        self._limits = limits or Limits()
        self._players: dict[str, Player] = {}

    def admit(
        self,
        config: StreamConfig | None,
        name: str,
        token: str | None,
        key: str = "",
        methods: tuple[Method, ...] = (Method.PLAY,),
    ) -> Grant | None:
        """The grant by which `name` may be watched, None for a stream that is open to all, or to holders of its `key`.

        A token that is given must be good, also where none is needed; a stream that is not configured (`config` None)
        needs one. Raises `TokenInvalid` or `TokenExpired`.
        """
        if config is not None and (config.accepts_key(key) or (token is None and not config.gated)):
            return None
        return self.gate.admit(token, methods, ScopeKind.STREAM, scope(name))

    @contextmanager
    def watching(
        self, name: str, protocol: Protocol, fanout: Fanout, viewer: Viewer, ip: str, grant: Grant | None
    ) -> Iterator[Player]:
        """Serve `viewer` for as long as the block lasts."""
        session = self.viewers.connect(f"stream:live/{name}", protocol, viewer=grant.viewer if grant else "", ip=ip)
        player = Player(session, viewer, viewer.closed, grant)
        self._players[session.client_id] = player
        fanout.join(viewer)
        try:
            yield player
        finally:
            fanout.leave(viewer)
            del self._players[session.client_id]
            self._count(player)
            self.viewers.disconnect(session)

    def account(self) -> None:
        """Count what was sent since the last call; end players whose token was revoked and those that do not read."""
        unsent: list[tuple[int, Player]] = []
        for player in list(self._players.values()):
            self._count(player)
            if player.grant is not None and self.gate.is_revoked(player.grant):
                player.kick()
            elif size := player.viewer.transport.get_write_buffer_size():
                unsent.append((size, player))
        self._shed(unsent)

    def _shed(self, unsent: list[tuple[int, Player]]) -> None:
        """Keep what all viewers have not read within bounds, also while the stream itself rests."""
        total = sum(size for size, _ in unsent)
        if total <= self._limits.unsent_bytes:
            return
        log.warning("viewers have %d MB unread, cutting off the furthest behind", total >> 20)
        for size, player in sorted(unsent, key=lambda each: each[0], reverse=True):
            if total <= self._limits.unsent_bytes // 2:
                return
            player.viewer.transport.abort()
            total -= size

    def kick(self, client_id: str) -> bool:
        """Cut one player off; False when there is no such client."""
        player = self._players.get(client_id)
        if player is not None:
            player.kick()
        return player is not None

    def _count(self, player: Player) -> None:
        new_bytes = player.viewer.sent_bytes - player.counted_bytes
        if new_bytes:
            player.counted_bytes += new_bytes
            self.viewers.sent(player.session, new_bytes)


def scope(name: str) -> str:
    """The scope of a stream in playback tokens."""
    return f"live:{name}"
