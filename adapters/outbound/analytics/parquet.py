"""Records as a Parquet file of one day: dictionaries for texts, sorted by time, with statistics.

Readers skip row groups by the least and the greatest value of a column, so time and kind are worth
sorting by. The form is what Firehose writes in AWS, by the same names and types.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from domain.kernel.errors import ContractError
from projections.media.statistics import COLUMNS, DAY

ROW_GROUP = 122_880
"""As DuckDB likes them."""
TYPES: Mapping[str, Any] = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "timestamp": pa.timestamp("ms"),
}
SCHEMA = pa.schema([pa.field(name, TYPES[kind]) for name, kind in COLUMNS.items()])
NEEDED = ("event_id", "event_key", "occurred_at", "kind")


def parsed(data: bytes) -> dict[str, Any]:
    """A row as ``Record.row`` made it, of this version or another. Raises ``ContractError``."""
    try:
        given = orjson.loads(data)
        row = {name: given.get(name) for name in COLUMNS}
        at = datetime.fromisoformat(row["occurred_at"])
        row["occurred_at"] = at.astimezone(UTC).replace(tzinfo=None)
        pa.RecordBatch.from_pylist([row], schema=SCHEMA)
    except (ValueError, TypeError, AttributeError, OverflowError, pa.ArrowException) as error:
        raise ContractError("this is no record of statistics") from error
    if any(row[name] is None for name in NEEDED):
        raise ContractError("a record of statistics lacks what every one has")
    return row


def by_day(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    days: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        days.setdefault(row["occurred_at"].date().isoformat(), []).append(row)
    return days


def file_of(rows: Sequence[dict[str, Any]]) -> bytes:
    table = pa.Table.from_pylist(sorted(rows, key=lambda row: row["occurred_at"]), schema=SCHEMA)
    return written(table)


def written(table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        row_group_size=ROW_GROUP,
        sorting_columns=[pq.SortingColumn(table.schema.get_field_index("occurred_at"))],
        write_statistics=True,
    )
    return bytes(sink.getvalue())


def key_of(prefix: str, day: str, body: bytes) -> str:
    """By content: the same batch, written again after a crash, takes the same place."""
    return f"{prefix}{DAY}={day}/{hashlib.sha256(body).hexdigest()[:32]}.parquet"
