"""Whether the rows of a read model say what the store says, and how to make them.

Each stream's tail is compared with its rows. The scan of the store is not a moment but a while, so
what it finds is looked at once more, row and stream, before it is called a finding. A row that the
clock has purged, and an event that is younger than the grace, are no findings.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Generic, Protocol

from domain.kernel.errors import ContractError
from domain.kernel.recorded import Recorded
from projections.kernel.gate import (
    Held,
    Key,
    Place,
    Projection,
    Row,
    Rows,
    Source,
    Standing,
    fold_on,
)
from projections.kernel.rebuild import Applies, ReadUnits, Scan, patiently, together

AT_ONCE = 100
"""Keys of one batch read."""
GRACE = timedelta(seconds=10)
NAMED = 20
"""Findings that a report names; all are counted."""


class Kind(StrEnum):
    MISSING = "missing"
    BEHIND = "behind"
    AHEAD = "ahead"
    PARKED = "parked"


@dataclass(frozen=True)
class Tail:
    """The newest event of a key in the store."""

    key: Key
    place: Place
    stream: str
    version: int
    at: datetime


@dataclass(frozen=True)
class Finding:
    kind: Kind
    tail: Tail
    held: Place | None

    def __str__(self) -> str:
        key = ".".join(map(str, self.tail.key))
        has = self.held.number if self.held else "nothing"
        return f"{key} {self.kind.value}: row has {has}, store {self.tail.place.number}"


@dataclass
class Report:
    """``findings`` names the first of them; ``counts`` has all. ``miscounted``: what live counters
    lack of a recount. ``unreadable``: events that cannot be decoded, whose rows nobody can tell."""

    streams: int = 0
    events: int = 0
    rows: int = 0
    counts: Counter[Kind] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    miscounted: dict[str, int] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.counts and not self.miscounted and not self.unreadable

    def in_words(self) -> list[str]:
        counters = [f"counter {key} lacks {lack}" for key, lack in self.miscounted.items()]
        unreadable = [f"{one} is unreadable" for one in self.unreadable[:NAMED]]
        return [*map(str, self.findings), *unreadable, *counters[:NAMED]]

    def add(self, finding: Finding) -> None:
        self.counts[finding.kind] += 1
        if len(self.findings) < NAMED:
            self.findings.append(finding)


class VerifiableRows(Rows[Row], Protocol[Row]):
    """One slot's table."""

    async def standings(self, keys: Sequence[Key]) -> Mapping[Key, Standing]:
        """Of those that are there, strongly consistent; at most a hundred keys."""


