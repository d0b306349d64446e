"""Statistics on the embedded AWS: from the stream into files, and out of them into reports."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError
from ulid import ULID

from adapters.outbound.analytics import clients
from adapters.outbound.analytics.day_files import S3DayFiles
from adapters.outbound.analytics.deliverer import DELIVERED, UNREADABLE, Deliverer
from adapters.outbound.analytics.duckdb_reports import DuckDbReports
from adapters.outbound.analytics.kinesis import KinesisRecords
from adapters.outbound.analytics.stream import Checkpoints, KinesisStream
from adapters.outbound.dynamodb.client import AwsConnection
from adapters.outbound.objects.s3 import S3Objects
from domain.kernel.errors import StoreUnavailable
from projections.media.reports import REPORTS, Filters, ReportsUnavailable, ReportTooCostly
from projections.media.statistics import Record
from tests.support.statistics import CountedMetrics, Traffic, record
from tests.unit.analytics.recount import RECOUNTS
from tests.unit.analytics.test_duckdb_reports import comparable, rounded

DAYS = Filters(date(2026, 11, 1), date(2026, 11, 2))


class Crash(BaseException):
    """The process is gone: nothing after it runs."""


@dataclass
class Aws:
    kinesis: Any
    s3: Any
    name: str
    metrics: CountedMetrics

    @property
    def objects(self) -> S3Objects:
        return S3Objects(self.s3, self.name)

    def deliverer(self, **options: Any) -> Deliverer:
        stream = KinesisStream(self.kinesis, self.name)
        given = {
            "put": self.objects.put,
            "positions": Checkpoints(self.objects, "positions.json"),
            "every": 0.0,
            **options,
        }
        return Deliverer(stream, metrics=self.metrics, **given)

    async def tell(self, records: list[Record]) -> None:
        writer = KinesisRecords(self.kinesis, self.name, metrics=self.metrics, linger=0.01)
        async with writer.running():
            await asyncio.gather(*map(writer.put, records))


@pytest.fixture
async def aws(ministack_url: str) -> AsyncIterator[Aws]:
    """A stream of three shards and a bucket."""
    name = f"statistics-{ULID()}".lower()
    connection = AwsConnection("us-east-1", ministack_url)
    async with AsyncExitStack() as stack:
        kinesis = await stack.enter_async_context(clients.kinesis(connection))
        s3 = await stack.enter_async_context(connection.s3())
        await kinesis.create_stream(StreamName=name, ShardCount=3)
        await s3.create_bucket(Bucket=name)
        yield Aws(kinesis, s3, name, CountedMetrics())


async def drained(deliverer: Deliverer) -> None:
    while await deliverer.step():
        pass
    await deliverer.flush()


@pytest.mark.parametrize("dies", ["before a file", "between files", "before the positions"])
async def test_each_event_counts_once_though_the_deliverer_dies(
    aws: Aws, tmp_path: Path, dies: str
) -> None:
    traffic = Traffic(5)
    written: list[str] = []

    async def put(key: str, body: bytes) -> None:
        if dies == "before a file" or (dies == "between files" and written):
            raise Crash
        written.append(key)
        await aws.objects.put(key, body)

    class Positions(Checkpoints):
        async def save(self, positions: dict[str, str]) -> None:
            raise Crash

    await aws.tell(traffic.all[:800])
    first = aws.deliverer(put=put, positions=Positions(aws.objects, "positions.json"))
    with pytest.raises(Crash):
        await drained(first)
    await drained(aws.deliverer(records=500))
    await aws.tell(traffic.all[800:])
    await drained(aws.deliverer())
    reports = DuckDbReports(S3DayFiles(aws.s3, aws.name, tmp_path))
    for name in REPORTS:
        table = await reports.run(name, DAYS)
        assert comparable(table) == rounded(RECOUNTS[name](traffic.once)), name
    assert aws.metrics.counts[DELIVERED] == len(traffic.all)


async def test_a_deliverer_goes_on_where_the_last_one_was(aws: Aws) -> None:
    await aws.tell([record(n) for n in range(20)])
    await drained(aws.deliverer())
    await drained(aws.deliverer())
    assert aws.metrics.counts[DELIVERED] == 20
    await aws.tell([record(99)])
    await drained(aws.deliverer())
    assert aws.metrics.counts[DELIVERED] == 21
    assert len(await aws.objects.keys("statistics/dt=2026-11-01/")) == 2


async def test_records_wait_for_their_file_until_it_is_time(aws: Aws) -> None:
    now = 0.0
    deliverer = aws.deliverer(every=60.0, monotonic=lambda: now)
    await aws.tell([record(1)])
    assert await deliverer.step() == 1
    now = 59.0
    await aws.tell([record(2)])
    await deliverer.step()
    assert await aws.objects.keys("statistics/") == []
    now = 60.0
    await deliverer.step()
    assert len(await aws.objects.keys("statistics/")) == 1
    assert aws.metrics.counts[DELIVERED] == 2


async def test_what_is_no_record_is_counted_and_passed_over(aws: Aws) -> None:
    large = b'{"event_id":"x","event_key":1e99,"occurred_at":"2026-11-01","kind":"ad"}'
    hostile = (b" ", b"{}", b"[]", b"null", b"\xff", b'{"occurred_at": 7}', large)
    entries: Any = [{"Data": data, "PartitionKey": "k"} for data in hostile]
    await aws.kinesis.put_records(StreamName=aws.name, Records=entries)
    await aws.tell([record(1)])
    await drained(aws.deliverer())
    assert aws.metrics.counts[UNREADABLE] == len(hostile)
    assert aws.metrics.counts[DELIVERED] == 1


async def test_a_store_that_is_away_loses_nothing(aws: Aws) -> None:
    away = True

    async def put(key: str, body: bytes) -> None:
        if away:
            raise StoreUnavailable("away")
        await aws.objects.put(key, body)

    await aws.tell([record(n) for n in range(10)])
    deliverer = aws.deliverer(put=put)
    with pytest.raises(StoreUnavailable):
        await deliverer.step()
    away = False
    await aws.tell([record(11)])
    await drained(deliverer)
    assert aws.metrics.counts[DELIVERED] == 11


class Forgetful:
    """Kinesis that knows no sequence number, and whose iterators have expired, once each."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.refused: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def get_shard_iterator(self, **request: Any) -> Any:
        if request["ShardIteratorType"] == "AFTER_SEQUENCE_NUMBER":
            raise self._error("InvalidArgumentException", "GetShardIterator")
        return await self._client.get_shard_iterator(**request)

    async def get_records(self, **request: Any) -> Any:
        if "ExpiredIteratorException" not in self.refused:
            raise self._error("ExpiredIteratorException", "GetRecords")
        return await self._client.get_records(**request)

    def _error(self, code: str, operation: str) -> ClientError:
        self.refused.append(code)
        return ClientError({"Error": {"Code": code}}, operation)


