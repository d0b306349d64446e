"""Lost answers, throttling, a store that is away: what DynamoDB's adapters make of them."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from adapters.outbound.dynamodb.client import from_client_error
from adapters.outbound.dynamodb.event_store import DynamoDbEventStore
from adapters.outbound.dynamodb.vault import DynamoDbVault
from commands.kernel.ports import VaultWrite
from domain.kernel.errors import (
    ContractError,
    HomecastError,
    StoreUnavailable,
    TooLarge,
    VersionConflict,
)
from tests.support.sealing import event_store, snapshot_store
from tests.support.store_contract import append, commit, names, new_stream, token
from tests.support.tables import Tables, connect, create_tables

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

Write = Callable[..., Awaitable[Any]]
TIMEOUT = ReadTimeoutError(endpoint_url="http://store")


class Faulty:
    """A client whose writes fail by ``fault`` after, or instead of, being done."""

    def __init__(self, client: DynamoDBClient, fault: Exception, *, done: bool) -> None:
        self._client = client
        self._fault = fault
        self._done = done

    async def put_item(self, **request: Any) -> None:
        await self._write(self._client.put_item, request)

    async def transact_write_items(self, **request: Any) -> None:
        await self._write(self._client.transact_write_items, request)

    async def _write(self, write: Write, request: dict[str, Any]) -> None:
        if self._done:
            await write(**request)
        raise self._fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@pytest.fixture(params=["moto", "ministack"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[DynamoDBClient]:
    url = request.getfixturevalue(f"{request.param}_url")
    async with connect(url).dynamodb() as client:
        yield client


@pytest.fixture
async def tables(client: DynamoDBClient) -> Tables:
    return await create_tables(client)


@pytest.fixture
def store(client: DynamoDBClient, tables: Tables) -> DynamoDbEventStore:
    return event_store(client, tables)


@pytest.fixture
def faulty(
    client: DynamoDBClient, tables: Tables
) -> Callable[[Exception, bool], DynamoDbEventStore]:
    def make(fault: Exception, done: bool) -> DynamoDbEventStore:
        broken: Any = Faulty(client, fault, done=done)
        return event_store(broken, tables)

    return make


def client_error(code: str, message: str = "", **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, **more}
    return ClientError(response, "PutItem")


def canceled(*codes: str, message: str = "") -> ClientError:
    reasons = [{"Code": code, "Message": message} for code in codes]
    return client_error("TransactionCanceledException", CancellationReasons=reasons)


async def test_a_write_that_was_done_before_its_answer_was_lost_has_succeeded(
    faulty: Any, store: DynamoDbEventStore
) -> None:
    stream, other = new_stream(), new_stream()
    await commit(faulty(TIMEOUT, True), append(stream, "a"))
    await commit(faulty(TIMEOUT, True), append(stream, "b", after=1), append(other, "c"))
    assert await names(store, stream) == ["a", "b"]
    assert await names(store, other) == ["c"]


async def test_a_write_that_was_not_done_is_unavailable(
    faulty: Any, store: DynamoDbEventStore
) -> None:
    stream, again = new_stream(), token()
    for fault in (TIMEOUT, client_error("ThrottlingException"), ResponseParserError("html")):
        with pytest.raises(StoreUnavailable):
            await commit(faulty(fault, False), append(stream, "a"), commit_token=again)
    await commit(store, append(stream, "a"), commit_token=again)
    assert await names(store, stream) == ["a"]


async def test_a_lost_answer_where_another_commit_was_first_is_a_conflict(
    faulty: Any, store: DynamoDbEventStore
) -> None:
    stream = new_stream()
    await commit(store, append(stream, "a"))
    with pytest.raises(VersionConflict):
        await commit(faulty(TIMEOUT, False), append(stream, "x"))


async def test_a_lost_answer_of_a_vault_write_alone_is_unavailable(faulty: Any) -> None:
    with pytest.raises(StoreUnavailable):
        await commit(faulty(TIMEOUT, True), vault=[VaultWrite("token#1", {})])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (canceled("None", "TransactionConflict"), VersionConflict),
        (canceled("ConditionalCheckFailed", "ThrottlingError"), VersionConflict),
        (canceled("None", "ThrottlingError"), StoreUnavailable),
        (canceled("ProvisionedThroughputExceeded", "None"), StoreUnavailable),
        (canceled("None", "ItemCollectionSizeLimitExceeded"), TooLarge),
        (canceled("ValidationError", message="Item size has exceeded"), TooLarge),
        (canceled("ValidationError", message="type mismatch"), ContractError),
        (client_error("TransactionConflictException"), VersionConflict),
        (client_error("TransactionInProgressException"), StoreUnavailable),
        (client_error("IdempotentParameterMismatchException"), ContractError),
    ],
    ids=str,
)
async def test_a_refused_transaction_says_why(
    faulty: Any, fault: Exception, error: type[HomecastError]
) -> None:
    with pytest.raises(error) as caught:
        await commit(faulty(fault, False), append(new_stream(), "a", "b"))
    assert caught.value.__cause__ is fault


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (client_error("ConditionalCheckFailedException"), VersionConflict),
        (client_error("ProvisionedThroughputExceededException"), StoreUnavailable),
        (client_error("RequestLimitExceeded"), StoreUnavailable),
        (client_error("InternalServerError"), StoreUnavailable),
        (client_error("ResourceNotFoundException"), StoreUnavailable),
        (client_error("ValidationException", "Item size has exceeded the maximum"), TooLarge),
        (client_error("ValidationException", "bad key"), ContractError),
    ],
    ids=str,
)
def test_every_error_of_the_service_has_its_place(
    fault: ClientError, error: type[HomecastError]
) -> None:
    assert type(from_client_error(fault)) is error


async def test_a_store_that_does_not_listen_is_unavailable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        async with connect(url).dynamodb() as client:
            with pytest.raises(StoreUnavailable):
                await DynamoDbVault(client, "vault").get("token#1")


async def test_a_gap_in_a_stream_is_never_folded_over(
    client: DynamoDBClient, tables: Tables, store: DynamoDbEventStore
) -> None:
    stream = new_stream()
    await commit(store, append(stream, "a", "b", "c"))
    key: Any = {"stream": {"S": stream}, "version": {"N": "2"}}
    await client.delete_item(TableName=tables.events, Key=key)
    with pytest.raises(ContractError):
        await store.read(stream)


async def test_a_scan_of_items_goes_on_over_small_pages_and_undecodable_ones(
    client: DynamoDBClient, tables: Tables, store: DynamoDbEventStore
) -> None:
    await commit(store, append(new_stream(), "a", "b", "c", "d"))
    item: Any = {"stream": {"S": "device-x"}, "version": {"N": "1"}, "type": {"S": "?"}}
    await client.put_item(TableName=tables.events, Item=item)
    assert len([each async for each in store.scan_items(page_size=2)]) == 5
    with pytest.raises(ContractError):
        assert [each async for each in store.scan(page_size=2)]


async def test_an_expiring_vault_item_carries_its_time_to_live(
    client: DynamoDBClient, tables: Tables
) -> None:
    vault = DynamoDbVault(client, tables.vault)
    await vault.put("token#1", {"expires_at": "2026-12-01T00:00:00.5+00:00"})
    await vault.put("token#2", {"expires_at": None})
    first = await client.get_item(TableName=tables.vault, Key={"key": {"S": "token#1"}})
    second = await client.get_item(TableName=tables.vault, Key={"key": {"S": "token#2"}})
    assert first["Item"]["expires_at"] == {"N": "1796083201"}
    assert "expires_at" not in second["Item"]


async def test_a_vault_item_that_is_no_json_is_a_broken_contract(
    client: DynamoDBClient, tables: Tables
) -> None:
    item: Any = {"key": {"S": "token#1"}, "value": {"S": "no json"}}
    await client.put_item(TableName=tables.vault, Item=item)
    with pytest.raises(ContractError):
        await DynamoDbVault(client, tables.vault).get("token#1")


async def test_a_damaged_snapshot_counts_as_none(client: DynamoDBClient, tables: Tables) -> None:
    snapshots = snapshot_store(client, tables)
    whole = {"stream": {"S": "s"}, "version": {"N": "1"}, "code_version": {"N": "1"}}
    for state in ({}, {"state": {"B": b"no zlib"}}, {"state": {"S": "text"}}):
        item: Any = {**whole, **state}
        await client.put_item(TableName=tables.snapshots, Item=item)
        assert await snapshots.load("s") is None
