"""Carries live updates between processes over Redis PUBLISH/PSUBSCRIBE; comes back by itself after an outage (F25)."""

import asyncio
import contextlib
import json
import logging
import random
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from onetake.infra.pubsub import Message, PubSub
from onetake.kit.ids import random_hex

_PREFIX = "onetake:live:"
_MAX_BACKOFF_S = 10.0
_MAX_MESSAGE_BYTES = 256 << 10
_logger = logging.getLogger(__name__)


class RedisCarrier:
    """One connection listens, another publishes. While Redis is away the messages of this process stay local."""

    def __init__(self, url: str, prefix: str = _PREFIX) -> None:
        self._prefix = prefix
        self._origin = random_hex(64)
        self._redis = Redis.from_url(
            url, socket_connect_timeout=2, socket_timeout=None, health_check_interval=15, decode_responses=True
        )
        self._listener: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()

    async def start(self, pubsub: PubSub) -> None:
        """Begin to listen in the background; returns at once also while Redis is away."""
        self._listener = asyncio.create_task(self._listen_for_ever(pubsub), name="pubsub-redis")

    async def stop(self) -> None:
        """End listening and close the connections."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
        await self._redis.aclose()

    async def send(self, message: Message) -> None:
        """Publish; a message that Redis cannot take within two seconds stays in this process."""
        body = json.dumps({"origin": self._origin, "event": message.event, "data": message.data})
        try:
            async with asyncio.timeout(2):
                await self._redis.publish(self._prefix + message.topic, body)
        except (RedisError, OSError, TimeoutError) as error:
            _logger.warning("live update of %s stays in this process: %s", message.topic, error)

    async def _listen_for_ever(self, pubsub: PubSub) -> None:
        backoff_s = 0.5
        while True:
            try:
                await self._listen(pubsub)
            except (RedisError, OSError) as error:
                backoff_s = 0.5 if self.connected.is_set() else min(backoff_s * 2, _MAX_BACKOFF_S)
                _logger.warning("Redis is away, live updates stay in this process: %s", error)
            self.connected.clear()
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.5))

    async def _listen(self, pubsub: PubSub) -> None:
        async with self._redis.pubsub() as channel:
            await channel.psubscribe(self._prefix + "*")
            self.connected.set()
            async for raw in channel.listen():
                message = self._parse(raw)
                if message is not None:
                    pubsub.deliver(message)

    def _parse(self, raw: dict[str, Any]) -> Message | None:
        """The message of another process; None for our own, for subscription notices and for anything odd."""
        body = raw.get("data")
        if raw.get("type") != "pmessage" or not isinstance(body, str) or len(body) > _MAX_MESSAGE_BYTES:
            return None
        try:
            content = json.loads(body)
            if content["origin"] == self._origin:
                return None
            topic = str(raw["channel"]).removeprefix(self._prefix)
            return Message(topic, str(content["event"]), dict(content["data"]))
        except (ValueError, KeyError, TypeError):
            _logger.warning("ignored an unreadable live update on %s", raw.get("channel"))
            return None
