"""A broker: an ad decision server that is asked for ads, and how it is asked.

Stream ``broker-{name}``. A broker is configured as a whole; the same configuration again changes
nothing. A retired one answers no requests; configuring it again brings it back.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, assert_never, cast

from pydantic import BaseModel, ConfigDict, Field

from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.event import Aggregate, Event, State, next_event, register
from domain.kernel.machine import Machine, Move, moves

NAME = "^[a-z0-9][a-z0-9-]{0,39}$"
LONGEST_URL = 25_000
"""Characters, macros filled; what MediaTailor takes."""
SLOWEST_MS = 10_000
"""Milliseconds for a broker and its wrappers in all."""


class BrokerStatus(StrEnum):
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


ACTIVE, RETIRED = BrokerStatus.ACTIVE, BrokerStatus.RETIRED
MACHINE = Machine(
    (
        *moves((None, ACTIVE, RETIRED), (ACTIVE,), "operator", "a new configuration"),
        Move(ACTIVE, RETIRED, "operator", "no requests any more"),
    )
)


class BrokerRetiredError(NotFound):
    """The broker was retired."""

    code = "broker_retired"


class PriceRule(BaseModel):
    """What an impression is sold for where the ad itself does not say (VAST ``Pricing``).

    The first rule that fits counts; ``value`` is compared without regard to case.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: Literal["any", "advertiser", "campaign", "ad_system"] = "any"
    value: str = Field("", max_length=200)
    cpm: Decimal = Field(ge=0, le=100_000, decimal_places=4, description="For 1,000 impressions")
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217")


class BrokerConfig(BaseModel):
    """``url``: with IAB macros such as ``[CACHEBUSTING]``; parameters of the ad request are added.

    ``slate``: address of a film that fills a break in which nothing else is ready. ``key``: what
    tells films without a registered id apart, their canonical address with or without its query.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(min_length=8, max_length=LONGEST_URL, pattern="^https?://[^\\s]+$")
    format: Literal["vast", "vmap"] = "vast"
    time_limit_ms: int = Field(3_000, ge=100, le=3_000, description="For each document")
    total_limit_ms: int = Field(SLOWEST_MS, ge=100, le=SLOWEST_MS, description="With wrappers")
    wrapper_depth: int = Field(5, ge=0, le=5)
    slate: str | None = Field(None, max_length=2_000, pattern="^https?://[^\\s]+$")
    key: Literal["url", "path"] = "url"
    prices: Annotated[tuple[PriceRule, ...], Field(max_length=100)] = ()


class BrokerConfigured(Event):
    TOPIC: ClassVar[str] = "media.broker_configured"
    config: BrokerConfig
    by: str


class BrokerRetired(Event):
    TOPIC: ClassVar[str] = "media.broker_retired"
    by: str


BrokerEvent = BrokerConfigured | BrokerRetired
register(BrokerConfigured, BrokerRetired)


class Broker(State):
    status: BrokerStatus | None = None
    config: BrokerConfig | None = None


def fold(state: Broker, event: Event) -> Broker:
    known = cast("BrokerEvent", event)
    changed: dict[str, Any] = {"version": event.originator_version}
    match known:
        case BrokerConfigured():
            changed |= {"status": MACHINE.enter(state.status, ACTIVE), "config": known.config}
        case BrokerRetired():
            changed |= {"status": MACHINE.enter(state.status, RETIRED)}
        case _:
            assert_never(known)
    return state.model_copy(update=changed)


BROKER = Aggregate("broker", Broker, fold, snapshot_every=50)


def configure(state: Broker, *, config: BrokerConfig, by: str, at: datetime) -> list[Event]:
    """Raises ``InvalidInput`` for a price of ads that say nothing of whom they are from."""
    for place, rule in enumerate(config.prices):
        if rule.match != "any" and not rule.value.strip():
            field = f"config.prices.{place}.value"
            raise InvalidInput(f"a price for one {rule.match} names it", field=field)
    if state.status == ACTIVE and state.config == config:
        return []
    return [next_event(BrokerConfigured, state, at, config=config, by=by)]


def retire(state: Broker, *, by: str, at: datetime) -> list[Event]:
    if state.status != ACTIVE:
        return []
    return [next_event(BrokerRetired, state, at, by=by)]
