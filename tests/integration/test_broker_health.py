"""Numbers of brokers on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from adapters.outbound.redis import Link, RedisBrokerHealth, connect
from adapters.outbound.redis.broker_health import (
    BROKERS,
    KEPT_SECONDS,
    LONGEST_ERROR,
    MOST_BUFFERED,
    error_key,
    minute_key,
)
from tests.support.redis import RedisServer
from tests.support.waiting import eventually

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Times:
    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


@pytest.fixture
async def client(redis: RedisServer) -> AsyncIterator[Redis]:
    client = connect(redis.url)
    yield client
    await client.aclose()


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def health(client: Redis, times: Times) -> RedisBrokerHealth:
    return RedisBrokerHealth(Link(client), times)


async def test_what_was_counted_is_read_by_every_process(
    client: Redis, times: Times, health: RedisBrokerHealth
) -> None:
    other = RedisBrokerHealth(Link(client), times)
    for process in (health, other):
        for _ in range(4):
            process.record("b", "fill", 40)
        process.record("b", "no_ad", 60)
        process.record("a", "timeout", 3_000, "remote_timeout")
        await process.flush()
    a, b = await health.read()
    assert (a.broker, a.status, a.requests, a.timeout_rate) == ("a", "down", 2, 1.0)
    assert a.last_error is not None
    assert (a.last_error.text, a.last_error.at) == ("remote_timeout", NOON)
    assert (b.broker, b.status, b.requests, b.fill_rate) == ("b", "ok", 10, 0.8)
    assert (b.mean_ms, b.last_error) == (44, None)
    assert b.p50_ms is not None
    assert 25 <= b.p50_ms <= 50


async def test_a_status_is_of_the_last_minutes_and_the_rest_of_the_hour_is_kept(
    times: Times, health: RedisBrokerHealth
) -> None:
    for _ in range(10):
        health.record("b", "error", 10, "remote_unavailable")
    times.at += timedelta(minutes=6)
    health.record("b", "fill", 10)
    await health.flush()
    [b] = await health.read()
    assert (b.status, b.requests, b.hour.requests, b.hour.errors) == ("ok", 1, 11, 10)
    times.at += timedelta(minutes=59)
    [b] = await health.read()
    assert (b.status, b.requests, b.hour.requests) == ("idle", 0, 1)
    times.at += timedelta(minutes=1)
    assert await health.read() == []


async def test_all_keys_go_by_themselves(client: Redis, health: RedisBrokerHealth) -> None:
    health.record("b", "error", 10, "x" * 1_000)
    await health.flush()
    minute = int(NOON.timestamp() // 60)
    keys = {key.decode() for key in await client.keys() if isinstance(key, bytes)}
    assert keys == {BROKERS, minute_key("b", minute), error_key("b")}
    for key in keys:
        assert 0 < await client.ttl(key) <= KEPT_SECONDS
    [b] = await health.read()
    assert b.last_error is not None
    assert b.last_error.text == "x" * LONGEST_ERROR


async def test_a_lost_redis_loses_numbers_and_nothing_else(
    redis: RedisServer, health: RedisBrokerHealth
) -> None:
    health.record("b", "fill", 10)
    await redis.kill()
    await health.flush()
    assert await health.read() == []
    await redis.start()

    async def counted() -> bool:
        health.record("b", "fill", 10)
        await health.flush()
        return bool(await health.read())

    await eventually(counted, within=10, what="numbers after the outage")


async def test_the_task_sends_again_and_again_and_once_more_at_its_end(
    client: Redis, times: Times
) -> None:
    health = RedisBrokerHealth(Link(client), times, every=0.01)
    task = asyncio.create_task(health.run())
    health.record("b", "fill", 10)
    await eventually(health.read, within=5, what="the first sending")
    health.record("b", "fill", 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    [b] = await health.read()
    assert b.requests == 2


async def test_what_waits_to_be_sent_is_bounded(client: Redis, health: RedisBrokerHealth) -> None:
    for n in range(MOST_BUFFERED + 10):
        health.record(f"broker-{n}", "error", 10)
    await health.flush()
    assert await client.zcard(BROKERS) == MOST_BUFFERED
