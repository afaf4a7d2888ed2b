"""The order of the middleware, from the outside in. All of it is pure ASGI, so that WebSockets pass through it too."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from onetake.infra.settings import Settings
from onetake.infra.web.body import BodyLimit
from onetake.infra.web.context import RequestContext
from onetake.infra.web.guards import Guards, HostRule, OriginRule
from onetake.infra.web.problems import CatchAll
from onetake.infra.web.proxies import TrustedProxies
from onetake.infra.web.security_headers import SecurityHeaders


def install_middleware(app: FastAPI, settings: Settings) -> None:
    """Wrap `app`. Raises SettingsError for lists that name no networks or no origins."""
    origins = OriginRule(settings)
    app.add_middleware(BodyLimit, limit_bytes=settings.body_limit_bytes)  # Starlette wraps: the last one is outermost
    app.add_middleware(CatchAll)
    app.add_middleware(Guards, hosts=HostRule(settings), origins=origins)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-Request-Id"],
            expose_headers=["X-Request-Id", "Retry-After"],
            allow_credentials=False,  # programs in other pages use tokens; our cookie is not theirs
            max_age=600,
        )
    app.add_middleware(SecurityHeaders, settings=settings)
    app.add_middleware(RequestContext, proxies=TrustedProxies(settings.trusted_proxies))
