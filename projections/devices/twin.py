"""The twin: what a device last reported of itself, merged by cluster and attribute.

No projection of events: the gateway writes it. Reports are ordered by claim (the lane version that
opened it), by session (later ones sort after) and by sequence within it; an older one never
replaces a newer, and a new claim starts from nothing. All calls block, so they run in worker
threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.exceptions import PutError
from pynamodb.models import Model

from domain.kernel.errors import Busy, InvalidInput, TooLarge
from projections.kernel.items import Placed, refused

MAX_STATE_BYTES = 128 * 1024
ATTEMPTS = 5
ClusterStates = dict[str, dict[str, Any]]


class TwinRow(Model):
    """``version`` counts the writes; each is made under the condition that it is the next."""

    class Meta(Placed):
        """Filled in at start-up."""

    device_id = UnicodeAttribute(hash_key=True)
    claim = NumberAttribute(default=0)
    session = UnicodeAttribute()
    sequence = NumberAttribute()
    state = UnicodeAttribute()
    reported_at = UTCDateTimeAttribute()
    version = NumberAttribute()

    @classmethod
    def configure(cls, table: str, region: str, host: str | None) -> None:
        cls.Meta.table_name, cls.Meta.region, cls.Meta.host = table, region, host
        cls._connection = None


@dataclass(frozen=True)
class Report:
    device_id: str
    claim: int
    session: str
    sequence: int
    state: ClusterStates
    at: datetime


@dataclass(frozen=True)
class Twin:
    device_id: str
    claim: int
    session: str
    sequence: int
    state: ClusterStates
    reported_at: datetime
    version: int

    def compare(self, report: Report) -> int:
        """Above 0: the report is older than what is here; 0: it is what is here."""
        mine = (self.claim, self.session, self.sequence)
        other = (report.claim, report.session, report.sequence)
        return (mine > other) - (mine < other)


def read_twins(device_ids: Sequence[str]) -> dict[str, Twin]:
    """By device id; devices that never reported are missing. Eventually consistent."""
    return {row.device_id: _twin(row) for row in TwinRow.batch_get(set(device_ids))}


def read_twin(device_id: str) -> Twin | None:
    """Strongly consistent."""
    try:
        return _twin(TwinRow.get(device_id, consistent_read=True))
    except TwinRow.DoesNotExist:
        return None


def delete_twin(device_id: str) -> None:
    TwinRow(device_id).delete()


def write_report(report: Report, known: Twin | None = None) -> tuple[Twin, bool]:
    """The twin as it is now, and whether the report went into it.

    ``known``, however stale, saves the read in the usual case. Raises ``TooLarge``, and ``Busy``
    when others keep writing.
    """
    for attempt in range(ATTEMPTS):
        known = known or read_twin(report.device_id)
        order = -1 if known is None else known.compare(report)
        if known is not None and order >= 0:
            # Equal after a try of our own: it was written, and only the answer got lost.
            return known, order == 0 and attempt > 0
        merged = merge(known, report)
        if _write(merged, known):
            return merged, True
        known = None
    raise Busy("too many reports at once")


def merge(known: Twin | None, report: Report) -> Twin:
    before = known.state if known and known.claim == report.claim else {}
    changed = {cluster: {**before.get(cluster, {}), **new} for cluster, new in report.state.items()}
    return Twin(
        device_id=report.device_id,
        claim=report.claim,
        session=report.session,
        sequence=report.sequence,
        state={**before, **changed},
        reported_at=report.at,
        version=known.version + 1 if known else 1,
    )


def _write(twin: Twin, known: Twin | None) -> bool:
    row = TwinRow(
        twin.device_id,
        claim=twin.claim,
        session=twin.session,
        sequence=twin.sequence,
        state=_dump(twin.state),
        reported_at=twin.reported_at,
        version=twin.version,
    )
    condition = TwinRow.version == known.version if known else TwinRow.device_id.does_not_exist()
    try:
        row.save(condition=condition)
    except PutError as error:
        if refused(error):
            return False
        raise
    return True


def _dump(state: ClusterStates) -> str:
    try:
        text = orjson.dumps(state)
    except TypeError as error:
        raise InvalidInput("the reported state cannot be written as JSON") from error
    if len(text) > MAX_STATE_BYTES:
        raise TooLarge(f"the reported state is over {MAX_STATE_BYTES} bytes")
    return text.decode()


def _twin(row: TwinRow) -> Twin:
    return Twin(
        device_id=row.device_id,
        claim=int(row.claim or 0),
        session=row.session,
        sequence=int(row.sequence),
        state=orjson.loads(row.state),
        reported_at=row.reported_at,
        version=int(row.version),
    )
