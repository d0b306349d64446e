"""What happened to ads, as flat records: one schema for all kinds, made where it happens.

Records are facts about traffic, not events of an aggregate: some may be lost, some come twice. The
stream is read at least once and players repeat beacons, so every count goes by ``event_key``.

The names of the fields are the columns of the Parquet files, of the Glue table in
``deploy/resources/statistics.yml`` and of the reports; fields are only ever added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC
from enum import StrEnum
from typing import Annotated, Any, Protocol

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from domain.kernel.errors import Unavailable

SCHEMA_VERSION = 1
TEXT_MAX = 100
"""Characters of what a broker sends; the rest is cut off, for a long name is no reason to lose a
record."""
DAY = "dt"
"""The partition: UTC day of ``occurred_at``, as ``2026-11-25``."""


class StatisticsUnavailable(Unavailable):
    """The stream of statistics cannot be reached, or has more to take than it can."""

    code = "statistics_unavailable"


class Kind(StrEnum):
    """``request``: a broker was asked. ``ad``: one ad of its answer. ``ready``: a creative can be
    played. All others are told by players, under the names of VAST's tracking events."""

    REQUEST = "request"
    AD = "ad"
    READY = "ready"
    IMPRESSION = "impression"
    START = "start"
    FIRST_QUARTILE = "first_quartile"
    MIDPOINT = "midpoint"
    THIRD_QUARTILE = "third_quartile"
    COMPLETE = "complete"
    CLICK = "click"
    ERROR = "error"
    SKIP = "skip"
    MUTE = "mute"
    UNMUTE = "unmute"
    PAUSE = "pause"
    RESUME = "resume"
    REWIND = "rewind"
    CLOSE = "close"


PLAYED = frozenset(Kind) - {Kind.REQUEST, Kind.AD, Kind.READY}
"""What a beacon may tell."""
TRACKING: Mapping[str, Kind] = {
    "start": Kind.START,
    "firstQuartile": Kind.FIRST_QUARTILE,
    "midpoint": Kind.MIDPOINT,
    "thirdQuartile": Kind.THIRD_QUARTILE,
    "complete": Kind.COMPLETE,
    "skip": Kind.SKIP,
    "mute": Kind.MUTE,
    "unmute": Kind.UNMUTE,
    "pause": Kind.PAUSE,
    "resume": Kind.RESUME,
    "rewind": Kind.REWIND,
    "closeLinear": Kind.CLOSE,
}
"""By the ``event`` of a VAST ``Tracking`` element (VAST 4.3 section 3.14.1)."""


class Outcome(StrEnum):
    """Of a request: ``ok``, ``no_ad``, ``timeout`` or ``error``; of an ad: ``filled`` or
    ``skipped``."""

    OK = "ok"
    NO_AD = "no_ad"
    TIMEOUT = "timeout"
    ERROR = "error"
    FILLED = "filled"
    SKIPPED = "skipped"


class Pricing(StrEnum):
    """What the price is for (VAST 4.3 section 3.4.9): a thousand impressions, a click, a full
    view. Engagements (CPE) have no beacon of ours, so they earn nothing in the reports."""

    CPM = "CPM"
    CPC = "CPC"
    CPV = "CPV"
    CPE = "CPE"


def clipped(value: object) -> object:
    """What is not printable is left out of a text, what is too long is cut off."""
    if not isinstance(value, str) or (len(value) <= TEXT_MAX and value.isprintable()):
        return value
    return "".join(char for char in value[: 2 * TEXT_MAX] if char.isprintable())[:TEXT_MAX]


Text = Annotated[str, BeforeValidator(clipped)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{0,64}$")]
Ulid = Annotated[str, StringConstraints(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
Code = Annotated[int, Field(ge=0, le=999)]
Milliseconds = Annotated[int, Field(ge=0, le=10**12)]
Micros = Annotated[int, Field(ge=0, le=10**10)]


class Facts(BaseModel):
    """What an ad is known by. A beacon's token carries it from the answer to the player and back.

    ``session``: opaque, of a viewer or a device; its alphabet has no room for an IP address.
    ``price_micros``: millionths of ``currency``, per what ``pricing`` says. ``position``: of the ad
    in its answer, so that the same ad twice in a pod counts twice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: Name = ""
    broker: Text = ""
    ad_id: Text = ""
    creative_id: Name = ""
    campaign: Text = ""
    advertiser: Text = ""
    service: Text = Field("", description="Who asked: channel, app or site")
    session: Name = ""
    device: Text = Field("", description="Class, as `ctv`, `phone`")
    price_micros: Micros | None = None
    currency: Annotated[str, StringConstraints(pattern=r"^([A-Z]{3})?$")] = ""
    pricing: Pricing | None = None
    position: Annotated[int, Field(ge=0, le=999)] = 0


class Record(Facts):
    """One thing that happened. ``event_id`` is the same however often it is told."""

    event_id: Ulid
    occurred_at: AwareDatetime
    kind: Kind
    outcome: Outcome | None = None
    reason: Text = Field("", description="Of a skipped ad, as MediaTailor names it")
    error_code: Code | None = Field(None, description="Of VAST")
    latency_ms: Milliseconds | None = Field(None, description="Until a broker had answered")
    wait_ms: Milliseconds | None = Field(None, description="From a creative's first sight to ready")
    slots: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        None, description="Ads that a broker brought for a request, at least one"
    )

    @property
    def day(self) -> str:
        return self.occurred_at.astimezone(UTC).date().isoformat()

    def row(self) -> dict[str, Any]:
        """Column by column, as JSON has it: what goes through the stream."""
        at = self.occurred_at.astimezone(UTC)
        return {
            **self.model_dump(mode="json", exclude={"occurred_at"}),
            "occurred_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "event_key": key_of(self.event_id),
            "schema_version": SCHEMA_VERSION,
        }


def key_of(event_id: str) -> int:
    """64 bits that stand for an event id where events are counted: five times as fast as text.

    Of ten million events, two share a key in one of 400,000 such sets.
    """
    return int.from_bytes(hashlib.sha256(event_id.encode()).digest()[:8], signed=True)


COLUMNS: Mapping[str, str] = {
    "event_id": "string",
    "event_key": "bigint",
    "occurred_at": "timestamp",
    "kind": "string",
    "outcome": "string",
    "reason": "string",
    "error_code": "int",
    "latency_ms": "bigint",
    "wait_ms": "bigint",
    "slots": "int",
    "request_id": "string",
    "broker": "string",
    "ad_id": "string",
    "creative_id": "string",
    "campaign": "string",
    "advertiser": "string",
    "service": "string",
    "session": "string",
    "device": "string",
    "price_micros": "bigint",
    "currency": "string",
    "pricing": "string",
    "position": "int",
    "schema_version": "int",
}
"""By name, with the types of Hive: of the Parquet files and of the Glue table. Times are UTC
without a zone."""


class Records(Protocol):
    """Where records go."""

    async def put(self, record: Record) -> None:
        """Return once the stream has it. Raises ``StatisticsUnavailable``."""

    def offer(self, record: Record) -> None:
        """Take it along, or drop and count it: never waits, never raises."""