async def test_a_stream_that_was_made_anew_is_read_from_its_beginning(aws: Aws) -> None:
    shards = await KinesisStream(aws.kinesis, aws.name).shards()
    await aws.objects.put("positions.json", orjson.dumps(dict.fromkeys(shards, "1")))
    await aws.tell([record(n) for n in range(10)])
    aws.kinesis = forgetful = Forgetful(aws.kinesis)
    await drained(aws.deliverer())
    assert aws.metrics.counts[DELIVERED] == 10
    assert set(forgetful.refused) == {"InvalidArgumentException", "ExpiredIteratorException"}


# --- the copy on this machine's disk --------------------------------------------------------------


class Counting:
    """Of what is asked of S3."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.asked[name] += 1
        return getattr(self._client, name)


async def test_a_file_is_downloaded_once(aws: Aws, tmp_path: Path) -> None:
    await aws.tell([record(1)])
    await drained(aws.deliverer())
    s3 = Counting(aws.s3)
    files = S3DayFiles(s3, aws.name, tmp_path)  # type: ignore[arg-type]
    first, again = await asyncio.gather(files.of(DAYS.days()), files.of(DAYS.days()))
    assert first == again
    assert s3.asked["get_object"] == 1
    assert [one.suffix for one in first] == [".parquet"]


async def test_the_copy_is_bounded_and_what_is_needed_stays(aws: Aws, tmp_path: Path) -> None:
    for number in (1, 2):
        await aws.tell([record(number, broker=f"b{number}")])
        await drained(aws.deliverer())
    keys = await aws.objects.keys("statistics/")
    sizes = [len(await aws.objects.get(key, limit=10**6) or b"") for key in keys]
    stale = tmp_path / "dt=2025-01-01" / "old.parquet"
    stale.parent.mkdir()
    stale.write_bytes(b"x" * 100)
    files = S3DayFiles(aws.s3, aws.name, tmp_path, cache_bytes=sum(sizes) + 10)
    assert len(await files.of(DAYS.days())) == 2
    assert not stale.exists()
    small = S3DayFiles(aws.s3, aws.name, tmp_path, cache_bytes=sum(sizes) - 1)
    with pytest.raises(ReportTooCostly):
        await small.of(DAYS.days())


async def test_a_bucket_that_is_not_there_is_told(aws: Aws, tmp_path: Path) -> None:
    with pytest.raises(ReportsUnavailable):
        await S3DayFiles(aws.s3, "nowhere", tmp_path).of(DAYS.days())
