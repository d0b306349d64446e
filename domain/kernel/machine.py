"""State machines as tables: the rules, the tests and the pictures come from the same rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

Status = TypeVar("Status", bound=StrEnum)


@dataclass(frozen=True)
class Move(Generic[Status]):
    """One allowed step: ``source`` None for the first, ``by`` who causes it, ``when`` the rule."""

    source: Status | None
    target: Status
    by: str
    when: str


class IllegalMoveError(AssertionError):
    """The table has no such move: a decision let something through that it should have refused."""


@dataclass(frozen=True)
class Machine(Generic[Status]):
    moves: tuple[Move[Status], ...]
    _pairs: frozenset[tuple[Status | None, Status]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        pairs = frozenset((move.source, move.target) for move in self.moves)
        object.__setattr__(self, "_pairs", pairs)

    def allows(self, source: Status | None, target: Status) -> bool:
        return (source, target) in self._pairs

    def enter(self, source: Status | None, target: Status) -> Status:
        if not self.allows(source, target):
            raise IllegalMoveError(f"{source or '–'} → {target}")
        return target

    def sources_of(self, target: Status) -> frozenset[Status | None]:
        return frozenset(source for source, to in self._pairs if to == target)

    def mermaid(self) -> str:
        """The picture for the docs: one arrow per row, labelled with its cause."""
        lines = ["stateDiagram-v2"]
        lines += [f"    {move.source or '[*]'} --> {move.target}: {move.by}" for move in self.moves]
        finals = {move.target for move in self.moves} - {move.source for move in self.moves}
        lines += [f"    {status} --> [*]" for status in sorted(finals)]
        return "\n".join(lines) + "\n"


def moves(
    sources: Iterable[Status | None], targets: Iterable[Status], by: str, when: str
) -> tuple[Move[Status], ...]:
    """All pairs of sources and targets with one cause: a row of the design's table."""
    to = tuple(targets)
    return tuple(Move(source, target, by, when) for source in sources for target in to)
