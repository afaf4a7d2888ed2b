"""Rate limits by moving window: in memory, or in Redis so that several processes count together (L1)."""

import contextlib
import hashlib
import math
import time
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from onetake.infra.logging import get_logger
from onetake.kit.errors import TooManyRequests

_log = get_logger(__name__)
_RETRY_REDIS_S = 10.0
_REDIS_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` acts called `name` in any `window_s` seconds, for each key."""

    name: str
    amount: int
    window_s: int


class RateLimiter:
    """Counts acts. While Redis is away it counts in this process: an attacker gains one process' worth of tries."""

    def __init__(self, redis_url: str | None = None) -> None:
        self._local = MovingWindowRateLimiter(MemoryStorage())
        self._shared = MovingWindowRateLimiter(_redis(redis_url)) if redis_url else None
        self._shared_again_at_s = 0.0

    async def check(self, limit: Limit, *key: str) -> None:
        """Count one act; raises `TooManyRequests` when it is one too many."""
        if not await self.allow(limit, *key):
            raise TooManyRequests(retry_after_s=await self.retry_after_s(limit, *key))

    async def allow(self, limit: Limit, *key: str) -> bool:
        """Count one act; False when it is one too many (it is then not counted)."""
        item, name = _item(limit), _name(limit, key)
        if self._shared is not None and self._shared_is_up():
            try:
                return await self._shared.hit(item, name)
            except StorageError as error:
                self._shared_is_down(error)
        return await self._local.hit(item, name)

    async def check_room(self, limit: Limit, *key: str) -> None:
        """Raise `TooManyRequests` when no act is left, without counting one: for limits on failures only."""
        item, name = _item(limit), _name(limit, key)
        try:
            room = await self._strategy().test(item, name)
        except StorageError as error:
            self._shared_is_down(error)
            room = await self._local.test(item, name)
        if not room:
            raise TooManyRequests(retry_after_s=await self.retry_after_s(limit, *key))

    async def retry_after_s(self, limit: Limit, *key: str) -> int:
        """Whole seconds until the oldest counted act leaves the window; at least 1."""
        item, name = _item(limit), _name(limit, key)
        try:
            reset_time_s = (await self._strategy().get_window_stats(item, name)).reset_time
        except StorageError as error:
            self._shared_is_down(error)
            return limit.window_s
        return max(1, math.ceil(reset_time_s - time.time()))

    async def forget(self, limit: Limit, *key: str) -> None:
        """Start counting from zero, as after a success."""
        item, name = _item(limit), _name(limit, key)
        if self._shared is not None and self._shared_is_up():
            with contextlib.suppress(StorageError):
                await self._shared.clear(item, name)
        await self._local.clear(item, name)

    async def close(self) -> None:
        """Release the connections to Redis."""
        bridge = getattr(self._shared.storage, "bridge", None) if self._shared is not None else None
        if isinstance(bridge, RedispyBridge):
            await bridge.storage.aclose()

    def _strategy(self) -> MovingWindowRateLimiter:
        return self._shared if self._shared is not None and self._shared_is_up() else self._local

    def _shared_is_up(self) -> bool:
        return time.monotonic() >= self._shared_again_at_s

    def _shared_is_down(self, error: StorageError) -> None:
        self._shared_again_at_s = time.monotonic() + _RETRY_REDIS_S
        _log.warning("rate limits are counted in this process only: Redis does not answer", error=str(error))


def _redis(url: str) -> Storage:
    return RedisStorage(
        "async+" + url,
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix="onetake:limit",
        socket_connect_timeout=_REDIS_TIMEOUT_S,
        socket_timeout=_REDIS_TIMEOUT_S,
    )


def _item(limit: Limit) -> RateLimitItem:
    return RateLimitItemPerSecond(limit.amount, limit.window_s, namespace=limit.name)


def _name(limit: Limit, key: tuple[str, ...]) -> str:
    """A fixed-length name: keys come from outside and may be long, or addresses that nobody else needs to read."""
    return hashlib.sha256("\n".join((limit.name, *key)).encode("utf-8", "surrogatepass")).hexdigest()[:40]
