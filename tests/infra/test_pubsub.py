"""Topics inside a process and through a real Redis."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.infra.pubsub import LAGGED, Message, PubSub, create_pubsub
from onetake.infra.pubsub_redis import RedisCarrier
from onetake.kit.ids import random_hex


async def test_every_subscriber_of_the_topic_gets_the_message() -> None:
    pubsub = create_pubsub()
    with pubsub.subscribe("jobs") as first, pubsub.subscribe("jobs") as second, pubsub.subscribe("chat") as other:
        await pubsub.publish("jobs", "updated", {"id": 1})
        await pubsub.publish("chat", "said", {})
        assert await anext(first) == await anext(second) == Message("jobs", "updated", {"id": 1})
        assert (await anext(other)).event == "said"


async def test_a_closed_subscription_is_forgotten() -> None:
    pubsub = PubSub()
    with pubsub.subscribe("jobs"):
        assert pubsub.has_subscribers("jobs")
    assert not pubsub.has_subscribers("jobs")
    await pubsub.publish("jobs", "updated")


async def test_a_slow_subscriber_loses_the_oldest_and_is_told() -> None:
    pubsub = PubSub()
    with pubsub.subscribe("jobs") as updates:
        for number in range(1000):
            await pubsub.publish("jobs", "updated", {"id": number})
        assert (await anext(updates)).event == LAGGED
        assert (await anext(updates)).data == {"id": 1000 - 256}


async def test_a_waiting_subscriber_wakes_up() -> None:
    pubsub = PubSub()
    with pubsub.subscribe("jobs") as updates:
        waiting = asyncio.ensure_future(anext(updates))
        await asyncio.sleep(0)
        assert not waiting.done()
        await pubsub.publish("jobs", "updated")
        assert (await waiting).event == "updated"


@pytest.fixture
async def pair(redis_url: str) -> AsyncIterator[tuple[PubSub, PubSub]]:
    """Two processes' worth of topics over one Redis, alone under a prefix of their own."""
    prefix = f"onetake:test:{random_hex(64)}:"
    carriers = RedisCarrier(redis_url, prefix), RedisCarrier(redis_url, prefix)
    here, there = PubSub(carriers[0]), PubSub(carriers[1])
    await here.start()
    await there.start()
    for carrier in carriers:
        await carrier.connected.wait()
    yield here, there
    await here.stop()
    await there.stop()


async def test_redis_joins_two_processes_and_delivers_once(pair: tuple[PubSub, PubSub]) -> None:
    here, there = pair
    with here.subscribe("jobs") as local, there.subscribe("jobs") as remote:
        await here.publish("jobs", "updated", {"id": 1, "stage": "转码"})
        await there.publish("jobs", "updated", {"id": 2})
        assert [(await anext(local)).data["id"] for _ in range(2)] == [1, 2]
        assert {(await anext(remote)).data["id"] for _ in range(2)} == {1, 2}


async def test_without_redis_the_process_serves_itself() -> None:
    pubsub = create_pubsub("redis://127.0.0.1:9/0")
    await pubsub.start()
    with pubsub.subscribe("chat") as updates:
        await pubsub.publish("chat", "said", {"text": "hi"})
        assert (await anext(updates)).data == {"text": "hi"}
    await pubsub.stop()


BODIES = st.one_of(
    st.text(),
    st.none(),
    st.integers(),
    st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)).map(
        json.dumps
    ),
    st.builds(lambda data: json.dumps({"origin": "x", "event": "e", "data": data}), st.lists(st.integers())),
)


@given(BODIES)
async def test_anything_on_the_channel_is_survived(body: object) -> None:
    carrier = RedisCarrier("redis://127.0.0.1:9/0")
    parsed = carrier._parse({"type": "pmessage", "channel": "onetake:live:jobs", "data": body})
    assert parsed is None or isinstance(parsed, Message)
    await carrier.stop()
