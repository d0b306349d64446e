"""Events as stored items and as CloudEvents; ``mapper`` has eventsourcing's ``StoredEvent``.

A stored item holds the event's own fields as one JSON string; what all events share stands beside
it in attributes of its own, so that the relay publishes without decoding. Personal fields are not
among them: they stand sealed in an attribute (``Sealer`` has the keys). Events are dumped and
validated by pydantic; older versions are upcast on the way in (static ``upcast_vN_vM(state)`` on
the event class, eventsourcing's convention). Whatever cannot be decoded raises ``ContractError``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.accounts.account import AccountEvent
from domain.accounts.client import ClientEvent
from domain.accounts.email_address import EmailAddressEvent
from domain.accounts.forgetting import ForgettingEvent
from domain.accounts.grants import GrantsEvent
from domain.accounts.home import HomeEvent
from domain.accounts.invitation import InvitationEvent
from domain.accounts.mail import MailEvent
from domain.accounts.membership import MembershipEvent
from domain.accounts.sessions import SessionsEvent
from domain.devices.departure import DepartureEvent
from domain.devices.device import DeviceEvent
from domain.devices.lane import LaneEvent
from domain.kernel.errors import ContractError, InvalidInput
from domain.kernel.event import Event
from domain.kernel.personal import personal_fields
from domain.kernel.recorded import Context, Recorded, event_id
from domain.media.blocklist import BlocklistEvent
from domain.media.broker import BrokerEvent
from domain.media.content import ContentEvent
from domain.media.creative import CreativeEvent

Item = Mapping[str, Any]
"""As DynamoDB's API spells it: ``{"stream": {"S": "lane-…"}, "version": {"N": "1"}, …}``."""

EVENT_TYPES: dict[str, type[Event]] = {
    event_type.TOPIC: event_type
    for union in (
        DeviceEvent,
        LaneEvent,
        DepartureEvent,
        ForgettingEvent,
        InvitationEvent,
        MembershipEvent,
        HomeEvent,
        AccountEvent,
        EmailAddressEvent,
        SessionsEvent,
        MailEvent,
        ClientEvent,
        GrantsEvent,
        CreativeEvent,
        ContentEvent,
        BrokerEvent,
        BlocklistEvent,
    )
    for event_type in get_args(union) or (union,)
}
"""By released name. Never resolved by import path, so that a stored name imports nothing."""

_ENVELOPE = {"originator_id", "originator_version", "timestamp"}


class CloudEvent(BaseModel):
    """What has to be in a CloudEvent (1.0, JSON structured mode) for us to decode it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"]
    id: str
    type: str
    subject: str
    sequence: str = Field(pattern=r"^[1-9][0-9]{0,14}$")
    time: datetime
    typeversion: int = Field(ge=1)
    generation: int = Field(ge=1)
    correlationid: str
    causationid: str
    principal: str
    awstraceheader: str | None = None
    sealed: str | None = None
    dataref: str | None = None
    data: dict[str, Any]


# --- parts that all forms share -------------------------------------------------------------------


def dump_data(event: Event) -> dict[str, Any]:
    """The event's own fields as JSON values, without the personal ones."""
    personal = personal_fields(type(event))
    return event.model_dump(mode="json", exclude=_ENVELOPE | personal.keys())


def dump_personal(event: Event) -> dict[str, Any]:
    """The other part: what may be stored and published only sealed."""
    return event.model_dump(mode="json", include=set(personal_fields(type(event))))


def place_of(stream: Any, version: Any, topic: Any) -> tuple[str, str, str]:
    """What a sealed text is bound to."""
    return str(stream), str(version), str(topic)


def require_sealed(event: Event, sealed: str | None) -> None:
    """Without its personal fields an event does not decode: they must not be left out unnoticed."""
    if sealed is None and personal_fields(type(event)):
        raise ContractError(f"{event.TOPIC} has personal fields and is not sealed")


