"""What the gates of a process tell of the rows that they park."""

from __future__ import annotations

import structlog

from projections.kernel.failures import Failure, Mark
from projections.kernel.gate import Parking
from projections.kernel.parking import printable

log = structlog.get_logger("homecast.parking")


class ToldParking:
    """One line for each row that is parked; no payload, and no message that might quote it."""

    def __init__(self, model: str, parking: Parking) -> None:
        self._model = model
        self._parking = parking

    async def note(self, failure: Failure) -> Mark:
        mark = await self._parking.note(failure)
        context = failure.recorded.context if failure.recorded else None
        log.error(
            "parked",
            model=self._model,
            row=printable(failure.key),
            stream=mark.stream,
            version=mark.version,
            error=mark.error,
            correlation=context.correlation_id if context else None,
        )
        return mark
