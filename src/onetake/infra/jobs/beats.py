"""Signs of life of running jobs, the look for cancellations, and the self-fence."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Collection

import onetake
from onetake.infra.db.errors import DATABASE_TROUBLE
from onetake.infra.jobs import repository
from onetake.infra.jobs.context import Home
from onetake.infra.jobs.execution import Execution

_PROGRESS_EVERY_S = 2.0
_PROGRESS_STEP = 0.01
_DATABASE_PATIENCE_S = 10.0
_logger = logging.getLogger(__name__)


class Heartbeats:
    """One for all running jobs of a worker."""

    def __init__(self, home: Home, executions: Callable[[], Collection[Execution]], queues: Collection[str]) -> None:
        self._home = home
        self._executions = executions
        self._queues = ",".join(queues)
        self._written: dict[str, _Written] = {}
        settings = home.settings
        self._tick_s = min(1.0, settings.job_heartbeat_s / 2, settings.job_cancel_poll_s)
        self._progress_every_s = min(_PROGRESS_EVERY_S, settings.job_heartbeat_s)

    async def run(self) -> None:
        """Beat until cancelled."""
        presence_at = cancel_at = 0.0
        while True:
            now = time.monotonic()
            if now >= presence_at:
                presence_at = now + self._home.settings.job_heartbeat_s
                await self._guarded(self.announce())
            await self._beat_all()
            if now >= cancel_at and self._executions():
                cancel_at = now + self._home.settings.job_cancel_poll_s
                await self._guarded(self._obey_cancels())
            await asyncio.sleep(self._tick_s)

    async def fence(self) -> None:
        """Stop jobs whose last confirmed beat is too old, so that they are dead before anyone may claim them.

        A loop of its own and by the monotonic clock: it must not wait for a database that does not answer, and it acts
        at once when a frozen process thaws.
        """
        while True:
            for execution in tuple(self._executions()):
                if time.monotonic() - execution.confirmed_at > self._home.settings.job_self_fence_s:
                    execution.stop("fenced")
            await asyncio.sleep(self._tick_s / 2)

    async def announce(self) -> None:
        """Show this worker on the admin page."""
        values = {
            "id": self._home.worker,
            "host": socket.gethostname()[:128],
            "pid": os.getpid(),
            "version": onetake.__version__,
            "queues": self._queues,
        }
        async with self._home.db.write() as session:
            await repository.save_worker(session, values)

    async def _beat_all(self) -> None:
        executions = tuple(self._executions())
        tokens = {execution.job.token for execution in executions}
        self._written = {token: written for token, written in self._written.items() if token in tokens}
        for execution in executions:
            if self._is_due(execution):
                await self._guarded(self._beat(execution))

    def _is_due(self, execution: Execution) -> bool:
        """With the heartbeat, or sooner when a person would see a difference, but not too often."""
        if execution.reason == "fenced" or execution.context.finished:
            return False
        written = self._written.get(execution.job.token)
        if written is None:
            return True
        age_s = time.monotonic() - written.at
        if age_s >= self._home.settings.job_heartbeat_s:
            return True
        return age_s >= self._progress_every_s and written.differs(execution)

    async def _beat(self, execution: Execution) -> None:
        job, context = execution.job, execution.context
        started = time.monotonic()
        written = _Written(started, context.fraction, context.stage_name, context.log_tail.version)
        former = self._written.get(job.token)
        async with self._home.db.write() as session:
            lease_s = self._home.settings.job_lease_s
            alive = await repository.heartbeat(
                session, job.id, job.token, lease_s, context.fraction, context.stage_name
            )
            if alive and (former is None or former.log_version != written.log_version):
                await repository.save_log(session, job.id, context.log_tail.text())
        if alive:
            execution.confirmed_at = started
            self._written[job.token] = written
        elif not context.finished:
            execution.stop("fenced")

    async def _obey_cancels(self) -> None:
        async with self._home.db.read() as session:
            tokens = await repository.cancel_requests(session, self._home.worker)
        for execution in tuple(self._executions()):
            if execution.job.token in tokens:
                execution.stop("cancel")

    async def _guarded(self, work: Awaitable[None]) -> None:
        """A database that is away or does not answer delays a beat; the fence decides what that means."""
        try:
            async with asyncio.timeout(min(_DATABASE_PATIENCE_S, self._home.settings.job_self_fence_s / 2)):
                await work
        except DATABASE_TROUBLE as error:
            _logger.warning("the database did not take a sign of life: %s", error)


class _Written:
    """What the row says about a job."""

    def __init__(self, at: float, fraction: float, stage: str | None, log_version: int) -> None:
        self.at = at
        self.fraction = fraction
        self.stage = stage
        self.log_version = log_version

    def differs(self, execution: Execution) -> bool:
        context = execution.context
        return abs(context.fraction - self.fraction) >= _PROGRESS_STEP or context.stage_name != self.stage
