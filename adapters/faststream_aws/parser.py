"""Reads received messages: delivered raw, or wrapped by SNS in its JSON envelope."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faststream.message import StreamMessage, decode_message

from .encoding import (
    BASE64,
    CONTENT_ENCODING,
    CONTENT_TYPE,
    CORRELATION_ID,
    REPLY_TO,
    TRACE_HEADER,
    decode_attribute,
)
from .message import SQSBatchMessage, SQSMessage
from .received import ReceivedMessage

TOPIC_HEADER = "sns-topic-arn"


@dataclass(frozen=True, slots=True)
class SQSParser:
    """``trace_attribute`` is the attribute surfaced as the header ``AWSTraceHeader``."""

    unwrap_sns: bool = True
    trace_attribute: str = TRACE_HEADER

    async def parse_message(self, message: ReceivedMessage) -> SQSMessage:
        text, headers = self._open(message)
        if trace := message.system.get(TRACE_HEADER):
            headers[TRACE_HEADER] = trace
        elif self.trace_attribute in headers:
            headers[TRACE_HEADER] = headers[self.trace_attribute]
        is_base64 = headers.get(CONTENT_ENCODING) == BASE64
        return SQSMessage(
            raw_message=message,
            body=base64.b64decode(text) if is_base64 else text.encode(),
            headers=headers,
            reply_to=headers.get(REPLY_TO, ""),
            content_type=headers.get(CONTENT_TYPE),
            correlation_id=headers.get(CORRELATION_ID),
            message_id=message.message_id or None,
        )

    async def decode_message(self, message: StreamMessage[Any]) -> Any:
        return decode_message(message)

    def _open(self, message: ReceivedMessage) -> tuple[str, dict[str, Any]]:
        if self.unwrap_sns and (envelope := read_envelope(message.body)):
            attributes = envelope.get("MessageAttributes") or {}
            headers = {name: _unwrap(value) for name, value in attributes.items()}
            return envelope["Message"], {**headers, TOPIC_HEADER: envelope["TopicArn"]}
        return message.body, {
            name: decode_attribute(value) for name, value in message.attributes.items()
        }


class SQSBatchParser(SQSParser):
    """The same for a batch. FastStream knows a batch decoder by the name ``decode_batch``."""

    __slots__ = ()

    async def parse_batch(self, messages: tuple[ReceivedMessage, ...]) -> SQSBatchMessage:
        parsed = [await self.parse_message(message) for message in messages]
        first = parsed[0]
        batch = SQSBatchMessage(
            raw_message=tuple(messages),
            body=[one.body for one in parsed],
            headers=first.headers,
            batch_headers=[one.headers for one in parsed],
            reply_to=first.reply_to,
            content_type=first.content_type,
            correlation_id=first.correlation_id,
            message_id=first.message_id,
        )
        batch.messages = tuple(parsed)
        return batch

    async def decode_batch(self, batch: SQSBatchMessage) -> list[Any]:
        return [decode_message(message) for message in batch.messages]


def read_envelope(body: str) -> Mapping[str, Any] | None:
    """The envelope SNS puts around a message unless the subscription delivers it raw."""
    if not body.startswith("{") or '"TopicArn"' not in body:
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return None
    is_envelope = found.get("Type") == "Notification" and {"Message", "MessageId"} <= found.keys()
    return found if is_envelope else None


def _unwrap(attribute: Mapping[str, Any]) -> Any:
    kind, value = str(attribute.get("Type", "String")), str(attribute.get("Value", ""))
    if kind.startswith("Binary"):
        return base64.b64decode(value)
    return decode_attribute({"DataType": kind, "StringValue": value})
