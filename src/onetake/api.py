"""The API process: settings in, ASGI application out. Wiring only."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI, WebSocket

import onetake
from onetake.accounts.access_tokens import AccessTokens
from onetake.accounts.auth import PUBLIC, Permission, require
from onetake.accounts.endpoints import router as accounts_router
from onetake.accounts.passwords import warm_up
from onetake.accounts.sockets import AccountsGate
from onetake.infra.db import Database
from onetake.infra.jobs.registry import REGISTRY
from onetake.infra.metrics import Metrics, MetricsMiddleware
from onetake.infra.pubsub import create_pubsub
from onetake.infra.ratelimit import RateLimiter
from onetake.infra.settings import Settings
from onetake.infra.web import site
from onetake.infra.web.guards import OriginRule
from onetake.infra.web.middleware import install_middleware
from onetake.infra.web.openapi import ABOUT, openapi_builder
from onetake.infra.web.problems import install_problem_handlers
from onetake.infra.web.spa import WebUi
from onetake.infra.web.websocket import SocketHub
from onetake.library.endpoints import router as library_router
from onetake.library.startup import library
from onetake.monitoring.endpoints import router as monitoring_router
from onetake.monitoring.service.startup import TOPICS, monitoring
from onetake.recordings.endpoints import router as recordings_router
from onetake.recordings.startup import TOPICS as LIVE_TOPICS
from onetake.recordings.startup import live_control
from onetake.sources.endpoints import live_router
from onetake.sources.endpoints import router as sources_router

TAGS = {
    "auth": "Signing in, one's own account, sessions and API tokens.",
    "users": "Accounts, for administrators.",
    "sources": "Live sources: what is pulled or pushed, and what it does now.",
    "recordings": "Starting and stopping recordings.",
    "tasks": "Recording tasks.",
    "schedules": "Planned recordings.",
    "videos": "Videos: finding, watching, managing.",
    "media server": "What the media server tells the control plane.",
    "jobs": "Background jobs, for operators.",
    "system": "The machine and its processes, for operators.",
    "audit": "Who did what, for administrators.",
    "site": "What everybody may ask.",
}


def create_app(settings: Settings) -> FastAPI:
    """The application. It touches neither database nor disk before its lifespan starts.

    Raises SettingsError for web settings that only this process can judge.
    """
    app = FastAPI(
        title="OneTake API",
        version=onetake.__version__,
        lifespan=_lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.metrics = Metrics()
    app.openapi = openapi_builder(app, ABOUT, TAGS, PUBLIC)  # type: ignore[method-assign]
    install_problem_handlers(app)
    install_middleware(app, settings)
    app.add_middleware(MetricsMiddleware, metrics=app.state.metrics)
    media_routers = (sources_router, live_router, recordings_router, library_router)
    for router in (site.router, _documents(app), accounts_router, *media_routers, monitoring_router):
        app.include_router(router)
    app.add_api_websocket_route("/api/ws", _live_updates)
    app.router.default = WebUi(Path(onetake.__file__).parent / "webui")  # after 405s, which a mount at "/" would hide
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    state = app.state
    REGISTRY.default_max_attempts = settings.job_max_attempts
    state.access_tokens = AccessTokens.from_settings(settings)
    await warm_up()
    state.db = Database(
        settings.database_dsn,
        pool_size=settings.database_pool_size,
        busy_timeout_s=settings.database_busy_timeout_s,
    )
    state.limiter = RateLimiter(settings.redis_dsn)
    state.pubsub = create_pubsub(settings.redis_dsn)
    state.hub = SocketHub(state.pubsub, AccountsGate(state.db, settings), state.limiter, OriginRule(settings))
    for topic, permission in (TOPICS | LIVE_TOPICS).items():
        state.hub.declare_topic(topic, permission)
    await state.pubsub.start()
    watch = asyncio.create_task(state.hub.watch())
    try:
        async with (
            live_control(settings, state.db, state.pubsub) as state.live,
            library(state.db, state.live.media) as state.views,
            monitoring(settings, state.db, state.pubsub, state.metrics, state.live.media) as state.monitor,
        ):
            yield
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await state.pubsub.stop()
        await state.limiter.close()
        await state.db.dispose()


async def _live_updates(socket: WebSocket) -> None:
    hub: SocketHub = socket.app.state.hub
    await hub.serve(socket)


def _documents(app: FastAPI) -> APIRouter:
    """The OpenAPI document, for administrators only: it is a map of the house (C6, X4)."""
    router = APIRouter(tags=["site"])

    @router.get(
        "/api/openapi.json",
        operation_id="getOpenApi",
        summary="This document",
        dependencies=[Depends(require(Permission.API_DOCS_READ))],
    )
    async def get_openapi() -> dict[str, object]:
        """The OpenAPI 3.1 document of this very version."""
        return app.openapi()

    return router
