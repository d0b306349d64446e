"""A device's rules, every cell of its table, and every decision in every status."""

from __future__ import annotations

import pytest

from domain.devices.capabilities import KINDS, CommandNotSupported, DeviceKind, OnOff, check_command
from domain.devices.device import (
    DEVICE,
    MACHINE,
    Device,
    DeviceAlreadyClaimed,
    DeviceClaimed,
    DeviceReleased,
    DeviceRenamed,
    DeviceReportedLost,
    DeviceStatus,
    ProofTooOld,
)
from domain.kernel.errors import HomecastError, InvalidInput
from domain.kernel.event import Event
from domain.kernel.machine import IllegalMoveError
from tests.support.given import Step, given, happened
from tests.support.streams import OTHER, OWNER, at, claimed, released, renamed, reported_lost

UNTIL: dict[str, list[Step]] = {
    "–": [],
    "CLAIMED": [claimed()],
    "LOST": [claimed(), reported_lost()],
    "RELEASED": [claimed(), released()],
}
FIELDS: dict[type[Event], dict[str, object]] = {
    DeviceClaimed: {
        "account_id": OWNER,
        "name": "Lamp",
        "kind": "on_off_light",
        "capabilities": (OnOff(),),
    },
    DeviceReportedLost: {"by": "token:t"},
    DeviceReleased: {"by": "token:t"},
}
ALLOWED = {
    ("–", DeviceClaimed),
    ("RELEASED", DeviceClaimed),
    ("CLAIMED", DeviceReportedLost),
    ("CLAIMED", DeviceReleased),
    ("LOST", DeviceReleased),
}


@pytest.mark.parametrize("kind", list(FIELDS), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("status", list(UNTIL))
def test_an_event_moves_a_device_only_along_the_table(status: str, kind: type[Event]) -> None:
    state = given(DEVICE, *UNTIL[status]).state
    before = state.model_dump_json()
    event = kind.model_validate(
        {
            "originator_id": state.stream,
            "originator_version": state.version + 1,
            "timestamp": at(9),
            **FIELDS[kind],
        }
    )
    if (status, kind) in ALLOWED:
        assert DEVICE.fold(state, event).version == state.version + 1
    else:
        with pytest.raises(IllegalMoveError):
            DEVICE.fold(state, event)
    assert state.model_dump_json() == before


def test_the_table_is_the_designs() -> None:
    moves = {(move.source or "–", move.target) for move in MACHINE.moves}
    targets = {
        DeviceClaimed: DeviceStatus.CLAIMED,
        DeviceReportedLost: DeviceStatus.LOST,
        DeviceReleased: DeviceStatus.RELEASED,
    }
    assert moves == {(source, targets[kind]) for source, kind in ALLOWED}


DECISIONS: dict[str, Step] = {
    "claim": claimed(),
    "claim_other": claimed(OTHER),
    "rename": renamed(),
    "rename_same": renamed("Lamp"),
    "lose": reported_lost(),
    "release": released(),
}
Meaning = type[Event] | type[HomecastError] | None
TABLE: dict[str, tuple[Meaning, Meaning, Meaning, Meaning]] = {
    #              –              CLAIMED               LOST                  RELEASED
    "claim": (DeviceClaimed, None, DeviceAlreadyClaimed, DeviceClaimed),
    "claim_other": (DeviceClaimed, DeviceAlreadyClaimed, DeviceAlreadyClaimed, DeviceClaimed),
    "rename": (None, DeviceRenamed, DeviceRenamed, None),
    "rename_same": (None, None, None, None),
    "lose": (None, DeviceReportedLost, None, None),
    "release": (None, DeviceReleased, DeviceReleased, None),
}
CASES = [
    (name, status, meaning)
    for name, row in TABLE.items()
    for status, meaning in zip(UNTIL, row, strict=True)
]


@pytest.mark.parametrize(("decision", "status", "meaning"), CASES)
def test_a_decision_on_a_device_in_a_status(decision: str, status: str, meaning: Meaning) -> None:
    case = given(DEVICE, *UNTIL[status]).when(DECISIONS[decision])
    if meaning is None:
        case.then()
    elif issubclass(meaning, HomecastError):
        case.then_raises(meaning)
    else:
        case.then(meaning)


@pytest.mark.parametrize("kind", list(DeviceKind))
def test_every_kind_of_device_can_be_claimed_and_stored(kind: DeviceKind) -> None:
    state = (
        given(DEVICE)
        .when(claimed(kind=kind))
        .then(happened(DeviceClaimed, account_id=OWNER, kind=kind, capabilities=KINDS[kind]))
    )
    assert state.owned_by(OWNER)
    assert not state.owned_by(OTHER)


def test_a_released_device_keeps_nothing_of_its_owner() -> None:
    state = given(DEVICE, claimed(), renamed(), released()).state
    left = Device(stream=state.stream, version=3, status=DeviceStatus.RELEASED, released_at=at(3))
    assert state == left
    assert not state.owned_by(OWNER)


def test_the_next_owner_starts_afresh() -> None:
    case = given(DEVICE, claimed(), renamed(), released())
    state = case.when(claimed(OTHER, name="Mine")).then(happened(DeviceClaimed, account_id=OTHER))
    assert (state.name, state.claimed_version) == ("Mine", 4)


def test_a_proof_made_before_the_release_claims_nothing() -> None:
    case = given(DEVICE, claimed(), released())
    case.when(claimed(OTHER, proved_at=at(2))).then_raises(ProofTooOld)
    case.when(claimed(OTHER, proved_at=at(3))).then(DeviceClaimed)


def test_a_lost_device_is_still_owned() -> None:
    assert given(DEVICE, *UNTIL["LOST"]).state.owned_by(OWNER)


def test_a_cluster_is_given_once() -> None:
    claim = claimed(capabilities=(OnOff(), OnOff()))
    given(DEVICE).when(claim).then_raises(InvalidInput, field="capabilities")


def test_a_device_may_have_no_capabilities_but_then_takes_no_command() -> None:
    given(DEVICE).when(claimed(capabilities=())).then(DeviceClaimed)
    with pytest.raises(CommandNotSupported):
        check_command((), "OnOff.On", {})
