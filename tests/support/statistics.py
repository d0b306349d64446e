"""Records of ads: single ones, and a random day's traffic with repeats."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ulid import ULID

from adapters.outbound.analytics.parquet import by_day, file_of, key_of, parsed
from projections.media.statistics import Facts, Kind, Outcome, Pricing, Record

START = datetime(2026, 11, 1, 22, 0, tzinfo=UTC)
FUNNEL = (
    Kind.IMPRESSION,
    Kind.START,
    Kind.FIRST_QUARTILE,
    Kind.MIDPOINT,
    Kind.THIRD_QUARTILE,
    Kind.COMPLETE,
)


def ulid(number: int) -> str:
    return str(ULID.from_int(number))


def record(number: int = 1, kind: Kind = Kind.IMPRESSION, **fields: Any) -> Record:
    given: dict[str, Any] = {"occurred_at": START, "broker": "acme", **fields}
    return Record(event_id=ulid(number), kind=kind, **given)


class CountedMetrics:
    """Port ``Metrics``."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, name: str, value: int = 1, **dimensions: str) -> None:
        self.counts[name] += value

    def gauge(self, name: str, value: float, unit: str = "None", **dimensions: str) -> None:
        self.counts[name] = int(value)

    def send(self) -> None:
        return


class Traffic:
    """Five hours around midnight, with names that are hard on SQL; every tenth record comes twice,
    the second time an hour later, as players and streams do."""

    def __init__(self, seed: int, requests: int = 300) -> None:
        self._random = random.Random(seed)
        self._number = seed << 40
        self.once = list(self._records(requests))
        repeated = [
            one.model_copy(update={"occurred_at": one.occurred_at + timedelta(hours=1)})
            for one in self.once
            if self._random.random() < 0.1
        ]
        self.all = [*self.once, *repeated]
        self._random.shuffle(self.all)

    def _records(self, requests: int) -> Iterator[Record]:
        pick = self._random.choice
        for number in range(requests):
            at = START + timedelta(seconds=self._random.randrange(5 * 3600))
            base = Facts(
                request_id=f"r{number}",
                broker=pick(("acme", 'o\'hara "&" sons', "zeta\\' OR 1=1 --")),
                service=pick(("tv", "web")),
                session=pick(("", *(f"s{each}" for each in range(12)))),
            )
            outcome = pick((Outcome.OK, Outcome.OK, Outcome.NO_AD, Outcome.TIMEOUT, Outcome.ERROR))
            yield self._record(
                Kind.REQUEST,
                base,
                at,
                outcome=outcome,
                latency_ms=self._random.randrange(1, 3000),
                slots=pick((None, 1, 3)),
            )
            if outcome is Outcome.OK:
                yield from self._ad(base, at)

    def _ad(self, base: Facts, at: datetime) -> Iterator[Record]:
        pick = self._random.choice
        facts = base.model_copy(
            update={
                "campaign": pick(("winter", "sommer ü", "")),
                "creative_id": pick(("C1", "C2", "C3")),
                "price_micros": self._random.randrange(1, 10**9),
                "currency": pick(("EUR", "USD")),
                "pricing": pick((Pricing.CPM, Pricing.CPC, Pricing.CPV, Pricing.CPE)),
            }
        )
        if self._random.random() < 0.3:
            code = pick((407, 403))
            yield self._record(
                Kind.AD,
                facts,
                at,
                outcome=Outcome.SKIPPED,
                error_code=code,
                reason="NEW_CREATIVE" if code == 407 else "MEDIA_FILE_UNAVAILABLE",
            )
            yield self._record(
                Kind.READY,
                Facts(broker=facts.broker, creative_id=facts.creative_id),
                at,
                wait_ms=self._random.randrange(1000, 90_000),
            )
            return
        yield self._record(Kind.AD, facts, at, outcome=Outcome.FILLED)
        if self._random.random() < 0.1:
            yield self._record(Kind.ERROR, facts, at, error_code=pick((400, 405)))
            return
        for second, kind in enumerate(FUNNEL[: self._random.randrange(len(FUNNEL) + 1)]):
            yield self._record(kind, facts, at + timedelta(seconds=5 * second))
        if self._random.random() < 0.2:
            yield self._record(Kind.CLICK, facts, at)

    def _record(self, kind: Kind, facts: Facts, at: datetime, **fields: Any) -> Record:
        self._number += 1
        return Record(
            event_id=ulid(self._number), occurred_at=at, kind=kind, **facts.model_dump(), **fields
        )


class FolderFiles:
    """Port ``DayFiles``, over a folder that holds them already."""

    def __init__(self, root: Path) -> None:
        self.root = root

    async def of(self, days: Sequence[str]) -> list[Path]:
        return sorted(one for day in days for one in self.root.glob(f"dt={day}/*.parquet"))

    def add(self, records: Sequence[Record]) -> None:
        import orjson

        rows = [parsed(orjson.dumps(one.row())) for one in records]
        for day, of_day in by_day(rows).items():
            body = file_of(of_day)
            path = self.root / key_of("", day, body)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
