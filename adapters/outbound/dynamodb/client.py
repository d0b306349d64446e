"""The one place that makes clients of AWS outside the broker, and turns their errors into ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from domain.kernel.errors import (
    ContractError,
    HomecastError,
    StoreUnavailable,
    TooLarge,
    VersionConflict,
)

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodbstreams import DynamoDBStreamsClient
    from types_aiobotocore_kms import KMSClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_sqs import SQSClient

CONNECT_TIMEOUT = 2.0
READ_TIMEOUT = 10.0
ATTEMPTS = 3
USER_AGENT = "homecast"

CONFLICTS = frozenset(
    {
        "ConditionalCheckFailedException",
        "TransactionConflictException",
        "DuplicateItemException",
    }
)


@dataclass(frozen=True)
class AwsConnection:
    """Where AWS is. Clients are made once per process and event loop, and shared."""

    region: str
    endpoint_url: str | None = None
    max_connections: int = 64
    session: AioSession = field(default_factory=get_session)

    def dynamodb(self) -> AbstractAsyncContextManager[DynamoDBClient]:
        return self.session.create_client("dynamodb", **self.options())

    def dynamodb_streams(self) -> AbstractAsyncContextManager[DynamoDBStreamsClient]:
        return self.session.create_client("dynamodbstreams", **self.options())

    def sqs(self) -> AbstractAsyncContextManager[SQSClient]:
        return self.session.create_client("sqs", **self.options())

    def kms(self) -> AbstractAsyncContextManager[KMSClient]:
        return self.session.create_client("kms", **self.options())

    def s3(self) -> AbstractAsyncContextManager[S3Client]:
        """At an endpoint of our own there are no names of buckets to resolve."""
        style: Any = {"addressing_style": "path" if self.endpoint_url else "virtual"}
        config = client_config(self.max_connections).merge(AioConfig(s3=style))
        return self.session.create_client("s3", **{**self.options(), "config": config})

    def options(self) -> dict[str, Any]:
        """Of a client of any service."""
        return {
            "region_name": self.region,
            "endpoint_url": self.endpoint_url,
            "config": client_config(self.max_connections),
        }


def client_config(max_connections: int) -> AioConfig:
    return AioConfig(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        max_pool_connections=max_connections,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        tcp_keepalive=True,
        # A given user agent is sent as it is. Without one, botocore composes it anew from fifteen
        # cleaned parts for every request: a fifth of a call's processor time.
        user_agent=USER_AGENT,
        # The requests are built here from typed values; the service checks them again.
        parameter_validation=False,
    )


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def from_client_error(error: ClientError) -> HomecastError:
    """Ours for a single call's error. What can be cured by waiting is ``StoreUnavailable``."""
    code = error_code(error)
    message = str(error.response.get("Error", {}).get("Message", ""))
    if code in CONFLICTS:
        return VersionConflict("the item has changed")
    if code == "ValidationException" and "size" in message.lower():
        return TooLarge("DynamoDB finds the item too large")
    if code in ("ValidationException", "IdempotentParameterMismatchException"):
        return ContractError(f"{error.operation_name} refused: {message}")
    return StoreUnavailable(f"{error.operation_name}: {code}", cause=code)


def from_reasons(reasons: Sequence[Any], error: ClientError) -> HomecastError:
    """Ours for a transaction that was cancelled, for these reasons."""
    codes = {reason.get("Code") for reason in reasons}
    if codes & {"ConditionalCheckFailed", "TransactionConflict", "DuplicateItem"}:
        return VersionConflict("somebody was faster")
    if "ItemCollectionSizeLimitExceeded" in codes:
        return TooLarge("the stream is over the size of an item collection")
    if "ValidationError" in codes:
        messages = [str(reason.get("Message", "")) for reason in reasons]
        too_large = any("size" in message.lower() for message in messages)
        return TooLarge("an item is too large") if too_large else ContractError("; ".join(messages))
    return from_client_error(error)


@contextmanager
def store_errors() -> Iterator[None]:
    """Translates what a call raises after the client's own retries."""
    try:
        yield
    except ClientError as error:
        raise from_client_error(error) from error
    except ParamValidationError:
        raise
    except (BotoCoreError, ResponseParserError) as error:
        raise StoreUnavailable(f"AWS: {type(error).__name__}") from error
