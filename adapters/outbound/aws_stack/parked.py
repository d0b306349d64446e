"""Rows of read models that are parked: the doctor counts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.outbound.aws_stack.finding import Finding, Look, Verdict, looked
from adapters.outbound.aws_stack.provision import Place
from adapters.settings import READ_MODELS


async def parked(place: Place, names: Mapping[str, str]) -> list[Finding]:
    table = names["HOMECAST_PARKED_TABLE"]
    async with place.client("dynamodb") as client:
        return [
            await looked(f"rows of {model}", counted(client, table, model)) for model in READ_MODELS
        ]


async def counted(client: Any, table: str, model: str) -> Look:
    """A warning: all other rows go on."""
    answer = await client.query(
        TableName=table,
        IndexName="open",
        Select="COUNT",
        KeyConditionExpression="open_model = :model",
        ExpressionAttributeValues={":model": {"S": model}},
    )
    if count := int(answer["Count"]):
        advice = "`homecast parked list`; the cause mended, `homecast parked retry --all`"
        return Verdict.WARN, f"{count} parked", advice
    return Verdict.OK, "none parked", ""
