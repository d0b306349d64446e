"""Read model ``remote_commands``: one row per remote command, for status, history and sweepers.

Rows are gated by the command's own steps. The sparse index ``open`` holds what the clock may have
to end. Its key is written when a command is accepted and changed only where it would make the
sweeper more than a minute late, or look in vain for more than a minute (long runs would crowd out
what is due), so that the usual life costs one index entry and its removal.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import UpdateError
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from domain.devices.remote_command import (
    FINAL,
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
from domain.kernel.event import Event, id_of
from projections.kernel.gate import GatedRow, Key, Projection, Standing
from projections.kernel.items import GatedItem, GatedTable, Placed, refused

HISTORY_KEPT = timedelta(days=30)
"""After a command's last event; longer than the 24 h in which a late result may come."""
SWEEP_SLACK = timedelta(seconds=60)
SHARDS = 16
HISTORY_ENTRIES = 64
"""The first and the newest: a device that reconnects all day adds an attempt each time."""


class RemoteCommandRow(GatedRow):
    device_id: str
    number: int
    account_id: str
    client_id: str = ""
    """Who gave it; rows from before homes had members do not say."""
    command: str
    args: dict[str, JsonValue]
    status: CommandStatus
    accepted_at: datetime
    expires_at: datetime
    deadline: datetime | None = None
    updated_at: datetime
    attempt: int = 0
    result: dict[str, JsonValue] | None = None
    error: str | None = None
    detail: str | None = None
    late: bool = False
    collapse_key: str | None = None
    history: list[dict[str, JsonValue]] = []
    due_at: datetime | None = None

    @property
    def id(self) -> str:
        return f"{self.device_id}.{self.number}"

    @property
    def step(self) -> int:
        return self.applied


def fold(row: RemoteCommandRow | None, event: Event) -> RemoteCommandRow:
    assert isinstance(event, RemoteCommandEvent)
    if isinstance(event, RemoteCommandAccepted):
        return _accepted(event)
    assert row is not None, "a command's first event is its acceptance"
    status = status_after(row.status, event)
    entry = {"step": event.step, "status": status, "at": _iso(event.timestamp), **_noted(event)}
    changes = {
        "status": status,
        "updated_at": event.timestamp,
        "history": [*row.history[:1], *row.history[1:][2 - HISTORY_ENTRIES :], entry],
        **_changes(row, event),
    }
    if status in FINAL:
        changes["due_at"] = None
    return row.model_copy(update=changes)


def _accepted(event: RemoteCommandAccepted) -> RemoteCommandRow:
    entry: dict[str, JsonValue] = {
        "step": event.step,
        "status": CommandStatus.ACCEPTED,
        "at": _iso(event.timestamp),
    }
    return RemoteCommandRow(
        applied=event.step,
        stream_version=event.originator_version,
        device_id=id_of(event.originator_id),
        number=event.number,
        account_id=event.account_id,
        client_id=event.client_id,
        command=event.command,
        args=event.args,
        status=CommandStatus.ACCEPTED,
        accepted_at=event.timestamp,
        expires_at=event.expires_at,
        updated_at=event.timestamp,
        collapse_key=event.collapse_key,
        history=[entry],
        due_at=event.expires_at,
    )


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _changes(row: RemoteCommandRow, event: RemoteCommandEvent) -> dict[str, Any]:
    """The fields that an event sets beside status and history."""
    match event:
        case RemoteCommandSent():
            near = row.due_at is not None and abs(row.due_at - event.deadline) <= SWEEP_SLACK
            due_at = row.due_at if near else event.deadline
            return {"deadline": event.deadline, "attempt": event.attempt, "due_at": due_at}
        case RemoteCommandSucceeded():
            return {"result": event.result, "late": event.late}
        case RemoteCommandFailed() | RemoteCommandRejected():
            return {"error": event.error, "detail": event.detail, "late": event.late}
        case _:
            return {}


def _noted(event: RemoteCommandEvent) -> dict[str, JsonValue]:
    """What explains the step in the history."""
    match event:
        case RemoteCommandSent():
            return {"attempt": event.attempt, "session": event.session}
        case RemoteCommandProgressed():
            return {"percent": event.percent, "detail": event.detail}
        case RemoteCommandFailed() | RemoteCommandRejected():
            return {"error": event.error, **({"late": True} if event.late else {})}
        case RemoteCommandSucceeded():
            return {"late": True} if event.late else {}
        case RemoteCommandCanceled():
            return {"by": event.by, **({"reason": event.reason} if event.reason else {})}
        case RemoteCommandSuperseded():
            return {"by_number": event.by_number}
        case RemoteCommandDelivered() | RemoteCommandTimedOut() | RemoteCommandExpired():
            return {}
        case RemoteCommandAccepted():
            return {}
        case _:
            raise AssertionError(f"unknown event {type(event).__name__}")