@dataclass
class Verify(Generic[Row]):
    """``found`` is told of every finding, as it is found, and may mend it."""

    projection: Projection[Row]
    scan: Scan
    source: Source
    rows: VerifiableRows[Row]
    now: Callable[[], datetime]
    segments: int = 8
    units: ReadUnits = field(default_factory=lambda: ReadUnits(None))
    grace: timedelta = GRACE
    advance: Callable[[int], None] = lambda _: None

    async def run(self, found: Callable[[Finding], Any] | None = None) -> Report:
        report = Report()
        await together(self._segment(one, report, found) for one in range(self.segments))
        return report

    async def _segment(
        self, segment: int, report: Report, found: Callable[[Finding], Any] | None
    ) -> None:
        after: str | None = None
        tails: dict[Key, Tail] = {}
        stream = ""
        while True:
            page = await patiently(partial(self.scan.page, segment, self.segments, after))
            await self.units.spend(page.units)
            for name, part in itertools.groupby(page.recorded, _stream_of):
                report.streams += name != stream
                if name != stream:  # the one before is complete
                    await self._compare(tails, report, found, at_least=AT_ONCE)
                stream = name
                self._gather(list(part), tails)
            report.events += len(page.recorded)
            report.unreadable += page.unreadable
            self.advance(page.scanned)
            after = page.after
            if after is None:
                break
        await self._compare(tails, report, found)

    def _gather(self, part: Iterable[Recorded], tails: dict[Key, Tail]) -> None:
        for one in part:
            tail = self._tail_of(one)
            if tail is not None:
                tails[tail.key] = tail

    def _tail_of(self, one: Recorded) -> Tail | None:
        """None as well for an event that cannot tell its row: that has parked what it stops."""
        try:
            key = self.projection.key_of(one.event)
            return None if key is None else self._tail(key, one)
        except Exception:  # noqa: BLE001 - a pure function, which may be a new and broken one
            return None

    def _tail(self, key: Key, one: Recorded) -> Tail:
        event = one.event
        place = Place(one.generation, self.projection.number_of(event))
        return Tail(key, place, event.originator_id, event.originator_version, event.timestamp)

    async def _compare(
        self,
        tails: dict[Key, Tail],
        report: Report,
        found: Callable[[Finding], Any] | None,
        *,
        at_least: int = 1,
    ) -> None:
        """Compare what has been gathered, in full batches, and forget it."""
        if len(tails) < at_least:
            return
        report.rows += len(tails)
        keys = list(tails)
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            held = await self.rows.standings(some)
            for key in some:
                if self._differs(tails[key], held.get(key)) is None:
                    continue
                finding = await self._looked_at_again(tails[key])
                if finding is not None:
                    report.add(finding)
                    if found is not None:
                        await found(finding)
        tails.clear()

    async def _looked_at_again(self, tail: Tail) -> Finding | None:
        """The row first: what the stream has gained since then is younger than the grace."""
        held = (await self.rows.standings([tail.key])).get(tail.key)
        first = self.projection.before_first(tail.key)
        try:
            recorded = await self.source.read(tail.stream, after=first)
        except ContractError:  # told as unreadable; what is known of the stream is the scan's
            kind = self._differs(tail, held)
            return None if kind is None else Finding(kind, tail, held.place if held else None)
        tails = [self._tail_of(one) for one in recorded]
        newest = next((one for one in reversed(tails) if one and one.key == tail.key), None)
        if newest is None:
            return None
        kind = self._differs(newest, held)
        return None if kind is None else Finding(kind, newest, held.place if held else None)

    def _differs(self, tail: Tail, held: Standing | None) -> Kind | None:
        age = self.now() - tail.at
        if held is not None and held.parked:
            return Kind.PARKED
        if held is None:
            purged = self.projection.kept is not None and age > self.projection.kept
            return None if purged or age < self.grace else Kind.MISSING
        if held.place < tail.place:
            return None if age < self.grace else Kind.BEHIND
        return Kind.AHEAD if held.place > tail.place else None


def _stream_of(one: Recorded) -> str:
    return one.event.originator_id


@dataclass
class Heal(Generic[Row]):
    """Brings one row to what the store says, directly; only for a row that is ahead or unread."""

    projection: Projection[Row]
    source: Source
    rows: Rows[Row]
    gate: Applies

    async def __call__(self, finding: Finding) -> None:
        if finding.kind is Kind.PARKED:
            return
        tail = finding.tail
        first = self.projection.before_first(tail.key)
        try:
            recorded = await self.source.read(tail.stream, after=first)
        except ContractError:  # stays a finding, until the event is mended
            return
        mine = [one for one in recorded if self.projection.key_of(one.event) == tail.key]
        if finding.kind is Kind.AHEAD:
            await self._write_anew(tail.key, mine)
        else:
            await patiently(lambda: self.gate.apply(mine))

    async def _write_anew(self, key: Key, mine: Sequence[Recorded]) -> None:
        """No event can move a row back, for the gate takes it for a repetition."""
        stored = await self.rows.get(key)
        held, failure = fold_on(self.projection, key, Held[Row](), mine)
        if failure is None and held.row is not None:
            await self.rows.put(key, held, stored)
