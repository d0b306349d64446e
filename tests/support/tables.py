"""The DynamoDB tables, with the keys that the stack under ``deploy/`` gives them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiobotocore.session import get_session

from adapters.outbound.dynamodb.client import AwsConnection

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client

REGION = "eu-central-1"
SESSION = get_session()
"""Shared by all tests: it keeps the service's description, which takes long to load."""


def connect(url: str) -> AwsConnection:
    return AwsConnection(REGION, url, session=SESSION)


@dataclass(frozen=True)
class Tables:
    """Names, unique to a test."""

    events: str
    snapshots: str
    vault: str
    twins: str


async def create_tables(client: DynamoDBClient) -> Tables:
    suffix = uuid4().hex[:12]
    tables = Tables(f"events-{suffix}", f"snapshots-{suffix}", f"vault-{suffix}", f"twins-{suffix}")
    await create_table(client, tables.events, ("stream", "S"), ("version", "N"), stream=True)
    await create_table(client, tables.snapshots, ("stream", "S"))
    await create_table(client, tables.vault, ("key", "S"))
    await create_table(client, tables.twins, ("device_id", "S"))
    return tables


async def create_bucket(client: S3Client, name: str) -> str:
    """One for all tests of an engine: their streams differ."""
    where: Any = {"LocationConstraint": REGION}
    with suppress(client.exceptions.BucketAlreadyOwnedByYou):
        await client.create_bucket(Bucket=name, CreateBucketConfiguration=where)
    return name


async def create_table(
    client: DynamoDBClient, name: str, *keys: tuple[str, str], stream: bool = False
) -> None:
    """Partition key, and sort key if there is a second one."""
    kinds: Any = ("HASH", "RANGE")
    more: Any = {}
    if stream:
        more["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    attributes: Any = [{"AttributeName": key, "AttributeType": kind} for key, kind in keys]
    await client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=attributes,
        KeySchema=[
            {"AttributeName": key, "KeyType": kind}
            for (key, _), kind in zip(keys, kinds, strict=False)
        ],
        **more,
    )