def key_of(event: Event) -> Key | None:
    if not isinstance(event, RemoteCommandEvent):
        return None
    return (id_of(event.originator_id), event.number)


def number_of(event: Event) -> int:
    assert isinstance(event, RemoteCommandEvent)
    return event.step


def before_first(key: Key) -> int:
    """A command's number is the lane version of its first event."""
    return int(key[1]) - 1


REMOTE_COMMANDS = Projection(
    "remote_commands", "lane", key_of, number_of, before_first, fold, kept=HISTORY_KEPT
)


def shard_of(device_id: str) -> int:
    return zlib.crc32(device_id.encode()) % SHARDS


class OpenIndex(GlobalSecondaryIndex["RemoteCommandItem"]):
    class Meta:
        index_name = "open"
        projection = KeysOnlyProjection()

    due_shard = NumberAttribute(hash_key=True)
    due_at = NumberAttribute(range_key=True)


class RemoteCommandItem(GatedItem):
    class Meta(Placed):
        """``placed`` binds a subclass to its table."""

    device_id = UnicodeAttribute(hash_key=True)
    number = NumberAttribute(range_key=True)
    status = UnicodeAttribute(null=True)
    due_shard = NumberAttribute(null=True)
    due_at = NumberAttribute(null=True)
    purge_at = NumberAttribute(null=True)
    open = OpenIndex()


class RemoteCommandsTable(GatedTable[RemoteCommandRow]):
    """One version of the read model. What says so blocks: run it in worker threads."""

    row = RemoteCommandRow

    def __init__(self, items: type[RemoteCommandItem]) -> None:
        self.items: type[RemoteCommandItem] = items

    def attributes(self, row: RemoteCommandRow) -> dict[str, Any]:
        final = row.status in FINAL
        return {
            "status": row.status,
            "due_shard": shard_of(row.device_id) if row.due_at else None,
            "due_at": int(row.due_at.timestamp() * 1000) if row.due_at else None,
            "purge_at": int((row.updated_at + HISTORY_KEPT).timestamp()) if final else None,
            "body": row.model_dump_json(exclude_defaults=True),
        }

    def standings(self, keys: Sequence[Key]) -> dict[Key, Standing]:
        """Of those that are there; strongly consistent."""
        names = ["device_id", "number", "applied", "generation", "parked"]
        found = self.items.batch_get(keys, consistent_read=True, attributes_to_get=names)
        return {(one.device_id, int(one.number)): one.standing() for one in found}

    def get_many(self, device_id: str, numbers: Sequence[int]) -> list[RemoteCommandRow]:
        """In any order; those that are not there are missing."""
        keys = [(device_id, number) for number in numbers]
        found = self.items.batch_get(keys, consistent_read=True)
        return [RemoteCommandRow.model_validate_json(item.body) for item in found if item.body]

    def list_of_device(
        self,
        device_id: str,
        *,
        limit: int,
        before: int | None = None,
        consistent: bool = False,
    ) -> list[RemoteCommandRow]:
        """Newest first, below the number ``before``; ``consistent`` costs twice the read units."""
        older = RemoteCommandItem.number < before if before is not None else None
        found = self.items.query(
            device_id,
            older,
            filter_condition=RemoteCommandItem.body.exists(),
            scan_index_forward=False,
            limit=limit,
            consistent_read=consistent,
        )
        return [RemoteCommandRow.model_validate_json(item.body) for item in found]

    def due(self, shard: int, *, now: datetime, limit: int) -> list[tuple[str, int, datetime]]:
        """Open commands to look at: device, number, due time; longest overdue first."""
        until = int(now.timestamp() * 1000)
        found = self.items.open.query(shard, OpenIndex.due_at <= until, limit=limit)
        return [
            (one.device_id, int(one.number), datetime.fromtimestamp(one.due_at / 1000, UTC))
            for one in found
        ]

    def leave_parked(self, device_id: str, number: int) -> bool:
        """Take a parked row out of the index until it goes on; whether it is parked.

        It would crowd out what is due, while its lane has ended the command long ago.
        """
        leaving: list[Any] = [
            RemoteCommandItem.due_shard.remove(),
            RemoteCommandItem.due_at.remove(),
        ]
        try:
            self.items(device_id, number).update(
                leaving, condition=RemoteCommandItem.parked.exists()
            )
        except UpdateError as error:
            if refused(error):
                return False
            raise
        return True
