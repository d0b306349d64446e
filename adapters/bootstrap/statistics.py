"""Statistics of ads: what records and reports them in the API's process, and the deliverer."""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.bootstrap.process import aws
from adapters.inbound.http.beacon_tokens import KEY_BYTES, BeaconKeys, BeaconTokens
from adapters.inbound.workers.statistics import StatisticsWorker
from adapters.outbound.analytics import clients
from adapters.outbound.analytics.kinesis import KinesisRecords
from adapters.outbound.keys.key_ring import derived_ring, parsed_ring
from adapters.outbound.objects.s3 import S3Objects
from adapters.outbound.system.clock import SystemClock
from adapters.outbound.telemetry.metrics import EmbeddedMetrics
from adapters.settings import Settings
from projections.media.reports import Reports

POSITIONS = "positions/deliverer.json"
PURPOSE = "homecast beacons"


@dataclass(frozen=True)
class Statistics:
    """``base_url``: that players find beacons at."""

    records: KinesisRecords
    beacon_tokens: BeaconTokens
    reports: Reports
    clock: SystemClock
    base_url: str


@asynccontextmanager
async def recording(settings: Settings, service: str) -> AsyncIterator[KinesisRecords]:
    """Any process may record; what waits is sent at the end."""
    async with AsyncExitStack() as stack:
        kinesis = await stack.enter_async_context(clients.kinesis(aws(settings)))
        metrics = await stack.enter_async_context(EmbeddedMetrics(service).flushed())
        records = KinesisRecords(kinesis, settings.statistics_stream, metrics=metrics)
        yield await stack.enter_async_context(records.running())


@asynccontextmanager
async def statistics(settings: Settings) -> AsyncIterator[Statistics]:
    async with AsyncExitStack() as stack:
        tokens = BeaconTokens(await asyncio.to_thread(beacon_keys, settings))
        yield Statistics(
            records=await stack.enter_async_context(recording(settings, "api")),
            beacon_tokens=tokens,
            reports=await stack.enter_async_context(reports(settings)),
            clock=SystemClock(),
            base_url=settings.beacon_url or settings.api_url,
        )


def beacon_keys(settings: Settings) -> BeaconKeys:
    """Raises ``ValueError`` when there is neither a ring nor a key file."""
    given = settings.beacon_keys.get_secret_value()
    if given:
        ring = parsed_ring(given)
    elif settings.key_file is not None:
        ring = derived_ring(settings.key_file, purpose=PURPOSE, size=KEY_BYTES)
    else:
        raise ValueError("beacons need HOMECAST_BEACON_KEYS, or HOMECAST_KEY_FILE without AWS")
    return BeaconKeys(next(iter(ring)), ring)


@asynccontextmanager
async def reports(settings: Settings) -> AsyncIterator[Reports]:
    """Whichever the settings name."""
    if settings.reports == "athena":
        from adapters.outbound.analytics.athena_reports import AthenaReports

        async with clients.athena(aws(settings)) as athena:
            yield AthenaReports(
                athena, database=settings.athena_database, work_group=settings.athena_work_group
            )
        return
    from adapters.outbound.analytics.day_files import S3DayFiles
    from adapters.outbound.analytics.duckdb_reports import DuckDbReports

    async with aws(settings).s3() as s3:
        folder = await asyncio.to_thread(own_folder, settings.reports_folder)
        yield DuckDbReports(S3DayFiles(s3, settings.statistics_bucket, folder))


def own_folder(wanted: Path | None) -> Path:
    """Raises ``PermissionError`` for one that others can write to: what lies there is believed."""
    folder = wanted or Path(tempfile.gettempdir()) / f"homecast-reports-{os.getuid()}"
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o022:
        raise PermissionError(f"{folder} has to be writable by its owner only")
    return folder


@asynccontextmanager
async def deliverer(settings: Settings) -> AsyncIterator[StatisticsWorker]:
    """What Firehose does in AWS."""
    from adapters.outbound.analytics.deliverer import Deliverer
    from adapters.outbound.analytics.stream import Checkpoints, KinesisStream

    async with AsyncExitStack() as stack:
        kinesis = await stack.enter_async_context(clients.kinesis(aws(settings)))
        s3 = await stack.enter_async_context(aws(settings).s3())
        metrics = await stack.enter_async_context(EmbeddedMetrics("deliverer").flushed())
        objects = S3Objects(s3, settings.statistics_bucket)
        yield StatisticsWorker(
            Deliverer(
                KinesisStream(kinesis, settings.statistics_stream),
                Checkpoints(objects, POSITIONS),
                objects.put,
                metrics=metrics,
                every=settings.statistics_interval,
            )
        )
