"""The gateway over real sockets and a real Redis: what devices are promised, and the races."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.exceptions import InvalidStatus

from adapters.inbound.cli.device_client import connect_token, signed
from adapters.inbound.gateway.protocol import MAX_MESSAGE, Close
from adapters.outbound.redis import RedisFeed
from domain.devices.lane import CommandNotCancelable
from domain.devices.remote_command import (
    RemoteCommandFailed,
    RemoteCommandSucceeded,
)
from projections.devices.ports import FeedReset
from tests.support.gateway import (
    ACCOUNT,
    DEADLINE,
    QUICK,
    TRACE,
    RawDevice,
    RunningGateway,
    World,
    open_socket,
)
from tests.support.redis import RedisServer
from tests.support.waiting import eventually

Key = Ed25519PrivateKey


async def status_of(url: str, token: str) -> int:
    with pytest.raises(InvalidStatus) as refused:
        await open_socket(url, token)
    return refused.value.response.status_code


# --- the usual life -------------------------------------------------------------------------------


async def test_what_was_queued_comes_in_number_order_after_the_welcome(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    numbers = [await world.submit(device_id) for _ in range(3)]
    async with gateway.device(key) as device:
        for number in numbers:
            await device.command(number)


async def test_a_command_for_a_connected_device_is_sent_at_once_and_its_answer_stored(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        number = await world.submit(device_id, "LevelControl.MoveToLevel", args={"level": 7})
        command = await device.command(number)
        assert command["command"] == "LevelControl.MoveToLevel"
        assert command["args"] == {"level": 7, "transition_time": 0}
        await device.succeed(number, result={"level": 7, "nothing": None})
        assert await world.history(device_id, number) == ["Accepted", "Sent", "Succeeded"]


async def test_the_trace_and_the_correlation_go_to_the_device_and_come_back(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        number = await world.submit(device_id)
        command = await device.command(number)
        assert (command["trace"], command["correlation_id"]) == (TRACE, "asked")
        await device.succeed(number)
    accepted, sent, succeeded = await world.events(device_id, number)
    assert sent.context.correlation_id == succeeded.context.correlation_id == "asked"
    assert sent.context.causation_id == accepted.id
    assert succeeded.context.causation_id == sent.id
    assert succeeded.context.principal == f"device:{device_id}"
    assert succeeded.context.trace == TRACE


async def test_results_may_come_in_any_order_and_fail(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        first, second = [await world.submit(device_id) for _ in range(2)]
        await device.command(first)
        await device.command(second)
        await device.say(type="result", number=second, status="FAILED", error="stuck", detail="x")
        await device.receive("ack", number=second)
        await device.succeed(first)
    failed = (await world.events(device_id, second))[-1].event
    assert isinstance(failed, RemoteCommandFailed)
    assert (failed.error, failed.detail) == ("stuck", "x")


async def test_a_repeated_result_is_acknowledged_and_changes_nothing(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        number = await world.submit(device_id)
        await device.command(number)
        await device.succeed(number)
        await device.say(type="result", number=number, status="FAILED", error="no")
        await device.receive("ack", of="result", number=number)
    assert await world.history(device_id, number) == ["Accepted", "Sent", "Succeeded"]


async def test_the_first_progress_is_an_event_and_the_others_reach_the_watchers(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with (
        RedisFeed(world.link.client) as feed,
        feed.watch(ACCOUNT) as messages,
        gateway.device(key) as device,
    ):
        number = await world.submit(device_id)
        await device.command(number)
        for percent in (10, 60):
            await device.say(type="progress", number=number, percent=percent)
            await device.receive("ack", of="progress", number=number)
        told = await heard(messages, "progress")
        assert (told["number"], told["percent"]) == (number, 60)
    assert await world.history(device_id, number) == ["Accepted", "Sent", "Progressed"]


async def heard(messages: AsyncIterator[dict[str, Any] | FeedReset], kind: str) -> dict[str, Any]:
    """The next message of a type in an account's feed."""
    async with asyncio.timeout(DEADLINE):
        async for message in messages:
            if isinstance(message, dict) and message["type"] == kind:
                return message
    raise AssertionError


# --- order and window -----------------------------------------------------------------------------


