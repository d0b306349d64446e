"""What the proxy has to tell apart: calls for a command's sake, and those made in any case."""

from __future__ import annotations

from collections import Counter
from urllib.parse import parse_qs

from tests.support.aws_proxy import AwsProxy, Upstream
from tests.support.aws_wire import Call, Message, call_of, entries_of

READS = ("ReceiveMessage", "GetRecords")
CLOCKWORK = ("-relay", "-read-models", "-timeouts")
"""Ends of the names of tables that are read and written by the clock."""


class CountingProxy(AwsProxy):
    """``rhythm``: calls of every (service, operation) that no command caused.

    Those are receives and reads of the stream that found nothing, the sweeper's looks at the index
    of open commands, the relay's looks for shards and the renewals of its leases.
    ``published_bytes``: of message bodies, as they were before the form encoding of the request.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.rhythm: Counter[tuple[str, str]] = Counter()
        self.published_bytes = 0

    def reset(self) -> None:
        super().reset()
        self.rhythm.clear()
        self.published_bytes = 0

    async def _pass(self, request: Message, upstream: Upstream) -> Message:
        answer = await super()._pass(request, upstream)
        call = call_of(request)
        if is_rhythm(call, request, answer):
            self.rhythm[call.service, call.operation] += 1
        if call.operation in ("Publish", "PublishBatch") and answer.ok:
            self.published_bytes += message_bytes(request)
        return answer


def is_rhythm(call: Call, request: Message, answer: Message) -> bool:
    if call.operation in READS:
        return entries_of(call, request, answer) == 0
    if call.service == "dynamodb" and call.operation in ("PutItem", "Scan", "UpdateItem", "Query"):
        asked = request.json()
        by_the_clock = str(asked.get("TableName")).endswith(CLOCKWORK)
        return by_the_clock or asked.get("IndexName") == "open"
    return call.operation in ("DescribeStream", "GetShardIterator")


def message_bytes(request: Message) -> int:
    form = parse_qs(request.body.decode())
    bodies = [
        one for name, found in form.items() if name.split(".")[-1] == "Message" for one in found
    ]
    return sum(len(body.encode()) for body in bodies)
