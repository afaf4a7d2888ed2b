"""One attempt of one job, from the claim to the row that says how it ended."""

import asyncio
import contextvars
import inspect
import json
import logging
import random
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.context import Actor, acting_as
from onetake.infra.db.errors import DATABASE_TROUBLE
from onetake.infra.jobs import repository
from onetake.infra.jobs.context import Home, JobContext
from onetake.infra.jobs.errors import JobCancelled, JobFailed, LeaseLost, RetryLater
from onetake.infra.jobs.registry import JobKind
from onetake.infra.jobs.repository import Claimed, Ending
from onetake.kit.redact import redact

StopReason = Literal["cancel", "shutdown", "fenced"]
Settle = Callable[[AsyncSession], Any]
_MAX_BACKOFF_S = 3600.0
_logger = logging.getLogger(__name__)


class Execution:
    """Runs the function, and settles the row by one fenced statement whatever happens."""

    def __init__(self, job: Claimed, kind: JobKind | None, home: Home) -> None:
        self.job = job
        self.context = JobContext(job, home)
        self.reason: StopReason | None = None
        self.confirmed_at = time.monotonic()
        self._kind = kind
        self._home = home
        self._body: asyncio.Task[Any] | None = None

    def stop(self, reason: StopReason) -> None:
        """End the attempt: an async function is cancelled, its child process killed; a plain one is asked to end."""
        if self.reason is not None:
            return
        self.reason = reason
        self.context.stopping = True
        plain = self._kind is not None and not inspect.iscoroutinefunction(self._kind.function)
        if self._body is not None and not (plain and reason == "cancel"):
            self._body.cancel()

    async def run(self) -> None:
        """The whole attempt; never raises except for its own cancellation."""
        try:
            settle = await self._attempt()
            if not self.context.finished and settle is not None:
                await self._settle(settle)
        finally:
            await self.context.workdir.remove()

    async def _attempt(self) -> Settle | None:
        """Run the function; returns how to settle the row, None when it must not be touched any more."""
        self._body = asyncio.create_task(self._call(), name=f"job-{self.job.id}")
        if self.reason is not None:
            self._body.cancel()
        try:
            result = await self._body
        except asyncio.CancelledError:
            if self.reason is None:
                self._body.cancel()
                raise
            return self._stopped()
        except Exception as error:
            return self._stopped() if self.reason is not None else self._failed(error)
        return self._done(result)

    async def _call(self) -> Any:
        if self._kind is None:
            raise LookupError(f"this worker has no code for the kind {self.job.kind!r}")
        await self._refuse_failed_children(self._kind)
        function = self._kind.function
        with acting_as(Actor(kind="job", name=f"{self.job.kind}#{self.job.id}")):
            if inspect.iscoroutinefunction(function):
                return await function(self.context)
            return await in_daemon_thread(lambda: function(self.context))

    async def _refuse_failed_children(self, kind: JobKind) -> None:
        if kind.tolerates_failed_children:
            return
        for child in await self.context.children():
            if child.state != "done":
                raise JobFailed(f"job {child.id} ({child.kind}) {child.state}: {child.error or 'no reason given'}")

    # --- outcomes ------------------------------------------------------------------------------------------------

    def _done(self, result: Any) -> Settle | None:
        try:
            json.dumps(result, allow_nan=False)
        except (TypeError, ValueError) as error:
            return self._failed(JobFailed(f"the result is not JSON: {error}"))
        return lambda session: self._end(session, Ending("done", result=result))

    def _stopped(self) -> Settle | None:
        if self.reason == "cancel":
            return lambda session: self._end(
                session, Ending("cancelled", "cancelled by a person", progress=self.context.fraction)
            )
        if self.reason == "shutdown":
            return lambda session: repository.release(session, self.job)
        _logger.warning("job %d: the lease is lost, nothing of this attempt is kept", self.job.id)
        return None

    def _failed(self, error: Exception) -> Settle | None:
        if isinstance(error, LeaseLost):
            return None
        reason = describe(error)
        self.context.log(reason)
        self._log_traceback(error)
        if isinstance(error, JobCancelled):
            return lambda session: self._end(session, Ending("cancelled", reason, progress=self.context.fraction))
        last = self.job.attempt >= self.job.max_attempts
        if last or isinstance(error, JobFailed):
            return lambda session: self._end(session, Ending("failed", reason, progress=self.context.fraction))
        backoff_s = error.delay_s if isinstance(error, RetryLater) else self._backoff_s()
        return lambda session: repository.retry(session, self.job, reason, backoff_s)

    def _log_traceback(self, error: Exception) -> None:
        if isinstance(error, (JobFailed, JobCancelled, RetryLater)):
            return
        self.context.log("".join(traceback.format_exception(error)).rstrip())
        _logger.warning("job %d (%s), attempt %d failed: %s", self.job.id, self.job.kind, self.job.attempt, error)

    def _backoff_s(self) -> float:
        exact = self._home.settings.job_retry_base_s * 2.0 ** (self.job.attempt - 1)
        return min(_MAX_BACKOFF_S, exact) * random.uniform(0.8, 1.2)

    async def _end(self, session: AsyncSession, ending: Ending) -> bool:
        if not await repository.finish(session, self.job, ending):
            return False
        await repository.child_ended(session, self.job.parent_id)
        return True

    async def _settle(self, settle: Settle) -> None:
        """Write the outcome; while the database is away, try again until another worker may own the job."""
        while True:
            try:
                async with self._home.db.write() as session:
                    if not await settle(session):
                        _logger.warning("job %d: late end refused, another worker owns it", self.job.id)
                        return
                    await repository.save_log(session, self.job.id, self.context.log_tail.text())
                return
            except DATABASE_TROUBLE as error:
                if time.monotonic() - self.confirmed_at > self._home.settings.job_self_fence_s:
                    _logger.error("job %d: its end could not be written: %s", self.job.id, redact(str(error)))
                    return
                await asyncio.sleep(0.5)


def describe(error: BaseException) -> str:
    """Why it failed, in one redacted line for a person."""
    words = str(error).strip() or type(error).__name__
    plain = isinstance(error, (JobFailed, JobCancelled, RetryLater)) or type(error).__name__ == "ChildFailed"
    return redact(words if plain else f"{type(error).__name__}: {words}")


async def in_daemon_thread(function: Callable[[], Any]) -> Any:
    """Run a plain function in a thread that cannot keep the process alive, with this task's context variables."""
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    future: asyncio.Future[Any] = loop.create_future()

    def deliver(setter: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            setter(value)

    def work() -> None:
        try:
            value, setter = context.run(function), future.set_result
        except BaseException as error:
            value, setter = error, future.set_exception
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver, setter, value)

    threading.Thread(target=work, name="job", daemon=True).start()
    return await future
