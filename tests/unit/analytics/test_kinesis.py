"""Records on their way into the stream: batches, refusals, bounds, the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from adapters.outbound.analytics.kinesis import ATTEMPTS, DROPPED, LOST, RECORDS, KinesisRecords
from projections.media.statistics import StatisticsUnavailable
from tests.support.statistics import CountedMetrics, record

WITHIN = 10.0
Refuses = Callable[[int, str], bool]


class Stream:
    """``refuses``: by number of the call and event id, whether a record is not taken."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.held: list[str] = []
        self.refuses: Refuses = lambda _call, _event: False
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def put_records(self, *, StreamName: str, Records: list[Any]) -> Any:  # noqa: N803
        assert StreamName == "statistics"
        if self.gate is not None:
            await self.gate.wait()
        call = len(self.calls)
        events = [orjson.loads(one["Data"])["event_id"] for one in Records]
        assert [one["PartitionKey"] for one in Records] == events
        self.calls.append(events)
        if self.error is not None:
            raise self.error
        refused = [self.refuses(call, event) for event in events]
        self.held += [event for event, no in zip(events, refused, strict=True) if not no]
        code = "ProvisionedThroughputExceededException"
        return {"Records": [{"ErrorCode": code} if no else {} for no in refused]}


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def metrics() -> CountedMetrics:
    return CountedMetrics()


def records(stream: Stream, metrics: CountedMetrics, **options: Any) -> KinesisRecords:
    client: Any = stream
    given = {"linger": 0.01, "pause": 0.001, **options}
    return KinesisRecords(client, "statistics", metrics=metrics, **given)


async def test_what_comes_together_goes_together(stream: Stream, metrics: CountedMetrics) -> None:
    async with asyncio.timeout(WITHIN), records(stream, metrics).running() as port:
        await asyncio.gather(*(port.put(record(n)) for n in range(RECORDS + 100)))
    assert sorted(map(len, stream.calls)) == [100, RECORDS]
    assert len(set(stream.held)) == RECORDS + 100


async def test_only_what_was_refused_is_sent_again(stream: Stream, metrics: CountedMetrics) -> None:
    odd = {record(n).event_id for n in range(1, 20, 2)}
    stream.refuses = lambda call, event: call < 2 and event in odd
    async with asyncio.timeout(WITHIN), records(stream, metrics).running() as port:
        await asyncio.gather(*(port.put(record(n)) for n in range(20)))
    assert [set(call) for call in stream.calls[1:]] == [odd, odd]
    assert sorted(stream.held) == sorted(record(n).event_id for n in range(20))
    assert not metrics.counts


async def test_who_waits_is_told_what_was_never_taken(
    stream: Stream, metrics: CountedMetrics
) -> None:
    bad = record(1).event_id
    stream.refuses = lambda _call, event: event == bad
    async with asyncio.timeout(WITHIN), records(stream, metrics).running() as port:
        results = await asyncio.gather(
            *(port.put(record(n)) for n in range(3)), return_exceptions=True
        )
    assert [type(one) for one in results] == [type(None), StatisticsUnavailable, type(None)]
    assert "ProvisionedThroughputExceededException" in str(results[1])
    assert len(stream.calls) == ATTEMPTS
    assert metrics.counts[LOST] == 1


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "InternalFailure", "Message": ""}}, "PutRecords"),
        EndpointConnectionError(endpoint_url="http://nowhere"),
        RuntimeError("a defect"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_stream_that_is_away_is_told_and_the_next_records_are_tried(
    stream: Stream, metrics: CountedMetrics, error: Exception
) -> None:
    stream.error = error
    async with asyncio.timeout(WITHIN), records(stream, metrics).running() as port:
        with pytest.raises(StatisticsUnavailable):
            await port.put(record(1))
        stream.error = None
        await port.put(record(2))
    assert stream.held == [record(2).event_id]


async def test_no_more_is_held_than_there_is_room_for(
    stream: Stream, metrics: CountedMetrics
) -> None:
    stream.gate = asyncio.Event()
    async with asyncio.timeout(WITHIN), records(stream, metrics, capacity=10).running() as port:
        for n in range(15):
            port.offer(record(n))
        assert metrics.counts[DROPPED] == 5
        with pytest.raises(StatisticsUnavailable):
            await port.put(record(99))
        stream.gate.set()
    assert len(stream.held) == 10


async def test_what_waits_is_sent_at_the_end_and_nothing_is_taken_after_it(
    stream: Stream, metrics: CountedMetrics
) -> None:
    async with asyncio.timeout(WITHIN), records(stream, metrics, linger=60.0).running() as port:
        for n in range(RECORDS + 7):
            port.offer(record(n))
    assert len(stream.held) == RECORDS + 7
    port.offer(record(9999))
    assert metrics.counts[DROPPED] == 1


async def test_a_waiter_that_left_harms_nobody(stream: Stream, metrics: CountedMetrics) -> None:
    stream.gate = asyncio.Event()
    async with asyncio.timeout(WITHIN), records(stream, metrics).running() as port:
        leaving = asyncio.create_task(port.put(record(1)))
        staying = asyncio.create_task(port.put(record(2)))
        await asyncio.sleep(0)
        leaving.cancel()
        stream.gate.set()
        await staying
    assert len(stream.held) == 2


async def test_a_stream_that_is_away_does_not_hold_up_the_end(
    stream: Stream, metrics: CountedMetrics
) -> None:
    stream.gate = asyncio.Event()
    async with asyncio.timeout(WITHIN):
        async with records(stream, metrics, close_limit=0.05).running() as port:
            waiters = [asyncio.create_task(port.put(record(n))) for n in range(9 * RECORDS)]
            await asyncio.sleep(0)
        told = await asyncio.gather(*waiters, return_exceptions=True)
    assert {type(one) for one in told} == {StatisticsUnavailable}
    assert metrics.counts[LOST] == len(waiters)


async def test_an_answer_that_fits_no_batch_is_an_attempt_that_failed(
    stream: Stream, metrics: CountedMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def short(**_: Any) -> Any:
        return {"Records": []}

    monkeypatch.setattr(stream, "put_records", short)
    async with asyncio.timeout(WITHIN), records(stream, metrics).running() as port:
        with pytest.raises(StatisticsUnavailable):
            await port.put(record(1))
        monkeypatch.undo()
        await port.put(record(2))
    assert len(stream.held) == 1
