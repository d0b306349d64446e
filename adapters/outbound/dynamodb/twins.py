"""Reported state, written by the gateway."""

from __future__ import annotations

from collections import OrderedDict

from adapters.outbound.dynamodb.rows import Threads
from adapters.outbound.system.clock import SystemClock
from commands.kernel.ports import Clock
from projections.devices.twin import ClusterStates, Report, Twin, delete_twin, write_report

CACHED_TWINS = 10_000


class DynamoDbTwins:
    """Ports ``Twins`` and ``ForgettableTwins``.

    Knows the twins it last wrote, so a report is usually one write.

    ``TwinRow`` is configured before the first report. ``report`` raises ``TooLarge``,
    ``InvalidInput``, and ``Busy`` or ``StoreUnavailable`` for another try.
    """

    def __init__(
        self, threads: Threads, clock: Clock | None = None, *, size: int = CACHED_TWINS
    ) -> None:
        self._threads = threads
        self._clock = clock or SystemClock()
        self._size = size
        self._known: OrderedDict[str, Twin] = OrderedDict()

    async def report(
        self, device_id: str, *, claim: int, session: str, sequence: int, state: ClusterStates
    ) -> bool:
        report = Report(device_id, claim, session, sequence, state, self._clock.now())
        known = self._known.get(device_id)
        twin, written = await self._threads.run(write_report, report, known)
        self._keep(twin)
        return written

    async def forget(self, device_id: str) -> None:
        """Port ``ForgettableTwins``; deleting what is not there changes nothing."""
        self._known.pop(device_id, None)
        await self._threads.run(delete_twin, device_id)

    def _keep(self, twin: Twin) -> None:
        held = self._known.get(twin.device_id)
        if held is None or held.version < twin.version:
            self._known[twin.device_id] = twin
        self._known.move_to_end(twin.device_id)
        while len(self._known) > self._size:
            self._known.popitem(last=False)
