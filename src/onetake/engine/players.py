"""Everyone who watches through an open connection (FLV, RTMP): admission by token, byte accounting, kick. Loop only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from onetake.engine.access import Gate
from onetake.engine.fanout import Fanout, Viewer
from onetake.engine.state import StreamConfig
from onetake.engine.viewers import Protocol, Viewers, ViewerSession
from onetake.kit.signing import Grant, Method, ScopeKind


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

    `account` is to be called every few seconds: it moves byte counts into `viewers` and cuts off revoked players.
    """

    def __init__(self, viewers: Viewers, gate: Gate) -> None:
        self.viewers = viewers
        self.gate = gate
        self._players: dict[str, Player] = {}

    def admit(self, config: StreamConfig | None, name: str, token: str | None) -> Grant | None:
        """The grant by which `name` may be watched, None for a stream that is open to all.

        A token that is given must be good, also where none is needed. Raises `TokenInvalid` or `TokenExpired`.
        """
        if token is None and not (config and config.gated):
            return None
        return self.gate.admit(token, Method.PLAY, ScopeKind.STREAM, scope(name))

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
        """Count what was sent since the last call; end players whose token was revoked."""
        for player in list(self._players.values()):
            self._count(player)
            if player.grant is not None and self.gate.is_revoked(player.grant):
                player.kick()

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
