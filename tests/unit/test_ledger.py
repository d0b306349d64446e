"""The ledger finds what it is there to find: each violation, planted into books that are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.devices.device import DEVICE
from domain.devices.lane import LANE
from domain.devices.remote_command import (
    RemoteCommandProgressed,
    RemoteCommandSent,
    RemoteCommandSucceeded,
)
from domain.kernel.event import Event
from domain.kernel.recorded import Context, Recorded
from projections.devices.counters import CounterItem
from projections.devices.devices import DEVICES, DeviceItem, DevicesTable
from projections.devices.remote_commands import (
    REMOTE_COMMANDS,
    RemoteCommandItem,
    RemoteCommandsTable,
)
from projections.kernel.gate import Gate, Key
from projections.kernel.items import GatedTable
from tests.support.given import STREAM_ID, given
from tests.support.ledger import Answer, Books, audit
from tests.support.streams import accepted, claimed, failed, opened, sent, succeeded

CONTEXT = Context(correlation_id="c", causation_id="m", principal="token:t")
GOOD, BAD = 2, 3
"""Numbers of the two commands: one succeeds, one fails."""


class WrittenRows:
    """The gate's rows, kept as the items that its table makes of them."""

    def __init__(self, table: GatedTable[Any]) -> None:
        self._table = table
        self._held: dict[Key, Any] = {}
        self.items: dict[Key, dict[str, Any]] = {}

    async def get(self, key: Key) -> Any:
        return self._held.get(key)

    async def put(self, key: Key, held: Any, previous: Any) -> bool:
        self._held[key] = held
        self.items[key] = self._table.put_request(key, held, previous)["Item"]
        return True


class NoSource:
    async def read(self, *_: object, **__: object) -> list[Recorded]:
        raise AssertionError("there is no gap")


@pytest.fixture
async def books() -> Books:
    device = given(DEVICE, claimed())
    lane = given(
        LANE,
        opened(),
        accepted(key="one"),
        accepted(key="two"),
        sent(GOOD),
        sent(BAD),
        succeeded(GOOD),
        failed(BAD),
    )
    events = [Recorded(one, CONTEXT, "t") for one in (*device.history, *lane.history)]
    commands = WrittenRows(RemoteCommandsTable(RemoteCommandItem))
    rows = WrittenRows(DevicesTable(DeviceItem, CounterItem))
    await Gate(REMOTE_COMMANDS, commands, NoSource()).apply(events[1:])
    await Gate(DEVICES, rows, NoSource()).apply(events[:1])
    return Books(
        events=events,
        device_items=list(rows.items.values()),
        command_items=list(commands.items.values()),
        answers=[Answer("one", STREAM_ID, GOOD), Answer("two", STREAM_ID, BAD)],
        executed={STREAM_ID: [GOOD, BAD]},
    )


def change(books: Books, event_type: type[Event], **fields: Any) -> None:
    """The first event of this type, as if it had been stored with other fields."""
    at = next(n for n, one in enumerate(books.events) if type(one.event) is event_type)
    one = books.events[at]
    books.events[at] = replace(one, event=one.event.model_copy(update=fields))


def insert(books: Books, event_type: type[Event], **fields: Any) -> None:
    """One more event at the end of the lane."""
    last = books.events[-1].event
    event = event_type(
        originator_id=last.originator_id,
        originator_version=last.originator_version + 1,
        timestamp=last.timestamp,
        **fields,
    )
    books.events.append(Recorded(event, CONTEXT, "t"))


def renumber(books: Books, old: int, new: int) -> None:
    for at, one in enumerate(books.events):
        if getattr(one.event, "number", None) == old:
            books.events[at] = replace(one, event=one.event.model_copy(update={"number": new}))


def remove_event(books: Books, event_type: type[Event]) -> None:
    at = next(n for n, one in enumerate(books.events) if type(one.event) is event_type)
    del books.events[at]


def test_books_that_are_right_have_no_violation(books: Books) -> None:
    found = audit(books)
    assert found.violations == []
    assert found.final == {"SUCCEEDED": 1, "FAILED": 1}
    assert found.figures["commands accepted"] == 2
    assert found.figures["rows compared"] == 3


