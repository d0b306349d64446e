"""HTTP/1.1 as AWS clients speak it: read whole, understood by operation, written whole."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import orjson

HEAD_LIMIT = 256 * 1024
PREFIXES = {
    "DynamoDB_20120810": "dynamodb",
    "DynamoDBStreams_20120810": "dynamodbstreams",
    "AmazonSQS": "sqs",
}
"""Of ``X-Amz-Target``. The signing name of both DynamoDB services is the same, so it won't do."""
HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"transfer-encoding", b"content-length"))


@dataclass
class Message:
    """A request or an answer; ``headers`` with lower-case names, hop-by-hop ones left out."""

    start: bytes
    headers: dict[bytes, bytes]
    body: bytes
    closes: bool = False

    @property
    def status(self) -> int:
        return int(self.start.split(b" ", 2)[1])

    @property
    def ok(self) -> bool:
        return self.status < 300

    def json(self) -> dict[str, Any]:
        loaded: dict[str, Any] = orjson.loads(self.body or b"{}")
        return loaded

    def with_json(self, value: Any) -> Message:
        headers = {k: v for k, v in self.headers.items() if not k.startswith(b"x-amz-crc32")}
        return Message(self.start, headers, orjson.dumps(value), self.closes)

    def encoded(self) -> bytes:
        lines = [self.start, *(name + b": " + value for name, value in self.headers.items())]
        lines += [b"content-length: %d" % len(self.body), b"", self.body]
        return b"\r\n".join(lines)


async def read_message(reader: asyncio.StreamReader) -> Message | None:
    """None at a clean end. Raises ``IncompleteReadError`` when it breaks off."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    start, *lines = head[:-4].split(b"\r\n")
    pairs = (line.split(b":", 1) for line in lines)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
    closes = headers.get(b"connection", b"").lower() == b"close"
    kept = {name: value for name, value in headers.items() if name not in HOP_BY_HOP}
    return Message(start, kept, body, closes)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        part = await reader.readexactly(size + 2)
        if size == 0:
            return b"".join(parts)
        parts.append(part[:-2])


@dataclass(frozen=True)
class Call:
    """``form``: it is spoken in the query protocol, so answers and errors are XML."""

    service: str
    operation: str
    form: bool = False


def call_of(request: Message) -> Call:
    if target := request.headers.get(b"x-amz-target"):
        prefix, _, operation = target.decode().rpartition(".")
        return Call(PREFIXES.get(prefix, _service(request)), operation)
    if b"form-urlencoded" in request.headers.get(b"content-type", b""):
        action = parse_qs(request.body.decode()).get("Action", ["?"])[0]
        return Call(_service(request), action, form=True)
    return Call(_service(request), request.start.split(b" ", 1)[0].decode())


def _service(request: Message) -> str:
    """From the credential scope: ``Credential=AKID/date/region/service/aws4_request``."""
    scope = request.headers.get(b"authorization", b"").partition(b"Credential=")[2]
    parts = scope.split(b",", 1)[0].split(b"/")
    return parts[3].decode() if len(parts) > 3 else "?"


def entries_of(call: Call, request: Message, answer: Message) -> int:
    """Messages or items that the call was about: a batch counts each of its entries."""
    if not answer.ok:
        return 0
    if call.operation == "PublishBatch":
        return request.body.count(b".DeduplicationId=") or request.body.count(b".Id=")
    if call.operation == "ReceiveMessage":
        return len(answer.json().get("Messages", ()))
    if call.operation == "GetRecords":
        return len(answer.json().get("Records", ()))
    if call.service == "sqs" and call.operation.endswith("Batch"):
        return len(request.json().get("Entries", ()))
    return 1


ERRORS = {500: "InternalServerError", 503: "ServiceUnavailable"}
XML = (
    "<ErrorResponse><Error><Type>Receiver</Type><Code>{code}</Code>"
    "<Message>planted by the test</Message></Error><RequestId>planted</RequestId></ErrorResponse>"
)


def json_answer(value: Any) -> Message:
    headers = {b"content-type": b"application/x-amz-json-1.0"}
    return Message(b"HTTP/1.1 200 OK", headers, orjson.dumps(value))


def error_answer(call: Call, status: int) -> Message:
    """As the service would say it, so that the client's own retries understand it."""
    code, start = ERRORS[status], f"HTTP/1.1 {status} Planted".encode()
    if call.form:
        return Message(start, {b"content-type": b"text/xml"}, XML.format(code=code).encode())
    body = {"__type": f"com.amazonaws.{call.service}#{code}", "message": "planted by the test"}
    return Message(start, {b"content-type": b"application/x-amz-json-1.0"}, orjson.dumps(body))
