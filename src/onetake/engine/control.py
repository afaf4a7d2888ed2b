"""`/control/*`: desired state, recordings, kick and revoke for the control plane; `/healthz` and `/metrics`.

Every route but `/healthz` needs the control secret; a stand-alone server also lets its own page on loopback in.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from onetake import __version__
from onetake.engine.access import REVOCABLE
from onetake.engine.errors import ClientNotFound, NotAnObject, NotInRange, NotOneOf, OldState
from onetake.engine.metrics import CONTENT_TYPE, MediaMetrics
from onetake.engine.players import Players
from onetake.engine.recordings import Recordings
from onetake.engine.registry import LiveRegistry
from onetake.engine.revocations import RevocationRelay
from onetake.engine.srs_api import ControlGuard
from onetake.engine.state import StateStore, StreamConfig, dump_state, dump_stream, parse_state, parse_stream
from onetake.engine.streams import StreamHub
from onetake.engine.web import read_json, refuse_other_sites, short_text

RECORD_PATIENCE_S = 8.0
"""Less than the time in which the control plane wants its answer."""
MAX_PREROLL_S = 3600
Action = Callable[[web.Request], Awaitable[Any]]


class Control:
    """The control routes. `ports` is what the page needs to know of the server."""

    def __init__(
        self,
        store: StateStore,
        hub: StreamHub,
        recordings: Recordings,
        registry: LiveRegistry,
        players: Players,
        metrics: MediaMetrics,
        guard: ControlGuard,
        ports: Callable[[], dict[str, int]],
        relay: RevocationRelay,
    ) -> None:
        self._store = store
        self._hub = hub
        self._recordings = recordings
        self._registry = registry
        self._players = players
        self._metrics = metrics
        self._guard = guard
        self._ports = ports
        self._relay = relay

    def add_to(self, app: web.Application) -> None:
        """Register the routes."""
        routes: tuple[tuple[str, str, Action], ...] = (
            ("GET", "/control/state", self._get_state),
            ("PUT", "/control/state", self._put_state),
            ("GET", "/control/streams", self._streams),
            ("PUT", "/control/streams/{name}", self._put_stream),
            ("DELETE", "/control/streams/{name}", self._delete_stream),
            ("POST", "/control/streams/{name}/end", self._end_stream),
            ("POST", "/control/streams/{name}/probe", self._probe_stream),
            ("GET", "/control/recordings", self._list_recordings),
            ("POST", "/control/record/start", self._start_recording),
            ("POST", "/control/record/stop", self._stop_recording),
            ("POST", "/control/kick", self._kick),
            ("GET", "/control/revoked", self._revoked),
            ("POST", "/control/revoke", self._revoke),
        )
        for method, path, action in routes:
            app.router.add_route(method, path, self._guarded(action))
        app.router.add_get("/metrics", self._get_metrics)
        app.router.add_get("/healthz", self._healthz)

    def _guarded(self, action: Action) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            self._guard.require(request)
            refuse_other_sites(request)
            return web.json_response(await action(request), headers={"Cache-Control": "no-store"})

        return answer

    # -- desired state -------------------------------------------------------------------------------------------

    async def _get_state(self, request: web.Request) -> Any:
        return dump_state(self._store.state)

    async def _put_state(self, request: web.Request) -> Any:
        """Take over a full state; 409 when its version is older than ours."""
        if not await self._store.replace(parse_state(await read_json(request))):
            raise OldState(version=self._store.state.version)
        return {"version": self._store.state.version, "streams": len(self._store.state.streams)}

    async def _put_stream(self, request: web.Request) -> Any:
        body = await read_json(request)
        if not isinstance(body, dict):
            raise NotAnObject("stream")
        config = parse_stream(body | {"name": request.match_info["name"]})
        await self._store.put_stream(config)
        return dump_stream(config)

    async def _delete_stream(self, request: web.Request) -> Any:
        await self._store.delete_stream(request.match_info["name"])
        return {}

    # -- what runs -----------------------------------------------------------------------------------------------

    async def _streams(self, request: web.Request) -> Any:
        server: dict[str, Any] = {"version": __version__, "state_version": self._store.state.version}
        server |= self._ports() | self._players.viewers.figures() | {"received_bytes": self._hub.received_bytes}
        return {"server": server, "streams": self._registry.details()}

    async def _end_stream(self, request: web.Request) -> Any:
        return {"ended": self._hub.end(request.match_info["name"], "ended_by_control")}

    async def _probe_stream(self, request: web.Request) -> Any:
        return await self._registry.probe(request.match_info["name"])

    async def _kick(self, request: web.Request) -> Any:
        client_id = short_text(await read_json(request), "client_id")
        if not await self._registry.kick(client_id):
            raise ClientNotFound
        return {"kicked": client_id}

    # -- recordings ----------------------------------------------------------------------------------------------

    async def _list_recordings(self, request: web.Request) -> Any:
        return {"recordings": [sheet.as_dict() for sheet in self._recordings.sheets(request.query.get("name"))]}

    async def _start_recording(self, request: web.Request) -> Any:
        body = await read_json(request)
        name = short_text(body, "stream")
        preroll_s = body.get("preroll_s", 0)
        if isinstance(preroll_s, bool) or not isinstance(preroll_s, int | float) or not 0 <= preroll_s <= MAX_PREROLL_S:
            raise NotInRange("preroll_s", most=MAX_PREROLL_S)
        await self._hub.ask_for(name, RECORD_PATIENCE_S)
        config = self._hub.config(name) or StreamConfig(name)
        return (await self._recordings.start(name, config, preroll_s)).as_dict()

    async def _stop_recording(self, request: web.Request) -> Any:
        return (await self._recordings.stop(short_text(await read_json(request), "stream"))).as_dict()

    # -- playback ------------------------------------------------------------------------------------------------

    async def _revoked(self, request: web.Request) -> Any:
        return {"revoked": [{"what": what, "value": value} for what, value in self._players.gate.revocations()]}

    async def _revoke(self, request: web.Request) -> Any:
        """Refuse (or with `restore` allow again) everything of one session, viewer, asset or stream."""
        body = await read_json(request)
        what, value = short_text(body, "what"), short_text(body, "value")
        gate = self._players.gate
        try:
            (gate.restore if body.get("restore") is True else gate.revoke)(what, value)
        except ValueError:
            raise NotOneOf("what", choices=", ".join(REVOCABLE)) from None
        self._players.account()
        self._relay.changed()
        return {"revoked": len(gate.revocations())}

    # -- probes --------------------------------------------------------------------------------------------------

    async def _get_metrics(self, request: web.Request) -> web.Response:
        self._guard.require(request)
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "process": "live"}, headers={"Cache-Control": "no-store"})
