"""LL-HLS of the live port, out of the ring: playlists with blocking reload, parts, segments, init. Loop only."""

from aiohttp import web

from onetake.engine.options import MediaOptions
from onetake.engine.players import Players
from onetake.engine.streams import StreamHub


class HlsLive:
    """The HLS routes of all streams."""

    def __init__(self, options: MediaOptions, hub: StreamHub, players: Players) -> None:
        self._options = options
        self._hub = hub
        self._players = players

    def add_to(self, app: web.Application, prefix: str) -> None:
        """Register the routes below `prefix`, which has a `name`."""
