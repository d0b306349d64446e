"""How long creatives took until they could be played, as statistics are told."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.inbound.workers.readiness import Readiness, ready_record
from adapters.inbound.workers.transcoder import JobEvents
from commands.media.ports import JobReport, JobStatus
from domain.kernel.event import Event
from domain.media.creative import CREATIVE, CreativeDiscovered, JobSubmitted, TranscodingCompleted
from projections.media.statistics import Kind, Record

CREATIVE_ID = "c1"
SEEN = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
WAITED = timedelta(seconds=42, milliseconds=500)


def event(kind: Any, number: int, at: datetime, **fields: Any) -> Event:
    """With the fields that the test is about, and no others."""
    made: Event = kind.model_construct(
        originator_id=CREATIVE.stream(CREATIVE_ID),
        originator_version=number,
        timestamp=at,
        **fields,
    )
    return made


def events(*ready_after: timedelta, broker: str | None = "acme") -> list[Event]:
    """Discovered, then a rendition after each of these times."""
    completed = (
        event(TranscodingCompleted, number, SEEN + after)
        for number, after in enumerate(ready_after, 3)
    )
    discovered = event(CreativeDiscovered, 1, SEEN, broker=broker)
    return [discovered, event(JobSubmitted, 2, SEEN), *completed]


class Kept:
    """Event store with one stream, and port ``Records``."""

    def __init__(self, stream: Sequence[Event]) -> None:
        self.stream = stream
        self.records: list[Record] = []

    async def read(self, stream: str, **_: Any) -> list[Any]:
        assert stream == CREATIVE.stream(CREATIVE_ID)
        return [type("Stored", (), {"event": one}) for one in self.stream]

    async def put(self, record: Record) -> None:
        raise AssertionError("job events do not wait for statistics")

    def offer(self, record: Record) -> None:
        self.records.append(record)


def test_the_wait_is_from_the_first_sight_to_the_first_rendition() -> None:
    record = ready_record(CREATIVE_ID, events(WAITED, WAITED * 2))
    assert record is not None
    assert (record.kind, record.creative_id, record.broker) == (Kind.READY, CREATIVE_ID, "acme")
    assert (record.wait_ms, record.occurred_at) == (42_500, SEEN + WAITED)


def test_what_is_not_ready_is_not_told() -> None:
    assert ready_record(CREATIVE_ID, events()) is None
    assert ready_record(CREATIVE_ID, []) is None


def test_a_film_without_a_broker_is_counted_too() -> None:
    record = ready_record(CREATIVE_ID, events(WAITED, broker=None))
    assert record is not None
    assert record.broker == ""


class Transcodings:
    async def report(self, *_: object) -> None:
        return


def job_events(kept: Kept, status: JobStatus) -> JobEvents:
    async def decode(event: Mapping[str, Any]) -> JobReport:
        return JobReport("j1", CREATIVE_ID, "1", 1, status, SEEN)

    store: Any = kept
    given: Any = {"transcodings": Transcodings(), "hints": None, "ids": None}
    return JobEvents(decode=decode, tell_ready=Readiness(store, kept).tell, **given)


async def test_a_completed_job_is_told_once_however_often_it_is_reported() -> None:
    kept = Kept(events(WAITED))
    handler = job_events(kept, JobStatus.COMPLETE)
    for _ in range(3):
        await handler.handle({"id": str(random.random())})
    assert len(kept.records) == 3
    assert len({one.event_id for one in kept.records}) == 1


@pytest.mark.parametrize("status", set(JobStatus) - {JobStatus.COMPLETE})
async def test_other_reports_are_no_reason_to_look(status: JobStatus) -> None:
    kept = Kept(events(WAITED))
    await job_events(kept, status).handle({"id": "e1"})
    assert kept.records == []
