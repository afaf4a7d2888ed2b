"""The job table under any order of events: workers, deaths, people. Checked against what must always be true."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db import Database
from onetake.infra.db.clock import db_now
from onetake.infra.jobs import Spec, enqueue_parent, repository
from onetake.infra.jobs.errors import JobNotCancellable, JobNotRetryable, ParentRunning
from onetake.infra.jobs.models import Job
from onetake.infra.jobs.repository import TERMINAL, Claimed, Ending
from onetake.infra.jobs.service import cancel_job, retry_job
from onetake.kit.ids import random_hex

T = TypeVar("T")
ATTEMPTS = 2


class QueueModel(RuleBasedStateMachine):
    """One parent with children; each rule is something that can happen at any moment."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "onetake.db"
        shutil.copyfile(self.template, path)
        self.db = Database(f"sqlite:///{path}")
        self.held: list[Claimed] = []
        self.parent = 0

    def teardown(self) -> None:
        self.runner.run(self.db.dispose())
        self.runner.close()
        self.folder.cleanup()

    def write(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Run one unit of work."""

        async def unit() -> T:
            async with self.db.write() as session:
                return await work(session)

        return self.runner.run(unit())

    def rows(self) -> dict[int, Job]:
        async def read() -> dict[int, Job]:
            async with self.db.read() as session:
                return {job.id: job for job in (await session.execute(select(Job))).scalars()}

        return self.runner.run(read())

    @initialize(children=st.integers(1, 3))
    def fan_out(self, children: int) -> None:
        specs = [Spec("child", {"n": number}, queue="net", max_attempts=ATTEMPTS) for number in range(children)]
        parent = Spec("parent", queue="net", max_attempts=ATTEMPTS)
        self.parent, _ = self.write(lambda session: enqueue_parent(session, parent, specs))

    # --- workers -------------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        async def work(session: AsyncSession) -> Claimed | None:
            found = await repository.candidates(session, "net")
            if not found:
                return None
            chosen = data.draw(st.sampled_from(found))
            return await repository.claim(session, chosen, "worker", random_hex(), 60)

        claimed = self.write(work)
        if claimed is not None:
            assert claimed.attempt <= ATTEMPTS
            self.held.append(claimed)

    def holds(self, job: Claimed) -> bool:
        """Whether this attempt still owns its job."""
        row = self.rows()[job.id]
        return row.state == "running" and row.token == job.token

    @precondition(lambda self: self.held)
    @rule(data=st.data(), state=st.sampled_from(["done", "failed", "cancelled"]))
    def end(self, data: st.DataObject, state: str) -> None:
        job = data.draw(st.sampled_from(self.held))
        owned = self.holds(job)

        async def work(session: AsyncSession) -> bool:
            ended = await repository.finish(session, job, Ending(state))
            if ended:
                await repository.child_ended(session, job.parent_id)
            return ended

        assert self.write(work) == owned

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=st.sampled_from(["beat", "retry", "release"]))
    def write_as_owner(self, data: st.DataObject, how: str) -> None:
        job = data.draw(st.sampled_from(self.held))
        owned = self.holds(job)
        if how == "retry" and job.attempt >= ATTEMPTS:
            return  # the runner fails it then

        async def work(session: AsyncSession) -> bool:
            if how == "beat":
                return await repository.heartbeat(session, job.id, job.token, 60, 0.5, "half")
            if how == "retry":
                return await repository.retry(session, job, "again", 0)
            return await repository.release(session, job)

        assert self.write(work) == owned

    @rule()
    def leases_end_and_are_swept(self) -> None:
        async def work(session: AsyncSession) -> None:
            await session.execute(update(Job).where(Job.state == "running").values(lease_until=db_now() - 1))
            for job_id, parent_id in await repository.expired(session):
                assert await repository.sweep(session, job_id, parent_id)
                assert not await repository.sweep(session, job_id, parent_id)

        self.write(work)

    @rule()
    def due_jobs_are_queued(self) -> None:
        self.write(repository.queue_due)

    # --- people --------------------------------------------------------------------------------------------------

    @rule(data=st.data(), act=st.sampled_from([retry_job, cancel_job]))
    def a_person_acts(self, data: st.DataObject, act: Callable[..., Awaitable[Any]]) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.rows())))

        async def work(session: AsyncSession) -> None:
            await act(session, job_id)

        try:
            self.write(work)
        except ParentRunning:
            assert self.rows()[self.parent].state == "running"
        except (JobNotRetryable, JobNotCancellable):
            ended = self.rows()[job_id].state in TERMINAL
            assert ended == (act is cancel_job) or self.rows()[job_id].state == "done"

    # --- what must always be true --------------------------------------------------------------------------------

    @invariant()
    def only_running_jobs_have_an_owner(self) -> None:
        for job in self.rows().values():
            assert (job.token is not None) == (job.lease_until is not None) == (job.state == "running")

    @invariant()
    def attempts_stay_within_their_bound(self) -> None:
        for job in self.rows().values():
            assert 0 <= job.attempts <= ATTEMPTS or job.state == "scheduled"

    @invariant()
    def a_waiting_parent_counts_its_living_children(self) -> None:
        rows = self.rows()
        if self.parent not in rows:
            return
        living = sum(job.state not in TERMINAL for job in rows.values() if job.parent_id == self.parent)
        if rows[self.parent].state == "waiting":
            assert rows[self.parent].waiting == living > 0
        if rows[self.parent].state in ("queued", "scheduled"):
            assert living == 0

    @invariant()
    def ended_jobs_say_when(self) -> None:
        for job in self.rows().values():
            assert (job.finished_at is not None) == (job.state in TERMINAL)


@pytest.mark.slow
def test_the_table_is_right_in_any_order_of_events(sqlite_template: Path) -> None:
    QueueModel.template = sqlite_template
    run_state_machine_as_test(
        QueueModel,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
