"""What the policies' commands do, on memory: once, from wherever they were interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from adapters.outbound.memory.keyring import MemoryKeyring
from adapters.outbound.memory.store import MemoryVault
from adapters.outbound.memory.token_states import MemoryTokenStates
from adapters.outbound.system.clock import SystemClock, Ulids
from commands.accounts import forgetting
from commands.accounts.forgetting import (
    Eraser,
    FinishForgetting,
    RequestForgetting,
    RevokeTokens,
    StartForgetting,
)
from commands.accounts.tokens import issue_token, list_tokens
from commands.devices.departures import SETTLED_AFTER, ContinueDeparture, Departures
from commands.kernel.ports import EventStore
from domain.devices.device import DeviceStatus
from domain.kernel.errors import StoreUnavailable, SubjectForgotten
from domain.kernel.recorded import Context, Recorded
from tests.support.grants import Heard
from tests.support.interleave import PassingStore
from tests.support.write_side import CREDENTIAL, DEVICE_ID, WriteSide

ACCOUNT = "01KA0000000000000000000009"
OTHER = "01KA0000000000000000000008"
CONTEXT = Context("c", "m", "policy:departures")
SETTLED = SETTLED_AFTER.total_seconds()


class Listed:
    """The read model, which sees what a test says; ``faults``: how often it fails first."""

    def __init__(self, *device_ids: str, faults: int = 0) -> None:
        self.device_ids = list(device_ids)
        self.faults = faults

    async def of_account(self, account_id: str) -> Sequence[str]:
        if self.faults:
            self.faults -= 1
            raise StoreUnavailable("away")
        return self.device_ids


class Twins:
    def __init__(self) -> None:
        self.gone: list[str] = []

    async def forget(self, device_id: str) -> None:
        self.gone.append(device_id)


def departures(side: WriteSide, listed: Listed) -> tuple[Departures, Twins]:
    twins = Twins()
    return Departures(owned=listed, twins=twins, dispatcher=side.dispatcher), twins


async def types(side: WriteSide) -> list[str]:
    return [type(one).__name__ for one in await side.events(f"departure-{ACCOUNT}")]


LOOK = ContinueDeparture(account_id=ACCOUNT)


async def test_a_departing_accounts_devices_are_released_and_cut_off() -> None:
    side = WriteSide()
    await side.claim(ACCOUNT)
    work, twins = departures(side, Listed(DEVICE_ID))
    await work.advance(CONTEXT, LOOK)
    assert (await side.device()).status == DeviceStatus.RELEASED
    assert not (await side.lane()).is_open
    assert CREDENTIAL not in side.memory.vault.items
    assert twins.gone == [DEVICE_ID]
    assert await types(side) == ["DepartureStarted", "DepartureAdvanced"]


async def test_it_is_complete_when_a_later_look_finds_none() -> None:
    """The read model still lists the device: it lags."""
    side = WriteSide()
    await side.claim(ACCOUNT)
    work, _ = departures(side, Listed(DEVICE_ID))
    await work.advance(CONTEXT, LOOK)
    side.clock.second = SETTLED - 1
    await work.advance(CONTEXT, LOOK)
    assert (await types(side))[-1] == "DepartureAdvanced", "too early to know"
    side.clock.second = SETTLED
    for _ in range(2):
        await work.advance(CONTEXT, LOOK)
        assert await types(side) == [
            "DepartureStarted",
            "DepartureAdvanced",
            "DepartureCompleted",
        ]


async def test_what_a_lagging_read_model_shows_late_is_released_late() -> None:
    side = WriteSide()
    await side.claim(ACCOUNT)
    listed = Listed()
    work, _ = departures(side, listed)
    await work.advance(CONTEXT, LOOK)
    side.clock.second = SETTLED
    listed.device_ids = [DEVICE_ID]
    await work.advance(CONTEXT, LOOK)
    assert (await side.device()).status == DeviceStatus.RELEASED
    assert (await types(side))[-1] == "DepartureAdvanced", "one was found, so more may come"


async def test_from_the_start_on_nothing_is_claimed() -> None:
    side = WriteSide()
    work, _ = departures(side, Listed())
    await work.advance(CONTEXT, LOOK)
    with pytest.raises(SubjectForgotten):
        await side.claim(ACCOUNT)
    await side.claim(OTHER)


async def test_a_device_that_is_somebody_elses_by_now_is_left_alone() -> None:
    side = WriteSide()
    await side.claim(ACCOUNT)
    listed = Listed(DEVICE_ID)
    work, twins = departures(side, listed)
    await work.advance(CONTEXT, LOOK)
    await side.claim(OTHER)
    twins.gone.clear()
    await work.advance(CONTEXT, LOOK)
    assert (await side.device()).owned_by(OTHER)
    assert twins.gone == []


async def test_an_interrupted_release_goes_on_though_the_list_forgot_it() -> None:
    side = WriteSide()
    await side.claim(ACCOUNT)
    listed = Listed(DEVICE_ID, faults=1)
    work, twins = departures(side, listed)
    with pytest.raises(StoreUnavailable):
        await work.advance(CONTEXT, LOOK)
    assert await types(side) == ["DepartureStarted"]
    await work.advance(CONTEXT, LOOK)
    listed.device_ids = []
    await work.advance(CONTEXT, LOOK)
    assert twins.gone == [DEVICE_ID, DEVICE_ID], "what reported in between is deleted too"


class Failing(PassingStore):
    """Fails once, before or after its call number ``at``."""

    def __init__(self, store: EventStore, at: int, *, after: bool) -> None:
        super().__init__(store)
        self.left, self.after = at, after

    def _reach(self, *, after: bool) -> None:
        if after is self.after:
            self.left -= 1
            if self.left == 0:
                raise StoreUnavailable("away")

    async def read(self, *args: Any, **kwargs: Any) -> list[Recorded]:
        self._reach(after=False)
        found = await super().read(*args, **kwargs)
        self._reach(after=True)
        return found

    async def commit(self, *args: Any, **kwargs: Any) -> list[Recorded]:
        self._reach(after=False)
        done = await super().commit(*args, **kwargs)
        self._reach(after=True)
        return done


@pytest.mark.parametrize("after", [False, True])
async def test_a_departure_that_fails_anywhere_is_carried_on(after: bool) -> None:
    failed = 0
    for call in range(1, 40):
        first = WriteSide()
        await first.claim(ACCOUNT)
        side = first.beside(Failing(first.memory, call, after=after))
        work, twins = departures(side, Listed(DEVICE_ID))
        for second in (0.0, 3.0, SETTLED + 2, SETTLED + 14):
            first.clock.second = second
            try:
                await work.advance(CONTEXT, LOOK)
            except StoreUnavailable:
                failed += 1
                await work.advance(CONTEXT, LOOK)
        assert (await first.device()).status == DeviceStatus.RELEASED
        assert twins.gone
        assert await types(first) == [
            "DepartureStarted",
            "DepartureAdvanced",
            "DepartureCompleted",
        ]
    assert failed > 20


# --- accounts -------------------------------------------------------------------------------------


async def begun(side: WriteSide) -> None:
    asked = RequestForgetting(account_id=ACCOUNT, after=timedelta(0))
    await side.run(lambda unit: forgetting.request_forgetting(unit, asked))
    message = StartForgetting(account_id=ACCOUNT)
    await side.run(lambda unit: forgetting.start_forgetting(unit, message))


async def token(vault: MemoryVault, account: str) -> None:
    await issue_token(vault, clock=SystemClock(), ids=Ulids(), account_id=account)


def eraser_of(
    side: WriteSide, vault: MemoryVault, keys: MemoryKeyring, told: MemoryTokenStates | None = None
) -> Eraser:
    return Eraser(
        vault=vault,
        keyring=keys,
        dispatcher=side.dispatcher,
        revocations=told or MemoryTokenStates(),
    )


async def test_all_processes_are_told_of_the_tokens_that_are_revoked() -> None:
    side, vault, told = WriteSide(), MemoryVault(), MemoryTokenStates()
    for account in (ACCOUNT, ACCOUNT, OTHER):
        await token(vault, account)
    keys = [key for key, value in await vault.list("token#") if value["account_id"] == ACCOUNT]
    heard = Heard()
    told.listen(heard)
    eraser = eraser_of(side, vault, MemoryKeyring(), told)
    await eraser.revoke_tokens(CONTEXT, RevokeTokens(account_id=ACCOUNT))
    assert sorted(heard.revocations) == sorted(keys)


async def test_only_the_accounts_own_tokens_are_revoked() -> None:
    side, vault, keys = WriteSide(), MemoryVault(), MemoryKeyring()
    for account in (ACCOUNT, ACCOUNT, OTHER):
        await token(vault, account)
    eraser = eraser_of(side, vault, keys)
    for _ in range(2):
        await eraser.revoke_tokens(CONTEXT, RevokeTokens(account_id=ACCOUNT))
        assert [one.account_id for one in await list_tokens(vault)] == [OTHER]


async def test_the_key_is_destroyed_before_the_account_is_recorded_as_forgotten() -> None:
    side, vault, keys = WriteSide(), MemoryVault(), MemoryKeyring()
    eraser = eraser_of(side, vault, keys)
    await begun(side)
    await token(vault, ACCOUNT)
    for _ in range(2):
        await eraser.finish(CONTEXT, FinishForgetting(account_id=ACCOUNT))
        assert await keys.forgotten(ACCOUNT)
    assert await list_tokens(vault) == []
    events = await side.events(f"forgetting-{ACCOUNT}")
    assert [one.TOPIC for one in events][-1] == "accounts.account_forgotten"


async def test_no_key_is_destroyed_of_an_account_that_was_not_to_be_forgotten() -> None:
    side, keys = WriteSide(), MemoryKeyring()
    eraser = eraser_of(side, MemoryVault(), keys)
    await eraser.finish(CONTEXT, FinishForgetting(account_id=ACCOUNT))
    assert not await keys.forgotten(ACCOUNT)
