"""Brokers and the blocklist: what operators configure."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from commands.kernel.dispatch import Unit
from domain.kernel.errors import PreconditionFailed
from domain.kernel.event import Event
from domain.media import blocklist as blocklists
from domain.media import broker as brokers
from domain.media.blocklist import ALL, BLOCKLIST, Blocklist, Entry
from domain.media.broker import BROKER, NAME, Broker, BrokerConfig
from domain.media.errors import BrokerNotFound


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class ConfigureBroker(Message):
    """``expected_version`` None: whatever is there, 0: only a new one."""

    name: str = Field(pattern=NAME)
    config: BrokerConfig
    expected_version: int | None = None


class RetireBroker(Message):
    name: str = Field(pattern=NAME)
    expected_version: int | None = None


class Block(Message):
    entry: Entry
    reason: str = Field("", max_length=200)


class Unblock(Message):
    entry: Entry


async def configure(unit: Unit, message: ConfigureBroker) -> Broker:
    state = await unit.load(BROKER, message.name)
    _require_version(state, message.expected_version)
    by = unit.context.principal
    events = brokers.configure(state, config=message.config, by=by, at=unit.at)
    unit.append(state, events)
    for event in events:
        state = BROKER.fold(state, event)
    return state


async def retire(unit: Unit, message: RetireBroker) -> None:
    """Raises ``BrokerNotFound``."""
    state = await unit.load(BROKER, message.name)
    if state.status is None:
        raise BrokerNotFound("no such broker")
    _require_version(state, message.expected_version)
    unit.append(state, brokers.retire(state, by=unit.context.principal, at=unit.at))


async def block(unit: Unit, message: Block) -> Blocklist:
    state = await unit.load(BLOCKLIST, ALL)
    by = unit.context.principal
    events = blocklists.block(state, entry=message.entry, reason=message.reason, by=by, at=unit.at)
    return _decided(unit, state, events)


async def unblock(unit: Unit, message: Unblock) -> Blocklist:
    """Raises ``EntryNotFound``."""
    state = await unit.load(BLOCKLIST, ALL)
    events = blocklists.unblock(state, entry=message.entry, by=unit.context.principal, at=unit.at)
    return _decided(unit, state, events)


def _decided(unit: Unit, state: Blocklist, events: Sequence[Event]) -> Blocklist:
    unit.append(state, events)
    for event in events:
        state = BLOCKLIST.fold(state, event)
    return state


def _require_version(state: Broker, expected: int | None) -> None:
    if expected is not None and expected != state.version:
        raise PreconditionFailed("the broker has changed", current=state.version)
