"""Which films are ready: from memory, never older than five seconds, asked for in batches.

What is ready is asked for anew before it is too old, beside the requests, so that a busy film costs
no request anything. A linked film is as ready as the one that it is linked to.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog

from adapters.inbound.http.ads.ports import CreativesQuery
from domain.kernel.errors import Unavailable
from domain.media.creative import CreativeStatus
from projections.media.creatives import CreativeRow

TRUSTED_FOR = 5.0
"""Seconds: so long a quarantine may take to be seen."""
REFRESHED_AFTER = 2.5
UNREADY_FOR = 1.0
REMEMBERED = 50_000

log = structlog.get_logger("homecast.ads")


@dataclass
class Entry:
    """``row`` None: nobody has seen the film yet. ``at``: when it was asked for."""

    row: CreativeRow | None
    at: float

    @property
    def settled(self) -> bool:
        """Whether it is ready, or linked to another, which has an entry of its own."""
        row = self.row
        linked = row is not None and row.linked_to and row.status != CreativeStatus.QUARANTINED
        return row is not None and (row.ready or bool(linked))

    def lasts_until(self) -> float:
        return self.at + (TRUSTED_FOR if self.settled else UNREADY_FOR)


@dataclass(frozen=True)
class Looked:
    """``unknown``: of these nothing can be known at the moment."""

    rows: Mapping[str, CreativeRow]
    unknown: frozenset[str] = frozenset()


class ReadyCreatives:
    def __init__(self, creatives: CreativesQuery) -> None:
        self._creatives = creatives
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def of(self, ids: Iterable[str]) -> Looked:
        """The rows of those that are known; of a linked one, with what the other is at.

        While the read model is away, what is still in memory goes on, and nothing is taken for
        unseen.
        """
        wanted = list(dict.fromkeys(ids))
        away = not await self._known(wanted)
        links = [row.linked_to for one in wanted if (row := self._row(one)) and row.linked_to]
        if links and not await self._known(links):
            away = True
        lasting = {one for one in (*wanted, *links) if not away or self._lasts(one)}
        rows = {
            one: self._whole(row)
            for one in wanted
            if one in lasting and (row := self._row(one)) is not None
            if not row.linked_to or row.linked_to in lasting
        }
        return Looked(rows, frozenset(wanted) - rows.keys() if away else frozenset())

    def learn(self, row: CreativeRow) -> None:
        """What this process has just done itself."""
        self._keep(row.creative_id, row, asyncio.get_running_loop().time())

    def _row(self, creative_id: str) -> CreativeRow | None:
        entry = self._entries.get(creative_id)
        return entry.row if entry else None

    def _whole(self, row: CreativeRow) -> CreativeRow:
        """A linked film that is not quarantined itself is at what the other one is at."""
        other = self._row(row.linked_to) if row.linked_to else None
        if other is None or row.status == CreativeStatus.QUARANTINED:
            return row
        rendition = other.rendition if other.ready else None
        found = {"status": other.status, "vast_code": other.vast_code, "rendition": rendition}
        return row.model_copy(update=found)

    def _lasts(self, creative_id: str) -> bool:
        entry = self._entries.get(creative_id)
        return entry is not None and entry.lasts_until() > asyncio.get_running_loop().time()

    async def _known(self, ids: list[str]) -> bool:
        """False while the read model is away."""
        try:
            await self._know(ids)
        except Unavailable:
            return False
        return True

    async def _know(self, ids: list[str]) -> None:
        now = asyncio.get_running_loop().time()
        missing, ageing = [], []
        for one in ids:
            entry = self._entries.get(one)
            if entry is None or entry.lasts_until() <= now:
                missing.append(one)
            elif entry.at + REFRESHED_AFTER <= now and entry.settled:
                ageing.append(one)
        self._ask([one for one in ageing if one not in self._asking])
        self._ask([one for one in missing if one not in self._asking])
        waited = {self._asking[one] for one in missing if one in self._asking}
        if waited:
            await asyncio.gather(*(asyncio.shield(one) for one in waited))

    def _ask(self, ids: list[str]) -> None:
        if ids:
            task = asyncio.create_task(self._asked(ids), name="creatives")
            self._asking.update(dict.fromkeys(ids, task))
            task.add_done_callback(told)

    async def _asked(self, ids: list[str]) -> None:
        at = asyncio.get_running_loop().time()
        try:
            rows = {row.creative_id: row for row in await self._creatives.get_many(ids)}
            for one in ids:
                self._keep(one, rows.get(one), at)
        finally:
            for one in ids:
                self._asking.pop(one, None)

    def _keep(self, creative_id: str, row: CreativeRow | None, at: float) -> None:
        known = self._row(creative_id)
        if known is not None and (row is None or row.applied < known.applied):
            row = known  # the index may lag behind what is known already
        self._entries[creative_id] = Entry(row, at)
        self._entries.move_to_end(creative_id)
        while len(self._entries) > REMEMBERED:
            self._entries.popitem(last=False)

    async def close(self) -> None:
        tasks = set(self._asking.values())
        await asyncio.gather(*tasks, return_exceptions=True)


def told(task: asyncio.Task[None]) -> None:
    """Of what may have nobody who waits for it."""
    if not task.cancelled() and (error := task.exception()):
        log.warning("creatives_unknown", why=type(error).__name__)
