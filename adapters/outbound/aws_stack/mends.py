"""What CloudFormation of the embedded AWS (MiniStack 1.5.33) leaves out, done by hand after it.

Each mend has a test in ``tests/integration/test_provisioning.py`` that creates the stack without it
and fails as soon as the engine does it by itself: then the mend goes. AWS needs none of them, and
they run only where an endpoint is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from adapters.outbound.aws_stack.template import Template, resources_of


class Place(Protocol):
    def client(self, service: str) -> Any: ...


async def mend(place: Place, stack: str, template: Template) -> None:
    async with place.client("cloudformation") as client:
        answer = await client.describe_stack_resources(StackName=stack)
    names = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in answer["StackResources"]}
    await mend_topics(place, names, template)
    await mend_times_to_live(place, names, template)


async def mend_topics(place: Place, names: Mapping[str, str], template: Template) -> None:
    """Topics come out as standard ones, so messages reach the queues without a group."""
    async with place.client("sns") as client:
        for topic, properties in resources_of(template, "AWS::SNS::Topic").items():
            for attribute in ("FifoTopic", "ContentBasedDeduplication", "FifoThroughputScope"):
                if attribute in properties:
                    value = properties[attribute]
                    await client.set_topic_attributes(
                        TopicArn=names[topic],
                        AttributeName=attribute,
                        AttributeValue=str(value).lower() if isinstance(value, bool) else value,
                    )


async def mend_times_to_live(place: Place, names: Mapping[str, str], template: Template) -> None:
    """Rows would stay for ever."""
    async with place.client("dynamodb") as client:
        for table, properties in resources_of(template, "AWS::DynamoDB::Table").items():
            wanted = properties.get("TimeToLiveSpecification")
            if wanted is None:
                continue
            found = await client.describe_time_to_live(TableName=names[table])
            if found["TimeToLiveDescription"].get("AttributeName") != wanted["AttributeName"]:
                await client.update_time_to_live(
                    TableName=names[table], TimeToLiveSpecification=wanted
                )
