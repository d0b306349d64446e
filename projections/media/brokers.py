"""Read model ``brokers``: one row per broker, to list them; ad requests read the stream itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, assert_never, cast

from pynamodb.attributes import UnicodeAttribute

from domain.kernel.event import Event, category_of, id_of
from domain.media.broker import (
    BrokerConfig,
    BrokerConfigured,
    BrokerEvent,
    BrokerRetired,
    BrokerStatus,
)
from projections.kernel.gate import GatedRow, Key, Projection, Standing
from projections.kernel.items import GatedItem, GatedTable, Placed

MOST = 1_000


class BrokerRow(GatedRow):
    name: str
    status: BrokerStatus
    config: BrokerConfig
    configured_at: datetime
    updated_at: datetime

    @property
    def version(self) -> int:
        return self.stream_version


def fold(row: BrokerRow | None, event: Event) -> BrokerRow:
    known = cast("BrokerEvent", event)
    match known:
        case BrokerConfigured():
            return BrokerRow(
                applied=event.originator_version,
                stream_version=event.originator_version,
                name=id_of(event.originator_id),
                status=BrokerStatus.ACTIVE,
                config=known.config,
                configured_at=row.configured_at if row else event.timestamp,
                updated_at=event.timestamp,
            )
        case BrokerRetired():
            assert row is not None, "a broker's first event is its configuration"
            changed = {"status": BrokerStatus.RETIRED, "updated_at": event.timestamp}
            return row.model_copy(update=changed)
        case _:
            assert_never(known)


def key_of(event: Event) -> Key | None:
    if category_of(event.originator_id) != "broker":
        return None
    return (id_of(event.originator_id),)


def number_of(event: Event) -> int:
    return event.originator_version


BROKERS = Projection("brokers", "broker", key_of, number_of, lambda _: 0, fold)


class BrokerItem(GatedItem):
    class Meta(Placed):
        """``placed`` binds a subclass to its table."""

    name = UnicodeAttribute(hash_key=True)


class BrokersTable(GatedTable[BrokerRow]):
    """One version of the read model. What says so blocks: run it in worker threads."""

    row = BrokerRow

    def __init__(self, items: type[BrokerItem]) -> None:
        self.items: type[BrokerItem] = items

    def attributes(self, row: BrokerRow) -> dict[str, Any]:
        return {"body": row.model_dump_json()}

    def standings(self, keys: Sequence[Key]) -> dict[Key, Standing]:
        """Of those that are there; strongly consistent."""
        names = ["name", "applied", "generation", "parked"]
        ids = [key[0] for key in keys]
        found = self.items.batch_get(ids, consistent_read=True, attributes_to_get=names)
        return {(one.name,): one.standing() for one in found}

    def list_all(self) -> list[BrokerRow]:
        """By name; there are few. At most a thousand."""
        found = self.items.scan(consistent_read=True, limit=MOST)
        rows = [BrokerRow.model_validate_json(one.body) for one in found if one.body]
        return sorted(rows, key=lambda one: one.name)
