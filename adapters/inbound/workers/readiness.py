"""Tells statistics how long a creative took from its first sight until it could be played."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import timedelta

from ulid import ULID

from commands.kernel.ports import EventStore
from domain.kernel.event import Event
from domain.media.creative import CREATIVE, CreativeDiscovered, TranscodingCompleted
from projections.media.statistics import Kind, Record, Records


class Readiness:
    """Asks the stream itself, for read models may lag behind what was just recorded."""

    def __init__(self, store: EventStore, records: Records) -> None:
        self._store = store
        self._records = records

    async def tell(self, creative_id: str) -> None:
        """Raises ``StoreUnavailable``; telling it again is the same record."""
        recorded = await self._store.read(CREATIVE.stream(creative_id))
        found = ready_record(creative_id, (one.event for one in recorded))
        if found is not None:
            self._records.offer(found)


def ready_record(creative_id: str, events: Iterable[Event]) -> Record | None:
    """Of the first rendition; later ones of the same film were not waited for."""
    seen: CreativeDiscovered | None = None
    for event in events:
        if isinstance(event, CreativeDiscovered):
            seen = event
        if isinstance(event, TranscodingCompleted) and seen is not None:
            ready, waited = event.timestamp, event.timestamp - seen.timestamp
            moment = int(ready.timestamp() * 1000).to_bytes(6)
            digest = hashlib.sha256(f"ready {creative_id}".encode()).digest()
            return Record(
                event_id=str(ULID.from_bytes(moment + digest[:10])),
                occurred_at=ready,
                kind=Kind.READY,
                creative_id=creative_id,
                broker=seen.broker or "",
                wait_ms=max(waited // timedelta(milliseconds=1), 0),
            )
    return None
