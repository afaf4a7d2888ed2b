"""The system page and `/metrics`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from onetake.accounts.auth import Permission, require
from onetake.infra.metrics import metrics_answer
from onetake.infra.web.deps import SettingsDep
from onetake.infra.web.problems import request_language
from onetake.monitoring.schemas import History, SystemStatus
from onetake.monitoring.service.monitor import Monitor

router = APIRouter(tags=["system"])
_read = [Depends(require(Permission.SYSTEM_READ))]


async def _monitor(request: Request) -> Monitor:
    monitor: Monitor = request.app.state.monitor
    return monitor


MonitorDep = Annotated[Monitor, Depends(_monitor)]


@router.get("/api/system/status", operation_id="getSystemStatus", summary="The machine now", dependencies=_read)
async def get_system_status(request: Request, monitor: MonitorDep) -> SystemStatus:
    """CPU, memory, disks with a forecast, processes, versions, jobs, and warnings in words.

    The part that changes all the time also arrives live: subscribe to the topic `system`.
    """
    return await monitor.status(request_language(request.scope))


@router.get("/api/system/history", operation_id="getSystemHistory", summary="The last hour", dependencies=_read)
async def get_system_history(monitor: MonitorDep) -> History:
    """Samples of every ten seconds, for charts."""
    return await monitor.history()


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(request: Request, settings: SettingsDep) -> Response:
    """For the bearer of `ONETAKE_METRICS_TOKEN`; without that setting for programs on the same machine only."""
    token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
    return await metrics_answer(request, request.app.state.metrics, token)
