"""Turns a payload and its headers into what SQS and SNS accept, or refuses it."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .destinations import Destination, SNSTopic
from .errors import InvalidAttribute, MessageTooLarge, MissingGroupId, TooManyAttributes
from .settings import Limits

TRACE_HEADER = "AWSTraceHeader"
CONTENT_TYPE = "content-type"
CONTENT_ENCODING = "content-encoding"
CORRELATION_ID = "correlation_id"
REPLY_TO = "reply_to"
BASE64 = "base64"

EMPTY_BODY = "null"
"""A body must not be empty, so nothing is sent as the JSON null."""

_NAME = re.compile(r"(?!\.)(?!.*\.\.)(?!(?i:aws\.|amazon\.))[A-Za-z0-9_.-]{1,256}(?<!\.)")
# XML 1.0 characters: SQS refuses a body with any other (SendMessage, MessageBody).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class WireMessage:
    """Ready to be sent. ``size`` is in bytes and counts as the service counts."""

    body: str
    attributes: Mapping[str, Mapping[str, Any]]
    size: int
    trace_header: str | None = None
    group_id: str | None = None
    deduplication_id: str | None = None
    delay_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Encoder:
    """``trace_attribute`` names the attribute that carries the trace header over SNS.

    SQS has a system attribute for it, which counts neither as one of ten nor in the size.
    """

    limits: Limits = field(default_factory=Limits)
    trace_attribute: str = TRACE_HEADER

    def encode(
        self,
        payload: bytes,
        headers: Mapping[str, Any],
        destination: Destination,
        *,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        delay_seconds: int | None = None,
        index: int = 0,
    ) -> WireMessage:
        """Raise ``MessageRefused`` for what the service would refuse or silently lose."""
        if destination.fifo and not group_id:
            raise MissingGroupId(f"{destination.short_name} needs a group id", index=index)
        body, encoding = encode_body(payload)
        named = {**headers, **({CONTENT_ENCODING: encoding} if encoding else {})}
        trace = named.pop(TRACE_HEADER, None)
        if trace and isinstance(destination, SNSTopic):
            named[self.trace_attribute] = trace
            trace = None
        attributes = self._attributes(named, index)
        size = len(body.encode()) + sum(map(_size, attributes, attributes.values()))
        self._check_size(size, destination, index)
        return WireMessage(
            body=body,
            attributes=attributes,
            size=size,
            trace_header=str(trace) if trace else None,
            group_id=group_id,
            deduplication_id=deduplication_id,
            delay_seconds=delay_seconds,
        )

    def _attributes(self, headers: Mapping[str, Any], index: int) -> dict[str, dict[str, Any]]:
        attributes = {
            name: encode_attribute(name, value, index=index)
            for name, value in headers.items()
            if value is not None
        }
        if len(attributes) > self.limits.attributes:
            raise TooManyAttributes(
                names=list(attributes), limit=self.limits.attributes, index=index
            )
        return attributes

    def _check_size(self, size: int, destination: Destination, index: int) -> None:
        to_topic = isinstance(destination, SNSTopic)
        limit = self.limits.topic_message if to_topic else self.limits.queue_message
        if size > limit:
            raise MessageTooLarge(size=size, limit=limit, index=index)


def encode_body(payload: bytes) -> tuple[str, str | None]:
    """The body and its content encoding: text as it is, anything else in base64."""
    if not payload:
        return EMPTY_BODY, None
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return base64.b64encode(payload).decode(), BASE64
    if _NOT_XML.search(text):
        return base64.b64encode(payload).decode(), BASE64
    return text, None


def encode_attribute(name: str, value: Any, *, index: int = 0) -> dict[str, Any]:
    """One message attribute; the type follows the value's own."""
    if not _NAME.fullmatch(name):
        raise InvalidAttribute(f"invalid attribute name {name!r}", index=index)
    if isinstance(value, bytes):
        encoded: dict[str, Any] = {"DataType": "Binary", "BinaryValue": value}
    elif isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        encoded = {"DataType": "Number", "StringValue": str(value)}
    elif isinstance(value, (list, tuple)):
        encoded = {"DataType": "String.Array", "StringValue": json.dumps(value)}
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        encoded = {"DataType": "String", "StringValue": text}
    if not value and not isinstance(value, (int, float, Decimal)):
        raise InvalidAttribute(f"attribute {name!r} is empty", index=index)
    return encoded


def decode_attribute(attribute: Mapping[str, Any]) -> Any:
    """The inverse of ``encode_attribute``; Decimal comes back as int or float."""
    kind = str(attribute.get("DataType", "String"))
    if kind.startswith("Binary"):
        return attribute.get("BinaryValue", b"")
    text = str(attribute.get("StringValue", ""))
    if kind.startswith("Number"):
        return _number(text)
    if kind == "String.Array":
        return json.loads(text)
    return text


def _number(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _size(name: str, attribute: Mapping[str, Any]) -> int:
    value = attribute.get("BinaryValue")
    text = value if value is not None else str(attribute["StringValue"]).encode()
    return len(name.encode()) + len(attribute["DataType"]) + len(text)