Plant = Callable[[Books], object]


def tamper(items: list[Any], name: str, value: str) -> None:
    items[0] = items[0] | {name: {"S": items[0][name]["S"] + value}}


PLANTED: dict[str, tuple[Plant, str]] = {
    "a missing row": (lambda b: b.command_items.clear(), "is missing"),
    "a missing device row": (lambda b: b.device_items.clear(), "is missing"),
    "a row out of nothing": (
        lambda b: b.command_items.append({**b.command_items[0], "number": {"N": "99"}}),
        "has no events",
    ),
    "a row that is a byte off": (lambda b: tamper(b.command_items, "body", " "), "differs in body"),
    "a device row a byte off": (lambda b: tamper(b.device_items, "body", " "), "differs in body"),
    "a final row still in the index": (
        lambda b: b.command_items.__setitem__(0, {**b.command_items[0], "due_at": {"N": "1"}}),
        "differs in due_at",
    ),
    "a doubled execution": (
        lambda b: setattr(b, "executed", {STREAM_ID: [GOOD, BAD, BAD]}),
        "was executed 2 times",
    ),
    "an execution out of order": (
        lambda b: setattr(b, "executed", {STREAM_ID: [BAD, GOOD]}),
        "executed out of order",
    ),
    "an execution of nothing": (
        lambda b: setattr(b, "executed", {STREAM_ID: [GOOD, BAD, 9]}),
        "was executed and never sent",
    ),
    "a success without execution": (
        lambda b: setattr(b, "executed", {STREAM_ID: [BAD]}),
        "its device never executed it",
    ),
    "an accepted command that was lost": (
        lambda b: b.answers.append(Answer("three", STREAM_ID, 70)),
        "the store does not know it",
    ),
    "two commands for one key": (
        lambda b: b.answers.append(Answer("one", STREAM_ID, BAD)),
        "several commands",
    ),
    "a command that nobody asked for": (lambda b: b.answers.pop(), "nobody was told"),
    "one command for two keys": (
        lambda b: b.answers.append(Answer("three", STREAM_ID, GOOD)),
        "was given for 2 keys",
    ),
    "an outcome that never was": (
        lambda b: b.answers.append(Answer("one", STREAM_ID, GOOD, "REJECTED")),
        "was told to be REJECTED, and never was",
    ),
    "a gap in a stream": (lambda b: remove_event(b, RemoteCommandSent), "not contiguous"),
    "a command left open": (lambda b: b.events.pop(), "was left SENT"),
    "a step left out": (lambda b: change(b, RemoteCommandSucceeded, step=4), "steps are [1, 2, 4]"),
    "a number that is not the version": (
        lambda b: renumber(b, GOOD, 40),
        "40: accepted in version 2",
    ),
    "a second end": (
        lambda b: insert(b, RemoteCommandSucceeded, number=GOOD, step=4, result={}),
        "no move leads from SUCCEEDED to SUCCEEDED",
    ),
    "progress after the end": (
        lambda b: insert(b, RemoteCommandProgressed, number=BAD, step=4),
        "no move leads from FAILED to IN_PROGRESS",
    ),
    "a beginning without acceptance": (
        lambda b: insert(b, RemoteCommandSucceeded, number=60, step=1, result={}),
        "begins with RemoteCommandSucceeded",
    ),
    "a sending after the expiry": (
        lambda b: change(
            b, RemoteCommandSent, timestamp=b.events[0].event.timestamp + timedelta(days=1)
        ),
        "sent after it had expired",
    ),
    "an attempt left out": (lambda b: change(b, RemoteCommandSent, attempt=2), "attempts are not"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_violation_is_found(books: Books, planted: str) -> None:
    plant, words = PLANTED[planted]
    plant(books)
    violations = audit(books).violations
    assert any(words in one for one in violations), violations


def test_the_table_of_figures_names_every_final_status(books: Books) -> None:
    table = audit(books).table(("kills", 7))
    for name in ("accepted, SUCCEEDED", "accepted, FAILED", "events", "kills"):
        assert name in table
