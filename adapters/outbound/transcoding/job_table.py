"""The table of jobs in DynamoDB: one item for each, by its token."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from adapters.outbound.dynamodb.client import store_errors
from adapters.outbound.transcoding.jobs import ENDED, Kept, from_item, to_item
from commands.kernel.ports import Clock
from commands.media.ports import Job, JobReport, JobStatus, Stage
from domain.kernel.errors import VersionConflict

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

SILENT_AFTER = timedelta(seconds=30)
"""A worker that has not written for so long is dead."""


class JobLost(Exception):
    """Another worker has it, or it has ended."""


class JobTable:
    """Every change but the first is conditional on what was read. Raises ``StoreUnavailable``."""

    def __init__(self, client: DynamoDBClient, table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    async def create(self, job: Job) -> Kept:
        """The job as it is kept: what is there already stays."""
        kept = Kept(job, JobStatus.SUBMITTED, self._clock.now())
        try:
            await self._put(kept, "attribute_not_exists(job_id)")
        except VersionConflict:
            return await self.get(job.token) or kept
        return kept

    async def get(self, job_id: str) -> Kept | None:
        with store_errors():
            answer = await self._client.get_item(
                TableName=self._table, Key={"job_id": {"S": job_id}}, ConsistentRead=True
            )
        return from_item(answer["Item"]) if "Item" in answer else None

    def held(self, kept: Kept) -> bool:
        """By a worker that lives, as far as can be told."""
        silent = self._clock.now() - kept.updated_at
        return kept.status == JobStatus.PROGRESSING and silent < SILENT_AFTER

    async def take(self, kept: Kept, owner: str) -> Kept:
        """Raises ``JobLost`` when somebody was faster."""
        taken = replace(
            kept,
            status=JobStatus.PROGRESSING,
            updated_at=self._clock.now(),
            owner=owner,
            attempts=kept.attempts + 1,
            stage=Stage.PROBING,
            percent=0,
        )
        await self._replace(kept, taken)
        return taken

    async def release(self, kept: Kept) -> None:
        """Back as if it had not been taken, for the next worker."""
        if kept.ended:
            return
        free = replace(
            kept,
            status=JobStatus.SUBMITTED,
            updated_at=self._clock.now(),
            owner="",
            attempts=kept.attempts - 1,
            stage=None,
            percent=None,
        )
        await self._own(free, kept.owner)

    async def beat(self, kept: Kept, stage: Stage, percent: int) -> bool:
        """Tell that the owner lives and how far it is; whether the job was canceled. Raises
        ``JobLost``."""
        try:
            with store_errors():
                answer = await self._client.update_item(
                    TableName=self._table,
                    Key={"job_id": {"S": kept.job.token}},
                    UpdateExpression="SET updated_at = :now, stage = :stage, #percent = :percent",
                    ConditionExpression="#owner = :owner AND #status = :progressing",
                    ExpressionAttributeNames={
                        "#owner": "owner",
                        "#status": "status",
                        "#percent": "percent",
                    },
                    ExpressionAttributeValues={
                        ":now": {"N": str(self._clock.now().timestamp())},
                        ":stage": {"S": stage.value},
                        ":percent": {"N": str(percent)},
                        ":owner": {"S": kept.owner},
                        ":progressing": {"S": JobStatus.PROGRESSING.value},
                    },
                    ReturnValues="ALL_NEW",
                )
        except VersionConflict as error:
            raise JobLost(kept.job.token) from error
        return bool(answer["Attributes"]["canceled"]["BOOL"])

    async def end(self, kept: Kept, last: JobReport) -> None:
        """Raises ``JobLost``."""
        ended = replace(kept, status=last.status, updated_at=last.at, report=last)
        await self._own(replace(ended, stage=last.stage, percent=last.percent), kept.owner)

    async def cancel(self, job_id: str, last: JobReport) -> bool:
        """Whether it ended at once, because no worker had it; one that has it is told."""
        kept = await self.get(job_id)
        if kept is None or kept.ended:
            return False
        if kept.status == JobStatus.SUBMITTED:
            try:
                await self._replace(kept, replace(kept, status=JobStatus.CANCELED, report=last))
            except JobLost:
                return await self.cancel(job_id, last)
            return True
        await self._flag(job_id)
        return False

    async def _flag(self, job_id: str) -> None:
        """An ended job may carry the flag: nobody looks at it any more."""
        with store_errors():
            await self._client.update_item(
                TableName=self._table,
                Key={"job_id": {"S": job_id}},
                UpdateExpression="SET canceled = :yes",
                ExpressionAttributeValues={":yes": {"BOOL": True}},
            )

    async def _replace(self, seen: Kept, new: Kept) -> None:
        """If it still is as it was seen."""
        try:
            await self._put(
                new,
                "#status = :status AND #owner = :owner AND attempts = :attempts"
                " AND updated_at = :updated",
                {
                    ":status": {"S": seen.status.value},
                    ":owner": {"S": seen.owner},
                    ":attempts": {"N": str(seen.attempts)},
                    ":updated": {"N": str(seen.updated_at.timestamp())},
                },
            )
        except VersionConflict as error:
            raise JobLost(seen.job.token) from error

    async def _own(self, new: Kept, owner: str) -> None:
        """If this owner still has it."""
        ended = {f":{status.value}": {"S": status.value} for status in sorted(ENDED)}
        try:
            await self._put(
                new,
                f"#owner = :owner AND NOT #status IN ({', '.join(ended)})",
                {":owner": {"S": owner}, **ended},
            )
        except VersionConflict as error:
            raise JobLost(new.job.token) from error

    async def _put(self, kept: Kept, condition: str, values: Any = None) -> None:
        more: dict[str, Any] = {}
        if values:
            more["ExpressionAttributeValues"] = values
            more["ExpressionAttributeNames"] = {"#status": "status", "#owner": "owner"}
        with store_errors():
            await self._client.put_item(
                TableName=self._table, Item=to_item(kept), ConditionExpression=condition, **more
            )
