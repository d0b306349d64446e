"""Keys of personal data for tests, and events as they are after sealing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adapters.outbound.dynamodb.claim_check import ClaimCheck
from adapters.outbound.dynamodb.codec import from_cloud_event
from adapters.outbound.dynamodb.event_store import DynamoDbEventStore
from adapters.outbound.dynamodb.sealer import Sealer, opened_cloud_event, sealed_with
from adapters.outbound.dynamodb.snapshots import DynamoDbSnapshotStore
from adapters.outbound.memory.keyring import MemoryKeyring
from adapters.outbound.memory.objects import MemoryObjects
from adapters.outbound.objects.ports import Objects
from commands.kernel.ports import DataKey
from domain.kernel.recorded import Recorded
from tests.support.tables import Tables

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class DerivedKeyring(MemoryKeyring):
    """Each subject's key is made of its name, so that files of an earlier day open too."""

    async def for_sealing(self, subject: str) -> DataKey:
        self.keys.setdefault(subject, derived_key(subject))
        return await super().for_sealing(subject)

    async def for_opening(self, subject: str) -> DataKey | None:
        self.keys.setdefault(subject, derived_key(subject))
        return await super().for_opening(subject)


def derived_key(subject: str) -> DataKey:
    return DataKey(subject, hashlib.sha256(subject.encode()).digest())


class DerivedKeys(dict[str, DataKey]):
    """The same, for who cannot wait: by subject, and as the port ``SubjectKeys``."""

    def __missing__(self, subject: str) -> DataKey:
        return derived_key(subject)

    for_sealing = for_opening = __missing__


DERIVED = DerivedKeys()
BUCKET = "objects"


def sealer(objects: Objects | None = None) -> Sealer:
    return Sealer(DerivedKeyring(), ClaimCheck(objects or MemoryObjects(), BUCKET))


def sealed(recorded: Recorded) -> Recorded:
    return sealed_with(DERIVED, recorded)


def opened(cloud_event: Mapping[str, Any]) -> Recorded:
    if "sealed" in cloud_event:
        return opened_cloud_event(DERIVED, cloud_event)
    return from_cloud_event(cloud_event)


def event_store(
    client: DynamoDBClient, tables: Tables, objects: Objects | None = None
) -> DynamoDbEventStore:
    return DynamoDbEventStore(client, tables.events, tables.vault, sealer=sealer(objects))


def snapshot_store(client: DynamoDBClient, tables: Tables) -> DynamoDbSnapshotStore:
    return DynamoDbSnapshotStore(client, tables.snapshots, keyring=DerivedKeyring())
