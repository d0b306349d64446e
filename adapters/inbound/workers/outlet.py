"""One context's way from the records of its stream to its topic, in a process or in Lambda."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from adapters.inbound.workers.ports import Metrics, StreamRecord
from adapters.inbound.workers.publisher import Publisher
from domain.kernel.errors import ContractError

log = structlog.get_logger("homecast.relay")

Event = dict[str, Any]
"""A CloudEvent."""
Image = Mapping[str, Any]
"""An item of the event store in DynamoDB's typed form."""


@dataclass(frozen=True)
class Outlet:
    context: str
    publisher: Publisher
    to_event: Callable[[Image], Event]
    metrics: Metrics

    def readable(self, records: Sequence[StreamRecord]) -> list[tuple[StreamRecord, Event]]:
        """What was inserted, with its record; deletions and changes are no events."""
        pairs = ((one, self.event(one.image, one.sequence)) for one in records if one.inserted)
        return [(record, event) for record, event in pairs if event is not None]

    def event(self, image: Image, sequence: str = "") -> Event | None:
        """None for what is no event: logged, counted and passed over, for others come after it."""
        try:
            return self.to_event(image)
        except ContractError as error:
            log.error("record_unreadable", sequence=sequence, detail=error.detail)
            self.metrics.count("UnreadableRecords", context=self.context)
            return None
