"""Ads on memory: brokers that answer what a test says, films that are ready when it says so."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastapi import FastAPI

from adapters.inbound.http.ads.parts import AdParts
from adapters.inbound.http.ads.routes import mount
from adapters.inbound.http.app import create_app
from adapters.inbound.http.beacon_tokens import BeaconKeys, BeaconTokens
from adapters.outbound.memory.store import MemoryEventStore
from adapters.outbound.web import Breaker
from adapters.outbound.web.errors import RemoteUnavailable
from commands.kernel.policy import Effect
from commands.media import creatives
from commands.media.creatives import RecordFetched
from domain.kernel.errors import HomecastError, StoreUnavailable
from domain.kernel.event import category_of, id_of
from domain.kernel.recorded import Context, Recorded
from domain.media import creative as decisions
from domain.media.creative import CREATIVE, CreativeStatus
from domain.media.ladder import LADDER
from projections.media.broker_health import BrokerHealth
from projections.media.brokers import BROKERS, BrokerRow
from projections.media.creatives import CREATIVES, CreativeRow
from projections.media.statistics import Record
from tests.support.events import RENDITION, SOURCE
from tests.support.write_side import WriteSide
from tests.unit.http.world import World

CONTEXT = Context("c", "m", "test")


@dataclass
class FakeDocument:
    body: bytes
    no_ad: bool = False


@dataclass
class FakeDocuments:
    """``answers``: by the beginning of the address."""

    answers: dict[str, bytes | HomecastError] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    async def fetch(
        self, url: str, headers: Mapping[str, str] | None = None, *, timeout: float = 3.0
    ) -> FakeDocument:
        self.asked.append((url, headers or {}))
        for start, answer in self.answers.items():
            if url.startswith(start):
                if isinstance(answer, HomecastError):
                    raise answer
                return FakeDocument(answer, no_ad=not answer)
        raise RemoteUnavailable("nobody is there")


class FakeHealth:
    def __init__(self) -> None:
        self.recorded: list[tuple[str, str]] = []

    def record(self, broker: str, outcome: str, milliseconds: float, error: str = "") -> None:
        self.recorded.append((broker, outcome))

    async def read(self) -> list[BrokerHealth]:
        return []


def streams_of(write: WriteSide) -> list[str]:
    return sorted(write.memory._streams)


class StoreAway(MemoryEventStore):
    """``away``: nothing answers. ``reads``: how often it was asked."""

    away = False
    reads = 0

    async def read(
        self, stream: str, *, after: int = 0, up_to: int | None = None, personal: bool = True
    ) -> list[Recorded]:
        self.reads += 1
        if self.away:
            raise StoreUnavailable("away")
        return await super().read(stream, after=after, up_to=up_to, personal=personal)


class FoldedCreatives:
    """The read model as it will be: folded of the store. ``asked``: how often. ``away``: not now.
    ``batches``: how often for several."""

    def __init__(self, write: WriteSide) -> None:
        self._write = write
        self.asked: Counter[str] = Counter()
        self.away = False
        self.batches = 0

    async def get(self, creative_id: str) -> CreativeRow | None:
        row = None
        for event in await self._write.events(CREATIVE.stream(creative_id)):
            row = CREATIVES.fold(row, event)
        return row

    async def get_many(self, ids: Sequence[str]) -> Sequence[CreativeRow]:
        if self.away:
            raise StoreUnavailable("away")
        self.batches += 1
        self.asked.update(ids)
        rows = [await self.get(one) for one in ids]
        return [row for row in rows if row is not None]

    async def list(
        self, status: CreativeStatus, *, limit: int, before: int | None
    ) -> tuple[list[CreativeRow], int | None]:
        streams = streams_of(self._write)
        found = [await self.get(id_of(one)) for one in streams if category_of(one) == "creative"]
        rows = [row for row in found if row and row.status == status]
        return rows[:limit], None


class FoldedBrokers:
    def __init__(self, write: WriteSide) -> None:
        self._write = write

    async def get(self, name: str) -> BrokerRow | None:
        row = None
        for event in await self._write.events(f"broker-{name}"):
            row = BROKERS.fold(row, event)
        return row

    async def list(self) -> Sequence[BrokerRow]:
        streams = streams_of(self._write)
        found = [await self.get(id_of(one)) for one in streams if category_of(one) == "broker"]
        return [row for row in found if row]


class Kept:
    """Outbox and records."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.records: list[Record] = []

    async def put(self, what: Any) -> None:
        (self.effects if isinstance(what, Effect) else self.records).append(what)

    def offer(self, record: Record) -> None:
        self.records.append(record)


class NoProgress:
    async def tell(self, *_: object) -> None:
        return

    async def of(self, _: Sequence[str]) -> Mapping[str, Any]:
        return {}


class AdsWorld:
    def __init__(self) -> None:
        self.api = World()
        self.settings = self.api.settings
        self.clock, self.ids, self.vault = self.api.clock, self.api.ids, self.api.vault
        self.tracer, self.counters = self.api.tracer, self.api.counters
        self.store = StoreAway()
        self.media = WriteSide(self.store, memory=self.store)
        self.creatives = FoldedCreatives(self.media)
        self.brokers = FoldedBrokers(self.media)
        self.documents = FakeDocuments()
        self.breaker = Breaker()
        self.health = FakeHealth()
        self.progress = NoProgress()
        self.kept = Kept()
        self.outbox = self.records = self.kept
        self.films: Any = None
        self.beacon_tokens = BeaconTokens(BeaconKeys("k", {"k": os.urandom(64)}))
        self.base_url = "http://beacons.example"

    @asynccontextmanager
    async def app(self) -> AsyncIterator[tuple[FastAPI, AdParts]]:
        given: Any = self
        parts = AdParts(given)
        app = create_app(self.api, mounts=[partial(mount, parts=parts)])
        async with app.router.lifespan_context(app):
            yield app, parts
            await parts.close()

    async def make_ready(self, creative_id: str) -> None:
        """As the worker and the transcoder would."""
        sha256 = hashlib.sha256(creative_id.encode()).hexdigest()
        message = RecordFetched(
            creative_id=creative_id,
            content=sha256,
            size=1,
            original=f"originals/{sha256}",
            source=SOURCE,
        )
        await self.media.dispatcher.execute(
            CONTEXT, lambda unit: creatives.record_fetched(unit, message)
        )

        async def complete(unit: Any) -> None:
            state = await unit.load(CREATIVE, creative_id)
            submitted = decisions.record_submitted(state, job_id="j", ladder="l", at=unit.at)
            after = CREATIVE.fold(state, submitted[0])
            rendition = RENDITION.model_copy(update={"ladder": LADDER.version})
            done = decisions.record_complete(after, job_id="j", rendition=rendition, at=unit.at)
            unit.append(state, [*submitted, *done])

        await self.media.dispatcher.execute(CONTEXT, complete)

    async def link(self, creative_id: str, to: str) -> None:
        """As the worker would, when both have the same bytes."""
        sha256 = hashlib.sha256(to.encode()).hexdigest()
        message = RecordFetched(
            creative_id=creative_id,
            content=sha256,
            size=1,
            original=f"originals/{sha256}",
            source=SOURCE,
        )
        await self.media.dispatcher.execute(
            CONTEXT, lambda unit: creatives.record_fetched(unit, message)
        )

    async def creative_ids(self) -> list[str]:
        return [id_of(one) for one in streams_of(self.media) if one.startswith("creative-")]

    async def rows(self) -> list[CreativeRow]:
        found = [await self.creatives.get(one) for one in await self.creative_ids()]
        return [row for row in found if row is not None]
