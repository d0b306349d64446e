"""What every process that decides is given by the composition root; each adds its own."""

from __future__ import annotations

from typing import Protocol

from adapters.settings import Settings
from commands.kernel.dispatch import Dispatcher
from commands.kernel.ports import Clock, EventStore, Ids, Tracer, Vault
from projections.devices.ports import Presence


class DecidingContainer(Protocol):
    """Read-only attributes, so that concrete classes fit."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def store(self) -> EventStore: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def dispatcher(self) -> Dispatcher: ...
    @property
    def tracer(self) -> Tracer: ...
    @property
    def presence(self) -> Presence: ...
