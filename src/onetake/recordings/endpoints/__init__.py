"""Recording, schedules and the media server's callbacks over HTTP."""

from fastapi import APIRouter

from onetake.recordings.endpoints import callbacks, schedules, tasks

router = APIRouter()
for part in (tasks.router, schedules.router, callbacks.router):
    router.include_router(part)

__all__ = ["router"]
