"""Control routes of the file process: who watches, what was read, revocations, metrics, health."""

import contextlib
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from onetake.engine.access import REVOCABLE, Gate
from onetake.engine.errors import NotOneOf
from onetake.engine.metrics import CONTENT_TYPE, MediaMetrics
from onetake.engine.srs_api import ControlGuard
from onetake.engine.viewers import Viewers, ViewerSession
from onetake.engine.web import read_json, refuse_other_sites, short_text
from onetake.kit.clock import clock_step_ms

LAST_READS_S = 3600.0
_UNCACHED = {"Cache-Control": "no-store"}
Action = Callable[[web.Request], Awaitable[Any]]


class FilesControl:
    """The routes below `/control/` of the file port; `forget` closes the files of an asset."""

    def __init__(self, guard: ControlGuard, viewers: Viewers, gate: Gate, forget: Callable[[uuid.UUID], None]) -> None:
        self._guard = guard
        self._viewers = viewers
        self._gate = gate
        self._forget_asset = forget
        self._metrics = MediaMetrics(viewers=viewers, process="files")

    def add_to(self, app: web.Application) -> None:
        """Register the routes."""
        routes: tuple[tuple[str, str, Action], ...] = (
            ("GET", "/control/viewers", self._get_viewers),
            ("GET", "/control/figures", self._get_figures),
            ("GET", "/control/reads", self._get_reads),
            ("GET", "/control/revoked", self._get_revoked),
            ("POST", "/control/revoke", self._revoke),
            ("POST", "/control/forget", self._forget),
        )
        for method, path, action in routes:
            app.router.add_route(method, path, self._guarded(action))
        app.router.add_get("/metrics", self._get_metrics)
        app.router.add_get("/healthz", _healthz)

    def _guarded(self, action: Action) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            self._guard.require(request)
            refuse_other_sites(request)
            return web.json_response(await action(request), headers=_UNCACHED)

        return answer

    async def _get_viewers(self, request: web.Request) -> Any:
        """Who watches what now."""
        return {"viewers": [_session_json(session) for session in self._viewers.active()]}

    async def _get_figures(self, request: web.Request) -> Any:
        """How many watch and how much was sent."""
        return self._viewers.figures()

    async def _get_reads(self, request: web.Request) -> Any:
        """When each asset was last read, for those read in the last hour: retention leaves alone what is in use."""
        since_s, step_s = self._viewers.now() - LAST_READS_S, clock_step_ms() / 1000
        found = ((scope.removeprefix("asset:"), last_s) for scope, last_s in self._viewers.last_reads())
        reads = {asset: last_s + step_s for asset, last_s in found if last_s >= since_s}
        return {"reads": reads}

    async def _get_revoked(self, request: web.Request) -> Any:
        return {"revoked": [{"what": what, "value": value} for what, value in self._gate.revocations()]}

    async def _revoke(self, request: web.Request) -> Any:
        """Refuse (with `restore`: allow again) everything of one session, viewer or asset."""
        body = await read_json(request)
        what, value = short_text(body, "what"), short_text(body, "value")
        try:
            (self._gate.restore if body.get("restore") is True else self._gate.revoke)(what, value)
        except ValueError:
            raise NotOneOf("what", choices=", ".join(REVOCABLE)) from None
        return {"revoked": len(self._gate.revocations())}

    async def _forget(self, request: web.Request) -> Any:
        """Close the files of an asset that is about to be deleted or was replaced."""
        value = short_text(await read_json(request), "asset")
        with contextlib.suppress(ValueError):
            self._forget_asset(uuid.UUID(value))
        return {}

    async def _get_metrics(self, request: web.Request) -> web.Response:
        self._guard.require(request)
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})


def _session_json(session: ViewerSession) -> Mapping[str, Any]:
    return {
        "client_id": session.client_id,
        "scope": session.scope,
        "protocol": session.protocol.value,
        "session": session.session,
        "viewer": session.viewer,
        "ip": session.ip,
        "joined_s": session.joined_s + clock_step_ms() / 1000,
        "last_s": session.last_s + clock_step_ms() / 1000,
        "sent_bytes": session.sent_bytes,
    }


async def _healthz(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok", "process": "files"}, headers=_UNCACHED)
