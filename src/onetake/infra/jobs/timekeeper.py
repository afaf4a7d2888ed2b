"""What happens by the clock: dead leases, due back-offs, cron ticks, stale work folders; by any number of workers."""

import asyncio
import json
import logging
import time
from collections.abc import Collection

from onetake.infra.db import on_commit
from onetake.infra.db.errors import DATABASE_TROUBLE
from onetake.infra.jobs import repository
from onetake.infra.jobs.context import Home
from onetake.infra.jobs.models import JobSchedule
from onetake.infra.jobs.queue import enqueue
from onetake.infra.jobs.registry import JobRegistry, Periodic
from onetake.infra.jobs.repository import Agenda
from onetake.infra.jobs.wake import wake
from onetake.infra.jobs.workdir import attempts_on_disk, remove_attempt

_SHORTEST_ROUND_S = 0.2
_FORGET_WORKER_S = 86_400.0
_logger = logging.getLogger(__name__)


class Timekeeper:
    """One per worker; the compare-and-set statements make them safe together."""

    def __init__(self, home: Home, registry: JobRegistry, queues: Collection[str]) -> None:
        self._home = home
        self._registry = registry
        self._queues = tuple(queues)
        self._zone = home.settings.local_zone
        self._woken = asyncio.Event()
        self._swept_at = float("-inf")

    def wake(self) -> None:
        """Something changed: a job may be due sooner than expected."""
        self._woken.set()

    async def run(self) -> None:
        """Keep time until cancelled."""
        while True:
            try:
                pause_s = await self.round()
            except DATABASE_TROUBLE as error:
                _logger.warning("the clock of jobs waits for the database: %s", error)
                pause_s = self._home.settings.job_poll_s
            await asyncio.sleep(min(pause_s, _SHORTEST_ROUND_S))
            await self._wait(pause_s - _SHORTEST_ROUND_S)

    async def round(self) -> float:
        """Do what is due; returns the seconds until there is something to do again at most."""
        if time.monotonic() - self._swept_at >= self._home.settings.job_sweep_s:
            self._swept_at = time.monotonic()
            await self.sweep()
        agenda = await self._agenda()
        pause_s = self._pause_s(agenda)
        if pause_s > 0:
            return pause_s
        await self._queue_due()
        await self._fire_ticks(agenda.now)
        return self._pause_s(await self._agenda())

    async def sweep(self) -> int:
        """Take jobs away from dead workers; returns how many."""
        async with self._home.db.read() as session:
            expired = await repository.expired(session)
        swept = 0
        for job_id, parent_id in expired:
            async with self._home.db.write() as session:
                swept += await repository.sweep(session, job_id, parent_id)
        if swept:
            _logger.warning("%d running jobs lost their worker", swept)
            self._wake_all()
        await self._sweep_folders()
        return swept

    async def recover(self) -> int:
        """At start: take back the running jobs of this worker's former life at once; returns how many."""
        async with self._home.db.read() as session:
            mine = await repository.running_of(session, self._home.worker)
        taken = 0
        for job_id, parent_id in mine:
            async with self._home.db.write() as session:
                taken += await repository.fast_restart(session, job_id, parent_id, self._home.worker)
        return taken

    async def register_schedules(self) -> None:
        """Write the periodic tasks that the code declares; a changed expression or time zone counts from now."""
        async with self._home.db.write() as session:
            now = (await repository.agenda(session)).now
            known = {schedule.name: schedule for schedule in await repository.schedules(session)}
            for name, task in self._registry.periodic.items():
                next_at, schedule = task.next_after(now, self._zone), known.get(name)
                if next_at is None:
                    continue
                if schedule is None:
                    await repository.add_schedule(session, name, task.cron_text, next_at)
                elif schedule.cron != task.cron_text or _stands_wrong(schedule, next_at, now):
                    await repository.change_schedule(session, schedule, task.cron_text, next_at)
            await repository.delete_schedules_except(session, tuple(self._registry.periodic))
            await repository.delete_old_workers(session, _FORGET_WORKER_S)

    # --- parts of a round ----------------------------------------------------------------------------------------

    async def _agenda(self) -> Agenda:
        async with self._home.db.read() as session:
            return await repository.agenda(session)

    def _pause_s(self, agenda: Agenda) -> float:
        moments = [moment - agenda.now for moment in (agenda.next_due, agenda.next_tick) if moment is not None]
        return max(0.0, min([self._home.settings.job_sweep_s, *moments]))

    async def _queue_due(self) -> None:
        async with self._home.db.write() as session:
            if await repository.queue_due(session):
                on_commit(session, self._wake_all)

    async def _fire_ticks(self, now: float) -> None:
        async with self._home.db.read() as session:
            schedules = await repository.schedules(session)
        for schedule in schedules:
            task = self._registry.periodic.get(schedule.name)
            if task is not None and schedule.next_at <= now:
                await self._fire(task, schedule, now)

    async def _fire(self, task: Periodic, schedule: JobSchedule, now: float) -> None:
        """Move the clock hand and insert the job in one transaction: of all workers one does it, once per tick.

        Ticks missed while nobody ran are made up for by one job.
        """
        following = task.next_after(now, self._zone)
        async with self._home.db.write() as session:
            if following is None or not await repository.tick(session, task.name, schedule.next_at, following):
                return
            args = json.dumps(dict(task.args), ensure_ascii=False, sort_keys=True)
            if await repository.is_active(session, task.kind, args):
                _logger.info("periodic task %s: the former run has not ended, this tick is skipped", task.name)
                return
            await enqueue(session, task.kind, task.args, registry=self._registry)

    async def _sweep_folders(self) -> None:
        """Remove folders of attempts that no longer hold their job."""
        found = await asyncio.to_thread(attempts_on_disk, self._home.work_root)
        if not found:
            return
        async with self._home.db.read() as session:
            tokens = await repository.current_tokens(session, [job_id for job_id, _, _ in found])
        for job_id, token, path in found:
            if tokens.get(job_id) != token:
                await asyncio.to_thread(remove_attempt, path)

    def _wake_all(self) -> None:
        for queue in self._queues:
            wake(queue)

    async def _wait(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, pause_s)):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()


def _stands_wrong(schedule: JobSchedule, next_at: float, now: float) -> bool:
    """Whether the clock hand points at an hour of another time zone; a tick that is due still fires."""
    return schedule.next_at > now and schedule.next_at != next_at
