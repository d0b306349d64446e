"""The truth after a run, and whether every promise held: an audit of all that was written down.

``Books`` hold what the store, the read models, the clients and the devices say (``read_books`` gets
the first two from the tables themselves). ``audit`` compares them and returns every violation in
words, with the figures. It trusts no process of the platform: histories are held against the table
of moves, rows against a fold of the store, answers against the store, devices against both.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters.bootstrap.core import storage
from adapters.outbound.dynamodb.streams import scan_items
from adapters.settings import Settings
from domain.devices.remote_command import CommandStatus
from domain.kernel.recorded import Recorded
from projections.devices.counters import PREFIX
from tests.support.ledger_checks import (
    Answer,
    CommandId,
    History,
    Streams,
    answers_are_kept,
    devices_obeyed,
    histories_are_legal,
    histories_of,
    nothing_is_open,
    streams_fold,
)
from tests.support.ledger_rows import Item, command_rows_equal, device_rows_equal

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

__all__ = ["Answer", "Audit", "Books", "audit", "read_books"]


@dataclass
class Books:
    """``executed``: by device, the numbers of the commands it carried out, as it did."""

    events: list[Recorded]
    device_items: list[Item]
    command_items: list[Item]
    answers: list[Answer] = field(default_factory=list)
    executed: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def streams(self) -> dict[str, list[Recorded]]:
        found: dict[str, list[Recorded]] = defaultdict(list)
        for one in self.events:
            found[one.event.originator_id].append(one)
        for stream in found.values():
            stream.sort(key=lambda one: one.event.originator_version)
        return dict(found)


@dataclass
class Audit:
    violations: list[str] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)
    final: Counter[str] = field(default_factory=Counter)

    def table(self, *more: tuple[str, object]) -> str:
        lines = [
            *(("accepted, " + status, count) for status, count in sorted(self.final.items())),
            *self.figures.items(),
            *more,
        ]
        return "\n".join(f"  {name:<34}{value!s:>10}" for name, value in lines)


def audit(books: Books) -> Audit:
    streams = books.streams()
    histories = histories_of(streams)
    found = Audit()
    for check in (
        streams_fold(streams),
        histories_are_legal(histories.values()),
        nothing_is_open(histories.values()),
        answers_are_kept(books.answers, histories),
        devices_obeyed(books.executed, histories),
        command_rows_equal(books.command_items, streams),
        device_rows_equal(books.device_items, streams),
    ):
        found.violations += check
    found.final = Counter(history.statuses()[-1].value for history in histories.values())
    found.figures.update(_figures(books, streams, histories))
    return found


def _figures(
    books: Books, streams: Streams, histories: Mapping[CommandId, History]
) -> dict[str, int]:
    return {
        "streams": len(streams),
        "events": len(books.events),
        "commands accepted": len(histories),
        "sent, all attempts": sum(len(history.attempts) for history in histories.values()),
        "executed by devices": sum(map(len, books.executed.values())),
        "late results": sum(_was_late(history) for history in histories.values()),
        "rows compared": len(books.command_items) + len(books.device_items),
    }


def _was_late(history: History) -> bool:
    return CommandStatus.TIMED_OUT in history.statuses()[:-1]


async def read_books(settings: Settings, endpoint_url: str) -> Books:
    """Events and rows, straight from the tables at this endpoint."""
    there = settings.model_copy(update={"aws_endpoint_url": endpoint_url})
    async with storage(there) as parts:
        events = await _items(parts.dynamodb, settings.devices_events_table)
        return Books(
            events=await parts.sealer.from_items(events),
            device_items=[
                item
                for item in await _items(parts.dynamodb, settings.devices_table)
                if not item["device_id"]["S"].startswith(PREFIX)
            ],
            command_items=await _items(parts.dynamodb, settings.remote_commands_table),
        )


async def _items(client: DynamoDBClient, table: str) -> list[Item]:
    return [item async for item in scan_items(client, table)]
