"""Claim, rename, release, lost: device, lane and credential move together or not at all."""

from __future__ import annotations

import pytest

from domain.devices.capabilities import OnOff
from domain.devices.device import (
    DeviceAlreadyClaimed,
    DeviceClaimed,
    DeviceNotFound,
    DeviceReleased,
    DeviceReportedLost,
    DeviceStatus,
)
from domain.devices.lane import LaneClosed, LaneOpened
from domain.devices.remote_command import RemoteCommandCanceled
from domain.kernel.errors import InvalidInput, PreconditionFailed
from tests.support.streams import OTHER, OWNER
from tests.support.write_side import CREDENTIAL, DEVICE_ID, KEY, WriteSide


@pytest.fixture
async def side() -> WriteSide:
    side = WriteSide()
    await side.claim()
    return side


async def test_a_claim_opens_the_lane_and_stores_the_credential() -> None:
    side = WriteSide()
    result, events = await side.claim()
    assert result == (DEVICE_ID, 1)
    assert [type(event) for event in events] == [DeviceClaimed, LaneOpened]
    assert await side.memory.vault.get(CREDENTIAL) == {"public_key": KEY.hex()}
    lane, device = await side.lane(), await side.device()
    assert lane.device_version == device.claimed_version == 1


async def test_claiming_ones_own_device_again_changes_nothing(side: WriteSide) -> None:
    await side.rename("Desk")
    assert await side.claim() == ((DEVICE_ID, 2), [])


async def test_somebody_elses_device_cannot_be_claimed(side: WriteSide) -> None:
    with pytest.raises(DeviceAlreadyClaimed):
        await side.claim(OTHER)


async def test_a_claim_names_a_cluster_once() -> None:
    with pytest.raises(InvalidInput):
        await WriteSide().claim(capabilities=(OnOff(), OnOff()))


async def test_no_event_holds_the_key(side: WriteSide) -> None:
    for event in [*await side.lane_events(), *await side.events(f"device-{DEVICE_ID}")]:
        assert KEY.hex() not in event.model_dump_json()


async def test_renaming_asks_for_the_version_that_was_seen(side: WriteSide) -> None:
    assert (await side.rename("Desk", expected=1))[0] == 2
    with pytest.raises(PreconditionFailed) as refused:
        await side.rename("Shelf", expected=1)
    assert refused.value.extra["current"] == 2
    assert (await side.device()).name == "Desk"


async def test_renaming_to_the_same_name_stores_nothing(side: WriteSide) -> None:
    assert await side.rename("Lamp") == (1, [])


async def test_a_release_closes_the_lane_and_revokes_the_credential(side: WriteSide) -> None:
    number, _ = await side.submit()
    _, events = await side.release(expected=1)
    assert [type(event) for event in events] == [DeviceReleased, LaneClosed, RemoteCommandCanceled]
    assert getattr(events[2], "number", None) == number
    assert await side.memory.vault.get(CREDENTIAL) is None


async def test_a_release_of_a_changed_device_changes_nothing(side: WriteSide) -> None:
    with pytest.raises(PreconditionFailed):
        await side.release(expected=7)
    assert await side.memory.vault.get(CREDENTIAL) is not None
    assert (await side.lane()).is_open


async def test_after_a_release_the_device_is_not_found(side: WriteSide) -> None:
    await side.release()
    for request in (side.release(), side.rename("x"), side.lose(), side.submit()):
        with pytest.raises(DeviceNotFound):
            await request


async def test_another_account_finds_no_device(side: WriteSide) -> None:
    for request in (side.release(OTHER), side.rename("x", account=OTHER), side.lose(OTHER)):
        with pytest.raises(DeviceNotFound):
            await request


async def test_the_next_owner_finds_nothing_queued(side: WriteSide) -> None:
    for _ in range(100):
        await side.submit(ttl=3600)
    await side.release()
    _, events = await side.claim(OTHER)
    assert [type(event) for event in events[:2]] == [DeviceClaimed, LaneOpened]
    lane = await side.lane()
    assert not lane.open
    assert lane.account_id == OTHER
    assert await side.memory.vault.get(CREDENTIAL) is not None


async def test_a_lost_device_is_cut_off_and_stays_owned(side: WriteSide) -> None:
    await side.submit()
    _, events = await side.lose()
    assert [type(event) for event in events] == [
        DeviceReportedLost,
        LaneClosed,
        RemoteCommandCanceled,
    ]
    assert await side.memory.vault.get(CREDENTIAL) is None
    assert (await side.device()).owned_by(OWNER)


async def test_reporting_a_loss_again_stores_nothing(side: WriteSide) -> None:
    version, _ = await side.lose()
    assert await side.lose() == (version, [])


async def test_a_lost_device_can_be_released_and_claimed_by_another(side: WriteSide) -> None:
    await side.lose()
    with pytest.raises(DeviceAlreadyClaimed):
        await side.claim()
    await side.release()
    await side.claim(OTHER)
    assert (await side.device()).status == DeviceStatus.CLAIMED
    assert (await side.lane()).is_open
