"""Backups of the truth (events, vault, pending time-outs), and what puts one back.

A restore makes new tables, so that the damaged ones stay to be looked at. It raises the store's
generation: ids of events that were lost and are given out again differ, gates begin such rows anew,
snapshots of before are ignored. Data keys are in no backup of ours: a forgotten account must not
come back with one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from adapters.outbound.aws_stack.mends import Place
from domain.kernel.errors import Conflict, NotFound

LOOK_EVERY = 2
READY_WITHIN = 6 * 3600
"""Seconds. A restore takes minutes to hours, by the size of the largest partition."""


class BackupNotFound(NotFound):
    """No backup of this name holds all tables."""

    code = "backup_not_found"


class AlreadyRestored(Conflict):
    """Tables of that generation are there already."""

    code = "already_restored"
    retryable = False


@dataclass(frozen=True)
class Truth:
    """``tables``: name by the variable that a process finds it under (``HOMECAST_…_TABLE``)."""

    tables: Mapping[str, str]
    generation: int

    def target(self, table: str) -> str:
        """A table's name in the next generation: ``…-events`` → ``…-events-g2`` → ``…-g3``."""
        ending = f"-g{self.generation}"
        return f"{table.removesuffix(ending)}-g{self.generation + 1}"


@dataclass(frozen=True)
class Backup:
    name: str
    at: datetime
    arns: Mapping[str, str]
    """By table."""


async def create(place: Place, truth: Truth, name: str) -> None:
    """On demand, kept until deleted. The tables' backups begin within moments of each other."""
    async with place.client("dynamodb") as client:
        await asyncio.gather(
            *(
                client.create_backup(TableName=table, BackupName=name)
                for table in truth.tables.values()
            )
        )


async def found(place: Place, truth: Truth) -> list[Backup]:
    """Those that hold all tables, oldest first."""
    names: dict[str, dict[str, str]] = {}
    times: dict[str, datetime] = {}
    async with place.client("dynamodb") as client:
        for table in truth.tables.values():
            for one in await _summaries(client, table):
                names.setdefault(one["BackupName"], {})[table] = one["BackupArn"]
                at = one["BackupCreationDateTime"].astimezone(UTC)
                times[one["BackupName"]] = max(at, times.get(one["BackupName"], at))
    whole = [name for name, arns in names.items() if len(arns) == len(truth.tables)]
    return sorted((Backup(name, times[name], names[name]) for name in whole), key=lambda b: b.at)


async def _summaries(client: Any, table: str) -> list[Any]:
    summaries: list[Any] = []
    more: dict[str, Any] = {}
    while True:
        page = await client.list_backups(TableName=table, **more)
        summaries += page["BackupSummaries"]
        if "LastEvaluatedBackupArn" not in page:
            return summaries
        more = {"ExclusiveStartBackupArn": page["LastEvaluatedBackupArn"]}


async def restore(place: Place, truth: Truth, wanted: str | datetime) -> dict[str, str]:
    """To a backup's name or, by point-in-time recovery, to a moment; the settings to run with.

    Returns when the new tables can be used. Raises ``BackupNotFound`` and ``AlreadyRestored``.
    """
    arns: Mapping[str, str] = {}
    if isinstance(wanted, str):
        arns = await _arns(place, truth, wanted)
    async with place.client("dynamodb") as client:
        for table in truth.tables.values():
            await _begin(client, table, truth.target(table), arns.get(table) or wanted)
        for table in truth.tables.values():
            await _settle(client, table, truth.target(table))
    tables = {variable: truth.target(table) for variable, table in truth.tables.items()}
    return tables | {"HOMECAST_STORE_GENERATION": str(truth.generation + 1)}


async def _arns(place: Place, truth: Truth, name: str) -> Mapping[str, str]:
    for backup in await found(place, truth):
        if backup.name == name:
            return backup.arns
    raise BackupNotFound(f"no backup {name} of all of: {', '.join(truth.tables.values())}")


async def _begin(client: Any, table: str, target: str, source: str | datetime) -> None:
    try:
        if isinstance(source, str):
            await client.restore_table_from_backup(TargetTableName=target, BackupArn=source)
        else:
            await client.restore_table_to_point_in_time(
                SourceTableName=table, TargetTableName=target, RestoreDateTime=source
            )
    except ClientError as error:
        if error.response["Error"]["Code"] == "TableAlreadyExistsException":
            raise AlreadyRestored(f"{target} is there already; is it in use?") from error
        raise


async def _settle(client: Any, table: str, target: str) -> None:
    """A restored table has neither stream nor time to live nor recovery of its own."""
    looks = {"Delay": LOOK_EVERY, "MaxAttempts": READY_WITHIN // LOOK_EVERY}
    await client.get_waiter("table_exists").wait(TableName=target, WaiterConfig=looks)
    before = (await client.describe_table(TableName=table))["Table"]
    if stream := before.get("StreamSpecification"):
        await client.update_table(TableName=target, StreamSpecification=stream)
    expiry = (await client.describe_time_to_live(TableName=table))["TimeToLiveDescription"]
    if attribute := expiry.get("AttributeName"):
        specification = {"Enabled": True, "AttributeName": attribute}
        await client.update_time_to_live(TableName=target, TimeToLiveSpecification=specification)
    await client.update_continuous_backups(
        TableName=target, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )


async def drop_newer_twins(place: Place, table: str, since: datetime) -> int:
    """Reported state of after that moment may belong to a claim that is gone: it would be taken
    for newer than all reports to come. Devices report everything when they connect."""
    dropped = 0
    async with place.client("dynamodb") as client:
        pages = client.get_paginator("scan").paginate(
            TableName=table, ProjectionExpression="device_id, reported_at"
        )
        async for page in pages:
            for item in page["Items"]:
                if _time(item["reported_at"]["S"]) >= since:
                    await client.delete_item(TableName=table, Key={"device_id": item["device_id"]})
                    dropped += 1
    return dropped


def _time(text: str) -> datetime:
    """As pynamodb writes times."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