def dump_json(value: Any) -> str:
    """Raises ``InvalidInput`` for what JSON cannot carry: lone surrogates, integers over 64 bit."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError) as error:
        raise InvalidInput("a value cannot be written as JSON") from error


def dump_time(time: datetime) -> str:
    """UTC with six decimals always, so that times sort as strings."""
    if time.tzinfo is None:
        raise ContractError("an event's time needs a zone")
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def load_event(
    topic: str,
    version_of_type: int,
    stream: str,
    version: int,
    time: Any,
    data: dict[str, Any],
    *,
    erased: bool = False,
) -> Event:
    """``data`` is taken over. ``erased``: personal fields become what their marks say, whatever it
    holds."""
    event_type = EVENT_TYPES.get(topic)
    if event_type is None:
        raise ContractError(f"unknown event type {topic!r}", type=topic)
    if version_of_type > event_type.class_version:
        raise ContractError(f"{topic} {version_of_type} is newer than this code", type=topic)
    try:
        state = data
        state["originator_id"] = stream
        state["originator_version"] = version
        state["timestamp"] = time
        for older in range(version_of_type, event_type.class_version):
            getattr(event_type, f"upcast_v{older}_v{older + 1}")(state)
        if erased:
            state.update(personal_fields(event_type))
        return event_type.model_validate(state)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ContractError(f"{topic} does not fit its type", type=topic) from error


# --- stored items ---------------------------------------------------------------------------------


def to_item(recorded: Recorded) -> Item:
    """Raises ``ContractError`` for one with personal fields that is not sealed."""
    event, context = recorded.event, recorded.context
    require_sealed(event, recorded.sealed)
    item = {
        "stream": {"S": event.originator_id},
        "version": {"N": str(event.originator_version)},
        "type": {"S": event.TOPIC},
        "time": {"S": dump_time(event.timestamp)},
        "data": {"S": dump_json(dump_checked(event))},
        "token": {"S": recorded.commit_token},
        "corr": {"S": context.correlation_id},
        "caus": {"S": context.causation_id},
        "who": {"S": context.principal},
        "gen": {"N": str(recorded.generation)},
    }
    if event.class_version > 1:
        item["tv"] = {"N": str(event.class_version)}
    if context.trace:
        item["trace"] = {"S": context.trace}
    if recorded.sealed:
        item["sealed"] = {"S": recorded.sealed}
    return item


def dump_checked(event: Event) -> dict[str, Any]:
    try:
        return dump_data(event)
    except ValueError as error:
        raise InvalidInput("a value cannot be written as JSON") from error


def from_item(
    item: Item, personal: Mapping[str, Any] | None = None, *, erased: bool = False
) -> Recorded:
    """``personal``: what the item holds sealed; a sealed item without it is undecodable here."""
    try:
        sealed = item["sealed"]["S"] if "sealed" in item else None
        _require_opened(sealed, personal)
        data = orjson.loads(item["data"]["S"])
        event = load_event(
            item["type"]["S"],
            int(item["tv"]["N"]) if "tv" in item else 1,
            item["stream"]["S"],
            int(item["version"]["N"]),
            item["time"]["S"],
            {**data, **personal} if personal else data,
            erased=erased,
        )
        generation = int(item["gen"]["N"])
        ref = item["ref"]["S"] if "ref" in item else None
        return Recorded(event, _context(item), item["token"]["S"], generation, sealed, ref)
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError("an item of the event store is not an event") from error


def _require_opened(sealed: str | None, personal: Mapping[str, Any] | None) -> None:
    if sealed is not None and personal is None:
        raise ContractError("an event with sealed personal data needs its key")


def _context(item: Item) -> Context:
    trace = item["trace"]["S"] if "trace" in item else None
    return Context(item["corr"]["S"], item["caus"]["S"], item["who"]["S"], trace)


# --- CloudEvents ----------------------------------------------------------------------------------


def to_cloud_event(recorded: Recorded) -> dict[str, Any]:
    """The public form; the commit token stays inside.

    Raises ``ContractError`` for one with personal fields that is not sealed.
    """
    event = recorded.event
    require_sealed(event, recorded.sealed)
    return _cloud_event(
        recorded.generation,
        event.originator_id,
        str(event.originator_version),
        event.TOPIC,
        event.class_version,
        dump_time(event.timestamp),
        recorded.context,
        None if recorded.ref else dump_data(event),
        recorded.sealed,
        recorded.ref,
    )


def item_to_cloud_event(item: Item) -> dict[str, Any]:
    """From a stream record's new image or a read, without building the event or fetching data."""
    return _item_to_cloud_event(item, orjson.loads)


def public_size(item: Item) -> int:
    """Bytes of the event's CloudEvent."""
    return len(orjson.dumps(_item_to_cloud_event(item, orjson.Fragment)))


def _item_to_cloud_event(item: Item, load: Any) -> dict[str, Any]:
    try:
        return _cloud_event(
            int(item["gen"]["N"]),
            item["stream"]["S"],
            item["version"]["N"],
            item["type"]["S"],
            int(item["tv"]["N"]) if "tv" in item else 1,
            item["time"]["S"],
            _context(item),
            None if "ref" in item else load(item["data"]["S"]),
            item["sealed"]["S"] if "sealed" in item else None,
            item["ref"]["S"] if "ref" in item else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError("an item of the event store is not an event") from error


def _cloud_event(
    generation: int,
    stream: str,
    version: str,
    topic: str,
    version_of_type: int,
    time: str,
    context: Context,
    data: Any,
    sealed: str | None,
    ref: str | None,
) -> dict[str, Any]:
    cloud_event: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id(generation, stream, int(version)),
        "type": topic,
        "source": f"/homecast/{topic.partition('.')[0]}",
        "subject": stream,
        "time": time,
        "datacontenttype": "application/json",
        "sequence": version,
        "typeversion": version_of_type,
        "generation": generation,
        "correlationid": context.correlation_id,
        "causationid": context.causation_id,
        "principal": context.principal,
    }
    if ref:
        cloud_event["dataref"] = ref
        sealed = None  # it is where the data are
    else:
        cloud_event["data"] = data
    if context.trace:
        cloud_event["awstraceheader"] = context.trace
    if sealed:
        cloud_event["sealed"] = sealed
    return cloud_event


def from_cloud_event(
    cloud_event: Mapping[str, Any],
    personal: Mapping[str, Any] | None = None,
    *,
    erased: bool = False,
) -> Recorded:
    """The event that was published; its ``commit_token`` is empty, for that is not public.

    ``personal``: what it carries sealed; a sealed one without it is undecodable here.
    """
    try:
        form = CloudEvent.model_validate(cloud_event)
    except ValidationError as error:
        raise ContractError("not a CloudEvent of ours") from error
    version = int(form.sequence)
    if form.id != event_id(form.generation, form.subject, version):
        raise ContractError("the id is not made of generation, subject and sequence", id=form.id)
    _require_opened(form.sealed, personal)
    event = load_event(
        form.type,
        form.typeversion,
        form.subject,
        version,
        form.time,
        {**form.data, **(personal or {})},
        erased=erased,
    )
    context = Context(form.correlationid, form.causationid, form.principal, form.awstraceheader)
    return Recorded(event, context, "", form.generation, form.sealed, form.dataref)
