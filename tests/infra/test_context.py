"""The author of what happens."""

import asyncio

from onetake.infra.context import SYSTEM, Actor, acting_as, bind_request, bind_user, current_actor


async def test_outside_of_requests_it_is_the_system() -> None:
    assert current_actor() == SYSTEM


async def test_a_request_starts_anonymous_and_gets_a_user() -> None:
    bind_request("req-1", "10.0.0.7")
    assert current_actor() == Actor("anonymous", None, "", "10.0.0.7", "req-1")
    bind_user(12, "wang")
    assert current_actor() == Actor("user", 12, "wang", "10.0.0.7", "req-1")


async def test_requests_do_not_see_each_other() -> None:
    async def request(number: int) -> Actor:
        bind_request(f"req-{number}", None)
        await asyncio.sleep(0)
        bind_user(number, f"user-{number}")
        await asyncio.sleep(0)
        return current_actor()

    actors = await asyncio.gather(*(request(number) for number in range(10)))
    assert [actor.user_id for actor in actors] == list(range(10))
    assert current_actor() == SYSTEM


async def test_acting_as_somebody_ends_with_its_block() -> None:
    with acting_as(Actor("job", name="stats.roll_up#7")):
        assert current_actor().name == "stats.roll_up#7"
    assert current_actor() == SYSTEM
