"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first column is text, the others are numbers."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def aim(what: str, value: float, at_most: float) -> list[str]:
    """A row of what was aimed at, what was measured, and whether that is met."""
    verdict = "met" if value <= at_most else "**missed**"
    return [what, f"{at_most:g}", f"{value:.2f}", verdict]


def at_least(what: str, value: float, least: float) -> list[str]:
    """A row of an aim that is met by as much or more."""
    verdict = "met" if value >= least else "**missed**"
    return [what, f"{least:,g}", f"{value:,.0f}", verdict]
