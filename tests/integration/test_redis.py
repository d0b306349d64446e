"""The Redis adapters on a real Redis that is emptied, killed and frozen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from eventsourcing.utils import resolve_topic
from redis.asyncio import Redis

from adapters.outbound.redis import (
    Link,
    RedisFeed,
    RedisHints,
    RedisPresence,
    RedisSessions,
    RedisWatchers,
    UnawaitedHints,
    connect,
)
from adapters.outbound.redis.progress import KEPT_SECONDS, RedisProgress, key_of
from commands.devices.ports import CutSession, GatewayHint, LaneMoved, LookAtLane, Reconnected
from domain.devices.device import DeviceReleased
from domain.devices.lane import LaneOpened
from domain.kernel.errors import ContractError, HintsUnavailable
from domain.kernel.event import Event
from domain.kernel.recorded import Context, Recorded
from projections.devices.ports import FeedReset
from projections.media.ports import Progress
from tests.support.redis import RedisServer
from tests.support.waiting import eventually

OLD, NEW = "01K0000000000000000000000A", "01K0000000000000000000000B"
CONTEXT = Context(correlation_id="c", causation_id="m", principal="token:t")


def encode(recorded: Recorded) -> dict[str, Any]:
    event = recorded.event
    return {"id": recorded.id, "type": event.TOPIC, "data": event.model_dump(mode="json")}


def decode(cloud_event: dict[str, Any]) -> Recorded:
    if cloud_event["type"] == "devices.from_the_future":
        raise ContractError("unknown type")
    event_type: type[Event] = resolve_topic(cloud_event["type"])
    return Recorded(event_type.model_validate(cloud_event["data"]), CONTEXT, "token")


def opened(device_id: str, version: int = 1) -> Recorded:
    event = LaneOpened(
        originator_id=f"lane-{device_id}",
        originator_version=version,
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        account_id="a1",
        device_version=1,
    )
    return Recorded(event, CONTEXT, "token")


def released(device_id: str) -> Recorded:
    event = DeviceReleased(
        originator_id=f"device-{device_id}",
        originator_version=2,
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        by="token:t",
    )
    return Recorded(event, CONTEXT, "token")


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    server = RedisServer()
    await server.start()
    try:
        yield server
    finally:
        await server.close()


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[Redis]:
    client = connect(server.url)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
def link(client: Redis) -> Link:
    return Link(client)


def sessions_of(link: Link, gateway_id: str, **options: Any) -> RedisSessions:
    return RedisSessions(link, gateway_id=gateway_id, from_cloud_event=decode, **options)


def hints_of(link: Link, origin: str = "") -> RedisHints:
    return RedisHints(link, to_cloud_event=encode, origin_gateway=origin)


async def next_of(items: AsyncIterator[Any], within: float = 5) -> Any:
    async with asyncio.timeout(within):
        return await anext(items)


async def nothing_more(items: AsyncIterator[Any]) -> bool:
    try:
        await next_of(items, within=0.05)
    except TimeoutError:
        return True
    return False


async def back(call: Callable[[], Any], within: float = 5) -> Any:
    """Repeat a call until Redis is not away any more."""
    async with asyncio.timeout(within):
        while True:
            try:
                return await call()
            except HintsUnavailable:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def listening(sessions: RedisSessions) -> AsyncIterator[AsyncIterator[GatewayHint]]:
    async with sessions.hints() as hints:
        yield hints


async def test_a_lane_event_reaches_the_gateway_that_serves_the_device(link: Link) -> None:
    here, elsewhere = sessions_of(link, "g1"), sessions_of(link, "g2")
    await here.connected("d1", OLD, "a1")
    async with listening(here) as hints, listening(elsewhere) as others:
        await hints_of(link).committed([opened("d1")], account_id="a1")
        hint = await next_of(hints)
        assert isinstance(hint, LaneMoved)
        assert hint.event == opened("d1").event
        assert await nothing_more(others)


async def test_a_gateway_is_not_told_of_its_own_commits(link: Link) -> None:
    sessions = sessions_of(link, "g1")
    await sessions.connected("d1", OLD, "a1")
    async with listening(sessions) as hints:
        await hints_of(link, origin="g1").committed([opened("d1", 1)], account_id="a1")
        await hints_of(link, origin="g2").committed([opened("d1", 2)], account_id="a1")
        assert (await next_of(hints)).event.originator_version == 2


async def test_a_released_device_is_cut_off(link: Link) -> None:
    sessions = sessions_of(link, "g1")
    await sessions.connected("d1", OLD, "a1")
    async with listening(sessions) as hints:
        await hints_of(link).committed([released("d1"), opened("d1")], account_id="a1")
        assert await next_of(hints) == CutSession("d1", None)
        assert isinstance(await next_of(hints), LaneMoved)


async def test_a_nudge_asks_for_a_look_at_the_lanes_that_are_served(link: Link) -> None:
    sessions = sessions_of(link, "g1")
    await sessions.connected("d1", OLD, "a1")
    async with listening(sessions) as hints:
        await hints_of(link).nudge(["d0", "d1"])
        assert await next_of(hints) == LookAtLane("d1")


async def test_an_event_of_a_newer_release_becomes_a_look(link: Link, client: Redis) -> None:
    sessions = sessions_of(link, "g1")
    body = {"type": "event", "device_id": "d1", "event": {"type": "devices.from_the_future"}}
    async with listening(sessions) as hints:
        await client.publish("homecast:gateway:g1", b"no json")
        await client.publish("homecast:gateway:g1", orjson.dumps(body))
        assert await next_of(hints) == LookAtLane("d1")


async def test_a_newer_session_elsewhere_cuts_the_older_one(link: Link) -> None:
    first, second = sessions_of(link, "g1"), sessions_of(link, "g2")
    async with listening(first) as hints:
        await first.connected("d1", OLD, "a1")
        await second.connected("d1", NEW, "a1")
        assert await next_of(hints) == CutSession("d1", OLD)


async def test_an_older_session_never_replaces_a_newer_one(link: Link) -> None:
    late, there = sessions_of(link, "g1"), sessions_of(link, "g2")
    async with listening(late) as to_late, listening(there) as to_there:
        await there.connected("d1", NEW, "a1")
        await late.connected("d1", OLD, "a1")
        assert await next_of(to_late) == CutSession("d1", OLD)
        await hints_of(link).nudge(["d1"])
        assert await next_of(to_there) == LookAtLane("d1")


async def test_a_session_that_has_left_keeps_nobody_out(link: Link) -> None:
    there, here = sessions_of(link, "g1"), sessions_of(link, "g2")
    await there.connected("d1", NEW, "a1")
    assert await here.routed("d1") == NEW
    await there.disconnected("d1", NEW, "a1")
    async with listening(here) as hints:
        await here.connected("d1", OLD, "a1")
        await hints_of(link).nudge(["d1"])
        assert await next_of(hints) == LookAtLane("d1")
    assert await here.routed("d1") == OLD
    assert await here.routed("d2") is None


async def test_a_late_disconnect_of_an_old_session_changes_nothing(link: Link) -> None:
    first, second, presence = sessions_of(link, "g1"), sessions_of(link, "g2"), RedisPresence(link)
    await second.alive()
    await first.connected("d1", OLD, "a1")
    await second.connected("d1", NEW, "a1")
    await first.disconnected("d1", OLD, "a1")
    async with listening(second) as hints:
        await hints_of(link).nudge(["d1"])
        assert await next_of(hints) == LookAtLane("d1")
    assert await presence.online(["d1"]) == {"d1": True}


async def test_a_device_counts_as_online_for_ten_seconds_after_it_left(
    link: Link, client: Redis
) -> None:
    sessions, presence = sessions_of(link, "g1"), RedisPresence(link)
    await sessions.connected("d1", OLD, "a1")
    await sessions.disconnected("d1", OLD, "a1")
    assert await presence.online(["d1", "d2"]) == {"d1": True, "d2": False}
    assert 9_000 < await client.pttl("homecast:presence:d1") <= 10_000


async def test_a_device_is_offline_once_its_grace_is_over(link: Link) -> None:
    sessions, presence = sessions_of(link, "g1", grace_ms=20), RedisPresence(link)
    await sessions.alive()
    await sessions.connected("d1", OLD, "a1")
    await sessions.disconnected("d1", OLD, "a1")

    async def offline() -> bool:
        return not (await presence.online(["d1"]))["d1"]

    await eventually(offline, within=5, every=0.01)


async def test_coming_back_within_the_grace_ends_it(link: Link, client: Redis) -> None:
    sessions = sessions_of(link, "g1")
    await sessions.connected("d1", OLD, "a1")
    await sessions.disconnected("d1", OLD, "a1")
    await sessions.connected("d1", NEW, "a1")
    assert await client.pttl("homecast:presence:d1") == -1


async def test_devices_of_a_dead_gateway_are_offline(link: Link, client: Redis) -> None:
    sessions, presence = sessions_of(link, "g1"), RedisPresence(link)
    devices = [f"d{n}" for n in range(600)]
    for device in devices:
        await sessions.connected(device, OLD, "a1")
    await sessions.alive()
    assert all((await presence.online(devices)).values())
    await client.delete("homecast:alive:g1")
    assert not any((await presence.online(devices)).values())


async def test_a_gateway_learns_that_redis_was_emptied(link: Link, client: Redis) -> None:
    sessions = sessions_of(link, "g1")
    assert await sessions.alive() is False
    assert await sessions.alive() is True
    await client.flushall()
    assert await sessions.alive() is False
    assert await sessions.alive() is True


async def test_a_gateway_registers_again_after_a_heartbeat_without_answer(
    link: Link, server: RedisServer
) -> None:
    sessions = sessions_of(link, "g1")
    await sessions.alive()
    await server.kill()
    with pytest.raises(HintsUnavailable):
        await sessions.alive()
    await server.start()
    assert await back(sessions.alive) is False
    assert await sessions.alive() is True


async def test_hints_come_again_after_a_restart_of_redis_which_is_told(
    link: Link, server: RedisServer
) -> None:
    sessions = sessions_of(link, "g1")
    async with listening(sessions) as hints:
        await server.restart()
        assert await next_of(hints) == Reconnected()
        await back(lambda: sessions.connected("d1", OLD, "a1"))
        await hints_of(link).nudge(["d1"])
        assert await next_of(hints) == LookAtLane("d1")


async def test_a_gateway_that_starts_without_redis_is_told_when_it_is_there(
    link: Link, server: RedisServer
) -> None:
    await server.kill()
    async with listening(sessions_of(link, "g1")) as hints:
        await server.start()
        assert await next_of(hints) == Reconnected()


async def test_a_lost_redis_costs_a_commit_little_time_and_no_error(
    link: Link, server: RedisServer
) -> None:
    hints = hints_of(link)
    await hints.committed([opened("d1")], account_id="a1")
    server.freeze()
    loop = asyncio.get_running_loop()
    started = loop.time()
    await hints.committed([opened("d1")], account_id="a1")
    assert loop.time() - started < 0.3
    for _ in range(5):
        await hints.committed([opened("d1")], account_id="a1")
    started = loop.time()
    for _ in range(50):
        await hints.nudge(["d1"])
    assert loop.time() - started < 0.3, "the circuit breaker should skip the calls"
    server.thaw()


async def test_a_lost_redis_is_an_error_to_whoever_asks_for_presence(
    link: Link, server: RedisServer
) -> None:
    await server.kill()
    with pytest.raises(HintsUnavailable):
        await RedisPresence(link).online(["d1"])


async def test_a_feed_brings_events_and_word_of_its_account_only(link: Link, client: Redis) -> None:
    watchers = RedisWatchers(link)
    async with RedisFeed(client) as feed, feed.watch("a1") as messages:
        await watchers.tell("a2", {"type": "presence", "device_id": "d9", "online": True})
        await watchers.tell("a1", {"type": "presence", "device_id": "d1", "online": True})
        await hints_of(link).committed([opened("d1")], account_id="a1")
        assert (await next_of(messages))["device_id"] == "d1"
        assert await next_of(messages) == {"type": "event", "event": encode(opened("d1"))}


async def test_two_watchers_of_an_account_get_the_same(link: Link, client: Redis) -> None:
    async with RedisFeed(client) as feed, feed.watch("a1") as one:
        async with feed.watch("a1") as two:
            await RedisWatchers(link).tell("a1", {"type": "twin"})
            assert await next_of(one) == await next_of(two) == {"type": "twin"}
        await RedisWatchers(link).tell("a1", {"type": "progress"})
        assert await next_of(one) == {"type": "progress"}
        async with feed.watch("a1"):
            assert await nothing_more(one), "a second watcher is no loss to the first"


async def test_an_account_can_be_watched_again_after_all_have_left(
    link: Link, client: Redis
) -> None:
    async with RedisFeed(client) as feed:
        for _ in range(3):
            async with feed.watch("a1") as messages:
                await RedisWatchers(link).tell("a1", {"type": "twin"})
                assert await next_of(messages) == {"type": "twin"}


async def test_a_feed_says_when_it_may_have_missed_something(
    link: Link, client: Redis, server: RedisServer
) -> None:
    async with RedisFeed(client) as feed, feed.watch("a1") as messages:
        await server.restart()
        assert await next_of(messages) == FeedReset()
        await back(lambda: link.call(client.ping))
        await RedisWatchers(link).tell("a1", {"type": "twin"})
        assert await next_of(messages) == {"type": "twin"}


async def test_a_slow_watcher_gets_a_reset_instead_of_memory(link: Link, client: Redis) -> None:
    async with RedisFeed(client, waiting=10) as feed, feed.watch("a1") as messages:
        async with feed.watch("end") as end:
            for number in range(25):
                await RedisWatchers(link).tell("a1", {"type": "twin", "n": number})
            await RedisWatchers(link).tell("end", {})
            await next_of(end)
        assert await next_of(messages) == FeedReset()
        rest = [(await next_of(messages)) for _ in range(4)]
        assert [message["n"] for message in rest] == [21, 22, 23, 24]


async def test_progress_is_a_hint_that_may_be_lost_and_never_an_error(
    server: RedisServer, client: Redis, link: Link
) -> None:
    hints = RedisProgress(link)
    await hints.tell("a", Progress("TRANSCODING", 40))
    await hints.tell("a", Progress("UPLOADING", 5))
    await hints.tell("b", Progress("PROBING", 0))
    await client.set(key_of("c"), "of another version")
    assert await hints.of(["a", "b", "c", "d", "a"]) == {
        "a": Progress("UPLOADING", 5),
        "b": Progress("PROBING", 0),
    }
    assert 0 < await client.ttl(key_of("a")) <= KEPT_SECONDS
    assert await hints.of([]) == {}
    await server.kill()
    await hints.tell("a", Progress("UPLOADING", 6))
    assert await hints.of(["a"]) == {}


class SlowHints:
    """Leaves when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.told: list[str | None] = []

    async def committed(self, recorded: Any, *, account_id: str | None) -> None:
        await self.go.wait()
        self.told.append(account_id)


async def test_unawaited_hints_keep_nobody_waiting_and_leave_before_the_end() -> None:
    slow = SlowHints()
    hints = UnawaitedHints(slow)  # type: ignore[arg-type]
    for account in ("a", "b"):
        async with asyncio.timeout(1):
            await hints.committed([], account_id=account)
    assert slow.told == []
    slow.go.set()
    await hints.settled()
    assert slow.told == ["a", "b"]


async def test_unawaited_hints_are_dropped_beyond_their_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.outbound.redis.hints.WAITING_COMMITS", 1)
    slow = SlowHints()
    hints = UnawaitedHints(slow)  # type: ignore[arg-type]
    await hints.committed([], account_id="kept")
    await hints.committed([], account_id="dropped")
    slow.go.set()
    await hints.settled()
    assert slow.told == ["kept"]
