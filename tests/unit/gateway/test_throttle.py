"""The token bucket."""

from __future__ import annotations

import pytest

from adapters.inbound.gateway.throttle import Throttle, Throttles


def test_a_burst_is_free_and_then_the_rate_counts() -> None:
    throttle = Throttle(burst=3, now=0)
    waits = [throttle.take(rate=10, burst=3, now=0) for _ in range(5)]
    assert waits == pytest.approx([0, 0, 0, 0.1, 0.2])


def test_tokens_come_back_with_time_up_to_the_burst() -> None:
    throttle = Throttle(burst=2, now=0)
    for _ in range(2):
        throttle.take(rate=10, burst=2, now=0)
    assert throttle.take(rate=10, burst=2, now=0.1) == 0
    assert [throttle.take(rate=10, burst=2, now=100) for _ in range(3)] == pytest.approx(
        [0, 0, 0.1]
    )


def test_who_is_refused_is_not_made_to_wait_longer_for_asking() -> None:
    throttle = Throttle(burst=1, now=0)
    waits = [throttle.try_take(rate=0.1, burst=1, now=now) for now in (0, 1, 2, 10)]
    assert waits == pytest.approx([0, 9, 8, 0])


def test_each_key_has_a_bucket_and_only_so_many_are_remembered() -> None:
    throttles = Throttles(rate=0.1, burst=1, size=2)
    assert [throttles.try_take(key, now=0) for key in "aab"] == pytest.approx([0, 10, 0])
    assert throttles.try_take("c", now=0) == 0
    assert throttles.try_take("a", now=0) == 0
    assert len(throttles._held) == 2
