from __future__ import annotations

import asyncio

import pytest

from adapters.inbound.http.errors import RateLimited
from adapters.inbound.http.limits import FAILURES, FailureLimits, TokenLimits, network_of
from commands.accounts.tokens import InvalidToken
from tests.unit.http.test_devices import code_of
from tests.unit.http.world import Client, FakeClock, FakeCounters, World


async def spend(limits: TokenLimits, times: int) -> int:
    """How many of these requests were allowed."""
    return sum([(await limits.take("t")).allowed for _ in range(times)])


async def test_a_token_over_its_limit_is_told_when_to_come_back() -> None:
    world = World(rate=3)
    async with world.app() as app:
        client = Client(app, await world.token())
        answers = [await client.get("/v1/devices") for _ in range(4)]
        assert [one.status_code for one in answers] == [200, 200, 200, 429]
        assert code_of(answers[3]) == "rate_limited"
        assert answers[0].headers["ratelimit-policy"] == '"token";q=3;w=60'
        assert answers[0].headers["ratelimit"] == '"token";r=2;t=60'
        assert answers[3].headers["ratelimit"] == '"token";r=0;t=60'
        assert answers[3].headers["retry-after"] == "60"
        other = Client(app, await world.token())
        assert (await other.get("/v1/devices")).status_code == 200
        world.clock.advance(60)
        assert (await client.get("/v1/devices")).status_code == 200


async def test_processes_share_one_limit() -> None:
    counters, clock = FakeCounters(), FakeClock()
    processes = [TokenLimits(counters, clock, per_minute=30) for _ in range(2)]
    assert sum([await spend(one, 20) for one in processes]) == 30


async def test_few_requests_pay_a_round_trip() -> None:
    counters = FakeCounters()
    limits = TokenLimits(counters, FakeClock(), per_minute=600)
    assert await spend(limits, 700) == 600
    assert counters.calls == 60


async def test_without_redis_each_process_grants_the_limit_by_itself() -> None:
    counters = FakeCounters()
    limits = TokenLimits(counters, FakeClock(), per_minute=30)
    assert await spend(limits, 10) == 10
    counters.away = True
    assert await spend(limits, 40) == 20


async def test_what_is_remembered_is_bounded(monkeypatch: object) -> None:
    limits = TokenLimits(FakeCounters(), FakeClock(), per_minute=30)
    for number in range(10_100):
        await limits.take(str(number))
    assert len(limits._windows) == 10_000


async def fail(limits: FailureLimits, address: str, times: int) -> int:
    """How many of these attempts were let through."""
    let_through = 0
    for _ in range(times):
        try:
            async with limits.attempt(address):
                let_through += 1
                raise InvalidToken
        except (InvalidToken, RateLimited):
            pass
    return let_through


async def test_failed_attempts_are_counted_by_address_and_forgiven_with_time() -> None:
    limits = FailureLimits()
    assert await fail(limits, "192.0.2.1", 100) == FAILURES
    assert await fail(limits, "192.0.2.2", 1) == 1
    bucket = limits._bucket("192.0.2.1")
    bucket._at -= 10
    assert await fail(limits, "192.0.2.1", 100) == FAILURES / 6


async def test_attempts_that_succeed_are_free() -> None:
    limits = FailureLimits()
    for _ in range(FAILURES * 2):
        async with limits.attempt("192.0.2.1"):
            await asyncio.sleep(0)


async def test_addresses_are_remembered_within_bounds() -> None:
    limits = FailureLimits(size=3)
    for number in range(5):
        await fail(limits, f"192.0.2.{number}", 1)
    assert list(limits._buckets) == ["192.0.2.2", "192.0.2.3", "192.0.2.4"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "", True),
    ],
)
def test_a_client_is_known_by_what_it_cannot_change(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same
