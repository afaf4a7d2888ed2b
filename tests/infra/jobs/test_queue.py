"""Adding the same work again: once while it lasts, anew after it has ended. On the three databases."""

from typing import TYPE_CHECKING

from onetake.infra.jobs import JobContext, enqueue_unless_active, job

if TYPE_CHECKING:
    from tests.infra.jobs.conftest import Bench


async def test_the_same_work_is_added_again_only_when_it_has_ended(bench: "Bench") -> None:
    @job("test.again", queue="stats", registry=bench.registry)
    async def again(ctx: JobContext) -> None: ...

    async def add(number: int) -> int | None:
        async with bench.db.write() as session:
            return await enqueue_unless_active(session, "test.again", {"number": number}, registry=bench.registry)

    first = await add(1)
    assert first is not None
    assert await add(1) is None
    assert await add(2) not in (None, first)
    bench.start()
    await bench.until(first, "done")
    assert await add(1) not in (None, first)
