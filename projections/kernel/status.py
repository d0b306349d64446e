"""What a read model says of itself: version, live slot, lag."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from projections.kernel.slots import ModelState, Phase, Slot


class ModelStatus(BaseModel):
    """``version``: of the code that built the live slot; ``code_version``: of this code.

    ``lag_seconds``: a bound, None while nothing is known. ``progress``: of a rebuild, 0 to 1.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    version: int
    code_version: int
    live: Slot
    phase: Phase
    lag_seconds: float | None
    waiting: int
    dead_letters: int
    parked: int
    progress: float | None = None

    @property
    def outdated(self) -> bool:
        return self.version != self.code_version


def lag_bound(
    state: ModelState, *, waiting: int, relayed: bool, now: datetime, caught_up: datetime | None
) -> float | None:
    """Nothing waits: no lag. Else everything up to the newest event applied is there, and all that
    there was when the queue was last seen empty (``caught_up``), so the lag is no more than that.
    """
    if waiting == 0 and relayed:
        return 0.0
    known = [at for at in (state.applied.get(state.live), caught_up) if at is not None]
    return max(0.0, (now - max(known)).total_seconds()) if known else None


def progress_of(state: ModelState) -> float | None:
    if state.run is None:
        return None
    return min(1.0, state.run.events / state.run.total) if state.run.total else 0.0
