"""What operators do with read models: rebuild, verify, repair, and see how they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from adapters.faststream_aws import SQSBroker
from adapters.outbound.dynamodb.codec import item_to_cloud_event
from adapters.outbound.dynamodb.control import DynamoDbControl
from adapters.outbound.dynamodb.event_store import DynamoDbEventStore
from adapters.outbound.dynamodb.rows import DevicesQuery, Recount, VerifiableRows
from adapters.outbound.dynamodb.sealer import Sealer
from adapters.outbound.dynamodb.segments import SegmentScan
from adapters.outbound.dynamodb.streams import stream_items
from adapters.outbound.messaging.resend import Resend
from adapters.outbound.messaging.slots import AwsSlots
from adapters.outbound.messaging.statuses import Statuses
from adapters.settings import READ_MODELS, Settings
from projections.kernel.gate import Gate, Projection
from projections.kernel.rebuild import LEASE, ReadUnits, Rebuild
from projections.kernel.slots import Phase, Run, Slot, Slotted
from projections.kernel.verify import GRACE, Finding, Heal, Kind, Report, Verify

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

SEGMENTS = 8


@dataclass(frozen=True)
class Model:
    """A read model with the tables of both its slots."""

    projection: Projection[Any]
    rows: Mapping[Slot, VerifiableRows[Any]]
    gates: Slotted[Gate[Any]]
    recounts: Mapping[Slot, Recount] | None = None


@dataclass
class ReadSide:
    settings: Settings
    dynamodb: DynamoDBClient
    sealer: Sealer
    broker: SQSBroker
    control: DynamoDbControl
    models: Mapping[str, Model]
    stores: Mapping[str, DynamoDbEventStore]
    statuses: Statuses
    devices: DevicesQuery
    new_id: Callable[[], str]

    # --- rebuild ---------------------------------------------------------------------------------

    def rebuild(
        self,
        model: str,
        *,
        report: Callable[[Phase, Run], None],
        rate: float | None = None,
        segments: int = SEGMENTS,
        verify: bool = True,
        keep: bool = False,
        patience: float = LEASE,
    ) -> Rebuild:
        found = self.models[model]

        async def check(slot: Slot) -> list[str]:
            return await self._healed(model, slot, rate=rate, segments=segments)

        return Rebuild(
            model=model,
            version=found.projection.version,
            control=self.control,
            slots=self._slots(model),
            scan=self._scan(model),
            gates={slot: found.gates.of(slot) for slot in Slot},
            check=check,
            runner=self.new_id(),
            new_id=self.new_id,
            report=report,
            segments=segments,
            units=ReadUnits(rate),
            verify=verify,
            keep=keep,
            patience=patience,
        )

    def _heal(self, model: str, slot: Slot) -> Heal[Any]:
        found = self.models[model]
        return Heal(found.projection, self._store(model), found.rows[slot], found.gates.of(slot))

    async def _healed(
        self, model: str, slot: Slot, *, rate: float | None, segments: int
    ) -> list[str]:
        """Mended straight away, for nobody reads the slot yet; what is left after that."""
        heal = self._heal(model, slot)
        report = await self._verify(model, slot, rate, segments).run(heal)
        if not report.clean:
            report = await self._verify(model, slot, rate, segments).run()
        if await self._miscounted(model, slot, rate, mend=True):
            report.miscounted = await self._miscounted(model, slot, rate)
        return report.in_words()

    # --- verify and repair -----------------------------------------------------------------------

    async def verify(
        self,
        model: str,
        *,
        rate: float | None = None,
        segments: int = SEGMENTS,
        grace: timedelta = GRACE,
    ) -> Report:
        """Of the live slot."""
        live = (await self.control.state(model)).live
        report = await self._verify(model, live, rate, segments, grace).run()
        report.miscounted = await self._miscounted(model, live, rate)
        return report

    async def repair(
        self,
        model: str,
        *,
        rate: float | None = None,
        segments: int = SEGMENTS,
        grace: timedelta = GRACE,
    ) -> tuple[Report, int]:
        """Verify, and mend what is found; how many rows were sent for or written anew.

        What is missing goes through the model's own queue. A row that is ahead of the store can
        only be written anew.
        """
        live = (await self.control.state(model)).live
        heal = self._heal(model, live)
        resend = Resend(
            self.broker,
            self._public_event(model),
            queue=self.settings.slot(model, live).queue,
            mark=self.new_id,
        )
        await self.broker.connect()

        async def mend(finding: Finding) -> None:
            await (heal(finding) if finding.kind is Kind.AHEAD else resend(finding))

        report = await self._verify(model, live, rate, segments, grace).run(mend)
        await resend.flush()
        report.miscounted = await self._miscounted(model, live, rate, mend=True)
        return report, resend.sent + report.counts[Kind.AHEAD] + len(report.miscounted)

    async def _miscounted(
        self, model: str, slot: Slot, rate: float | None, *, mend: bool = False
    ) -> dict[str, int]:
        recounts = self.models[model].recounts
        if recounts is None:
            return {}
        lacking = await recounts[slot].lacking(rate)
        if mend and lacking:
            await recounts[slot].add(lacking)
        return lacking

    def _verify(
        self,
        model: str,
        slot: Slot,
        rate: float | None,
        segments: int,
        grace: timedelta = GRACE,
    ) -> Verify[Any]:
        found = self.models[model]
        return Verify(
            projection=found.projection,
            scan=self._scan(model),
            source=self._store(model),
            rows=found.rows[slot],
            now=lambda: datetime.now(UTC),
            segments=segments,
            units=ReadUnits(rate),
            grace=grace,
        )

    # --- parts -----------------------------------------------------------------------------------

    def _store(self, model: str) -> DynamoDbEventStore:
        return self.stores[READ_MODELS[model]]

    def _scan(self, model: str) -> SegmentScan:
        table = self.settings.events_table(READ_MODELS[model])
        category = self.models[model].projection.category
        return SegmentScan(self.dynamodb, table, category, self.sealer)

    def _slots(self, model: str) -> AwsSlots:
        return AwsSlots(
            self.dynamodb,
            self.broker,
            model=model,
            category=self.models[model].projection.category,
            topic=self.settings.topic(READ_MODELS[model]),
            names={slot: self.settings.slot(model, slot) for slot in Slot},
        )

    def _public_event(self, model: str) -> Callable[[str, int], Awaitable[Mapping[str, Any]]]:
        table = self.settings.events_table(READ_MODELS[model])

        async def read(stream: str, version: int) -> Mapping[str, Any]:
            [item] = await stream_items(
                self.dynamodb, table, stream, after=version - 1, up_to=version
            )
            return item_to_cloud_event(item)

        return read
