"""Every cell of the remote command's table, against the table as the design has it."""

from __future__ import annotations

import pytest

from domain.devices.lane import LANE, Lane
from domain.devices.remote_command import (
    FINAL,
    IN_FLIGHT,
    MACHINE,
    OPEN,
    RESULTS,
    STATUS_AFTER,
    CommandStatus,
    RemoteCommandAccepted,
    RemoteCommandCanceled,
    RemoteCommandDelivered,
    RemoteCommandEvent,
    RemoteCommandExpired,
    RemoteCommandFailed,
    RemoteCommandProgressed,
    RemoteCommandRejected,
    RemoteCommandSent,
    RemoteCommandSucceeded,
    RemoteCommandSuperseded,
    RemoteCommandTimedOut,
    status_after,
)
from domain.kernel.machine import IllegalMoveError
from tests.support.given import given
from tests.support.streams import FIRST, NEWER, OWNER, accepted, at, opened, until

DESIGN = """
–           ACCEPTED
ACCEPTED    SENT EXPIRED CANCELED SUPERSEDED
SENT        DELIVERED IN_PROGRESS SUCCEEDED FAILED REJECTED TIMED_OUT
DELIVERED   IN_PROGRESS SUCCEEDED FAILED REJECTED TIMED_OUT
IN_PROGRESS SUCCEEDED FAILED REJECTED TIMED_OUT
TIMED_OUT   SUCCEEDED FAILED REJECTED
"""
ALLOWED = {
    (None if source == "–" else CommandStatus(source), CommandStatus(target))
    for source, *targets in map(str.split, DESIGN.strip().splitlines())
    for target in targets
}
SOURCES: list[CommandStatus | None] = [None, *CommandStatus]
FIELDS: dict[type[RemoteCommandEvent], dict[str, object]] = {
    RemoteCommandAccepted: {
        "account_id": OWNER,
        "client_id": "token:t",
        "command": "OnOff.On",
        "args": {},
        "expires_at": at(60),
        "execution_timeout": 30,
    },
    RemoteCommandSent: {"session": NEWER, "attempt": 1, "deadline": at(40)},
    RemoteCommandDelivered: {},
    RemoteCommandProgressed: {"percent": 1},
    RemoteCommandSucceeded: {"result": {}},
    RemoteCommandFailed: {"error": "e"},
    RemoteCommandRejected: {"error": "e"},
    RemoteCommandTimedOut: {},
    RemoteCommandExpired: {},
    RemoteCommandCanceled: {"by": "token:t"},
    RemoteCommandSuperseded: {"by_number": 9},
}


def event_of(
    kind: type[RemoteCommandEvent], version: int = 50, **more: object
) -> RemoteCommandEvent:
    return kind.model_validate(
        {
            "originator_id": "lane-a",
            "originator_version": version,
            "timestamp": at(10),
            "number": FIRST,
            "step": 9,
            **FIELDS[kind],
            **more,
        }
    )


def lane_in(status: CommandStatus | None) -> Lane:
    return given(LANE, *(until(status) if status else [opened()])).state


def status_of(lane: Lane) -> CommandStatus:
    return lane.open[FIRST].status if FIRST in lane.open else lane.closed[FIRST]


def test_the_table_is_the_designs() -> None:
    assert {(move.source, move.target) for move in MACHINE.moves} == ALLOWED


def test_every_status_is_either_open_or_final() -> None:
    assert set(OPEN) | set(FINAL) == set(CommandStatus)
    assert not set(OPEN) & set(FINAL)
    assert set(RESULTS) < set(FINAL)


def test_every_status_is_reached_by_one_event() -> None:
    assert sorted(STATUS_AFTER.values()) == sorted(CommandStatus)
    assert set(FIELDS) == set(STATUS_AFTER)


@pytest.mark.parametrize("kind", list(FIELDS), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("status", SOURCES)
def test_an_event_moves_a_command_only_along_the_table(
    status: CommandStatus | None, kind: type[RemoteCommandEvent]
) -> None:
    event = event_of(kind)
    target = STATUS_AFTER[kind]
    if (status, target) in ALLOWED:
        assert status_after(status, event) == target
    else:
        with pytest.raises(IllegalMoveError):
            status_after(status, event)


@pytest.mark.parametrize("kind", list(FIELDS), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("status", SOURCES)
def test_a_lane_folds_only_moves_of_the_table_and_else_stays_as_it_was(
    status: CommandStatus | None, kind: type[RemoteCommandEvent]
) -> None:
    lane = lane_in(status)
    event = event_of(kind, lane.version + 1)
    before = lane.model_dump_json()
    if (status, STATUS_AFTER[kind]) in ALLOWED:
        assert status_of(LANE.fold(lane, event)) == STATUS_AFTER[kind]
    else:
        with pytest.raises(IllegalMoveError):
            LANE.fold(lane, event)
    assert lane.model_dump_json() == before


@pytest.mark.parametrize("status", SOURCES)
def test_a_second_attempt_leaves_the_status_as_it_is_and_needs_one_in_flight(
    status: CommandStatus | None,
) -> None:
    again = event_of(RemoteCommandSent, attempt=2)
    if status in IN_FLIGHT:
        assert status_after(status, again) == status
    elif status == CommandStatus.ACCEPTED:
        assert status_after(status, again) == CommandStatus.SENT
    else:
        with pytest.raises(IllegalMoveError):
            status_after(status, again)


@pytest.mark.parametrize("status", list(CommandStatus))
def test_each_status_can_be_reached_by_decisions(status: CommandStatus) -> None:
    assert status_of(lane_in(status)) == status


def test_a_command_that_the_lane_has_forgotten_takes_no_event() -> None:
    steps = [accepted(second=n, ttl=1) for n in range(0, 400, 2)]
    lane = given(LANE, opened(), *steps).state
    with pytest.raises(IllegalMoveError):
        LANE.fold(lane, event_of(RemoteCommandDelivered, lane.version + 1, number=1))


def test_the_picture_shows_every_move_and_every_end() -> None:
    picture = MACHINE.mermaid()
    for source, target in ALLOWED:
        assert f"    {source or '[*]'} --> {target}: " in picture
    for status in set(FINAL) - {CommandStatus.TIMED_OUT}:
        assert f"    {status} --> [*]\n" in picture
    assert "TIMED_OUT --> [*]" not in picture
