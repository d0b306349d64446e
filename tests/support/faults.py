"""What the proxy does to calls when faults are switched on, and how often it did."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.aws_wire import Call, Message, error_answer, json_answer

Send = Callable[[Message], Awaitable[Message]]

SQS_TARGET = b"AmazonSQS."
REMEMBERED = 100_000
DELETES = ("DeleteMessage", "DeleteMessageBatch")


@dataclass
class Faults:
    """All off by default.

    ``shuffle_streams``: records of a stream page in random order. ``deliver_twice``: a message's
    first delete is answered as done, but makes the message visible again; its second delete
    passes. ``error_share``: of the calls to answer with 500 or 503, half of them *after* the call
    was carried out. ``slow_share`` of the calls wait up to ``slowest`` seconds.
    """

    shuffle_streams: bool = False
    deliver_twice: bool = False
    error_share: float = 0.0
    slow_share: float = 0.0
    slowest: float = 0.2
    services: tuple[str, ...] = ("dynamodb", "dynamodbstreams", "sns", "sqs")
    random: random.Random = field(default_factory=lambda: random.Random(7))

    @property
    def any(self) -> bool:
        shares = self.error_share + self.slow_share
        return self.shuffle_streams or self.deliver_twice or shares > 0


class Mischief:
    """Carries them out. ``done`` counts shuffled, redelivered, errors, lost_answers and slow."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.done: Counter[str] = Counter()
        self._ids: OrderedDict[str, str] = OrderedDict()
        self._deleted_once: set[str] = set()

    async def carry_out(self, call: Call, request: Message, send: Send) -> Message:
        if call.service not in self.faults.services:
            return await send(request)
        await self._delay()
        failing = self.faults.random.random() < self.faults.error_share
        after = self.faults.random.random() < 0.5 and call.operation != "ReceiveMessage"
        if failing and not after:
            self.done["errors"] += 1
            return error_answer(call, self.faults.random.choice((500, 503)))
        answer = await self._meddled(call, request, send)
        if failing:
            self.done["lost_answers"] += 1
            return error_answer(call, 500)
        return answer

    async def _delay(self) -> None:
        if self.faults.random.random() < self.faults.slow_share:
            self.done["slow"] += 1
            await asyncio.sleep(self.faults.random.uniform(0, self.faults.slowest))

    async def _meddled(self, call: Call, request: Message, send: Send) -> Message:
        if self.faults.deliver_twice and call.service == "sqs" and call.operation in DELETES:
            return await self._delete(call, request, send)
        answer = await send(request)
        if not answer.ok:
            return answer
        if call.operation == "ReceiveMessage":
            self._remember(answer)
        if self.faults.shuffle_streams and call.operation == "GetRecords":
            return self._shuffled(answer)
        return answer

    def _shuffled(self, answer: Message) -> Message:
        page = answer.json()
        before = list(page.get("Records", ()))
        if len(before) < 2:
            return answer
        after = before.copy()
        self.faults.random.shuffle(after)
        self.done["shuffled"] += sum(one is not other for one, other in zip(before, after))  # noqa: B905
        return answer.with_json(page | {"Records": after})

    # --- every message twice ----------------------------------------------------------------------

    def _remember(self, answer: Message) -> None:
        for message in answer.json().get("Messages", ()):
            self._ids[message["ReceiptHandle"]] = message["MessageId"]
        while len(self._ids) > REMEMBERED:
            self._ids.popitem(last=False)

    def _first_delete(self, receipt: str) -> bool:
        message = self._ids.get(receipt, receipt)
        if message in self._deleted_once:
            return False
        self._deleted_once.add(message)
        return True

    async def _delete(self, call: Call, request: Message, send: Send) -> Message:
        body = request.json()
        single = call.operation == "DeleteMessage"
        entries = [{"Id": "0", **body}] if single else body["Entries"]
        firsts = [one for one in entries if self._first_delete(one["ReceiptHandle"])]
        others = [one for one in entries if one not in firsts]
        if firsts:
            shown = await self._show_again(body["QueueUrl"], firsts, request, send)
            self.done["redelivered"] += shown
        if not firsts or (others and single):
            return await send(request)
        said: dict[str, Any] = {"Successful": [{"Id": one["Id"]} for one in firsts], "Failed": []}
        if others:
            real = await send(request.with_json({**body, "Entries": others}))
            if not real.ok:
                return real
            for key, found in real.json().items():
                said[key] = [*said.get(key, ()), *found] if isinstance(found, list) else found
        return json_answer({} if single else said)

    async def _show_again(
        self, queue: str, entries: Sequence[Mapping[str, str]], request: Message, send: Send
    ) -> int:
        """The number of messages that the queue will really deliver again."""
        wanted = [
            {"Id": one["Id"], "ReceiptHandle": one["ReceiptHandle"], "VisibilityTimeout": 0}
            for one in entries
        ]
        change = request.with_json({"QueueUrl": queue, "Entries": wanted})
        change.headers[b"x-amz-target"] = SQS_TARGET + b"ChangeMessageVisibilityBatch"
        answer = await send(change)
        return len(answer.json().get("Successful", ())) if answer.ok else 0
