"""Read model ``creatives``: one row per creative, for the transcoding board, the ad catalogue, and
for ad requests, which look up what is ready.

The index ``by_status`` lists them by what they are at, newest change first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, assert_never, cast

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from domain.kernel.event import Event, category_of, id_of
from domain.media.creative import (
    CreativeDiscovered,
    CreativeEvent,
    CreativeFetched,
    CreativeLinked,
    CreativeQuarantined,
    CreativeReleased,
    CreativeStatus,
    JobProgressed,
    JobSubmitted,
    Stage,
    TranscodingCanceled,
    TranscodingCompleted,
    TranscodingFailed,
    TranscodingRequested,
    status_after,
)
from domain.media.rendition import AdFacts, Rendition, Source
from projections.kernel.gate import GatedRow, Key, Projection, Standing
from projections.kernel.items import GatedItem, GatedTable, Placed

MOST_HISTORY = 40


class CreativeRow(GatedRow):
    """``ready_at``: when it could first be shown. ``error``, ``detail``: of the last failure, None
    once it is past."""

    creative_id: str
    status: CreativeStatus
    kind: str
    identity: str
    broker: str | None
    media_url: str
    ad: AdFacts
    discovered_at: datetime
    updated_at: datetime
    ready_at: datetime | None = None
    content: str = ""
    size: int = 0
    source: Source | None = None
    linked_to: str | None = None
    job_id: str = ""
    jobs: int = 0
    ladder: str = ""
    stage: Stage | None = None
    rendition: Rendition | None = None
    error: str | None = None
    detail: str | None = None
    vast_code: int | None = None
    retry_at: datetime | None = None
    reason: str | None = None
    history: list[dict[str, Any]] = []

    @property
    def ready(self) -> bool:
        """By its own rendition; a linked one is as ready as what it is linked to."""
        return self.rendition is not None and self.status != CreativeStatus.QUARANTINED


def fold(row: CreativeRow | None, event: Event) -> CreativeRow:
    known = cast("CreativeEvent", event)
    if isinstance(known, CreativeDiscovered):
        return _discovered(known)
    assert row is not None, "a creative's first event is its discovery"
    status = status_after(row.status, event)
    changes = {
        "status": status,
        "updated_at": event.timestamp,
        "history": [*row.history[1 - MOST_HISTORY :], _entry(event, status)],
        **_changes(row, known),
    }
    return row.model_copy(update=changes)


def _discovered(event: CreativeDiscovered) -> CreativeRow:
    return CreativeRow(
        applied=event.originator_version,
        stream_version=event.originator_version,
        creative_id=id_of(event.originator_id),
        status=CreativeStatus.DISCOVERED,
        kind=event.kind,
        identity=event.identity,
        broker=event.broker,
        media_url=event.media_url,
        ad=event.ad,
        discovered_at=event.timestamp,
        updated_at=event.timestamp,
        history=[_entry(event, CreativeStatus.DISCOVERED)],
    )


def _entry(event: Event, status: CreativeStatus | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "at": event.timestamp.isoformat().replace("+00:00", "Z"),
        "event": event.TOPIC.partition(".")[2],
        "status": status,
    }
    for name in ("by", "reason", "error", "stage", "job_id", "creative_id", "attempt"):
        value = getattr(event, name, None)
        if value is not None:
            entry[name] = value
    return entry


def _changes(row: CreativeRow, event: CreativeEvent) -> dict[str, Any]:
    """The fields that an event sets beside status and history."""
    past = {"error": None, "detail": None, "vast_code": None, "retry_at": None}
    match event:
        case CreativeFetched():
            return {"content": event.content, "size": event.size, "source": event.source, **past}
        case CreativeLinked():
            return {"linked_to": event.creative_id}
        case JobSubmitted():
            job = {"job_id": event.job_id, "jobs": event.attempt, "ladder": event.ladder}
            return {**job, "stage": None, "retry_at": None}
        case JobProgressed():
            return {"stage": event.stage}
        case TranscodingCompleted():
            ready_at = row.ready_at or event.timestamp
            return {"rendition": event.rendition, "ready_at": ready_at, "stage": None, **past}
        case TranscodingFailed():
            return {
                "error": event.error,
                "detail": event.detail,
                "vast_code": event.vast_code,
                "retry_at": event.retry_at,
                "stage": None,
            }
        case TranscodingCanceled():
            return {"stage": None, "retry_at": None}
        case TranscodingRequested():
            return {"ladder": event.ladder, "retry_at": None}
        case CreativeQuarantined():
            return {"reason": event.reason, "retry_at": None, "stage": None}
        case CreativeReleased():
            return {"reason": None, **past}
        case CreativeDiscovered():
            return {}
        case _:
            assert_never(event)


def key_of(event: Event) -> Key | None:
    if category_of(event.originator_id) != "creative":
        return None
    return (id_of(event.originator_id),)


def number_of(event: Event) -> int:
    return event.originator_version


CREATIVES = Projection("creatives", "creative", key_of, number_of, lambda _: 0, fold)


class ByStatus(GlobalSecondaryIndex["CreativeItem"]):
    class Meta:
        index_name = "by_status"
        projection = AllProjection()

    status = UnicodeAttribute(hash_key=True)
    updated_at = NumberAttribute(range_key=True)


class CreativeItem(GatedItem):
    class Meta(Placed):
        """``placed`` binds a subclass to its table."""

    creative_id = UnicodeAttribute(hash_key=True)
    status = UnicodeAttribute(null=True)
    updated_at = NumberAttribute(null=True)
    by_status = ByStatus()


class CreativesTable(GatedTable[CreativeRow]):
    """One version of the read model. What says so blocks: run it in worker threads."""

    row = CreativeRow

    def __init__(self, items: type[CreativeItem]) -> None:
        self.items: type[CreativeItem] = items

    def attributes(self, row: CreativeRow) -> dict[str, Any]:
        return {
            "status": row.status,
            "updated_at": int(row.updated_at.timestamp() * 1000),
            "body": row.model_dump_json(exclude_defaults=True),
        }

    def standings(self, keys: Sequence[Key]) -> dict[Key, Standing]:
        """Of those that are there; strongly consistent."""
        names = ["creative_id", "applied", "generation", "parked"]
        ids = [key[0] for key in keys]
        found = self.items.batch_get(ids, consistent_read=True, attributes_to_get=names)
        return {(one.creative_id,): one.standing() for one in found}

    def get_many(self, ids: Sequence[str]) -> list[CreativeRow]:
        """Each once, in any order; those that are not there are missing. May lag by moments."""
        found = self.items.batch_get(list(ids), consistent_read=False)
        return [CreativeRow.model_validate_json(item.body) for item in found if item.body]

    def list_by_status(
        self, status: CreativeStatus, *, limit: int, before: int | None = None
    ) -> tuple[list[CreativeRow], int | None]:
        """Newest change first, a page; and the time (ms) to continue before (None: that was all).

        Rows that changed in the same millisecond as the last of a page stay on it or are passed
        over.
        """
        older = ByStatus.updated_at < before if before is not None else None
        found = list(
            self.items.by_status.query(status, older, scan_index_forward=False, limit=limit + 1)
        )
        rows = [CreativeRow.model_validate_json(one.body) for one in found[:limit] if one.body]
        return rows, int(found[limit - 1].updated_at) if len(found) > limit else None
