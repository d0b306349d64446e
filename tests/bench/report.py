"""The results as tables in Markdown, on the terminal and in ``docs/benchmarks.md``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.bench import printed
from tests.bench.accounts import accounts_tables
from tests.bench.ads import ads_tables
from tests.bench.connections import Connections
from tests.bench.cpu import Cpu, Load
from tests.bench.latency import Latency, Spread
from tests.bench.markdown import aim, table
from tests.bench.report_core import core_tables, rebuild_tables
from tests.bench.report_cost import cost_tables
from tests.bench.report_starts import starts_tables

DOCUMENT = Path("docs/benchmarks.md")
RATIO_AIM = 1.5
OURS = ("api", "gateway", "relay", "projector", "sweeper")
OTHERS = ("ministack", "redis", "clients")


# --- latency --------------------------------------------------------------------------------------


def latency_tables(latency: Latency) -> str:
    to_device = beside("submit → device has it", latency.to_device, latency.floor_to_device)
    outcome = beside("submit → outcome at caller", latency.to_outcome, latency.floor_to_outcome)
    compared = table(
        [f"{latency.samples} samples of each", "p50", "p95", "p99"], [*to_device, *outcome]
    )
    lag = table(
        [f"read-model lag, ms, {latency.lag_samples} samples", "p50", "p95"],
        [
            ["accepted → row readable", *two(latency.lag_accepted)],
            ["outcome → row readable", *two(latency.lag_succeeded)],
        ],
    )
    aims = table(
        ["aim", "at most", "measured", ""],
        [
            aim_of_latency("device has it", latency.to_device, latency.floor_to_device),
            aim_of_latency("outcome at caller", latency.to_outcome, latency.floor_to_outcome),
        ],
    )
    return "\n\n".join((compared, lag, aims))


def beside(what: str, ours: Spread, under: Spread) -> list[list[str]]:
    pairs = ((ours.p50, under.p50), (ours.p95, under.p95), (ours.p99, under.p99))
    return [
        [f"{what}, ms", *(f"{mine:.1f}" for mine, _ in pairs)],
        ["the floor of it, ms", *(f"{least:.1f}" for _, least in pairs)],
        ["**ratio**", *(f"**{mine / least:.2f}**" for mine, least in pairs)],
    ]


def two(spread: Spread) -> list[str]:
    return [f"{spread.p50:.0f}", f"{spread.p95:.0f}"]


def aim_of_latency(what: str, ours: Spread, under: Spread) -> list[str]:
    return aim(f"p50 / floor: {what}", ours.p50 / under.p50, RATIO_AIM)


# --- processor time -------------------------------------------------------------------------------


def cpu_tables(cpu: Cpu) -> str:
    steady, full = cpu.steady, cpu.saturated
    head = [
        "processor time",
        "idle, % of a core",
        f"at {cpu.steady_rate:g}/s, ms per command",
        "saturated, ms per command",
        f"saturated, % of {cpu.cores} cores",
    ]
    whole = table(head, [cpu_row(cpu, name) for name in (*OURS, *OTHERS)])
    at_rest = sum(cpu.idle[name] for name in OURS)
    total = table(
        ["", f"at {cpu.steady_rate:g}/s", "saturated"],
        [
            ["commands", str(steady.lives), str(full.lives)],
            ["our processes, ms per command", ours_each(steady), ours_each(full)],
            ["all, ms per command", all_each(steady), all_each(full)],
            ["commands a second at the callers", per_second(steady), per_second(full)],
            ["commands a second, rows included", f"{steady.lives / steady.seconds:.1f}",
             f"**{full.lives / full.seconds:.1f}**"],
            ["cores busy, of all processes", busy(steady), busy(full)],
            ["submit → outcome p50, ms", outcome(steady), outcome(full)],
        ],
    )  # fmt: skip
    idle = f"Idle, our processes together: {100 * at_rest:.0f} % of a core."
    return "\n\n".join((whole, total, f"{idle} Saturated: {cpu.at_once} callers at once."))


def cpu_row(cpu: Cpu, name: str) -> list[str]:
    share = cpu.saturated.cpu[name] / cpu.saturated.seconds / cpu.cores
    return [
        name,
        f"{100 * cpu.idle[name]:.1f}",
        f"{cpu.steady.milliseconds_each(name):.1f}",
        f"{cpu.saturated.milliseconds_each(name):.1f}",
        f"{100 * share:.0f}",
    ]


def ours_each(load: Load) -> str:
    return f"{sum(load.milliseconds_each(name) for name in OURS):.1f}"


def all_each(load: Load) -> str:
    return f"{sum(load.milliseconds_each(name) for name in load.cpu):.1f}"


def per_second(load: Load) -> str:
    return f"{load.lives / load.calling:.1f}"


def busy(load: Load) -> str:
    return f"{sum(load.cpu.values()) / load.seconds:.2f}"


def outcome(load: Load) -> str:
    return f"{load.to_outcome.p50:.0f}"


# --- gateway --------------------------------------------------------------------------------------


def gateway_tables(found: Connections) -> str:
    spent = [
        [f"processor ms per connect: {name}", f"{ms:.2f}"] for name, ms in found.cpu_ms.items()
    ]
    return table(
        [f"{found.count:,} idle connections, one gateway", "amount"],
        [
            ["memory per connection, KB", f"**{found.kilobytes_each:.1f}**"],
            ["connects a second", f"{found.per_second:.0f}"],
            *spent,
            ["upkeep: pings, looks at lanes; % of a core", f"{100 * found.upkeep:.1f}"],
        ],
    )


TABLES: Mapping[str, Callable[[Any], str]] = {
    "core": core_tables,
    "rebuild": rebuild_tables,
    "cost": cost_tables,
    "latency": latency_tables,
    "cpu": cpu_tables,
    "gateway": gateway_tables,
    "starts": starts_tables,
    "ads": ads_tables,
    "accounts": accounts_tables,
    "vast": printed.tables,
    "films": printed.tables,
    "statistics": printed.tables,
}


def write(name: str, new: str, document: Path = DOCUMENT) -> None:
    """Between ``<!-- name -->`` and ``<!-- /name -->``; other text stays."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = document.read_text().partition(begin)
    _, found, after = rest.partition(end)
    assert found, f"{document} has no place for {name}"
    document.write_text(f"{before}{begin}\n\n{new}\n\n{end}{after}")
