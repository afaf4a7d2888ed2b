"""The runner: claims jobs of its queues, runs them within their slots, and leaves nothing undone when it stops."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any

from onetake.infra.db import Database
from onetake.infra.db.errors import DATABASE_TROUBLE
from onetake.infra.jobs import repository
from onetake.infra.jobs.beats import Heartbeats
from onetake.infra.jobs.context import Home
from onetake.infra.jobs.execution import Execution
from onetake.infra.jobs.node import Node, kill_orphans
from onetake.infra.jobs.registry import REGISTRY, JobRegistry
from onetake.infra.jobs.repository import Candidate, Claimed
from onetake.infra.jobs.sandbox import DIES_WITH_PARENT
from onetake.infra.jobs.timekeeper import Timekeeper
from onetake.infra.jobs.wake import ChangeSource, change_source, listen
from onetake.infra.settings import Settings
from onetake.kit.ids import random_hex

_CLAIM_TRIES = 5
_SAFETY_POLL_S = 10.0
_logger = logging.getLogger(__name__)


class Runner:
    """All queues of one worker process."""

    def __init__(
        self,
        db: Database,
        settings: Settings,
        node: Node,
        registry: JobRegistry = REGISTRY,
        *,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_change` is called whenever another process may have changed the database."""
        self._on_change = on_change
        self._slots = {queue: slots for queue, slots in settings.job_slots.items() if slots > 0}
        self._home = Home(db, settings, node.worker, settings.data_dir.absolute() / "work")
        self._registry = registry
        self._woken = {queue: asyncio.Event() for queue in self._slots}
        self._executions: dict[str, Execution] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._clock = Timekeeper(self._home, registry, self._slots)
        self._beats = Heartbeats(self._home, self._executions.values, self._slots)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then give running jobs back and return."""
        await self._prepare_patiently(stop)
        stop_listening = listen(self._wake)
        changes = change_source(self._home.db, self._home.settings.job_poll_s)
        loops = [asyncio.create_task(loop) for loop in self._loops(changes)]
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([stopped, *loops], return_when=asyncio.FIRST_COMPLETED)
            for loop in loops:
                if loop.done():
                    loop.result()  # none of them ends by itself: this raises what killed it
        finally:
            stop_listening()
            await self._close([stopped, *loops])
            changes.close()

    def _loops(self, changes: ChangeSource) -> list[Coroutine[Any, Any, None]]:
        serving = [self._serve(queue, slots) for queue, slots in self._slots.items()]
        return [*serving, self._watch(changes), self._clock.run(), self._beats.run(), self._beats.fence()]

    async def _prepare_patiently(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._prepare()
                return
            except DATABASE_TROUBLE as error:
                _logger.warning("the start of the worker waits for the database: %s", error)
                await asyncio.sleep(self._home.settings.job_poll_s)

    async def _prepare(self) -> None:
        """A quick restart: what this worker ran before it died goes back to the queue now, its processes end."""
        if DIES_WITH_PARENT:
            orphans = await asyncio.to_thread(kill_orphans, self._home.worker)
            taken = await self._clock.recover()
            if taken or orphans:
                _logger.warning("restart: %d jobs re-queued, %d left processes killed", taken, orphans)
        await self._clock.register_schedules()
        await self._clock.sweep()

    # --- claiming ------------------------------------------------------------------------------------------------

    async def _serve(self, queue: str, slots: int) -> None:
        """Claim whenever a slot is free."""
        free = asyncio.Semaphore(slots)
        while True:
            await free.acquire()
            self._woken[queue].clear()
            job = await self._claim_safely(queue)
            if job is None:
                free.release()
                await self._wait_for_work(queue)
            else:
                self._start(job, free)

    async def _claim_safely(self, queue: str) -> Claimed | None:
        try:
            return await self._claim(queue)
        except DATABASE_TROUBLE as error:
            _logger.warning("the queue %s waits for the database: %s", queue, error)
            await asyncio.sleep(self._home.settings.job_poll_s)
            return None

    async def _claim(self, queue: str) -> Claimed | None:
        """A random one of the best candidates, so that many workers rarely want the same row."""
        for _ in range(_CLAIM_TRIES):
            async with self._home.db.read() as session:
                found = await repository.candidates(session, queue)
            if not found:
                return None
            chosen = _choose(found)
            async with self._home.db.write() as session:
                settings, token = self._home.settings, random_hex()
                job = await repository.claim(session, chosen, self._home.worker, token, settings.job_lease_s)
            if job is not None:
                return job
        return None

    async def _wait_for_work(self, queue: str) -> None:
        try:
            async with asyncio.timeout(_SAFETY_POLL_S):
                await self._woken[queue].wait()
        except TimeoutError:
            return

    def _start(self, job: Claimed, free: asyncio.Semaphore) -> None:
        execution = Execution(job, self._registry.kinds.get(job.kind), self._home)
        self._executions[job.token] = execution
        task = asyncio.create_task(execution.run(), name=f"execution-{job.id}")
        self._tasks.add(task)

        def done(ended: "asyncio.Task[None]") -> None:
            self._tasks.discard(ended)
            self._executions.pop(job.token, None)
            free.release()
            self._wake_all()  # the last child of a parent may have ended
            if not ended.cancelled() and ended.exception() is not None:
                _logger.error("job %d broke the runner's own code", job.id, exc_info=ended.exception())

        task.add_done_callback(done)

    # --- wake-ups and the end ------------------------------------------------------------------------------------

    def _wake(self, queue: str) -> None:
        if queue in self._woken:
            self._woken[queue].set()

    def _wake_all(self) -> None:
        for event in self._woken.values():
            event.set()

    async def _watch(self, changes: ChangeSource) -> None:
        while True:
            await changes.wait()
            self._on_change()
            self._clock.wake()
            try:
                async with self._home.db.read() as session:
                    waiting = await repository.queues_with_work(session, tuple(self._slots))
            except DATABASE_TROUBLE as error:
                _logger.warning("the look for work waits for the database: %s", error)
                continue
            for queue in waiting:
                self._wake(queue)

    async def _close(self, loops: list["asyncio.Task[Any]"]) -> None:
        """Stop claiming, end running jobs and give them back, vanish from the list of workers."""
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        for execution in tuple(self._executions.values()):
            execution.stop("shutdown")
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._home.settings.job_kill_grace_s + 3)
            for task in late:
                task.cancel()
        try:
            async with self._home.db.write() as session:
                await repository.delete_worker(session, self._home.worker)
        except DATABASE_TROUBLE as error:
            _logger.warning("the list of workers could not be tidied up: %s", error)


def _choose(found: list[Candidate]) -> Candidate:
    best = [candidate for candidate in found if candidate.priority == found[0].priority]
    return random.choice(best)
