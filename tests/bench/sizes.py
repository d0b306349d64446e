"""How much of everything is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Rates a second, durations in seconds."""

    latency_samples: int = 210
    latency_seconds: float = 90
    lag_samples: int = 50
    idle_seconds: float = 5
    steady_rate: float = 10
    steady_lives: int = 150
    saturated_seconds: float = 14
    at_once: int = 24
    cost_lives: int = 60
    cost_slow_lives: int = 24
    cost_rate: float = 1
    cost_saturated_seconds: float = 10
    reports_seconds: float = 4
    settle_seconds: float = 5.5
    """After which the relay has renewed its leases, with their checkpoints."""
    connections: int = 5_000
    connections_before: int = 100
    pings_seconds: float = 21
    core_rounds: int = 12
    core_each: int = 50
    rebuild_events: int = 100_000
    starts: int = 9
    ad_requests: int = 2_000
    quick: bool = False


FULL = Sizes()
QUICK = Sizes(
    latency_samples=30,
    latency_seconds=12,
    lag_samples=8,
    idle_seconds=2,
    steady_lives=40,
    saturated_seconds=3,
    cost_lives=12,
    cost_slow_lives=8,
    cost_rate=4,
    cost_saturated_seconds=2,
    reports_seconds=1,
    settle_seconds=1,
    connections=300,
    connections_before=50,
    pings_seconds=1,
    core_rounds=3,
    core_each=20,
    rebuild_events=5_000,
    starts=3,
    ad_requests=200,
    quick=True,
)
