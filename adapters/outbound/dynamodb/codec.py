"""Events as stored items, as CloudEvents and as eventsourcing's ``StoredEvent``.

A stored item holds the event's own fields as one JSON string; what all events share stands beside
it in attributes of its own, so that the relay publishes without decoding. Events are dumped and
validated by pydantic; older versions are upcast on the way in (static ``upcast_vN_vM(state)`` on
the event class, eventsourcing's convention). Whatever cannot be decoded raises ``ContractError``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args
from uuid import UUID

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Cipher, Compressor, JSONTranscoder, Mapper, StoredEvent
from eventsourcing.utils import get_topic
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.devices.device import DeviceEvent
from domain.devices.lane import LaneEvent
from domain.kernel.errors import ContractError, InvalidInput
from domain.kernel.event import Event
from domain.kernel.recorded import Context, Recorded, event_id

Item = Mapping[str, Any]
"""As DynamoDB's API spells it: ``{"stream": {"S": "lane-…"}, "version": {"N": "1"}, …}``."""

EVENT_TYPES: dict[str, type[Event]] = {
    event_type.TOPIC: event_type for event_type in (*get_args(DeviceEvent), *get_args(LaneEvent))
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
    sequence: str = Field(pattern=r"^[1-9][0-9]*$")
    time: datetime
    typeversion: int = Field(ge=1)
    generation: int = Field(ge=1)
    correlationid: str
    causationid: str
    principal: str
    awstraceheader: str | None = None
    data: dict[str, Any]


# --- parts that all forms share -------------------------------------------------------------------


def dump_data(event: Event) -> dict[str, Any]:
    """The event's own fields as JSON values."""
    return event.model_dump(mode="json", exclude=_ENVELOPE)


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
    topic: str, version_of_type: int, stream: str, version: int, time: Any, data: dict[str, Any]
) -> Event:
    event_type = EVENT_TYPES.get(topic)
    if event_type is None:
        raise ContractError(f"unknown event type {topic!r}", type=topic)
    if version_of_type > event_type.class_version:
        raise ContractError(f"{topic} {version_of_type} is newer than this code", type=topic)
    state = {
        **data,
        "originator_id": stream,
        "originator_version": version,
        "timestamp": time,
    }
    try:
        for older in range(version_of_type, event_type.class_version):
            getattr(event_type, f"upcast_v{older}_v{older + 1}")(state)
        return event_type.model_validate(state)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ContractError(f"{topic} does not fit its type", type=topic) from error


# --- stored items ---------------------------------------------------------------------------------


def to_item(recorded: Recorded) -> Item:
    event, context = recorded.event, recorded.context
    item = {
        "stream": {"S": event.originator_id},
        "version": {"N": str(event.originator_version)},
        "type": {"S": event.TOPIC},
        "time": {"S": dump_time(event.timestamp)},
        "data": {"S": dump_json(_dumped(event))},
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
    return item


def _dumped(event: Event) -> dict[str, Any]:
    try:
        return dump_data(event)
    except ValueError as error:
        raise InvalidInput("a value cannot be written as JSON") from error


def from_item(item: Item) -> Recorded:
    try:
        event = load_event(
            item["type"]["S"],
            int(item["tv"]["N"]) if "tv" in item else 1,
            item["stream"]["S"],
            int(item["version"]["N"]),
            item["time"]["S"],
            orjson.loads(item["data"]["S"]),
        )
        return Recorded(event, _context(item), item["token"]["S"], int(item["gen"]["N"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError("an item of the event store is not an event") from error


def _context(item: Item) -> Context:
    trace = item["trace"]["S"] if "trace" in item else None
    return Context(item["corr"]["S"], item["caus"]["S"], item["who"]["S"], trace)


# --- CloudEvents ----------------------------------------------------------------------------------


def to_cloud_event(recorded: Recorded) -> dict[str, Any]:
    """The public form; the commit token stays inside."""
    event = recorded.event
    return _cloud_event(
        recorded.generation,
        event.originator_id,
        str(event.originator_version),
        event.TOPIC,
        event.class_version,
        dump_time(event.timestamp),
        recorded.context,
        dump_data(event),
    )


def item_to_cloud_event(item: Item) -> dict[str, Any]:
    """From a stream record's new image or a read, without building the event."""
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
            load(item["data"]["S"]),
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
) -> dict[str, Any]:
    cloud_event = {
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
        "data": data,
    }
    if context.trace:
        cloud_event["awstraceheader"] = context.trace
    return cloud_event


def from_cloud_event(cloud_event: Mapping[str, Any]) -> Recorded:
    """The event that was published; its ``commit_token`` is empty, for that is not public."""
    try:
        form = CloudEvent.model_validate(cloud_event)
    except ValidationError as error:
        raise ContractError("not a CloudEvent of ours") from error
    version = int(form.sequence)
    if form.id != event_id(form.generation, form.subject, version):
        raise ContractError("the id is not made of generation, subject and sequence", id=form.id)
    event = load_event(
        form.type, form.typeversion, form.subject, version, form.time, dict(form.data)
    )
    context = Context(form.correlationid, form.causationid, form.principal, form.awstraceheader)
    return Recorded(event, context, "", form.generation)


# --- eventsourcing --------------------------------------------------------------------------------


class PydanticMapper(Mapper[str]):
    """eventsourcing's mapper with pydantic's validation; its state also carries the time."""

    def __init__(self, compressor: Compressor | None = None, cipher: Cipher | None = None) -> None:
        super().__init__(JSONTranscoder(), compressor, cipher)

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        event = cast("Event", domain_event)
        head: dict[str, Any] = {"timestamp": dump_time(event.timestamp)}
        if event.class_version > 1:
            head["class_version"] = event.class_version
        state = dump_json(head | _dumped(event)).encode()
        if self.compressor:
            state = self.compressor.compress(state)
        if self.cipher:
            state = self.cipher.encrypt(state)
        return StoredEvent(
            event.originator_id, event.originator_version, get_topic(type(event)), state
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
        state = stored_event.state
        if self.cipher:
            state = self.cipher.decrypt(state)
        if self.compressor:
            state = self.compressor.decompress(state)
        try:
            data = orjson.loads(state)
            version_of_type, time = int(data.pop("class_version", 1)), data.pop("timestamp")
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise ContractError("a stored event is not JSON of ours") from error
        stream, version = stored_event.originator_id, stored_event.originator_version
        if isinstance(stream, UUID):
            raise ContractError("streams are named by strings")
        event = load_event(stored_event.topic, version_of_type, stream, version, time, data)
        return cast("DomainEventProtocol[str]", event)
