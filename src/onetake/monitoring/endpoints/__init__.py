"""The HTTP surface of monitoring."""

from fastapi import APIRouter

from onetake.monitoring.endpoints import audit, jobs, system

router = APIRouter()
for part in (system, jobs, audit):
    router.include_router(part.router)
