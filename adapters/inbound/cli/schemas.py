"""JSON Schemas of the public events, without words: only what a change could break.

A schema describes an event's fields in the CloudEvent's ``data``. Those with ``x-personal`` stand
sealed beside it (``docs/events.md``).
"""

from __future__ import annotations

from typing import Any, get_args

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
from domain.kernel.event import Event
from domain.kernel.personal import personal_fields
from domain.media.blocklist import BlocklistEvent
from domain.media.broker import BrokerEvent
from domain.media.content import ContentEvent
from domain.media.creative import CreativeEvent

Schema = dict[str, Any]
PUBLIC: tuple[type[Event], ...] = tuple(
    event_type
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
)
DIALECT = "https://json-schema.org/draft/2020-12/schema"
ENVELOPE = frozenset(("originator_id", "originator_version", "timestamp"))
WORDS = frozenset(("title", "description"))
NAMED = frozenset(("properties", "$defs"))
"""Whose keys are names, not keywords."""


def schema_of(event_type: type[Event]) -> Schema:
    written = event_type.model_json_schema(mode="serialization")
    needed = event_type.model_json_schema(mode="validation").get("required", [])
    personal = personal_fields(event_type)
    fields = {
        name: field | ({"x-personal": True} if name in personal else {})
        for name, field in written["properties"].items()
        if name not in ENVELOPE
    }
    parts = {
        "properties": fields,
        "required": sorted(set(needed) - ENVELOPE - personal.keys()),
        "$defs": written.get("$defs", {}),
    }
    wordless: Schema = without_words(parts)
    return {
        "$schema": DIALECT,
        "$id": f"{event_type.TOPIC}.v{event_type.class_version}",
        "type": "object",
        **{name: part for name, part in wordless.items() if part or name == "properties"},
    }


def without_words(part: Any, *, names: bool = False) -> Any:
    if isinstance(part, list):
        return [without_words(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        key: without_words(value, names=not names and key in NAMED)
        for key, value in part.items()
        if names or key not in WORDS
    }
