"""Compares what there is in AWS with what the template asks for. Reads only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from adapters.outbound.aws_stack.finding import (
    DEPLOY,
    Finding,
    Look,
    Verdict,
    fail,
    last,
    looked,
    ok,
)
from adapters.outbound.aws_stack.parked import parked
from adapters.outbound.aws_stack.provision import Place
from adapters.outbound.aws_stack.relaying import relay
from adapters.outbound.aws_stack.slots import read_models
from adapters.outbound.aws_stack.template import Template, resources_of, variable_of

START = "start the platform: `make up`"
ACCESS = "check region, credentials and network"


@dataclass(frozen=True)
class Inspection:
    """``names``: table names, ARN and URLs by the variable of the output (``HOMECAST_…``)."""

    place: Place
    template: Template
    names: Mapping[str, str]

    async def findings(self) -> list[Finding]:
        reached = await self.reached()
        if reached.advice:
            return [reached]
        looks = await asyncio.gather(
            self.tables(),
            self.topics(),
            self.queues(),
            parked(self.place, self.names),
            relay(self.place, self.names),
            read_models(self.place, self.names),
        )
        return [reached, *(finding for look in looks for finding in look)]

    async def reached(self) -> Finding:
        where = self.place.endpoint_url or f"AWS, {self.place.region}"
        try:
            async with self.place.client("dynamodb") as client:
                await client.list_tables(Limit=1)
        except (ClientError, BotoCoreError) as error:
            return fail("aws", f"{where}: {error}", START if self.place.endpoint_url else ACCESS)
        return ok("aws", f"{where} answers")

    def of(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """Properties of the resources that are outputs, by their real names."""
        properties = resources_of(self.template, kind)
        return {name: properties[logical] for name, logical in self.logical(kind).items()}

    def logical(self, kind: str) -> dict[str, str]:
        """Names in the template of the resources that are outputs, by their real names."""
        wanted = resources_of(self.template, kind)
        outputs = self.template["Outputs"].items()
        pairs = {variable_of(key): output["Value"].get("Ref") for key, output in outputs}
        return {
            self.names[variable]: name
            for variable, name in pairs.items()
            if name in wanted and self.names.get(variable)
        }

    async def tables(self) -> list[Finding]:
        async with self.place.client("dynamodb") as client:
            tables = self.of("AWS::DynamoDB::Table").items()
            return [
                await looked(f"table {name}", table(client, name, wanted))
                for name, wanted in tables
            ]

    async def topics(self) -> list[Finding]:
        subscriptions = resources_of(self.template, "AWS::SNS::Subscription").values()
        async with self.place.client("sns") as client:
            found = []
            for arn, name in self.logical("AWS::SNS::Topic").items():
                filters = {
                    categories(wanted["FilterPolicy"])
                    for wanted in subscriptions
                    if wanted["TopicArn"] == {"Ref": name}
                }
                found.append(await looked(f"topic {last(arn)}", topic(client, arn)))
                subject = f"subscriptions of {last(arn)}"
                found.append(await looked(subject, subscribed(client, arn, filters)))
            return found

    async def queues(self) -> list[Finding]:
        async with self.place.client("sqs") as client:
            return [
                await looked(f"queue {last(url, '/')}", queue(client, url))
                for url, wanted in self.of("AWS::SQS::Queue").items()
                if "RedrivePolicy" in wanted  # the others are the dead letters of these
            ]


async def table(client: Any, name: str, wanted: Mapping[str, Any]) -> Look:
    found = (await client.describe_table(TableName=name))["Table"]
    pairs = {
        "keys": (found["KeySchema"], wanted["KeySchema"]),
        "indexes": (indexes(found), indexes(wanted)),
        "stream": (stream_of(found), stream_of(wanted)),
        "time to live": (await expiry_of(client, name), expiry(wanted)),
    }
    differing = [what for what, (is_so, should_be) in pairs.items() if is_so != should_be]
    if differing:
        return Verdict.FAIL, f"differs in {', '.join(differing)}", DEPLOY
    return Verdict.OK, "keys, indexes, stream and time to live as described", ""


def indexes(description: Mapping[str, Any]) -> dict[str, Any]:
    found = description.get("GlobalSecondaryIndexes") or []
    return {one["IndexName"]: (one["KeySchema"], one["Projection"]) for one in found}


def stream_of(description: Mapping[str, Any]) -> str | None:
    view: str | None = (description.get("StreamSpecification") or {}).get("StreamViewType")
    return view


def expiry(wanted: Mapping[str, Any]) -> str | None:
    attribute: str | None = wanted.get("TimeToLiveSpecification", {}).get("AttributeName")
    return attribute


async def expiry_of(client: Any, name: str) -> str | None:
    found = (await client.describe_time_to_live(TableName=name))["TimeToLiveDescription"]
    attribute: str | None = found.get("AttributeName")
    return attribute if found["TimeToLiveStatus"] in ("ENABLING", "ENABLED") else None


async def topic(client: Any, arn: str) -> Look:
    found = (await client.get_topic_attributes(TopicArn=arn))["Attributes"]
    if found.get("FifoTopic") != "true":
        return Verdict.FAIL, "is not FIFO: events would lose their order", DEPLOY
    return Verdict.OK, "FIFO", ""


async def subscribed(client: Any, arn: str, wanted: set[str]) -> Look:
    """Filters and raw delivery of all subscriptions, whichever queue they belong to."""
    listed = (await client.list_subscriptions_by_topic(TopicArn=arn))["Subscriptions"]
    found = [await attributes_of(client, one["SubscriptionArn"]) for one in listed]
    filters = {categories(json.loads(one.get("FilterPolicy") or "{}")) for one in found}
    if filters - {IDLE} != wanted - {IDLE}:
        return Verdict.FAIL, f"filters are {sorted(filters)}, not {sorted(wanted)}", DEPLOY
    poor = [one for one in found if not deliverable(one)]
    if poor:
        return Verdict.FAIL, f"{len(poor)} without raw delivery or dead letters", DEPLOY
    return Verdict.OK, f"{len(found)}, filtered, raw, with dead letters", ""


async def attributes_of(client: Any, subscription: str) -> dict[str, str]:
    answer = await client.get_subscription_attributes(SubscriptionArn=subscription)
    found: dict[str, str] = answer["Attributes"]
    return found


def deliverable(subscription: Mapping[str, str]) -> bool:
    raw = subscription.get("RawMessageDelivery") == "true"
    return raw and bool(subscription.get("RedrivePolicy"))


async def queue(client: Any, url: str) -> Look:
    """Dead letters are a warning: everything else goes on, but somebody has to look."""
    found = await depth(client, url)
    waiting = int(found["ApproximateNumberOfMessages"])
    redrive = json.loads(found.get("RedrivePolicy") or "{}")
    if not redrive:
        return Verdict.FAIL, "has no dead letters", DEPLOY
    name = last(redrive["deadLetterTargetArn"])
    target = (await client.get_queue_url(QueueName=name))["QueueUrl"]
    dead = int((await depth(client, target))["ApproximateNumberOfMessages"])
    if dead:
        advice = "`homecast dead-letters list`, show QUEUE; the cause mended, redrive QUEUE"
        return Verdict.WARN, f"{dead} dead letters, {waiting} waiting", advice
    return Verdict.OK, f"{waiting} waiting, no dead letters", ""


async def depth(client: Any, url: str) -> dict[str, str]:
    names = ["ApproximateNumberOfMessages", "RedrivePolicy"]
    answer = await client.get_queue_attributes(QueueUrl=url, AttributeNames=names)
    found: dict[str, str] = answer["Attributes"]
    return found


IDLE = json.dumps(["idle"])


def categories(policy: Mapping[str, Any]) -> str:
    """Slots of read models open and close, and let canaries in; that is no difference."""
    allowed = [one for one in policy.get("category", ()) if one != "canary"]
    return json.dumps(sorted(map(str, allowed)))
