from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.media.broker_health import (
    BOUNDS,
    Status,
    Tally,
    assess,
    bucket_of,
    percentile,
    status_of,
    total,
)


def tally(
    fills: int = 0, no_ads: int = 0, timeouts: int = 0, errors: int = 0, ms: int = 40
) -> Tally:
    count = fills + no_ads + timeouts + errors
    buckets = [0] * (len(BOUNDS) + 1)
    buckets[bucket_of(ms)] = count
    return Tally(fills, no_ads, timeouts, errors, ms * count, tuple(buckets))


@pytest.mark.parametrize(
    ("one", "status"),
    [
        (tally(), "idle"),
        (tally(fills=10), "ok"),
        (tally(no_ads=10), "ok"),
        (tally(fills=96, timeouts=4), "ok"),
        (tally(fills=95, timeouts=5), "degraded"),
        (tally(fills=95, errors=5), "degraded"),
        (tally(fills=10, ms=2_500), "degraded"),
        (tally(fills=5, timeouts=3, errors=2), "down"),
        (tally(timeouts=1), "down"),
        (tally(fills=1, timeouts=1), "ok"),
        (tally(fills=1, ms=2_500), "ok"),
    ],
)
def test_a_broker_is_judged_by_what_became_of_its_requests(one: Tally, status: Status) -> None:
    assert status_of(one) == status


def test_rates_and_times_are_those_of_the_requests() -> None:
    health = assess("b", tally(fills=6, no_ads=2, timeouts=1, errors=1), tally(fills=100))
    assert (health.requests, health.fill_rate) == (10, 0.6)
    assert (health.timeout_rate, health.error_rate) == (0.1, 0.1)
    assert health.mean_ms == 40
    assert health.hour.requests == 100


def test_nothing_is_said_of_the_times_of_no_requests() -> None:
    health = assess("b", Tally(), Tally())
    assert (health.mean_ms, health.p50_ms, health.p95_ms) == (None, None, None)
    assert (health.fill_rate, health.status) == (0.0, "idle")


@given(st.lists(st.floats(0, 4_999), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_a_percentile_is_in_the_bucket_of_the_true_one(times: list[float], part: float) -> None:
    buckets = [0] * (len(BOUNDS) + 1)
    for one in times:
        buckets[bucket_of(one)] += 1
    exact = sorted(times)[math.ceil(len(times) * part) - 1]
    found = percentile(buckets, part)
    assert found is not None
    index = bucket_of(exact)
    assert (BOUNDS[index - 1] if index else 0) <= found <= BOUNDS[index]


def test_what_took_longer_than_all_bounds_counts_as_the_last_bound() -> None:
    assert percentile(tally(fills=3, ms=60_000).buckets, 0.95) == BOUNDS[-1]


def test_tallies_add_up() -> None:
    assert total([tally(fills=1), tally(errors=2), Tally()]) == Tally(
        fills=1,
        errors=2,
        latency_ms=120,
        buckets=tuple(3 if i == bucket_of(40) else 0 for i in range(len(BOUNDS) + 1)),
    )
