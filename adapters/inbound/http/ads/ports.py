"""What ads need from outside; ``adapters.bootstrap.ads`` gives it, tests on memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from adapters.inbound.http.beacon_tokens import BeaconTokens
from adapters.inbound.http.container import Counters
from adapters.settings import Settings
from commands.kernel.dispatch import Dispatcher, Repository
from commands.kernel.policy import Outbox
from commands.kernel.ports import Clock, EventStore, Ids, Tracer, Vault
from domain.media.creative import CreativeStatus
from projections.media.broker_health import BrokerHealths
from projections.media.brokers import BrokerRow
from projections.media.creatives import CreativeRow
from projections.media.ports import ProgressHints
from projections.media.statistics import Records


class Document(Protocol):
    @property
    def body(self) -> bytes: ...
    @property
    def no_ad(self) -> bool: ...


class Documents(Protocol):
    async def fetch(
        self, url: str, headers: Mapping[str, str] | None = None, *, timeout: float = 3.0
    ) -> Document:
        """Raises leaves of the tree; ``remote_timeout`` for one that took too long."""


class Breaker(Protocol):
    """Of one process. Whoever fails again and again is not asked for a moment."""

    def admits(self, broker: str) -> bool: ...
    def succeeded(self, broker: str) -> None: ...
    def failed(self, broker: str) -> None: ...


class CreativesQuery(Protocol):
    async def get(self, creative_id: str) -> CreativeRow | None: ...

    async def get_many(self, ids: Sequence[str]) -> Sequence[CreativeRow]:
        """In any order; those that are not there are missing. May lag by moments."""

    async def list(
        self, status: CreativeStatus, *, limit: int, before: int | None
    ) -> tuple[list[CreativeRow], int | None]: ...


class BrokersQuery(Protocol):
    async def get(self, name: str) -> BrokerRow | None: ...
    async def list(self) -> Sequence[BrokerRow]: ...


class Opened(Protocol):
    """An object or a part of it."""

    @property
    def pieces(self) -> AsyncIterator[bytes]: ...
    @property
    def size(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def length(self) -> int: ...


class MediaReader(Protocol):
    """The media bucket. Raises ``StoreUnavailable``."""

    async def size(self, key: str) -> tuple[int, str, str] | None:
        """Bytes, media type, entity tag; None when there is none."""

    async def get(self, key: str, *, limit: int) -> bytes | None: ...

    async def open(self, key: str, *, start: int = 0, end: int | None = None) -> Opened | None: ...


class WriteSide(Protocol):
    @property
    def store(self) -> EventStore: ...
    @property
    def repository(self) -> Repository: ...
    @property
    def dispatcher(self) -> Dispatcher: ...


class AdsContainer(Protocol):
    """Read-only attributes, so that concrete classes fit."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def tracer(self) -> Tracer: ...
    @property
    def counters(self) -> Counters: ...
    @property
    def media(self) -> WriteSide: ...
    @property
    def creatives(self) -> CreativesQuery: ...
    @property
    def brokers(self) -> BrokersQuery: ...
    @property
    def documents(self) -> Documents: ...
    @property
    def breaker(self) -> Breaker: ...
    @property
    def health(self) -> BrokerHealths: ...
    @property
    def progress(self) -> ProgressHints: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def films(self) -> MediaReader: ...
    @property
    def records(self) -> Records: ...
    @property
    def beacon_tokens(self) -> BeaconTokens: ...
    @property
    def base_url(self) -> str: ...
