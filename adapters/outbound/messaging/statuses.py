"""How the read models are: version, live slot, lag. Looked at every few seconds at most."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from adapters.outbound.dynamodb.control import DynamoDbControl
from adapters.outbound.dynamodb.leases import DynamoDbLeases
from adapters.settings import READ_MODELS, Settings
from domain.kernel.errors import Unavailable
from projections.kernel.slots import ModelState
from projections.kernel.status import ModelStatus, lag_bound, progress_of

REFRESH_AFTER = 2.0
WORTHLESS_AFTER = 30.0
RELAY_SLACK = timedelta(seconds=10)
"""A relay that has read all says so ten seconds late, and saves it with its lease."""


@dataclass
class Statuses:
    """``versions``: of the code, by model. ``depth``: of a queue by its URL. ``parked``: rows."""

    settings: Settings
    control: DynamoDbControl
    leases: DynamoDbLeases
    versions: Mapping[str, int]
    depth: Callable[[str], Awaitable[int]]
    parked: Callable[[str], Awaitable[int]]
    _known: dict[str, ModelStatus] = field(default_factory=dict)
    _caught_up: dict[str, datetime] = field(default_factory=dict)
    _asked_at: float = float("-inf")
    _known_at: float = float("-inf")
    _task: asyncio.Task[None] | None = None

    async def all(self) -> list[ModelStatus]:
        """As of now."""
        now = datetime.now(UTC)
        states, behind = await asyncio.gather(self.control.states(), self._relays_behind(now))
        found = await asyncio.gather(
            *(
                self._status(states.get(model) or ModelState(model=model), behind, now)
                for model in self.versions
            )
        )
        self._known, self._known_at = {one.model: one for one in found}, time.monotonic()
        return list(found)

    def known(self, model: str) -> ModelStatus | None:
        """As of some seconds ago, at no cost to who asks; None while nothing is known."""
        now = time.monotonic()
        if now - self._asked_at >= REFRESH_AFTER and (self._task is None or self._task.done()):
            self._asked_at = now
            self._task = asyncio.create_task(self._refresh(), name="statuses")
        return self._known.get(model) if now - self._known_at < WORTHLESS_AFTER else None

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _refresh(self) -> None:
        try:
            await self.all()
        except Unavailable:
            return  # what is known goes out of date

    async def _status(
        self, state: ModelState, behind: Mapping[str, datetime], now: datetime
    ) -> ModelStatus:
        model = state.model
        names = self.settings.slot(model, state.live)
        waiting, dead, parked = await asyncio.gather(
            self.depth(names.queue), self.depth(names.dead_letters), self.parked(model)
        )
        relayed = behind.get(READ_MODELS[model])
        if waiting == 0:
            self._caught_up[model] = relayed or now
        lag = lag_bound(
            state,
            waiting=waiting,
            relayed_up_to=relayed,
            now=now,
            caught_up=self._caught_up.get(model),
        )
        code = self.versions[model]
        return ModelStatus(
            model=model,
            version=state.versions.get(state.live, code),
            code_version=code,
            live=state.live,
            phase=state.phase,
            lag_seconds=None if lag is None else round(lag, 3),
            waiting=waiting,
            dead_letters=dead,
            parked=parked,
            progress=progress_of(state),
        )

    async def _relays_behind(self, now: datetime) -> dict[str, datetime]:
        """Up to when the contexts are published whose relay is late; those that are not are left
        out, and so are those whose relay keeps no leases, which are functions."""
        slack = RELAY_SLACK + timedelta(seconds=self.settings.relay_lease_seconds)
        up_to: dict[str, datetime] = {}
        for lease in await self.leases.all():
            if lease.loss is None and not lease.finished and lease.at < now - slack:
                up_to[lease.context] = min(lease.at, up_to.get(lease.context, lease.at))
        return up_to
