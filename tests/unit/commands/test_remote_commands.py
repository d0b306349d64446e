"""Submit, cancel and what device and clock do, through dispatcher and store."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from commands.devices.remote_commands import SubmitRemoteCommand
from domain.devices.capabilities import CommandNotSupported, OnOff
from domain.devices.device import DeviceLost, DeviceNotFound
from domain.devices.lane import (
    LANE,
    CommandNotCancelable,
    CommandNotFound,
    LaneFull,
    StaleSession,
)
from domain.devices.remote_command import (
    CommandStatus,
    RemoteCommandAccepted,
    RemoteCommandCanceled,
    RemoteCommandDelivered,
    RemoteCommandExpired,
    RemoteCommandFailed,
    RemoteCommandProgressed,
    RemoteCommandRejected,
    RemoteCommandSent,
    RemoteCommandSucceeded,
)
from domain.kernel.errors import IdempotencyKeyReused, InvalidInput
from tests.support.interleave import PassingStore
from tests.support.streams import NEW, NEWER, OLD, OTHER, OWNER
from tests.support.write_side import DEVICE_ID, WriteSide


@pytest.fixture
async def side() -> WriteSide:
    side = WriteSide()
    await side.claim()
    return side


async def test_the_usual_life_is_accepted_sent_succeeded(side: WriteSide) -> None:
    number, _ = await side.submit()
    await side.send(number)
    await side.answer(number)
    kinds = [type(event) for event in await side.lane_events()][1:]
    assert kinds == [RemoteCommandAccepted, RemoteCommandSent, RemoteCommandSucceeded]


async def test_a_long_life_has_receipt_and_progress(side: WriteSide) -> None:
    number, _ = await side.submit()
    await side.send(number)
    await side.receive(number)
    await side.progress(number)
    await side.progress(number)
    await side.answer(number, CommandStatus.FAILED)
    kinds = [type(event) for event in await side.lane_events()][3:]
    assert kinds == [RemoteCommandDelivered, RemoteCommandProgressed, RemoteCommandFailed]


async def test_a_device_may_reject(side: WriteSide) -> None:
    number, _ = await side.submit()
    await side.send(number)
    _, events = await side.answer(number, CommandStatus.REJECTED)
    assert [type(event) for event in events] == [RemoteCommandRejected]


@pytest.mark.parametrize("status", [CommandStatus.ACCEPTED, CommandStatus.TIMED_OUT])
async def test_a_status_that_is_no_result_is_refused(
    side: WriteSide, status: CommandStatus
) -> None:
    number, _ = await side.submit()
    await side.send(number)
    with pytest.raises(InvalidInput):
        await side.answer(number, status)


async def test_arguments_are_stored_as_the_device_gets_them() -> None:
    side = WriteSide()
    await side.claim(capabilities=(OnOff(),))
    _, events = await side.submit()
    (accepted,) = events
    assert isinstance(accepted, RemoteCommandAccepted)
    assert (accepted.args, accepted.account_id, accepted.client_id) == ({}, OWNER, "token:t")


async def test_an_unknown_command_is_refused_and_nothing_stored(side: WriteSide) -> None:
    with pytest.raises(CommandNotSupported):
        await side.submit(command="Thermostat.WriteSystemMode")
    assert len(await side.lane_events()) == 1


async def test_another_accounts_device_does_not_exist(side: WriteSide) -> None:
    number, _ = await side.submit()
    with pytest.raises(DeviceNotFound):
        await side.submit(OTHER)
    with pytest.raises(DeviceNotFound):
        await side.cancel(number, OTHER)


async def test_a_device_that_was_never_claimed_does_not_exist() -> None:
    with pytest.raises(DeviceNotFound):
        await WriteSide().submit()


async def test_a_lost_device_takes_no_command(side: WriteSide) -> None:
    await side.lose()
    with pytest.raises(DeviceLost):
        await side.submit()


async def test_hints_are_told_of_the_account_and_the_events(side: WriteSide) -> None:
    await side.submit()
    recorded, account = side.hints.told[-1]
    assert [type(one.event) for one in recorded] == [RemoteCommandAccepted]
    assert account == OWNER


async def test_gateway_and_clock_tell_the_account_too(side: WriteSide) -> None:
    number, _ = await side.submit()
    await side.send(number)
    await side.receive(number)
    side.clock.second = 3600
    await side.sweep()
    assert [account for _, account in side.hints.told[1:]] == [OWNER] * 4


# --- idempotency ----------------------------------------------------------------------------------


async def test_a_repeated_key_gives_the_first_number(side: WriteSide) -> None:
    first, _ = await side.submit(idempotency_key="k", args={})
    await side.send(first)
    again, events = await side.submit(idempotency_key="k", args={})
    assert (again, events) == (first, [])


async def test_a_repeated_key_is_recognised_before_any_other_check(side: WriteSide) -> None:
    first, _ = await side.submit(idempotency_key="k")
    for _ in range(99):
        await side.submit()
    assert (await side.submit(idempotency_key="k"))[0] == first, "though the lane is full"
    await side.lose()
    assert (await side.submit(idempotency_key="k"))[0] == first, "though the device is lost"
    await side.release()
    assert (await side.submit(idempotency_key="k"))[0] == first, "though it was released"


async def test_a_key_with_another_body_is_refused(side: WriteSide) -> None:
    await side.submit(idempotency_key="k")
    for other in ({"command": "OnOff.Off"}, {"ttl": 61}, {"collapse_key": "c"}, {"args": {"a": 1}}):
        with pytest.raises(IdempotencyKeyReused):
            await side.submit(idempotency_key="k", **other)


async def test_a_refusal_is_not_remembered(side: WriteSide) -> None:
    with pytest.raises(CommandNotSupported):
        await side.submit(idempotency_key="k", command="No.Such")
    number, events = await side.submit(idempotency_key="k")
    assert (number, len(events)) == (2, 1)


async def test_a_key_belongs_to_client_and_account(side: WriteSide) -> None:
    first, _ = await side.submit(idempotency_key="k")
    second, _ = await side.submit(idempotency_key="k", client_id="token:other")
    assert first != second
    with pytest.raises(DeviceNotFound):
        await side.submit(OTHER, idempotency_key="k")


@pytest.mark.parametrize("value", [10**40, "\ud800", float("nan"), {"deep": [1, None]}])
def test_any_json_has_a_body_hash(value: Any) -> None:
    def message(args: dict[str, Any]) -> SubmitRemoteCommand:
        return SubmitRemoteCommand(
            account_id=OWNER, client_id="c", device_id=DEVICE_ID, command="OnOff.On", args=args
        )

    assert message({"a": value, "b": 1}).body_hash() == message({"b": 1, "a": value}).body_hash()
    assert message({"a": value}).body_hash() != message({}).body_hash()


@pytest.mark.parametrize(
    "fields",
    [
        {"ttl": 0},
        {"ttl": 7 * 24 * 3600 + 1},
        {"execution_timeout": 0},
        {"execution_timeout": 24 * 3600 + 1},
        {"idempotency_key": ""},
        {"idempotency_key": "k" * 256},
        {"collapse_key": "c" * 65},
        {"command": ""},
        {"command": "c" * 129},
    ],
)
async def test_limits_of_a_submit(side: WriteSide, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        await side.submit(**fields)


# --- cancel ---------------------------------------------------------------------------------------


async def test_canceling_twice_stores_one_event(side: WriteSide) -> None:
    number, _ = await side.submit()
    _, events = await side.cancel(number)
    assert [type(event) for event in events] == [RemoteCommandCanceled]
    assert (await side.cancel(number))[1] == []


async def test_what_was_sent_cannot_be_canceled(side: WriteSide) -> None:
    number, _ = await side.submit()
    await side.send(number)
    with pytest.raises(CommandNotCancelable) as refused:
        await side.cancel(number)
    assert refused.value.extra["status"] == CommandStatus.SENT


@pytest.mark.parametrize("number", [-1, 0, 1, 99])
async def test_canceling_what_never_was_finds_nothing(side: WriteSide, number: int) -> None:
    await side.submit()
    with pytest.raises(CommandNotFound):
        await side.cancel(number)


async def test_an_earlier_owners_command_is_not_found(side: WriteSide) -> None:
    number, _ = await side.submit()
    await side.release()
    await side.claim(OTHER)
    with pytest.raises(CommandNotFound):
        await side.cancel(number, OTHER)


# --- gateway --------------------------------------------------------------------------------------


async def test_a_second_send_to_the_same_session_stores_nothing(side: WriteSide) -> None:
    number, _ = await side.submit()
    await side.send(number)
    assert (await side.send(number))[1] == []


async def test_a_newer_session_is_sent_it_again_and_the_old_one_gets_nothing(
    side: WriteSide,
) -> None:
    number, _ = await side.submit()
    await side.send(number, OLD)
    _, events = await side.send(number, NEW)
    assert [getattr(event, "attempt", None) for event in events] == [2]
    with pytest.raises(StaleSession):
        await side.send(number, OLD)


async def test_an_expired_command_is_ended_instead_of_sent(side: WriteSide) -> None:
    number, _ = await side.submit(ttl=5)
    side.clock.second = 5
    _, events = await side.send(number)
    assert [type(event) for event in events] == [RemoteCommandExpired]


async def test_a_gateway_with_an_empty_cache_finds_the_lane(side: WriteSide) -> None:
    number, _ = await side.submit()
    gateway = side.beside()
    await gateway.send(number)
    await side.beside().answer(number)
    assert (await side.lane()).closed[number] == CommandStatus.SUCCEEDED


async def test_a_gateway_whose_cache_missed_the_sending_hears_the_answer(side: WriteSide) -> None:
    number, _ = await side.submit()
    slow, fast = side.beside(), side.beside()
    await slow.sweep()  # now it knows the command as accepted
    await fast.send(number, OLD)
    await slow.answer(number)
    assert (await side.lane()).closed[number] == CommandStatus.SUCCEEDED


async def test_a_gateway_whose_cache_is_behind_sends_nothing_that_was_canceled(
    side: WriteSide,
) -> None:
    number, _ = await side.submit()
    gateway = side.beside()
    await gateway.sweep()
    await side.cancel(number)
    assert (await gateway.send(number))[1] == []


async def test_a_gateway_whose_cache_has_not_heard_of_a_command_reads_it(side: WriteSide) -> None:
    gateway = side.beside()
    await gateway.sweep()
    number, _ = await side.submit()
    _, events = await gateway.send(number)
    assert [type(event) for event in events] == [RemoteCommandSent]


async def test_a_cached_owner_is_believed_only_while_the_lane_is_his(side: WriteSide) -> None:
    other = side.beside()
    await other.submit()
    await side.release()
    with pytest.raises(DeviceNotFound):
        await other.submit()
    await side.claim(OTHER)
    with pytest.raises(DeviceNotFound):
        await other.submit()
    number, _ = await other.submit(OTHER)
    assert (await side.lane()).queue() == [number]


async def test_a_submit_reads_the_lane_but_not_the_cached_device(side: WriteSide) -> None:
    store = PassingStore(side.memory)
    other = side.beside(store)
    await other.submit()
    reads = store.reads
    await other.submit()
    assert store.reads == reads + 1


async def test_reports_on_a_sent_command_read_nothing(side: WriteSide) -> None:
    store = PassingStore(side.memory)
    gateway = side.beside(store)
    number, _ = await side.submit()
    await gateway.send(number)
    reads = store.reads
    await gateway.receive(number)
    await gateway.progress(number)
    await gateway.answer(number)
    assert store.reads == reads


async def test_a_gateway_learns_from_hints_and_then_sends_without_reading(
    side: WriteSide,
) -> None:
    store = PassingStore(side.memory)
    gateway = side.beside(store)
    await gateway.sweep()
    number, events = await side.submit()
    assert gateway.repository.learn(LANE, events[0])
    assert not gateway.repository.learn(LANE, events[0]), "a repeated hint is not the next event"
    reads = store.reads
    await gateway.send(number, NEWER)
    assert store.reads == reads


async def test_a_full_lane_is_told_and_a_swept_one_takes_commands_again(side: WriteSide) -> None:
    for _ in range(100):
        await side.submit(ttl=1)
    with pytest.raises(LaneFull):
        await side.submit()
    side.clock.second = 2
    await side.sweep()
    await side.sweep()
    assert (await side.sweep())[1] == []
    await side.submit()
    assert len((await side.lane()).open) == 1
