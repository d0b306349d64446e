"""What a caller has to find in a read model to read its own write."""

from __future__ import annotations

from collections.abc import Iterable

from domain.kernel.event import category_of
from domain.kernel.recorded import Recorded
from projections.kernel.gate import Key, Projection, Row


def marks_of(projection: Projection[Row], recorded: Iterable[Recorded]) -> dict[Key, int]:
    """The rows that these events change, each with the number that it has to have at least."""
    marks: dict[Key, int] = {}
    for one in recorded:
        if category_of(one.event.originator_id) != projection.category:
            continue
        key = projection.key_of(one.event)
        if key is not None:
            marks[key] = max(marks.get(key, 0), projection.number_of(one.event))
    return marks


def missing(row: Row | None, number: int, generation: int) -> int:
    """How many events the row is behind a mark. A mark of an older generation asks for nothing.

    A restored store has lost what such a mark speaks of, or numbered it anew.
    """
    if row is None or row.generation < generation:
        return number
    return max(0, number - row.applied) if row.generation == generation else 0
