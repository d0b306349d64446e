"""How much of everything is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Rates a second, durations in seconds."""

    latency_samples: int = 220
    latency_seconds: float = 120
    lag_samples: int = 60
    idle_seconds: float = 6
    steady_rate: float = 10
    steady_lives: int = 200
    saturated_seconds: float = 20
    at_once: int = 24
    cost_lives: int = 60
    cost_rate: float = 1
    cost_saturated_seconds: float = 15
    reports_seconds: float = 5
    connections: int = 5_000
    connections_before: int = 100
    pings_seconds: float = 21


FULL = Sizes()
QUICK = Sizes(
    latency_samples=40,
    latency_seconds=15,
    lag_samples=10,
    idle_seconds=2,
    steady_lives=50,
    saturated_seconds=5,
    cost_lives=12,
    cost_rate=2,
    cost_saturated_seconds=4,
    reports_seconds=2,
    connections=600,
    connections_before=50,
    pings_seconds=1,
)
