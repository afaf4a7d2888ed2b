"""Request bodies: at most so many bytes, counted while they arrive, within so much wall-clock time (R26, L2)."""

import asyncio
import time

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onetake.infra.web.headers import header
from onetake.kit.errors import AppError, PayloadTooLarge, RequestTimeout

BODY_TIMEOUT_S = 30.0
"""A megabyte arrives within this on any line that could play a video."""


class BodyRefused(HTTPException):
    """Carries an AppError through FastAPI's body reading, which turns every other exception into a 400."""

    def __init__(self, error: AppError) -> None:
        super().__init__(error.status)
        self.error = error


class BodyLimit:
    """Middleware: refuses a body that is announced, or turns out, to be too long, or that comes too slowly."""

    def __init__(self, app: ASGIApp, limit_bytes: int, timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._app = app
        self._limit_bytes = limit_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the announced length at once and the real one while reading."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = header(scope, "content-length") or "0"
        if not announced.isdecimal() or int(announced[:20]) > self._limit_bytes:
            raise PayloadTooLarge(limit_bytes=self._limit_bytes)
        await self._app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        deadline_s = time.monotonic() + self._timeout_s
        read_bytes = 0
        complete = False

        async def read() -> Message:
            nonlocal read_bytes, complete
            if complete:
                return await receive()  # only a disconnect can follow, and that may take as long as it likes
            message = await _within(receive, deadline_s - time.monotonic())
            read_bytes += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if read_bytes > self._limit_bytes:
                raise BodyRefused(PayloadTooLarge(limit_bytes=self._limit_bytes))
            return message

        return read


async def _within(receive: Receive, timeout_s: float) -> Message:
    try:
        return await asyncio.wait_for(receive(), timeout_s)
    except TimeoutError:
        raise BodyRefused(RequestTimeout(headers={"Connection": "close"})) from None
