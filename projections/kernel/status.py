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

    def structured(self) -> str:
        """A structured field (RFC 9651): ``devices;version=1;lag=0.4``."""
        lag = "" if self.lag_seconds is None else f";lag={self.lag_seconds:.3f}"
        return f"{self.model};version={self.version}{lag}"

    @property
    def outdated(self) -> bool:
        return self.version != self.code_version


def lag_bound(
    state: ModelState,
    *,
    waiting: int,
    relayed_up_to: datetime | None,
    now: datetime,
    caught_up: datetime | None,
) -> float | None:
    """Seconds that the live slot is behind at most; None when nothing is known of it.

    With an empty queue it has all that was published. Else it has all that there was when the
    queue was last seen empty (``caught_up``), and about all up to the newest event applied.
    ``relayed_up_to``: what a relay that is late has published; None, when it is not.
    """
    known = [at for at in (state.applied.get(state.live), caught_up) if at is not None]
    if waiting and not known:
        return None
    has = [max(known)] if waiting else []
    has += [relayed_up_to] if relayed_up_to else []
    return max(0.0, (now - min(has)).total_seconds()) if has else 0.0


def progress_of(state: ModelState) -> float | None:
    if state.run is None:
        return None
    return min(1.0, state.run.events / state.run.total) if state.run.total else 0.0
