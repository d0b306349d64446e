"""eventsourcing's own contract for recorders, unchanged, and what ours adds to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest
from eventsourcing.persistence import (
    IntegrityError,
    OperationalError,
    ProgrammingError,
    StoredEvent,
)

# As a module: pytest would collect an abstract test class that is imported by its name.
from eventsourcing.tests import persistence

from adapters.outbound.dynamodb.client import AwsConnection
from adapters.outbound.dynamodb.mapper import PydanticMapper
from adapters.outbound.dynamodb.recorder import DynamoDbRecorder
from domain.kernel.event import Event
from tests.support.events import EXAMPLES
from tests.support.sealing import DERIVED, event_store
from tests.support.tables import Tables, connect, create_tables


@pytest.fixture(params=["moto", "ministack"])
def connection(request: pytest.FixtureRequest) -> AwsConnection:
    return connect(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def tables(connection: AwsConnection) -> Tables:
    async def create() -> Tables:
        async with connection.dynamodb() as client:
            return await create_tables(client)

    return asyncio.run(create())


@pytest.fixture
def recorder(connection: AwsConnection, tables: Tables) -> Iterator[DynamoDbRecorder]:
    recorder = DynamoDbRecorder(connection.dynamodb, tables.events)
    yield recorder
    recorder.close()


class _Contract(persistence.AggregateRecorderTestCase):
    """Run by ``_run_contract``: unittest classes take no fixture parameters."""

    __test__ = False
    recorder: DynamoDbRecorder

    def create_recorder(self) -> DynamoDbRecorder:
        return self.recorder


@pytest.mark.parametrize("name", ["test_insert_and_select", "test_performance"])
def test_the_recorder_keeps_the_contract_of_eventsourcing(
    recorder: DynamoDbRecorder, name: str
) -> None:
    case = _Contract(name)
    case.recorder = recorder
    result = case.run()
    assert result is not None
    assert result.testsRun == 1
    assert not result.errors + result.failures


def test_the_list_of_contract_tests_is_complete() -> None:
    declared = {name for name in dir(persistence.AggregateRecorderTestCase) if name[:5] == "test_"}
    assert declared == {"test_insert_and_select", "test_performance"}


def test_what_the_recorder_stores_the_event_store_reads(
    recorder: DynamoDbRecorder, connection: AwsConnection, tables: Tables
) -> None:
    events = [event for event in EXAMPLES if event.originator_id.startswith("device-")]
    mapper = PydanticMapper(keys=DERIVED)
    recorder.insert_events([mapper.to_stored_event(event) for event in events])
    stream = events[0].originator_id

    async def read() -> list[Event]:
        async with connection.dynamodb() as client:
            store = event_store(client, tables)
            return [each.event for each in await store.read(stream)]

    assert asyncio.run(read()) == events
    stored = recorder.select_events(stream)
    assert [mapper.to_domain_event(each) for each in stored] == events


@pytest.mark.parametrize("state", [b"", b"\xff\x00", b'{"timestamp": "spaced"}', b'{"a":1}'])
def test_any_state_comes_back_to_the_byte(recorder: DynamoDbRecorder, state: bytes) -> None:
    stored = StoredEvent(str(uuid4()), 1, "topic", state)
    recorder.insert_events([stored])
    assert recorder.select_events(stored.originator_id) == [stored]


def test_more_than_a_transaction_holds_is_refused_whole(recorder: DynamoDbRecorder) -> None:
    stream = str(uuid4())
    events = [StoredEvent(stream, version, "topic", b"state") for version in range(1, 102)]
    with pytest.raises(ProgrammingError):
        recorder.insert_events(events)
    assert recorder.select_events(stream) == []
    recorder.insert_events(events[:100])
    with pytest.raises(IntegrityError):
        recorder.insert_events(events[99:])
    assert len(recorder.select_events(stream)) == 100


def test_a_missing_table_is_an_operational_error(connection: AwsConnection) -> None:
    recorder = DynamoDbRecorder(connection.dynamodb, "no-such-table")
    with pytest.raises(OperationalError):
        recorder.insert_events([StoredEvent("s", 1, "topic", b"state")])
    recorder.close()
