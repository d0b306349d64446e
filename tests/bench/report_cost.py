"""The cost of a life as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tests.bench.cost import CLOCKWORK, SLOW, Cost, Counts
from tests.bench.markdown import aim, table
from tests.bench.prices import MILLION, PRICES, Usage

WRITE_UNITS_AIM = 9.0
DOLLARS_AIM = 8.0


def cost_tables(cost: Cost) -> str:
    columns = (cost.steady, cost.slow, cost.saturated)
    rate = f"{cost.steady_rate:g}/s"
    head = ["per life", rate, f"{rate}, devices take {1000 * SLOW:g} ms", "saturated"]
    lives = ["lives counted", *(str(one.lives) for one in columns)]
    money = [
        "**USD per million lives**",
        *(f"**{one.dollars_per_million():.2f}**" for one in columns),
    ]
    tables = [
        table(head, [lives, *call_rows(*columns)]),
        table(head, [*unit_rows(*columns), *priced_rows(*columns), money]),
        apart(cost),
        aims_of_cost(cost),
    ]
    return "\n\n".join(tables)


def call_rows(*columns: Counts) -> list[list[str]]:
    return per_life(columns, lambda one: one.calls)


def unit_rows(*columns: Counts) -> list[list[str]]:
    written = per_life(columns, lambda one: one.of_lives(one.write_units), "write units: ")
    read = per_life(columns, lambda one: one.of_lives(one.read_units), "read units: ")
    total = [f"{one.each(one.usage.write_units):.2f}" for one in columns]
    reads = [f"{one.each(one.usage.read_units):.2f}" for one in columns]
    return [
        *written,
        ["**write units**", *(f"**{one}**" for one in total)],
        *read,
        ["**read units**", *(f"**{one}**" for one in reads)],
    ]


def per_life(
    columns: Sequence[Counts],
    amounts: Callable[[Counts], Mapping[str, float]],
    prefix: str = "",
) -> list[list[str]]:
    names = dict.fromkeys(name for one in columns for name in sorted(amounts(one)))
    return [
        [f"{prefix}{name}", *(f"{one.each(amounts(one).get(name, 0)):.2f}" for one in columns)]
        for name in names
        if any(amounts(one).get(name) for one in columns)
    ]


def priced_rows(*columns: Counts) -> list[list[str]]:
    """USD per million lives, by what is billed."""
    parts: dict[str, Callable[[Usage], float]] = {
        "DynamoDB writes": lambda u: Usage(write_units=u.write_units).dollars(),
        "DynamoDB reads": lambda u: Usage(read_units=u.read_units).dollars(),
        "DynamoDB stream reads": lambda u: Usage(stream_reads=u.stream_reads).dollars(),
        "SNS": lambda u: Usage(published=u.published, published_bytes=u.published_bytes).dollars(),
        "SQS": lambda u: Usage(sqs_requests=u.sqs_requests).dollars(),
    }
    return [
        [f"USD: {name}", *(f"{one.each(price(one.usage)) * MILLION:.2f}" for one in columns)]
        for name, price in parts.items()
    ]


def apart(cost: Cost) -> str:
    idle, reports = cost.idle, cost.with_reports
    twins = reports.write_units.get("twins", 0)
    rows = [
        [f"{call}, a second", f"{count / idle.seconds:.1f}"] for call, count in idle.rhythm.items()
    ]
    swept = idle.read_units.get("remote commands/open", 0) / idle.seconds
    written = sum(idle.write_units.get(name, 0) for name in CLOCKWORK) / idle.seconds
    read = sum(idle.read_units.get(name, 0) for name in CLOCKWORK) / idle.seconds
    return table(
        ["apart: with or without commands, and reported state", "amount"],
        [
            *rows,
            ["read units of the sweeper, a second", f"{swept:.1f}"],
            ["write units of leases and control, a second", f"{written:.1f}"],
            ["read units of leases, control and time-outs, a second", f"{read:.1f}"],
            ["twin write units per life whose result brings state", f"{reports.each(twins):.2f}"],
            [
                "USD per million of these",
                f"{reports.each(twins) * PRICES.write_unit * MILLION:.2f}",
            ],
        ],
    )


def aims_of_cost(cost: Cost) -> str:
    rows = []
    for name, one in (("saturated", cost.saturated), ("slow devices", cost.slow)):
        units, dollars = one.each(one.usage.write_units), one.dollars_per_million()
        rows.append(aim(f"write units per life, {name}", units, WRITE_UNITS_AIM))
        rows.append(aim(f"USD per million lives, {name}", dollars, DOLLARS_AIM))
    return table(["aim", "at most", "measured", ""], rows)
