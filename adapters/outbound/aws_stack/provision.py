"""Brings a stack to what the template says, wherever CloudFormation answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError, WaiterError

from adapters.outbound.aws_stack.mends import mend
from adapters.outbound.aws_stack.template import Template, load_template, variable_of

if TYPE_CHECKING:
    from types_aiobotocore_cloudformation.client import CloudFormationClient
    from types_aiobotocore_s3 import S3Client

SECONDS_BETWEEN_LOOKS = 0.1
LOOKS = 600
TEMPLATE = "stack.json"


class StackFailed(Exception):
    """CloudFormation gave up; the message says why, resource by resource."""


@cache
def session() -> Any:
    """It keeps the parsed service descriptions. Typed per service, where ours is a variable."""
    return get_session()


@dataclass(frozen=True)
class Place:
    """Where AWS is. Credentials come from the environment unless they are given."""

    region: str
    endpoint_url: str | None = None
    access_key: str | None = None
    secret_key: str | None = None

    def client(self, service: str) -> Any:
        return session().create_client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=AioConfig(connect_timeout=2, read_timeout=30, retries={"total_max_attempts": 3}),
        )


async def provision(
    place: Place, *, stack: str, prefix: str, template: Template | None = None
) -> dict[str, str]:
    """Create or update the stack; the environment that its outputs make (``HOMECAST_…``).

    Repeating it changes nothing. Raises ``StackFailed``.
    """
    wanted = template or load_template()
    async with place.client("cloudformation") as client, place.client("s3") as s3:
        url = await stored(s3, f"{prefix}-templates", json.dumps(wanted))
        parameters = {"Prefix": prefix, "MediaOnAws": media_on_aws(place)}
        await apply(client, stack, parameters, url)
        described = await describe(client, stack)
    outputs = {o["OutputKey"]: o["OutputValue"] for o in (described or {}).get("Outputs", [])}
    if place.endpoint_url is not None:
        await mend(place, stack, wanted)
    return {variable_of(key): outputs[key] for key in wanted["Outputs"]}


def media_on_aws(place: Place) -> str:
    """The embedded engine has no MediaConvert, no Firehose and no Athena to speak of."""
    return "true" if place.endpoint_url is None else "false"


async def stored(s3: S3Client, bucket: str, body: str) -> str:
    """The template's address: with a request CloudFormation takes no more than 51,200 bytes."""
    try:
        await s3.head_bucket(Bucket=bucket)
    except ClientError:
        region: Any = {"LocationConstraint": s3.meta.region_name}
        await s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=region)
    await s3.put_object(Bucket=bucket, Key=TEMPLATE, Body=body.encode())
    return f"{s3.meta.endpoint_url}/{bucket}/{TEMPLATE}"


async def apply(
    client: CloudFormationClient, stack: str, parameters: Mapping[str, str], url: str
) -> None:
    request: Any = {
        "StackName": stack,
        "TemplateURL": url,
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
    }
    if await describe(client, stack) is None:
        await client.create_stack(**request)
        await settled(client, stack, "stack_create_complete")
        return
    try:
        await client.update_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return
        raise StackFailed(str(error)) from error
    await settled(client, stack, "stack_update_complete")


async def settled(client: CloudFormationClient, stack: str, condition: Any) -> None:
    try:
        await client.get_waiter(condition).wait(
            StackName=stack,
            WaiterConfig={"Delay": cast("int", SECONDS_BETWEEN_LOOKS), "MaxAttempts": LOOKS},
        )
    except WaiterError as error:
        raise StackFailed(f"stack {stack}: " + "; ".join(await failures(client, stack))) from error


async def failures(client: CloudFormationClient, stack: str) -> list[str]:
    events = (await client.describe_stack_events(StackName=stack))["StackEvents"]
    return [
        f"{event.get('LogicalResourceId')}: {event.get('ResourceStatusReason', 'no reason given')}"
        for event in events
        if event.get("ResourceStatus", "").endswith("FAILED")
    ]


async def describe(client: CloudFormationClient, stack: str) -> Any:
    """None when there is no such stack, which AWS reports as a ``ValidationError``."""
    try:
        return (await client.describe_stacks(StackName=stack))["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
