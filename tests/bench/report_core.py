"""The event store's figures as tables."""

from __future__ import annotations

from tests.bench.core import Core, Pair
from tests.bench.markdown import aim, table
from tests.bench.rebuild import Rebuilt

AIM = 1.3
REBUILD_AIM = 1.5


def core_tables(found: Core) -> str:
    head = ["ms of processor time each", "ours", "plain calls", "ratio", "eventsourcing, SQLite"]
    compared = table(head, [row(one) for one in found.pairs])
    coded = table(
        ["µs of processor time an event", "ours", "its data alone", "eventsourcing's mapper, ours"],
        [
            [
                one.what.split()[0],
                *(f"{10 * (t or 0):.1f}" for t in (one.ours, one.plain, one.peer)),
            ]
            for one in found.codec
        ],
    )
    units = table(
        ["of the store", "AWS calls", "write units", "read units"],
        [[u.what, str(u.calls), str(u.write_units), f"{u.read_units:g}"] for u in found.units],
    )
    aims = table(
        ["aim", "at most", "measured", ""],
        [aim(f"{one.what}: ours / plain", one.ratio, AIM) for one in found.pairs],
    )
    return "\n\n".join((compared, coded, units, aims))


def row(pair: Pair) -> list[str]:
    peer = "" if pair.peer is None else f"{pair.peer:.3f}"
    return [pair.what, f"{pair.ours:.3f}", f"{pair.plain:.3f}", f"**{pair.ratio:.2f}**", peer]


def coded_row(pair: Pair) -> list[str]:
    """A hundred events each: milliseconds of a hundred are tens of microseconds of one."""
    times = (pair.ours, pair.plain, pair.peer or 0.0)
    return [pair.what.split()[0], *(f"{10 * one:.1f}" for one in times)]


def rebuild_tables(found: Rebuilt) -> str:
    per_event = 1e6 / found.events
    compared = table(
        [f"{found.events:,} events, {found.rows:,} rows", "rebuild", "bare loop", "ratio"],
        [
            ["processor time, µs an event", f"{found.ours * per_event:.0f}",
             f"{found.bare * per_event:.0f}", f"**{found.ratio:.2f}**"],
            ["processor time, s", f"{found.ours:.1f}", f"{found.bare:.1f}", ""],
            ["by the clock, s", f"{found.ours_took:.0f}", f"{found.bare_took:.0f}", ""],
        ],
    )  # fmt: skip
    aims = table(
        ["aim", "at most", "measured", ""],
        [aim("processor time of a rebuild / of the bare loop", found.ratio, REBUILD_AIM)],
    )
    return "\n\n".join((compared, aims))
