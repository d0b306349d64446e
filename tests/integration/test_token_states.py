"""The memory of tokens that processes share, on a real Redis that is killed, emptied and frozen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.inbound.http.app import create_app
from adapters.outbound.memory.token_states import MemoryTokenStates
from adapters.outbound.redis import Link, connect
from adapters.outbound.redis.names import token_key
from adapters.outbound.redis.token_states import RedisTokenStates
from commands.accounts.bearers import VaultRevocations
from commands.accounts.token_family import ACCESS_LIFETIME
from commands.accounts.token_states import TOMBSTONES_STAND, TRUSTED_FOR, State, TokenStates
from commands.accounts.tokens import SCOPES
from domain.kernel.errors import HintsUnavailable
from tests.support import grants
from tests.support.grants import Grant, Heard
from tests.support.redis import RedisServer
from tests.support.waiting import eventually
from tests.unit.http.streams import live
from tests.unit.http.test_devices import code_of
from tests.unit.http.world import ACCOUNT, START, Client, DeviceKey, World

KEY = "grant#01JDEMQ0000000000000000001"


@asynccontextmanager
async def connected(server: RedisServer) -> AsyncIterator[RedisTokenStates]:
    """As one more process has it."""
    client = connect(server.url)
    try:
        states = RedisTokenStates(Link(client))
        async with states.running():
            yield states
    finally:
        await client.aclose()


@pytest.fixture
async def client(redis: RedisServer) -> AsyncIterator[Redis]:
    client = connect(redis.url)
    yield client
    await client.aclose()


@pytest.fixture(params=["memory", "redis"])
async def states(request: pytest.FixtureRequest, redis: RedisServer) -> AsyncIterator[TokenStates]:
    if request.param == "memory":
        yield MemoryTokenStates()
        return
    async with connected(redis) as states:
        yield states


def state(version: int, seconds: float = TRUSTED_FOR) -> State:
    return State(version, b"v%d" % version, seconds)


# --- the contract ---------------------------------------------------------------------------------


async def test_what_is_not_there_is_none(states: TokenStates) -> None:
    assert await states.get(KEY) is None


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
async def test_in_any_order_of_fills_the_newest_stands(
    states: TokenStates, order: tuple[int, ...]
) -> None:
    newest = 0
    for version in order:
        newest = max(newest, version)
        assert (await states.fill(KEY, state(version))).version == newest
    held = await states.get(KEY)
    assert held is not None
    assert (held.version, held.text) == (3, b"v3")
    assert 0 < held.seconds <= TRUSTED_FOR


@pytest.mark.parametrize("place", range(4))
async def test_nothing_stands_up_again_wherever_the_revocation_comes(
    states: TokenStates, place: int
) -> None:
    for version in range(1, 4):
        if place == version - 1:
            await states.bury([KEY])
        await states.fill(KEY, state(version))
    if place == 3:
        await states.bury([KEY])
    late = await states.fill(KEY, state(99))
    held = await states.get(KEY)
    assert held is not None
    assert (late.text, held.text) == (None, None)


async def test_a_fill_lasts_as_long_as_it_may_still_be_trusted(states: TokenStates) -> None:
    await states.fill(KEY, state(1, 20))
    await states.fill(KEY, state(1, 10))
    held = await states.get(KEY)
    assert held is not None
    assert 10 < held.seconds <= 20, "the same, trusted for longer by another"
    await states.fill(KEY, state(2, 10))
    held = await states.get(KEY)
    assert held is not None
    assert held.seconds <= 10


async def test_what_may_be_trusted_no_more_is_not_kept(states: TokenStates) -> None:
    late = await states.fill(KEY, state(1, -0.5))
    assert late.version == 1
    assert await states.get(KEY) is None


async def test_grants_and_tokens_are_buried_by_what_names_them(states: TokenStates) -> None:
    heard = Heard()
    end = states.listen(heard)
    await states.told(["01JDEMQ0000000000000000001"])
    await states.told_tokens(["ab" * 32])
    await states.told([])
    for key in (KEY, "token#" + "ab" * 32):
        held = await states.get(key)
        assert held is not None
        assert held.text is None
    assert set(heard.revocations) == {KEY, "token#" + "ab" * 32}
    end()
    await states.told(["01JDEMQ0000000000000000002"])
    assert len(set(heard.revocations)) == 2


async def test_fills_and_a_revocation_that_race_leave_it_revoked(redis: RedisServer) -> None:
    async with AsyncExitStack() as stack:
        several = [await stack.enter_async_context(connected(redis)) for _ in range(3)]
        for number in range(30):
            key = f"grant#{number}"
            fills = [one.fill(key, state(version)) for version, one in enumerate(several, 1)]
            await asyncio.gather(*fills[:2], several[2].bury([key]), *fills[2:])
            held = await several[0].get(key)
            assert held is not None
            assert held.text is None


async def test_what_was_changed_takes_the_place_of_what_was_before(states: TokenStates) -> None:
    heard = Heard()
    states.listen(heard)
    await states.fill(KEY, state(1))
    await states.replace(KEY, state(2))
    assert (await states.fill(KEY, state(1))).version == 2
    assert set(heard.changes) == {KEY}
    await states.bury([KEY])
    await states.replace(KEY, state(3))
    held = await states.get(KEY)
    assert held is not None
    assert held.text is None


# --- Redis ----------------------------------------------------------------------------------------


async def test_a_tombstone_outlives_every_access_token(redis: RedisServer, client: Redis) -> None:
    assert ACCESS_LIFETIME + timedelta(seconds=TRUSTED_FOR) < TOMBSTONES_STAND
    async with connected(redis) as states:
        await states.fill(KEY, state(1))
        await states.bury([KEY])
    left = await client.pttl(token_key(KEY))
    whole = TOMBSTONES_STAND.total_seconds() * 1000
    assert whole - 10_000 < left <= whole


async def test_many_are_buried_in_parts(redis: RedisServer) -> None:
    keys = [f"grant#{number}" for number in range(1_201)]
    heard = Heard()
    async with connected(redis) as here, connected(redis) as there:
        there.listen(heard)
        await here.bury(keys)

        async def told() -> bool:
            return len(heard.revocations) == len(keys)

        await eventually(told, within=5)
        last = await there.get(keys[-1])
        assert last is not None
        assert last.text is None


async def test_without_redis_nothing_is_claimed_and_nothing_raised_by_a_revocation(
    redis: RedisServer,
) -> None:
    heard = Heard()
    async with connected(redis) as states:
        states.listen(heard)
        await redis.kill()
        with pytest.raises(HintsUnavailable):
            await states.get(KEY)
        with pytest.raises(HintsUnavailable):
            await states.fill(KEY, state(1))
        await states.told(["01JDEMQ0000000000000000001"])
        assert heard.revocations == [KEY], "this process knows at least"


async def test_after_a_break_processes_are_told_that_they_may_have_missed_something(
    redis: RedisServer,
) -> None:
    heard = Heard()
    async with connected(redis) as states:
        states.listen(heard)
        await redis.restart()

        async def told() -> bool:
            return heard.breaks > 0

        await eventually(told, within=10)


@pytest.mark.parametrize("message", [b"\xff", b"7", b'["grant#x"]', b'{"revoked": 7}'])
async def test_a_message_that_nobody_understands_counts_as_missed(
    redis: RedisServer, client: Redis, message: bytes
) -> None:
    heard = Heard()
    async with connected(redis) as states:
        states.listen(heard)
        await client.publish("homecast:revocations", message)

        async def told() -> bool:
            return heard.breaks > 0

        await eventually(told, within=5)


# --- two APIs -------------------------------------------------------------------------------------


class Api:
    """An instance: its own process memory, the vault and Redis of all."""

    def __init__(self, world: World, states: RedisTokenStates) -> None:
        self.world = world
        self.app = create_app(world)
        self.states = states

    @property
    def tokens(self) -> Any:
        return self.app.state.parts.tokens

    async def get(self, token: str, path: str = "/v1/devices") -> str:
        answer = await Client(self.app, token).get(path)
        return "ok" if answer.status_code == 200 else code_of(answer)


@pytest.fixture
async def apis(redis: RedisServer) -> AsyncIterator[tuple[Api, Api]]:
    async with AsyncExitStack() as stack:
        made: list[Api] = []
        for _ in range(2):
            states: Any = await stack.enter_async_context(connected(redis))
            world = World()
            if made:
                world.vault = made[0].world.vault
            world.token_states = states
            api = Api(world, states)
            await stack.enter_async_context(api.app.router.lifespan_context(api.app))
            made.append(api)
        yield made[0], made[1]


async def granted(api: Api, **more: Any) -> Grant:
    wishes: dict[str, Any] = {"account_id": ACCOUNT, "scopes": SCOPES, "now": START, **more}
    return await grants.give(api.world.vault, api.world.ids.new(), **wishes)


async def test_a_revocation_in_one_api_ends_streams_and_requests_in_the_other(
    apis: tuple[Api, Api],
) -> None:
    here, there = apis
    grant, other = await granted(here), await granted(here)
    assert await there.get(grant.token) == "ok"
    async with live(there.app, grant.token) as stream, live(there.app, other.token) as others:
        await stream.next("snapshot")
        await others.next("snapshot")
        await grant.revoke(here.states)
        async with asyncio.timeout(5):
            await stream.ended.wait()
        assert not others.ended.is_set()
    assert await there.get(grant.token) == await here.get(grant.token) == "invalid_token"
    assert await there.get(other.token) == "ok"


async def test_one_token_of_a_grant_is_taken_back_and_its_stream_ends(
    apis: tuple[Api, Api],
) -> None:
    here, there = apis
    grant = await granted(here)
    other = await grant.another(START)
    for token in (grant.token, other):
        assert await there.get(token) == "ok"
    async with live(there.app, grant.token) as stream, live(there.app, other) as others:
        await stream.next("snapshot")
        await others.next("snapshot")
        await grants.take_back(here.world.vault, grant, grant.token)
        await VaultRevocations(here.world.vault, here.states).changed([grant.id])
        async with asyncio.timeout(5):
            await stream.ended.wait()
        assert not others.ended.is_set()
    for api in apis:
        assert await api.get(grant.token) == "invalid_token"
        assert await api.get(other) == "ok"


async def test_a_personal_token_goes_the_same_way(apis: tuple[Api, Api]) -> None:
    from commands.accounts import tokens

    here, there = apis
    token = await here.world.token()
    [held] = await tokens.list_tokens(here.world.vault)
    async with live(there.app, token) as stream:
        await stream.next("snapshot")
        await tokens.revoke_token(here.world.vault, held.token_id, revocations=here.states)
        async with asyncio.timeout(5):
            await stream.ended.wait()
    assert await there.get(token) == "invalid_token"


async def test_a_long_wait_ends_with_the_token(apis: tuple[Api, Api]) -> None:
    here, there = apis
    grant = await granted(here)
    client, lamp = Client(there.app, grant.token), DeviceKey()
    assert (await client.claim(lamp)).status_code == 201
    waiting = asyncio.create_task(client.submit(lamp.id, wait=25))

    async def waits() -> bool:
        return bool(there.tokens._watchers)

    await eventually(waits, within=5)
    await grant.revoke(here.states)
    async with asyncio.timeout(5):
        answer = await waiting
    assert (answer.status_code, code_of(answer)) == (401, "invalid_token")


async def test_without_redis_a_revoked_token_is_refused_within_30_s(
    apis: tuple[Api, Api], redis: RedisServer
) -> None:
    here, there = apis
    grant, time = await granted(here), [1000.0]
    for api in apis:
        api.tokens._now = lambda: time[0]
    await redis.kill()
    assert await there.get(grant.token) == "ok", "the vault is read"
    await grant.revoke(here.states)
    assert await here.get(grant.token) == "invalid_token", "where it was revoked: at once"
    time[0] += TRUSTED_FOR - 0.01
    assert await there.get(grant.token) == "ok"
    time[0] += 0.01
    assert await there.get(grant.token) == "invalid_token"


async def test_a_process_that_starts_again_knows_what_was_revoked(
    apis: tuple[Api, Api], redis: RedisServer
) -> None:
    here, _ = apis
    grant = await granted(here)
    assert await here.get(grant.token) == "ok"
    held = await here.world.vault.get(grant.key)
    assert held is not None
    await here.states.told([grant.id])  # the vault still has it: only the tombstone refuses
    async with connected(redis) as states:
        world: Any = World()
        world.vault, world.token_states = here.world.vault, states
        assert await Api(world, states).get(grant.token) == "invalid_token"


async def test_an_emptied_redis_takes_nothing_from_the_vault_s_word(
    apis: tuple[Api, Api], redis: RedisServer
) -> None:
    here, there = apis
    gone, kept = await granted(here), await granted(here)
    for grant in (gone, kept):
        assert await there.get(grant.token) == "ok"
    await gone.revoke(here.states)
    await redis.restart()

    async def back() -> bool:
        return await there.get(kept.token) == "ok"

    await eventually(back, within=10)
    assert await there.get(gone.token) == "invalid_token"
