"""The registry of parked rows as items of a table."""

from __future__ import annotations

import builtins

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from adapters.outbound.dynamodb.rows import Threads
from projections.kernel.items import Placed, refused
from projections.kernel.parking import Entry, Status


class OpenIndex(GlobalSecondaryIndex["ParkedItem"]):
    class Meta:
        index_name = "open"
        projection = AllProjection()

    open_model = UnicodeAttribute(hash_key=True)
    row = UnicodeAttribute(range_key=True)


class ParkedItem(Model):
    """``body``: the entry as JSON. ``open_model``: the model, while the entry is PARKED."""

    class Meta(Placed):
        """``placed`` binds a subclass to its table."""

    model = UnicodeAttribute(hash_key=True)
    row = UnicodeAttribute(range_key=True)
    open_model = UnicodeAttribute(null=True)
    revision = NumberAttribute()
    body = UnicodeAttribute()
    expires_at = NumberAttribute(null=True)
    open = OpenIndex()


class PynamoRegistry:
    """Port ``Registry``."""

    def __init__(self, threads: Threads, items: type[ParkedItem]) -> None:
        self._threads = threads
        self._items = items

    async def get(self, model: str, row: str) -> Entry | None:
        return await self._threads.run(self._load, model, row)

    async def put(self, entry: Entry) -> bool:
        return await self._threads.run(self._save, entry)

    async def list(
        self, model: str, *, limit: int, after: str = "", everything: bool = False
    ) -> builtins.list[Entry]:
        return await self._threads.run(self._list, model, limit, after, everything)

    async def count(self, model: str) -> int:
        return await self._threads.run(self._items.open.count, model)

    def _load(self, model: str, row: str) -> Entry | None:
        try:
            return _entry(self._items.get(model, row, consistent_read=True))
        except self._items.DoesNotExist:
            return None

    def _save(self, entry: Entry) -> bool:
        until = entry.expires_at()
        item = self._items(
            entry.model,
            entry.row,
            open_model=entry.model if entry.status is Status.PARKED else None,
            revision=entry.revision,
            body=entry.model_dump_json(),
            expires_at=int(until.timestamp()) if until else None,
        )
        new, next_one = (
            self._items.revision.does_not_exist(),
            self._items.revision == (entry.revision - 1),
        )
        try:
            item.save(condition=new if entry.revision == 1 else next_one)
        except PutError as error:
            if refused(error):
                return False
            raise
        return True

    def _list(self, model: str, limit: int, after: str, everything: bool) -> builtins.list[Entry]:
        beyond = ParkedItem.row > after if after else None
        source = self._items if everything else self._items.open
        return [_entry(item) for item in source.query(model, beyond, limit=limit)]


def _entry(item: ParkedItem) -> Entry:
    return Entry.model_validate_json(item.body)
