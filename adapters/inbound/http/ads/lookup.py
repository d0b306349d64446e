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

    def lasts_until(self) -> float:
        ready = self.row is not None and self.row.ready
        return self.at + (TRUSTED_FOR if ready else UNREADY_FOR)


class ReadyCreatives:
    def __init__(self, creatives: CreativesQuery) -> None:
        self._creatives = creatives
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def of(self, ids: Iterable[str]) -> Mapping[str, CreativeRow]:
        """The rows of those that are known; of a linked one, with the rendition of the other.

        Raises ``StoreUnavailable``.
        """
        wanted = list(dict.fromkeys(ids))
        await self._know(wanted)
        links = [row.linked_to for one in wanted if (row := self._row(one)) and row.linked_to]
        if links:
            await self._know(links)
        return {one: self._whole(row) for one in wanted if (row := self._row(one)) is not None}

    def learn(self, row: CreativeRow) -> None:
        """What this process has just done itself."""
        self._keep(row.creative_id, row)

    def _row(self, creative_id: str) -> CreativeRow | None:
        entry = self._entries.get(creative_id)
        return entry.row if entry else None

    def _whole(self, row: CreativeRow) -> CreativeRow:
        other = self._row(row.linked_to) if row.linked_to else None
        if other is None:
            return row
        rendition = other.rendition if other.ready else None
        return row.model_copy(update={"rendition": rendition})

    async def _know(self, ids: list[str]) -> None:
        now = asyncio.get_running_loop().time()
        missing, ageing = [], []
        for one in ids:
            entry = self._entries.get(one)
            if entry is None or entry.lasts_until() <= now:
                missing.append(one)
            elif entry.at + REFRESHED_AFTER <= now and entry.row is not None and entry.row.ready:
                ageing.append(one)
        self._ask([one for one in ageing if one not in self._asking], quiet=True)
        self._ask([one for one in missing if one not in self._asking], quiet=False)
        waited = {self._asking[one] for one in missing if one in self._asking}
        if waited:
            await asyncio.gather(*(asyncio.shield(one) for one in waited))

    def _ask(self, ids: list[str], *, quiet: bool) -> None:
        if ids:
            task = asyncio.create_task(self._asked(ids, quiet=quiet), name="creatives")
            self._asking.update(dict.fromkeys(ids, task))

    async def _asked(self, ids: list[str], *, quiet: bool) -> None:
        try:
            rows = {row.creative_id: row for row in await self._creatives.get_many(ids)}
        except Unavailable as error:
            if not quiet:
                raise
            log.warning("creatives_unknown", code=error.code)
        else:
            for one in ids:
                self._keep(one, rows.get(one))
        finally:
            for one in ids:
                self._asking.pop(one, None)

    def _keep(self, creative_id: str, row: CreativeRow | None) -> None:
        known = self._row(creative_id)
        if known is not None and (row is None or row.applied < known.applied):
            row = known  # the index may lag behind what is known already
        self._entries[creative_id] = Entry(row, asyncio.get_running_loop().time())
        self._entries.move_to_end(creative_id)
        while len(self._entries) > REMEMBERED:
            self._entries.popitem(last=False)

    async def close(self) -> None:
        tasks = set(self._asking.values())
        await asyncio.gather(*tasks, return_exceptions=True)
