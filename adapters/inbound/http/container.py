"""What the API needs from outside; ``adapters.bootstrap.http`` gives it, tests on memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from adapters.inbound.container import DecidingContainer
from adapters.inbound.operations.ports import Operations
from commands.accounts.token_states import TokenStates
from commands.devices.ports import Lanes
from commands.kernel.dispatch import Dispatcher
from domain.kernel.recorded import Recorded
from projections.devices.devices import DeviceRow
from projections.devices.memberships import MembershipRow
from projections.devices.ports import Feed
from projections.devices.remote_commands import RemoteCommandRow
from projections.kernel.status import ModelStatus


class ReportedState(Protocol):
    """A twin, as any read side gives it."""

    @property
    def state(self) -> dict[str, dict[str, Any]]: ...

    @property
    def reported_at(self) -> datetime: ...


class DevicesQuery(Protocol):
    async def get(self, device_id: str) -> DeviceRow | None: ...

    async def list(
        self, account_id: str, *, limit: int, cursor: str | None
    ) -> tuple[list[DeviceRow], str | None]: ...

    async def count(self, account_id: str) -> int:
        """May lag behind by moments."""

    async def count_by_kind(self) -> dict[str, int]:
        """All devices that somebody owns."""


class AccountsSide(Protocol):
    """Of the accounts context."""

    @property
    def dispatcher(self) -> Dispatcher: ...


class MembershipsQuery(Protocol):
    async def get(self, account_id: str, home_id: str) -> MembershipRow | None:
        """Strongly consistent; None for a parked row too, which grants nothing."""

    async def homes_of(self, account_id: str) -> Sequence[MembershipRow]:
        """Those that have not ended, stays that are over by time too."""

    async def members_of(self, home_id: str) -> Sequence[MembershipRow]:
        """The same of a home. May lag by moments."""


class CommandsQuery(Protocol):
    async def get(self, device_id: str, number: int) -> RemoteCommandRow | None: ...

    async def get_many(self, device_id: str, numbers: Sequence[int]) -> Sequence[RemoteCommandRow]:
        """In any order; those that are not there are missing."""

    async def list(
        self, device_id: str, *, limit: int, before: int | None, consistent: bool = False
    ) -> list[RemoteCommandRow]:
        """Newest first, below the number ``before``. May lag by moments unless ``consistent``."""


class TwinsQuery(Protocol):
    async def get_many(self, device_ids: Sequence[str]) -> Mapping[str, ReportedState]:
        """By device; those that never reported are missing."""


class Counters(Protocol):
    async def add(self, key: str, amount: int, *, keep_seconds: int) -> int:
        """Add to a counter shared by all processes; its value after. One round trip.

        The counter goes ``keep_seconds`` after its last change. Raises ``HintsUnavailable``.
        """


class Statuses(Protocol):
    async def all(self) -> Sequence[ModelStatus]:
        """How the read models are now. Raises ``StoreUnavailable``."""

    def known(self, model: str) -> ModelStatus | None:
        """How it was some seconds ago, at no cost; None while nothing is known."""


Decode = Callable[[dict[str, Any]], Awaitable[Recorded]]


class Container(DecidingContainer, Protocol):
    """``decode``: a CloudEvent of the feed as the event it carries; raises ``ContractError``, or
    ``StoreUnavailable`` when the key to its personal data cannot be reached."""

    @property
    def feed(self) -> Feed: ...
    @property
    def lanes(self) -> Lanes: ...
    @property
    def devices(self) -> DevicesQuery: ...
    @property
    def commands(self) -> CommandsQuery: ...
    @property
    def memberships(self) -> MembershipsQuery: ...
    @property
    def accounts(self) -> AccountsSide: ...

    @property
    def twins(self) -> TwinsQuery: ...
    @property
    def counters(self) -> Counters: ...
    @property
    def token_states(self) -> TokenStates: ...
    @property
    def statuses(self) -> Statuses: ...
    @property
    def operations(self) -> Operations: ...
    @property
    def decode(self) -> Decode: ...
