"""Rate limits in memory and in Redis."""

import secrets
from collections.abc import AsyncIterator

import pytest

from onetake.infra.ratelimit import Limit, RateLimiter
from onetake.kit.errors import TooManyRequests

NOBODY_LISTENS = "redis://127.0.0.1:1/0"


@pytest.fixture(params=["memory", "redis", "redis-away"])
async def limiter(request: pytest.FixtureRequest) -> AsyncIterator[RateLimiter]:
    """A limiter of each kind; the last one has lost its Redis and counts by itself."""
    urls = {"memory": None, "redis-away": NOBODY_LISTENS}
    url = request.getfixturevalue("redis_url") if request.param == "redis" else urls[request.param]
    made = RateLimiter(url)
    yield made
    await made.close()


@pytest.fixture
def limit() -> Limit:
    """Three in a minute, under a name that no other test run uses."""
    return Limit(f"test-{secrets.token_hex(6)}", 3, 60)


async def test_the_act_too_many_is_refused_with_a_time_to_wait(limiter: RateLimiter, limit: Limit) -> None:
    for _ in range(3):
        await limiter.check(limit, "somebody", "192.0.2.1")
    with pytest.raises(TooManyRequests) as caught:
        await limiter.check(limit, "somebody", "192.0.2.1")
    assert 1 <= int(caught.value.headers["Retry-After"]) <= 60


async def test_keys_do_not_share_a_count(limiter: RateLimiter, limit: Limit) -> None:
    for _ in range(3):
        await limiter.check(limit, "a", "bc")
    assert await limiter.allow(limit, "ab", "c")
    assert await limiter.allow(limit, "a")


async def test_a_success_starts_again_from_zero(limiter: RateLimiter, limit: Limit) -> None:
    for _ in range(3):
        await limiter.check(limit, "somebody")
    await limiter.forget(limit, "somebody")
    assert await limiter.allow(limit, "somebody")


async def test_looking_for_room_counts_nothing(limiter: RateLimiter, limit: Limit) -> None:
    for _ in range(10):
        await limiter.check_room(limit, "somebody")
    for _ in range(3):
        assert await limiter.allow(limit, "somebody")
    with pytest.raises(TooManyRequests):
        await limiter.check_room(limit, "somebody")


async def test_two_processes_count_together_through_redis(redis_url: str, limit: Limit) -> None:
    first, second = RateLimiter(redis_url), RateLimiter(redis_url)
    try:
        counted = [await limiter.allow(limit, "x") for limiter in (first, second, first, second)]
    finally:
        await first.close()
        await second.close()
    assert counted == [True, True, True, False]
