from __future__ import annotations

from adapters.inbound.http.limits import TokenLimits
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
