"""Read models held against a fold of the store: row by row, the JSON byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from domain.devices.remote_command import FINAL
from domain.kernel.event import category_of
from domain.kernel.machine import IllegalMoveError
from domain.kernel.recorded import Recorded
from projections.devices.devices import DEVICES, DeviceRow
from projections.devices.remote_commands import (
    HISTORY_KEPT,
    REMOTE_COMMANDS,
    RemoteCommandRow,
    shard_of,
)
from projections.kernel.gate import Key, Projection, Row

Item = Mapping[str, Any]
"""A stored item, in DynamoDB's typed form."""
Streams = Mapping[str, Sequence[Recorded]]


def command_rows_equal(items: Sequence[Item], streams: Streams) -> Iterator[str]:
    return _rows_equal(items, streams, REMOTE_COMMANDS, command_item, _command_key)


def device_rows_equal(items: Sequence[Item], streams: Streams) -> Iterator[str]:
    return _rows_equal(items, streams, DEVICES, device_item, _device_key)


def _rows_equal(
    items: Sequence[Item],
    streams: Streams,
    projection: Projection[Row],
    item_of: Callable[[Row], Item],
    key_of: Callable[[Item], Key],
) -> Iterator[str]:
    try:
        expected = {key: item_of(row) for key, row in _rebuilt(streams, projection).items()}
    except (IllegalMoveError, AssertionError) as error:
        yield f"{projection.name}: the store cannot be folded into rows: {error!r}"
        return
    found = {key_of(item): item for item in items}
    for key in expected.keys() - found.keys():
        yield f"{projection.name}: row {key} is missing"
    for key in found.keys() - expected.keys():
        yield f"{projection.name}: row {key} has no events"
    for key in expected.keys() & found.keys():
        wanted, stored = expected[key], found[key]
        different = sorted(n for n in {*wanted, *stored} if wanted.get(n) != stored.get(n))
        if different:
            parts = [f"{n}: {stored.get(n)} ≠ {wanted.get(n)}" for n in different]
            yield f"{projection.name}: row {key} differs in {'; '.join(parts)}"


def _rebuilt(streams: Streams, projection: Projection[Row]) -> dict[Key, Row]:
    rows: dict[Key, Row] = {}
    for stream, recorded in streams.items():
        if category_of(stream) != projection.category:
            continue
        for one in recorded:
            key = projection.key_of(one.event)
            if key is None:
                continue
            place = {
                "applied": projection.number_of(one.event),
                "stream_version": one.event.originator_version,
                "generation": one.generation,
            }
            rows[key] = projection.fold(rows.get(key), one.event).model_copy(update=place)
    return rows


def _command_key(item: Item) -> Key:
    return (item["device_id"]["S"], int(item["number"]["N"]))


def _device_key(item: Item) -> Key:
    return (item["device_id"]["S"],)


def command_item(row: RemoteCommandRow) -> Item:
    """The row as it has to be stored: the JSON byte for byte, in the index only while open."""
    item = {
        "device_id": {"S": row.device_id},
        "number": {"N": str(row.number)},
        "applied": {"N": str(row.applied)},
        "generation": {"N": str(row.generation)},
        "status": {"S": row.status.value},
        "body": {"S": row.model_dump_json(exclude_defaults=True)},
    }
    if row.status in FINAL:
        item["purge_at"] = {"N": str(int((row.updated_at + HISTORY_KEPT).timestamp()))}
    elif row.due_at is not None:
        item["due_shard"] = {"N": str(shard_of(row.device_id))}
        item["due_at"] = {"N": str(int(row.due_at.timestamp() * 1000))}
    return item


def device_item(row: DeviceRow) -> Item:
    """As above; a released device has left its account's index."""
    item = {
        "device_id": {"S": row.device_id},
        "applied": {"N": str(row.applied)},
        "generation": {"N": str(row.generation)},
        "body": {"S": row.model_dump_json()},
    }
    if row.account_id is not None:
        item["account_id"] = {"S": row.account_id}
    return item
