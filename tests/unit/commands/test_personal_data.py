"""Names of devices on the write side: where they are, how long, and what the forgotten leave."""

from __future__ import annotations

import pytest

from adapters.outbound.memory.keyring import MemoryKeyring
from commands.kernel.dispatch import Repository
from commands.kernel.expiring import Expiring
from commands.kernel.ports import DataKey
from domain.devices.device import DEVICE, DeviceStatus
from domain.kernel.errors import SubjectForgotten
from domain.kernel.personal import FORGOTTEN
from tests.support.streams import OWNER
from tests.support.waiting import eventually
from tests.support.write_side import DEVICE_ID, WriteSide

STREAM = f"device-{DEVICE_ID}"
NAME = "Grandmother's bedside lamp"


async def claimed(*, renames: int = 0) -> WriteSide:
    side = WriteSide()
    await side.claim()
    for n in range(renames):
        await side.rename(f"{NAME} {n}")
    await side.rename(NAME)
    return side


async def name(side: WriteSide, *, cached: bool = False, personal: bool = True) -> str:
    loaded = await side.repository.load(DEVICE, DEVICE_ID, cached=cached, personal=personal)
    return loaded.state.name


async def test_a_name_is_told_to_who_asks_for_personal_data_and_to_nobody_else() -> None:
    side = await claimed()
    for one in (side, side.beside()):
        for cached in (True, False):
            assert await name(one, cached=cached) == NAME
            assert await name(one, cached=cached, personal=False) == FORGOTTEN


async def test_without_personal_data_no_key_is_asked_for() -> None:
    class NoKeys(MemoryKeyring):
        async def for_opening(self, subject: str) -> DataKey | None:
            raise AssertionError("asked for a key")

    side = await claimed(renames=60)
    side.memory.sealer._keyring = side.snapshots._keyring = NoKeys()
    other = side.beside()
    for _ in range(2):
        assert await name(other, personal=False) == FORGOTTEN
    number, _ = await other.submit()
    assert number == 2
    with pytest.raises(AssertionError):
        await name(side.beside())


async def test_a_state_with_a_name_leaves_the_cache_after_a_while_and_the_one_without_stays() -> (
    None
):
    side = await claimed()
    side.repository._personal = Expiring(10, seconds=0.05)
    assert await name(side) == NAME

    async def gone() -> bool:
        return not len(side.repository._personal)

    await eventually(gone, within=5, every=0.01)
    assert NAME not in repr(side.repository._cache)
    assert side.repository._cache[STREAM].version == 2
    assert await name(side) == NAME


async def test_a_busy_device_is_read_anew_all_the_same() -> None:
    """What was read once is not kept alive by what is appended to it."""
    side = await claimed()
    held = side.repository._personal.get(STREAM)
    assert held is not None
    loaded = await side.repository.load(DEVICE, DEVICE_ID)
    await side.rename("again")
    after = side.repository._personal.get(STREAM)
    assert after is not None
    assert after[0].version == loaded.version + 1
    assert after[1] == held[1]


async def test_a_state_without_its_personal_fields_is_no_ground_to_append_on() -> None:
    side = await claimed()

    async def decide(unit: object) -> None:
        device = await unit.load(DEVICE, DEVICE_ID, personal=False)  # type: ignore[attr-defined]
        unit.append(device, side_events)  # type: ignore[attr-defined]

    side_events = await side.events(STREAM)
    with pytest.raises(AssertionError, match="personal"):
        await side.run(decide)


async def test_a_snapshot_holds_the_name_sealed() -> None:
    side = await claimed(renames=60)
    snapshot, sealed = side.snapshots.snapshots[STREAM], side.snapshots.sealed[STREAM]
    assert NAME.encode() not in snapshot.state
    assert sealed is not None
    assert NAME not in sealed
    loaded = await side.snapshots.load(STREAM)
    assert loaded is not None
    assert loaded.personal == {"name": f"{NAME} 48"}
    assert await name(side.beside()) == NAME


@pytest.mark.parametrize("renames", [0, 60])
async def test_of_the_forgotten_the_name_is_gone_and_the_device_is_not(renames: int) -> None:
    side = await claimed(renames=renames)
    await side.memory.keyring.destroy(OWNER)
    if renames:
        assert await side.snapshots.load(STREAM) is None
    device = (await side.beside().repository.load(DEVICE, DEVICE_ID)).state
    assert (device.name, device.account_id) == (FORGOTTEN, OWNER)
    assert (device.status, device.version) == (DeviceStatus.CLAIMED, renames + 2)
    with pytest.raises(SubjectForgotten):
        await side.beside().rename("anything")
    assert await side.beside().release() is not None


async def test_a_snapshot_for_who_was_forgotten_meanwhile_is_left_out() -> None:
    side = await claimed(renames=47)
    repository = Repository(side.memory, side.snapshots)
    loaded = await repository.load(DEVICE, DEVICE_ID)
    await side.memory.keyring.destroy(OWNER)
    later = loaded.state.model_copy(update={"version": 50})
    await repository.committed(loaded, later)
    assert STREAM not in side.snapshots.snapshots


async def test_a_released_device_has_no_subject_and_an_open_snapshot() -> None:
    side = await claimed(renames=47)
    await side.release()
    snapshot = await side.snapshots.load(STREAM)
    assert snapshot is not None
    assert (snapshot.version, snapshot.subject) == (50, None)
    assert await name(side.beside()) == ""
