"""The token bucket."""

from __future__ import annotations

import pytest

from adapters.inbound.gateway.throttle import Throttle


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
