"""Two at once, made to meet: whoever is second sees what the first did."""

from __future__ import annotations

import pytest

from domain.devices.device import DeviceNotFound
from domain.devices.lane import CAP, CommandNotCancelable, LaneFull, StaleSession
from domain.devices.remote_command import (
    CommandStatus,
    RemoteCommandAccepted,
    RemoteCommandExpired,
    RemoteCommandSent,
)
from domain.kernel.errors import IdempotencyKeyReused
from tests.support.interleave import InterleavingStore, Rival
from tests.support.streams import NEW, OLD, OTHER
from tests.support.write_side import WriteSide


async def meeting(*rivals: Rival, first: WriteSide) -> WriteSide:
    """A process whose next commits are each preceded by a rival."""
    store = InterleavingStore(first.memory)
    store.rivals = list(rivals)
    return first.beside(store)


@pytest.fixture
async def side() -> WriteSide:
    side = WriteSide()
    await side.claim()
    return side


async def test_a_cancel_that_a_sending_outruns_is_refused(side: WriteSide) -> None:
    number, _ = await side.submit()
    late = await meeting(lambda: side.send(number), first=side)
    with pytest.raises(CommandNotCancelable) as refused:
        await late.cancel(number)
    assert refused.value.extra["status"] == CommandStatus.SENT


async def test_a_sending_that_a_cancel_outruns_writes_no_socket(side: WriteSide) -> None:
    number, _ = await side.submit()
    late = await meeting(lambda: side.cancel(number), first=side)
    assert (await late.send(number))[1] == []
    assert (await side.lane()).closed[number] == CommandStatus.CANCELED


async def test_a_sending_that_the_clock_outruns_writes_no_socket(side: WriteSide) -> None:
    number, _ = await side.submit(ttl=5)

    async def expire() -> None:
        side.clock.second = 5
        await side.sweep()

    late = await meeting(expire, first=side)
    assert (await late.send(number))[1] == []
    kinds = [type(event) for event in await side.lane_events()][1:]
    assert kinds == [RemoteCommandAccepted, RemoteCommandExpired]


async def test_a_sweep_that_a_sending_outruns_ends_nothing(side: WriteSide) -> None:
    number, _ = await side.submit(ttl=5)
    sweeper = await meeting(lambda: send_in_time(), first=side)

    async def send_in_time() -> None:
        side.clock.second = 4.9
        await side.send(number)
        side.clock.second = 5

    side.clock.second = 5
    assert (await sweeper.sweep())[1] == []
    assert (await side.lane()).open[number].status == CommandStatus.SENT


async def test_at_the_cap_one_of_two_submits_wins(side: WriteSide) -> None:
    for _ in range(CAP - 1):
        await side.submit()
    late = await meeting(lambda: side.submit(), first=side)
    with pytest.raises(LaneFull):
        await late.submit()
    assert len((await side.lane()).open) == CAP


async def test_two_gateways_with_one_device_send_once_to_the_newer_session(
    side: WriteSide,
) -> None:
    number, _ = await side.submit()
    late = await meeting(lambda: side.send(number, NEW), first=side)
    with pytest.raises(StaleSession):
        await late.send(number, OLD)
    sent = [one for one in await side.lane_events() if isinstance(one, RemoteCommandSent)]
    assert [one.session for one in sent] == [NEW]


async def test_the_newer_gateway_sends_again_what_the_older_one_just_sent(
    side: WriteSide,
) -> None:
    number, _ = await side.submit()
    late = await meeting(lambda: side.send(number, OLD), first=side)
    await late.send(number, NEW)
    sent = [one for one in await side.lane_events() if isinstance(one, RemoteCommandSent)]
    assert [(one.session, one.attempt) for one in sent] == [(OLD, 1), (NEW, 2)]


async def test_a_submit_that_a_release_outruns_finds_no_device(side: WriteSide) -> None:
    late = await meeting(lambda: side.release(), first=side)
    with pytest.raises(DeviceNotFound):
        await late.submit()
    assert not (await side.lane()).open


async def test_a_submit_that_the_next_owner_outruns_is_not_queued_for_him(
    side: WriteSide,
) -> None:
    async def change_hands() -> None:
        await side.release()
        await side.claim(OTHER)

    late = await meeting(change_hands, first=side)
    await late.device()
    with pytest.raises(DeviceNotFound):
        await late.submit()
    assert not (await side.lane()).open


async def test_a_release_that_a_submit_outruns_cancels_it(side: WriteSide) -> None:
    late = await meeting(lambda: side.submit(), first=side)
    await late.release()
    lane = await side.lane()
    assert not lane.open
    assert list(lane.closed.values()) == [CommandStatus.CANCELED]


async def test_a_result_that_a_timeout_outruns_is_late(side: WriteSide) -> None:
    number, _ = await side.submit(execution_timeout=5)
    await side.send(number)

    async def time_out() -> None:
        side.clock.second = 6
        await side.sweep()

    late = await meeting(time_out, first=side)
    await late.answer(number)
    last = (await side.lane_events())[-1]
    assert getattr(last, "late", None) is True


async def test_the_same_key_twice_at_once_gives_one_command(side: WriteSide) -> None:
    late = await meeting(lambda: side.submit(idempotency_key="k"), first=side)
    assert await late.submit(idempotency_key="k") == (2, [])
    assert len(await side.lane_events()) == 2


async def test_the_same_key_twice_at_once_with_other_bodies_is_refused(side: WriteSide) -> None:
    late = await meeting(lambda: side.submit(idempotency_key="k", ttl=5), first=side)
    with pytest.raises(IdempotencyKeyReused):
        await late.submit(idempotency_key="k")


async def test_two_claims_at_once_give_one_owner() -> None:
    side = WriteSide()
    late = await meeting(lambda: side.claim(), first=side)
    assert (await late.claim())[1] == [], "the same account: nothing left to do"
    assert (await side.device()).version == 1
