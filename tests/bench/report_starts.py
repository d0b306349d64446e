"""The functions' starts as tables."""

from __future__ import annotations

from tests.bench.markdown import aim, table
from tests.bench.starts import Start, Starts

AIM = 500


def starts_tables(found: Starts) -> str:
    head = ["ms of processor time", "imports", "opened once", "first request", "modules"]
    aims = table(
        ["aim", "at most", "measured", ""],
        [aim(f"{one.function}: imports, ms", one.imports, AIM) for one in found.functions],
    )
    return "\n\n".join((table(head, [row(one) for one in found.functions]), aims))


def row(one: Start) -> list[str]:
    first = f"{one.first:.0f}" if one.first else ""
    return [one.function, f"{one.imports:.0f}", f"{one.opening:.0f}", first, str(one.modules)]
