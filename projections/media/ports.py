"""What the media read side needs from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """How far a job is in its stage, a hint."""

    stage: str
    percent: int


class ProgressHints(Protocol):
    """Percentages of jobs under way. Losing Redis loses only them; never raises."""

    async def tell(self, creative_id: str, progress: Progress) -> None:
        """Kept for a minute."""

    async def of(self, creative_ids: Sequence[str]) -> Mapping[str, Progress]:
        """Those that are known."""