async def test_at_most_eight_commands_are_unacknowledged(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    numbers = [await world.submit(device_id) for _ in range(11)]
    async with gateway.device(key) as device:
        for number in numbers[:8]:
            await device.command(number)
        assert await device.hears_nothing()
        await device.say(type="receipt", number=numbers[4])
        await device.receive("ack", of="receipt", number=numbers[4])
        await device.command(numbers[8])
        assert await device.hears_nothing()
        await device.succeed(numbers[0])
        await device.command(numbers[9])


async def test_a_head_without_answer_closes_the_session_and_comes_again(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        first, second = [await world.submit(device_id) for _ in range(2)]
        await device.command(first)
        await device.command(second)
        await device.say(type="receipt", number=second)
        assert await device.closed() == Close.UNACKNOWLEDGED
    async with gateway.device(key) as device:
        await device.command(first, attempt=2)
        await device.command(second, attempt=2)
        await device.succeed(second)
        await device.succeed(first)


async def test_a_receipt_keeps_a_slow_command_from_closing_the_session(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        number = await world.submit(device_id)
        await device.command(number)
        await device.say(type="receipt", number=number)
        await device.receive("ack", of="receipt")
        assert await device.hears_nothing(QUICK.head * 1.5)
        await device.succeed(number)


async def test_a_device_that_left_between_receipt_and_result_gets_the_command_again(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        number = await world.submit(device_id)
        await device.command(number)
        await device.say(type="receipt", number=number)
        await device.receive("ack")
    async with gateway.device(key) as device:
        await device.command(number, attempt=2)
        await device.succeed(number)
    async with gateway.device(key) as device:
        assert await device.hears_nothing()
    events = ["Accepted", "Sent", "Delivered", "Sent", "Succeeded"]
    assert await world.history(device_id, number) == events


async def test_an_answer_given_in_a_later_session_before_the_command_came_again_counts(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        number = await world.submit(device_id)
        await device.command(number)
    async with gateway.device(key) as device:
        await device.say(type="result", number=number, status="SUCCEEDED")
        said = [(await device.hear())["type"] for _ in range(1)]
        if said == ["command"]:
            said.append((await device.hear())["type"])
        assert said[-1] == "ack"
    assert (await world.history(device_id, number))[-1] == "Succeeded"


# --- the clock ------------------------------------------------------------------------------------


async def test_an_expired_command_is_never_sent(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    expired = await world.submit(device_id, ttl=5, api=world.past(10))
    fresh = await world.submit(device_id)
    async with gateway.device(key) as device:
        await device.command(fresh)
    assert await world.history(device_id, expired) == ["Accepted", "Expired"]


async def test_a_command_behind_a_full_window_expires_in_time(
    world: World, redis: RedisServer, key: Key, device_id: str
) -> None:
    limits = replace(QUICK, window=1, head=30)
    async with world.gateway(limits) as gateway, gateway.device(key) as device:
        await device.command(await world.submit(device_id))
        waiting = await world.submit(device_id, ttl=1)

        async def expired() -> bool:
            return await world.history(device_id, waiting) == ["Accepted", "Expired"]

        await eventually(expired, within=DEADLINE)


async def test_a_command_without_result_times_out_and_one_late_result_counts(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        number = await world.submit(device_id, execution_timeout=1)
        await device.command(number)
        await device.say(type="receipt", number=number)
        await device.receive("ack")

        async def timed_out() -> bool:
            return (await world.history(device_id, number))[-1] == "TimedOut"

        await eventually(timed_out, within=DEADLINE)
        await device.succeed(number)
    late = (await world.events(device_id, number))[-1].event
    assert isinstance(late, RemoteCommandSucceeded)
    assert late.late


# --- who may connect ------------------------------------------------------------------------------


async def test_only_the_device_itself_may_connect(
    gateway: RunningGateway, key: Key, device_id: str
) -> None:
    other = Ed25519PrivateKey.generate()
    assert await status_of(gateway.url, "nonsense") == 401
    assert await status_of(gateway.url, connect_token(other, device_id)) == 401
    assert await status_of(gateway.url, connect_token(other)) == 401
    assert await status_of(gateway.url, signed(key, "homecast:claim")) == 401
    assert await status_of(gateway.url, signed(key, "homecast:connect", exp=1)) == 401
    assert await status_of(gateway.url, signed(key, "homecast:connect", jti="")) == 401
    too_long = signed(key, "homecast:connect", iat=0)
    assert await status_of(gateway.url, too_long) == 401


async def test_a_released_device_is_cut_off_and_stays_out(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        await world.release(device_id)
        assert await device.closed() == Close.REVOKED
    assert await status_of(gateway.url, connect_token(key)) == 401


async def test_the_next_owner_finds_nothing_queued(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    left = await world.submit(device_id)
    await world.release(device_id)
    await world.claim(key)
    fresh = await world.submit(device_id)
    async with gateway.device(key) as device:
        await device.command(fresh)
    assert await world.history(device_id, left) == ["Accepted", "Canceled"]


async def test_a_release_without_any_hint_ends_the_session_at_the_next_look(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    await gateway_ready(gateway)
    async with gateway.device(key) as device:
        world.api, usual = world.silent(), world.api
        await world.release(device_id)
        world.api = usual
        await world.api.lanes.nudge([device_id])
        assert await device.closed() == Close.REVOKED


async def gateway_ready(gateway: RunningGateway) -> None:
    """Its first registration with Redis is behind it: no renewal is under way."""
    sessions = gateway.server.runtime.container.sessions

    async def known() -> bool:
        return await sessions.alive()

    await eventually(known, within=DEADLINE)


# --- two sessions of one device -------------------------------------------------------------------


async def test_a_newer_session_replaces_the_older_one(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as old, gateway.device(key) as new:
        assert await old.closed() == Close.SUPERSEDED
        await new.command(await world.submit(device_id))


async def test_a_newer_session_at_another_gateway_replaces_the_older_one(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with world.gateway() as other, gateway.device(key) as old, other.device(key) as new:
        assert await old.closed() == Close.SUPERSEDED
        await new.command(await world.submit(device_id))


async def test_the_lane_fences_an_older_session_that_nobody_could_cut(
    world: World, redis: RedisServer, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with world.gateway() as other, gateway.device(key) as old:
        await redis.kill()
        async with other.device(key) as new:
            await world.submit(device_id)
            old_session = gateway.server.gateway.sessions[device_id]
            new_session = other.server.gateway.sessions[device_id]
            new_session.outgoing.look(fresh=True)
            number = (await new.receive("command", attempt=1))["number"]
            second = await world.submit(device_id)
            old_session.outgoing.look(fresh=True)
            assert await old.closed() == Close.SUPERSEDED
            new_session.outgoing.look(fresh=True)
            await new.command(second)
            await new.succeed(number)
    assert await world.history(device_id, second) == ["Accepted", "Sent"]


# --- races ----------------------------------------------------------------------------------------


async def test_a_cancel_and_a_sending_never_both_win(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        canceled, sent = set(), set()
        for _ in range(30):
            number = await world.submit(device_id)
            try:
                await world.cancel(device_id, number)
                canceled.add(number)
            except CommandNotCancelable:
                sent.add(number)
        heard_of: set[int] = set()
        answered: set[int] = set()
        while not answered >= sent:
            message = await device.hear()
            if message["type"] == "command":
                heard_of.add(message["number"])
                await device.say(type="result", number=message["number"], status="SUCCEEDED")
            else:
                answered.add(message["number"])
        assert await device.hears_nothing()
    assert heard_of == sent
    for number in canceled:
        assert await world.history(device_id, number) == ["Accepted", "Canceled"]


async def test_many_writers_and_a_device_lose_and_double_nothing(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    apis = [world.silent(), world.past(0), world.api]
    done: list[int] = []

    async def obey(device: RawDevice) -> None:
        while len(done) < 60:
            message = await device.hear()
            if message["type"] == "command":
                done.append(message["number"])
                await device.say(type="result", number=message["number"], status="SUCCEEDED")

    async def ask(api: Any) -> list[int]:
        return [await world.submit(device_id, api=api) for _ in range(20)]

    async with gateway.device(key) as device:
        obeying = asyncio.create_task(obey(device))
        asked = await asyncio.gather(*(ask(api) for api in apis))
        await world.api.lanes.nudge([device_id])
        async with asyncio.timeout(20):
            await obeying
    assert done == sorted(number for numbers in asked for number in numbers)


# --- loss of Redis --------------------------------------------------------------------------------


async def test_a_session_works_without_redis_and_is_found_when_it_is_back(
    world: World, redis: RedisServer, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    await redis.kill()
    number = await world.submit(device_id)
    async with gateway.device(key) as device:
        await device.command(number)
        await device.succeed(number)
        during = await world.submit(device_id)
        await redis.start()
        await device.command(during)
        await registered(world, device_id)
        await device.command(await world.submit(device_id))


async def registered(world: World, device_id: str) -> None:
    async def there() -> bool:
        return bool(await world.link.client.hget(f"homecast:presence:{device_id}", "session"))

    await eventually(lambda: unless_away(there()), within=DEADLINE)


async def unless_away(call: Any) -> bool:
    try:
        return bool(await call)
    except OSError:
        return False


async def test_an_emptied_redis_is_filled_again(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        await gateway_ready(gateway)
        await world.link.client.flushall()
        await registered(world, device_id)
        await device.command(await world.submit(device_id))


async def test_a_lost_hint_is_made_up_for_by_a_nudge(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        await gateway_ready(gateway)
        number = await world.submit(device_id, api=world.silent())
        await world.api.lanes.nudge([device_id])
        await device.command(number)


# --- loss of the store ----------------------------------------------------------------------------


async def test_while_the_store_is_away_a_result_is_refused_for_now_and_the_session_stays(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        number = await world.submit(device_id)
        await device.command(number)
        world.store.away = True
        await device.say(type="result", number=number, status="SUCCEEDED")
        await device.receive(
            "error", code="store_unavailable", retryable=True, of="result", number=number
        )
        world.store.away = False
        await device.succeed(number)


async def test_a_sending_whose_answer_was_lost_still_reaches_the_device(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        await gateway_ready(gateway)
        number = await world.submit(device_id, api=world.silent())
        world.store.loses_answers = 1
        await world.api.lanes.nudge([device_id])
        await device.command(number)
        await device.succeed(number)
    assert await world.history(device_id, number) == ["Accepted", "Sent", "Succeeded"]


async def test_a_gateway_without_store_takes_no_device(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    world.store.away = True
    device = RawDevice(await gateway.connect(key))
    assert await device.closed() == Close.TRY_LATER


# --- faulty devices -------------------------------------------------------------------------------


async def test_faulty_messages_are_refused_and_too_many_close_the_session(
    gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        await device.say(type="receipt", number=1, colour="red")
        error = await device.receive("error", code="contract_violation", retryable=False)
        assert "colour" in error["detail"]
        await device.socket.send("{")
        await device.receive("error", code="contract_violation")
        await device.socket.send(b"\x00")
        await device.receive("error", code="contract_violation")
        await device.say(type="unheard_of")
        await device.receive("error", code="contract_violation")
        await device.say(type="result", number=1, status="FAILED")
        await device.receive("error", code="contract_violation")
        assert await device.closed() == Close.PROTOCOL_ERROR


async def test_a_message_of_more_than_96_kilobytes_ends_the_session(
    gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        await device.socket.send("x" * (MAX_MESSAGE + 1))
        assert await device.closed() == Close.TOO_BIG


async def test_a_number_that_was_never_given_is_refused(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        await device.say(type="result", number=999, status="SUCCEEDED")
        await device.receive("error", code="command_not_found", number=999, retryable=False)


async def test_a_device_that_talks_too_fast_is_slowed_down_and_loses_nothing(
    world: World, key: Key, device_id: str
) -> None:
    limits = replace(QUICK, messages_per_second=50, burst=5)
    async with world.gateway(limits) as gateway, gateway.device(key) as device:
        for sequence in range(20):
            await device.say(
                type="report", sequence=sequence, state={"OnOff": {"on_off": sequence % 2 == 1}}
            )
        heard_of: list[dict[str, Any]] = []
        while not any(one.get("sequence") == 19 for one in heard_of):
            heard_of.append(await device.hear())
        assert [one["code"] for one in heard_of if one["type"] == "error"] == ["rate_limited"]
        acknowledged = {one["sequence"] for one in heard_of if one["type"] == "ack"}
        assert acknowledged == set(range(20))


# --- reported state -------------------------------------------------------------------------------


async def test_reported_state_is_kept_and_told(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with (
        RedisFeed(world.link.client) as feed,
        feed.watch(ACCOUNT) as messages,
        gateway.device(key) as device,
    ):
        assert (await heard(messages, "presence"))["online"] is True
        await device.say(type="report", sequence=1, state={"OnOff": {"on_off": True}})
        await device.receive("ack", of="report", sequence=1)
        told = await heard(messages, "twin")
        assert told["state"] == {"OnOff": {"on_off": True}}
    assert world.twins.states[device_id] == {"OnOff": {"on_off": True}}


async def test_state_within_a_result_is_kept_too(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        number = await world.submit(device_id)
        await device.command(number)
        await device.succeed(number, state={"OnOff": {"on_off": True}})

        async def kept() -> bool:
            return world.twins.states.get(device_id) == {"OnOff": {"on_off": True}}

        await eventually(kept, within=DEADLINE)


async def test_the_state_in_a_repeated_answer_is_not_taken(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        number = await world.submit(device_id)
        await device.command(number)
        await device.succeed(number)
        await device.succeed(number, state={"OnOff": {"on_off": True}})
        await device.say(type="report", sequence=1, state={"LevelControl": {"current_level": 3}})
        await device.receive("ack", of="report")
    assert world.twins.states[device_id] == {"LevelControl": {"current_level": 3}}


async def test_a_report_that_does_not_fit_the_device_is_refused(
    gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        await device.say(type="report", sequence=1, state={"DoorLock": {"lock_state": "Locked"}})
        await device.receive("error", code="invalid_input", of="report", retryable=False)


async def test_quick_reports_are_written_together_and_the_last_one_always(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        for level in range(1, 31):
            state = {"LevelControl": {"current_level": level}, "OnOff": {"on_off": level > 1}}
            await device.say(type="report", sequence=level, state=state)
        acknowledged = [(await device.receive("ack", of="report"))["sequence"] for _ in range(30)]
    assert sorted(acknowledged) == list(range(1, 31))
    assert len(world.twins.writes) <= 4
    assert world.twins.states[device_id]["LevelControl"] == {"current_level": 30}


async def test_what_was_not_written_yet_is_written_when_the_session_ends(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        await device.say(type="report", sequence=1, state={"OnOff": {"on_off": False}})
        await device.receive("ack")
        await device.say(type="report", sequence=2, state={"OnOff": {"on_off": True}})

    async def kept() -> bool:
        return world.twins.states[device_id] == {"OnOff": {"on_off": True}}

    await eventually(kept, within=DEADLINE)


async def test_reports_wait_for_the_twins_to_come_back(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    world.twins.away = True
    async with gateway.device(key) as device:
        await device.say(type="report", sequence=1, state={"OnOff": {"on_off": True}})
        assert await device.hears_nothing()
        world.twins.away = False
        await device.receive("ack", of="report", sequence=1)


# --- presence, limits, the end --------------------------------------------------------------------


async def test_a_device_that_went_is_told_offline_after_its_grace(
    world: World, redis: RedisServer, key: Key, device_id: str
) -> None:
    async with (
        world.gateway() as gateway,
        RedisFeed(world.link.client) as feed,
        feed.watch(ACCOUNT) as messages,
    ):
        async with gateway.device(key):
            assert (await heard(messages, "presence"))["online"] is True

        async def gone() -> bool:
            left = await world.link.client.hget(f"homecast:presence:{device_id}", "left")
            if left:
                await world.link.client.delete(f"homecast:presence:{device_id}")
            return bool(left)

        await eventually(gone, within=DEADLINE, every=0.01)
        assert (await heard(messages, "presence"))["online"] is False


async def test_a_device_that_is_back_in_time_is_not_told_offline(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with RedisFeed(world.link.client) as feed, feed.watch(ACCOUNT) as messages:
        async with gateway.device(key):
            assert (await heard(messages, "presence"))["online"] is True
        async with gateway.device(key):
            assert (await heard(messages, "presence"))["online"] is True
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(QUICK.offline_after * 2):
                    await anext(messages)


async def test_a_full_gateway_refuses_further_devices(
    world: World, key: Key, device_id: str
) -> None:
    other = Ed25519PrivateKey.generate()
    await world.claim(other)
    async with world.gateway(replace(QUICK, connections=1)) as gateway, gateway.device(key):
        assert await status_of(gateway.url, connect_token(other)) == 503


async def test_a_gateway_that_stops_sends_its_devices_away_politely(
    world: World, redis: RedisServer, key: Key, device_id: str
) -> None:
    async with world.gateway() as gateway:
        device = RawDevice(await gateway.connect(key))
        await device.receive("welcome")
    assert await device.closed() == Close.DRAINING
    with pytest.raises(ConnectionRefusedError):
        await gateway.connect(key)


async def test_health_is_told_on_the_same_port(gateway: RunningGateway) -> None:
    base = gateway.url.replace("ws://", "http://").removesuffix("/v1/device")
    async with httpx.AsyncClient(base_url=base, trust_env=False) as http:
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/health/ready")).status_code == 200
        assert (await http.get("/other")).status_code == 404


async def test_without_our_subprotocol_there_is_no_session(
    gateway: RunningGateway, key: Key, device_id: str
) -> None:
    base = gateway.url.replace("ws://", "http://")
    headers = {
        "Authorization": f"Bearer {connect_token(key)}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(base, headers=headers)).status_code == 400
