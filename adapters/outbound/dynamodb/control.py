"""The control table: one item per read model says which slot is live and how a rebuild stands.

A rebuild owns the item by a lease (``runner``, ``runner_until``) and writes its attributes under
that condition; projectors add what they alone know (time of the newest event applied, a canary
that has arrived), which disturbs nobody.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.outbound.dynamodb.client import store_errors
from adapters.outbound.dynamodb.codec import dump_time
from domain.kernel.errors import VersionConflict
from projections.kernel.slots import ModelState, Phase, RebuildRunning, Run, Slot

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

Item = Mapping[str, Any]


class DynamoDbControl:
    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    async def states(self) -> dict[str, ModelState]:
        """By model; one strongly consistent read of a table of a few items."""
        with store_errors():
            answer = await self._client.scan(TableName=self._table, ConsistentRead=True)
        return {one.model: one for one in map(from_item, answer["Items"])}

    async def state(self, model: str) -> ModelState:
        return (await self.states()).get(model) or ModelState(model=model)

    async def register(self, model: str, version: int) -> None:
        """A new installation's first slot is of the code that first fed it."""
        await self._update(
            model,
            {"live": _text(Slot.BLUE), "blue_version": _number(version)},
            condition="attribute_not_exists(live)",
        )

    async def take(self, model: str, runner: str, seconds: float) -> ModelState:
        """Own the model's rebuild for so long. Raises ``RebuildRunning``."""
        now = time.time()
        taken = await self._update(
            model,
            {"runner": _text(runner), "runner_until": _number(now + seconds)},
            condition="attribute_not_exists(runner) OR runner = :me OR runner_until < :now",
            values={":me": _text(runner), ":now": _number(now)},
        )
        if not taken:
            raise RebuildRunning(f"{model} is being rebuilt by somebody else", model=model)
        return await self.state(model)

    async def release(self, model: str, runner: str) -> None:
        try:
            with store_errors():
                await self._client.update_item(
                    TableName=self._table,
                    Key={"model": _text(model)},
                    UpdateExpression="REMOVE runner, runner_until",
                    ConditionExpression="runner = :me",
                    ExpressionAttributeValues={":me": _text(runner)},
                )
        except VersionConflict:
            return  # somebody else has it by now

    async def save(
        self,
        model: str,
        runner: str,
        seconds: float,
        *,
        phase: Phase,
        run: Run | None,
        versions: Mapping[Slot, int] | None = None,
        live: Slot | None = None,
    ) -> None:
        """Where the rebuild is, and the lease for so long again; ``live``: the switch.

        Raises ``RebuildRunning`` when somebody else has taken over.
        """
        changes: dict[str, Any] = {
            "runner_until": _number(time.time() + seconds),
            "phase": _text(phase),
            "run": _text(run.model_dump_json() if run else ""),
        }
        for slot, version in (versions or {}).items():
            changes[f"{slot}_version"] = _number(version)
        values, condition = {":me": _text(runner)}, "runner = :me"
        if live is not None:
            changes["live"] = _text(live)
            values[":from"] = _text(live.other)
            condition += " AND (live = :from OR attribute_not_exists(live))"
        if not await self._update(model, changes, condition=condition, values=values):
            raise RebuildRunning(f"somebody else rebuilds {model} now", model=model)

    async def note_canary(self, model: str, canary: str) -> None:
        await self._update(model, {"canary_seen": _text(canary)})

    async def note_applied(self, model: str, slot: Slot, at: datetime) -> None:
        """Kept if it is newer than what is there."""
        name = f"{slot}_applied"
        await self._update(
            model,
            {name: _text(dump_time(at))},
            condition=f"attribute_not_exists({name}) OR {name} < :v0",
        )

    async def _update(
        self,
        model: str,
        changes: Mapping[str, Any],
        *,
        condition: str = "",
        values: Mapping[str, Any] | None = None,
    ) -> bool:
        """False when the condition did not hold."""
        names = {f"#n{i}": name for i, name in enumerate(changes)}
        given = {f":v{i}": value for i, value in enumerate(changes.values())}
        request: dict[str, Any] = {
            "TableName": self._table,
            "Key": {"model": _text(model)},
            "UpdateExpression": "SET " + ", ".join(f"#n{i} = :v{i}" for i in range(len(changes))),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": given | dict(values or {}),
        }
        if condition:
            request["ConditionExpression"] = condition
        try:
            with store_errors():
                await self._client.update_item(**request)
        except VersionConflict:
            return False
        return True


def from_item(item: Item) -> ModelState:
    run = item.get("run", {}).get("S")
    return ModelState(
        model=item["model"]["S"],
        live=Slot(item["live"]["S"]) if "live" in item else Slot.BLUE,
        phase=Phase(item["phase"]["S"]) if "phase" in item else Phase.IDLE,
        versions={s: int(item[f"{s}_version"]["N"]) for s in Slot if f"{s}_version" in item},
        applied={
            s: datetime.fromisoformat(item[f"{s}_applied"]["S"])
            for s in Slot
            if f"{s}_applied" in item
        },
        run=Run.model_validate_json(run) if run else None,
        canary_seen=item.get("canary_seen", {}).get("S", ""),
    )


def _text(value: str) -> Any:
    return {"S": str(value)}


def _number(value: float) -> Any:
    return {"N": str(value)}
