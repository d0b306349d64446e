"""The rows that events make."""

from __future__ import annotations

from typing import Any

import pytest

from domain.devices.device import DEVICE, DeviceStatus
from domain.devices.lane import LANE
from domain.devices.remote_command import CommandStatus
from projections.devices import devices, remote_commands
from projections.devices.devices import DEVICES, DeviceRow
from projections.devices.remote_commands import (
    HISTORY_ENTRIES,
    REMOTE_COMMANDS,
    SHARDS,
    SWEEP_SLACK,
    RemoteCommandRow,
    shard_of,
)
from tests.support.given import STREAM_ID, Step, given
from tests.support.streams import (
    FIRST,
    OTHER,
    OWNER,
    accepted,
    at,
    claimed,
    closed,
    failed,
    opened,
    progressed,
    released,
    renamed,
    reported_lost,
    sent,
    succeeded,
    swept,
    until,
)


def command_row(*steps: Step, number: int = FIRST) -> RemoteCommandRow:
    row: RemoteCommandRow | None = None
    for event in given(LANE, *steps).history:
        if REMOTE_COMMANDS.key_of(event) == (STREAM_ID, number):
            row = remote_commands.fold(row, event)
    assert row is not None
    return row


def device_row(*steps: Step) -> DeviceRow:
    row: DeviceRow | None = None
    for event in given(DEVICE, *steps).history:
        row = devices.fold(row, event)
    assert row is not None
    return row


# --- remote commands ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", list(CommandStatus))
def test_the_row_has_the_status_that_the_lane_has(status: CommandStatus) -> None:
    row = command_row(*until(status))
    assert row.status == status
    assert row.history[-1]["status"] == status
    stored = row.model_dump_json(exclude_defaults=True)
    assert RemoteCommandRow.model_validate_json(stored) == row


def test_an_accepted_row_tells_what_was_asked() -> None:
    row = command_row(opened(), accepted(second=1, collapse="c"))
    assert row.id == f"{STREAM_ID}.2"
    assert (row.account_id, row.command, row.collapse_key) == (
        OWNER,
        "LevelControl.MoveToLevel",
        "c",
    )
    assert (row.accepted_at, row.expires_at, row.deadline) == (at(1), at(61), None)
    assert row.history == [{"step": 1, "status": "ACCEPTED", "at": "2026-01-01T00:00:01Z"}]


def test_the_history_explains_each_step() -> None:
    row = command_row(opened(), accepted(), sent(), progressed(), failed())
    assert [entry["status"] for entry in row.history] == [
        "ACCEPTED",
        "SENT",
        "IN_PROGRESS",
        "FAILED",
    ]
    assert row.history[1]["attempt"] == 1
    assert row.history[2]["percent"] == 40
    assert (row.error, row.detail, row.late) == ("motor_blocked", "ünlösbar", False)


def test_a_canceled_row_tells_by_whom_and_why() -> None:
    row = command_row(opened(), accepted(), closed("lost"))
    assert (row.history[-1]["by"], row.history[-1]["reason"]) == ("token:t", "lost")


def test_a_superseded_row_tells_by_which() -> None:
    assert command_row(*until(CommandStatus.SUPERSEDED)).history[-1]["by_number"] == 3


def test_a_late_result_is_marked_in_row_and_history() -> None:
    row = command_row(*until(CommandStatus.TIMED_OUT), succeeded(second=100))
    assert (row.status, row.late, row.history[-1]["late"]) == ("SUCCEEDED", True, True)


def test_a_second_attempt_is_told_and_keeps_the_status() -> None:
    row = command_row(
        opened(), accepted(), sent(session="01A"), progressed(), sent(session="01B", second=5)
    )
    assert (row.status, row.attempt) == ("IN_PROGRESS", 2)
    assert row.history[-1]["session"] == "01B"


def test_a_device_that_reconnects_all_day_does_not_outgrow_its_row() -> None:
    again = [sent(session=f"01{n:06}", second=2 + n) for n in range(300)]
    row = command_row(opened(), accepted(timeout=86_400), *again)
    assert len(row.history) == HISTORY_ENTRIES
    assert row.history[0]["status"] == "ACCEPTED"
    assert [entry["step"] for entry in row.history[1:]] == list(range(239, 302))
    assert row.attempt == 300


@pytest.mark.parametrize(
    ("ttl", "timeout", "sending", "due"),
    [
        (60, 30, 1.0, 60.0),  # the usual life moves nothing in the index
        (60, 90, 1.0, 60.0),
        (604_800, 30, 1.0, 31.0),  # else the sweeper would be a week late
        (60, 86_400, 1.0, 86_401.0),  # else it would look in vain for a day
    ],
)
def test_the_index_moves_only_where_the_sweeper_would_be_far_off(
    ttl: int, timeout: int, sending: float, due: float
) -> None:
    row = command_row(opened(), accepted(ttl=ttl, timeout=timeout), sent(second=sending))
    assert row.due_at == at(due)
    assert row.deadline is not None
    assert abs(row.due_at - row.deadline) <= SWEEP_SLACK


@pytest.mark.parametrize("status", [one for one in CommandStatus if one != "ACCEPTED"])
def test_only_open_rows_are_in_the_index(status: CommandStatus) -> None:
    row = command_row(*until(status))
    is_open = status in ("SENT", "DELIVERED", "IN_PROGRESS")
    assert (row.due_at is not None) == is_open


def test_an_expired_row_leaves_the_index() -> None:
    assert command_row(opened(), accepted(ttl=1), swept(second=2)).due_at is None


def test_shards_are_stable_and_all_used() -> None:
    assert shard_of("a") == shard_of("a")
    assert {shard_of(str(n)) for n in range(500)} == set(range(SHARDS))


def test_a_commands_row_begins_right_before_its_first_event() -> None:
    assert REMOTE_COMMANDS.before_first((STREAM_ID, 17)) == 16


# --- devices --------------------------------------------------------------------------------------


def test_a_claimed_device_is_listed_with_what_it_can_do() -> None:
    row = device_row(claimed())
    assert (row.account_id, row.name, row.status) == (OWNER, "Lamp", DeviceStatus.CLAIMED)
    assert [one.cluster for one in row.capabilities] == ["OnOff", "LevelControl", "ColorControl"]
    assert DeviceRow.model_validate_json(row.model_dump_json()) == row


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([renamed("Desk")], {"name": "Desk", "account_id": OWNER}),
        ([reported_lost()], {"status": "LOST", "account_id": OWNER}),
        ([released()], {"status": "RELEASED", "account_id": None}),
        ([released(), claimed(OTHER, name="Mine")], {"name": "Mine", "account_id": OTHER}),
    ],
)
def test_a_devices_row_follows_its_events(steps: list[Any], expected: dict[str, Any]) -> None:
    row = device_row(claimed(), *steps)
    assert {name: getattr(row, name) for name in expected} == expected


def test_a_devices_events_are_numbered_by_its_stream() -> None:
    (event,) = given(DEVICE, claimed()).history
    assert DEVICES.key_of(event) == (STREAM_ID,)
    assert DEVICES.number_of(event) == 1
    assert DEVICES.before_first((STREAM_ID,)) == 0
