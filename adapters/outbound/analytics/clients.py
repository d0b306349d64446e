"""Clients of the services that statistics take; the archive of functions lacks them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from adapters.outbound.dynamodb.client import AwsConnection

if TYPE_CHECKING:
    from types_aiobotocore_athena import AthenaClient
    from types_aiobotocore_kinesis import KinesisClient


def kinesis(connection: AwsConnection) -> AbstractAsyncContextManager[KinesisClient]:
    return connection.session.create_client("kinesis", **connection.options())


def athena(connection: AwsConnection) -> AbstractAsyncContextManager[AthenaClient]:
    return connection.session.create_client("athena", **connection.options())
