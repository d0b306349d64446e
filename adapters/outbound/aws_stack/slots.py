"""The doctor's look at the read models: that the live slot is fed, and of the code's version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from adapters.outbound.aws_stack.finding import Finding, Look, Verdict, looked
from adapters.outbound.aws_stack.provision import Place
from adapters.outbound.dynamodb.control import from_item
from projections.devices.devices import DEVICES
from projections.devices.memberships import MEMBERSHIPS
from projections.devices.remote_commands import REMOTE_COMMANDS
from projections.kernel.gate import Projection
from projections.kernel.slots import ModelState, Phase, Slot
from projections.media.brokers import BROKERS
from projections.media.creatives import CREATIVES

MODELS: tuple[Projection[Any], ...] = (
    DEVICES,
    REMOTE_COMMANDS,
    MEMBERSHIPS,
    CREATIVES,
    BROKERS,
)


async def read_models(place: Place, names: Mapping[str, str]) -> list[Finding]:
    async with place.client("dynamodb") as client, place.client("sns") as sns:
        table = names["HOMECAST_READ_MODELS_TABLE"]
        return [
            await looked(f"read model {one.name}", slots(client, sns, table, one, names))
            for one in MODELS
        ]


async def slots(
    client: Any, sns: Any, table: str, model: Projection[Any], names: Mapping[str, str]
) -> Look:
    found = await client.get_item(
        TableName=table, Key={"model": {"S": model.name}}, ConsistentRead=True
    )
    state = from_item(found["Item"]) if "Item" in found else ModelState(model=model.name)
    if model.category not in await categories(sns, subscription_of(state.live, model, names)):
        advice = f"homecast rebuild {model.name}: its events of the meantime are missing"
        return Verdict.FAIL, f"{state.live} is live, and its subscription is closed", advice
    return said(state, model)


def said(state: ModelState, model: Projection[Any]) -> Look:
    version = state.versions.get(state.live, model.version)
    detail = f"version {version}, {state.live} is live"
    if state.phase not in (Phase.IDLE, Phase.KEPT):
        advice = f"homecast rebuild {model.name} goes on with it, --cancel gives it up"
        return Verdict.WARN, f"{detail}; a rebuild is {state.phase}", advice
    if version != model.version:
        advice = f"homecast rebuild {model.name}"
        return Verdict.WARN, f"{detail}; the code has version {model.version}", advice
    return Verdict.OK, detail, ""


def subscription_of(slot: Slot, model: Projection[Any], names: Mapping[str, str]) -> str:
    infix = "" if slot is Slot.BLUE else f"_{slot}"
    return names[f"HOMECAST_{model.name}{infix}_subscription".upper()]


async def categories(sns: Any, subscription: str) -> list[str]:
    answer = await sns.get_subscription_attributes(SubscriptionArn=subscription)
    allowed: list[str] = json.loads(answer["Attributes"]["FilterPolicy"])["category"]
    return allowed
